"""The portal's files: what is known of them, not what they hold."""

from functools import partial

from ..declaration import Endpoint, Increment
from ..paging import after

FILES = "files"
_search = partial(
    Endpoint,
    group=FILES,
    params={"sort": "id"},
    paging=after(100, bound="idGte"),
    read=Increment("updatedAtGte", "updated_at"),
    scopes=("files", "files.read", "files.ui_hidden.read"),
)
_TIMES = "archived_at timestamp:nonzero, created_at, updated_at"

ENDPOINTS = (
    _search(
        "files",
        numbered="/files/v3/files/search",
        dated="/files/{version}/files/search",
        key="id",
        columns="id, name, path, parent_folder_id, type, extension, encoding, size integer,"
        " width integer, height integer, url, default_hosting_url, access, file_md5,"
        f" is_usable_in_content bool, source_group, expires_at timestamp:ms, {_TIMES}",
        about="a file of the file manager, without what is in it",
    ),
    _search(
        "file_folders",
        numbered="/files/v3/folders/search",
        dated="/files/{version}/folders/search",
        key="id",
        columns=f"id, name, path, parent_folder_id, {_TIMES}",
        about="a folder of files",
    ),
)
