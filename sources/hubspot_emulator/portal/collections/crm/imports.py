"""The history of imports, and the rows that they could not take."""

from ..asking import Ask
from ..endpoint import Endpoint, after, one_of
from ..kind import Kind, Row
from ..seeding import Seeds

IMPORTS = "/crm/(v3/imports|imports/~)"
STATES = ("DONE", "DONE", "FAILED", "CANCELED", "REVERTED")


def _import(seeds: Seeds, number: int) -> Row:
    return {
        "id": str(41 + number),
        "importName": f"Import {number}",
        "importSource": ("API", "CRM_UI", "IMPORT")[number % 3],
        "state": STATES[number % len(STATES)],
        "optOutImport": False,
        "mappedObjectTypeIds": ["0-1"],
        "metadata": {
            "counters": {"TOTAL_ROWS": 10 + number, "CREATED_OBJECTS": 8, "ERRORS": 2},
            "fileIds": ["8002"],
            "objectLists": [{"listId": "18", "objectType": "CONTACT"}],
        },
        "importTemplate": {"templateId": 1, "templateType": "user_file"},
        "importRequestJson": {"name": f"Import {number}"},
        "createdAt": seeds.made(number),
        "updatedAt": seeds.changed(number),
    }


def _error(seeds: Seeds, number: int) -> Row:
    return {
        "_parent": str(41 + number % max(1, seeds.size("imports", 5))),
        "id": str(9 + number),
        "createdAt": seeds.made_ms(number),
        "errorType": ("COULD_NOT_PARSE_NUMBER", "INVALID_EMAIL")[number % 2],
        "_errorMessage": "abc is not a number",
        "invalidValue": "abc",
        "knownColumnNumber": 3,
        "objectType": "CONTACT",
        "objectTypeId": "0-1",
        "extraContext": "",
        "sourceData": {"fileId": 8_002, "lineNumber": 4 + number, "pageName": None,
                       "containsEncryptedProperties": False, "rowData": [],
                       "additionalRowData": []},
        "_rowData": ["a@example.com", "abc"],
    }  # fmt: skip


def _with_message(ask: Ask, row: Row) -> Row:
    made = dict(row)
    if ask.flag("includeErrorMessage") and "_errorMessage" in row:
        made["errorMessage"] = row["_errorMessage"]
    if ask.flag("includeRowData") and "_rowData" in row:
        made["sourceData"] = {**row.get("sourceData", {}), "rowData": row["_rowData"]}
    return made


KINDS = (
    Kind("imports", _import, 5, touched="updatedAt", required="id state metadata"),
    Kind("import_errors", _error, 8, key="_parent id", parent="imports",
         required="id createdAt errorType sourceData"),
)  # fmt: skip
_IMPORTS = Endpoint(collection="imports", paths=IMPORTS, paging=after(), query="before",
                    scopes="crm.import")  # fmt: skip
ENDPOINTS = (
    _IMPORTS,
    one_of(_IMPORTS),
    Endpoint(collection="import_errors", paths=IMPORTS + "/{parent}/errors", paging=after(),
             query="includeErrorMessage includeRowData", scopes="crm.import",
             shape=_with_message),
)  # fmt: skip
