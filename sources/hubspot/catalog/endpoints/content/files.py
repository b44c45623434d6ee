"""The portal's files: what is known of them, not what they hold."""

from ..declaration import Endpoint, Increment, Table, after

FILES = "files"
_SCOPES = ("files", "files.read", "files.ui_hidden.read")
_PAGES = after(100, bound="idGte")
_CHANGED = Increment("updatedAtGte", "updated_at")
_TIMES = "archived_at timestamp:nonzero, created_at timestamp, updated_at timestamp"

ENDPOINTS = (
    Endpoint(
        "files",
        group=FILES,
        numbered="/files/v3/files/search",
        dated="/files/{version}/files/search",
        params={"sort": "id"},
        paging=_PAGES,
        read=_CHANGED,
        scopes=_SCOPES,
        tables=(
            Table(
                "files",
                "id",
                "id, name, path, parent_folder_id, type, extension, encoding, size integer,"
                " width integer, height integer, url, default_hosting_url, access, file_md5,"
                f" is_usable_in_content bool, source_group, expires_at timestamp:ms, {_TIMES}",
                about="a file of the file manager, without what is in it",
            ),
        ),
    ),
    Endpoint(
        "file_folders",
        group=FILES,
        numbered="/files/v3/folders/search",
        dated="/files/{version}/folders/search",
        params={"sort": "id"},
        paging=_PAGES,
        read=_CHANGED,
        scopes=_SCOPES,
        tables=(
            Table(
                "file_folders",
                "id",
                f"id, name, path, parent_folder_id, {_TIMES}",
                about="a folder of files",
            ),
        ),
    ),
)
