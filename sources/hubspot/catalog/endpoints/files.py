"""Files and folders of the file manager; their content is not read."""

from datetime import timedelta

from .declaration import HOUR, Endpoint, Increment, Table, after

GROUP = "files"
SCOPES = ("files", "files.read", "files.ui_hidden.read")
ENDPOINTS = (
    Endpoint(
        "files",
        group=GROUP,
        numbered="/files/v3/files/search",
        dated="/files/{version}/files/search",
        params={"sort": "id"},
        paging=after(100, bound="idGte"),
        read=Increment("updatedAtGte", "updated_at", lookback=timedelta(minutes=10)),
        due=HOUR,
        scopes=SCOPES,
        tables=(
            Table(
                "files",
                "id",
                "id, name, path, parent_folder_id, type, extension, encoding, size integer,"
                " width integer, height integer, url, default_hosting_url, access, file_md5,"
                " is_usable_in_content bool, source_group, expires_at timestamp:ms,"
                " archived bool, archived_at timestamp:nonzero, created_at timestamp,"
                " updated_at timestamp",
            ),
        ),
    ),
)
