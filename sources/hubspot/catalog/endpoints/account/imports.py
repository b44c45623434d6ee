"""Imports of records, and the rows that they could not take."""

from ..declaration import Endpoint, Parents, Table
from ..paging import after

IMPORTS = "imports"
_IMPORTS, _IMPORTS_DATED = "/crm/v3/imports", "/crm/imports/{version}"
_ENDED = "'DONE', 'FAILED', 'CANCELED', 'REVERTED'"

ENDPOINTS = (
    Endpoint(
        "imports",
        group=IMPORTS,
        numbered=_IMPORTS,
        dated=_IMPORTS_DATED,
        paging=after(100),
        scopes=("crm.import",),
        key="id",
        columns="id, import_name, import_source, state, opt_out_import bool,"
        " mapped_object_type_ids json, metadata json, import_template json,"
        " import_request_json json, created_at, updated_at",
        about="an import of records",
        children=(
            Table(
                "import_counters",
                "import_id, name",
                "import_id = ^id, name = .key, value integer = .",
                rows="metadata.counters{}",
                about="what an import did, and to how many records",
            ),
        ),
    ),
    Endpoint(
        "import_errors",
        group=IMPORTS,
        numbered=f"{_IMPORTS}/{{import_id}}/errors",
        dated=f"{_IMPORTS_DATED}/{{import_id}}/errors",
        params={"includeErrorMessage": "true"},
        paging=after(100),
        per=Parents(
            "imports", {"import_id": "id"}, changed="updated_at", where=f"state IN ({_ENDED})"
        ),
        scopes=("crm.import",),
        key="import_id, id",
        columns="import_id = @import_id, id, created_at timestamp:ms, error_type, error_message,"
        " invalid_value, known_column_number integer, object_type, object_type_id,"
        " extra_context, file_id = sourceData.fileId,"
        " line_number integer = sourceData.lineNumber, page_name = sourceData.pageName,"
        " contains_encrypted_properties bool = sourceData.containsEncryptedProperties",
        about="a row that an import could not take",
    ),
)
