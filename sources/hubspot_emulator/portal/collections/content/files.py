"""Files and their folders; those hidden or archived never appear."""

from ..asking import Ask
from ..endpoint import Endpoint, after, one_of
from ..kind import Keep, Kind, Row
from ..seeding import Seeds

FILES = "/files/(v3|~)"
SCOPES = "files files.read files.ui_hidden.read"
ACCESS = ("PUBLIC_INDEXABLE", "PUBLIC_NOT_INDEXABLE", "PRIVATE", "HIDDEN_PRIVATE")
TYPES = (("IMG", "png"), ("DOCUMENT", "pdf"), ("MOVIE", "mp4"))
_BOUNDS = " ".join(
    f"{name}={name}@iso {name}Gte>={name}@iso {name}Lte<={name}@iso"
    for name in ("createdAt", "updatedAt")
)
_NUMBERS = " ".join(
    f"{name}={name}@int {name}Gte>={name}@int {name}Lte<={name}@int"
    for name in ("size", "height", "width")
)
_COMMON = (
    f"ids=id idGte>=id@int idLte<=id@int {_BOUNDS} name~name path=path "
    "parentFolderIds=parentFolderId"
)


def _file(seeds: Seeds, number: int) -> Row:
    kind, extension = TYPES[number % len(TYPES)]
    made: Row = {
        "id": str(8_001 + number),
        "name": f"file{number}",
        "path": f"/img/file{number}.{extension}",
        "parentFolderId": str(20 + number % 2),
        "type": kind,
        "extension": extension,
        "encoding": extension,
        "size": 1_200 + number,
        "url": f"https://files.example.com/hubfs/file{number}.{extension}",
        "defaultHostingUrl": f"https://1234567.fs1.example.com/file{number}.{extension}",
        "access": ACCESS[number % len(ACCESS)],
        "fileMd5": f"{number:032x}",
        "isUsableInContent": True,
        "allowsAnonymousAccess": number % 2 == 0,
        "sourceGroup": "CONTENT",
        "archived": False,
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }
    if kind == "IMG":
        made |= {"width": 64, "height": 64}
    if kind == "DOCUMENT":
        made["expiresAt"] = seeds.made_ms(number + 400)
    return made


def _folder(seeds: Seeds, number: int) -> Row:
    made: Row = {
        "id": str(20 + number),
        "name": f"folder{number}",
        "path": f"/folder{number}",
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
        "archived": False,
    }
    return {**made, "parentFolderId": "20"} if number else made


def _open(ask: Ask) -> Keep | None:
    """Keep hidden files away from tokens that lack their scope."""
    if ask.scopes is None or "files.ui_hidden.read" in ask.scopes:
        return None
    return lambda row: not str(row.get("access", "")).startswith("HIDDEN")


KINDS = (
    Kind("files", _file, 7, touched="updatedAt", archived_at="archivedAt", required="id access"),
    Kind("file_folders", _folder, 3, touched="updatedAt", archived_at="archivedAt",
         required="id"),
)  # fmt: skip

ENDPOINTS = (
    Endpoint(
        collection="files", name="search", paths=f"{FILES}/files/search", scopes=SCOPES,
        paging=after(10, 100, ceiling=10_000), query="before properties", order="id",
        live=True, keep=_open,
        sorts="id name createdAt updatedAt size",
        filters=f"{_COMMON} {_NUMBERS} type=type extension=extension encoding=encoding url=url "
                "fileMd5=fileMd5 isUsableInContent=isUsableInContent@bool "
                "allowsAnonymousAccess=allowsAnonymousAccess@bool "
                "expiresAt=expiresAt@ms expiresAtGte>=expiresAt@ms expiresAtLte<=expiresAt@ms",
    ),
    one_of(Endpoint(collection="files", paths=f"{FILES}/files", scopes=SCOPES), query="properties"),
    Endpoint(
        collection="file_folders", name="search", paths=f"{FILES}/folders/search", scopes=SCOPES,
        paging=after(10, 100, ceiling=10_000), query="before properties", order="id",
        live=True, keep=_open,
        sorts="id name createdAt updatedAt", filters=_COMMON,
    ),
    one_of(Endpoint(collection="file_folders", paths=f"{FILES}/folders", scopes=SCOPES),
           query="properties"),
)  # fmt: skip
