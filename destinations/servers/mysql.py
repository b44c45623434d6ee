"""MySQL and MariaDB: texts of any length, with any character, that differ where a letter does."""

from functools import cache
from typing import Any

CHARACTERS = {"charset": "utf8mb4", "collation": "utf8mb4_bin"}
"""Of every text. A server's own may know no emoji, and take `a` and `Á` for the same id."""


@cache
def keep_texts() -> None:
    """Have dlt make columns that hold what HubSpot sends; its own end after 64 KiB.

    That is less than the schema of all tables takes, which dlt keeps in a column as well.

    Raises:
        ModuleNotFoundError: SQLAlchemy is not installed.
    """
    from dlt.destinations.impl.sqlalchemy.dialect import (  # noqa: PLC0415 - an extra's
        MysqlDialectCapabilities,
        register_dialect_capabilities,
    )
    from dlt.destinations.impl.sqlalchemy.type_mapper import MysqlVariantTypeMapper  # noqa: PLC0415
    from sqlalchemy.dialects.mysql import (  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415
        LONGTEXT,
        VARCHAR,
    )

    class Types(MysqlVariantTypeMapper):
        """The columns of dlt, but for texts."""

        def db_type_from_text_type(self, column: Any, table: Any) -> Any:  # noqa: ANN401 - dlt's
            """Return the type of a text, which is short where dlt says how long it may be."""
            length = super().db_type_from_text_type(column, table).length
            return VARCHAR(length, **CHARACTERS) if length else LONGTEXT(**CHARACTERS)

    class Capabilities(MysqlDialectCapabilities):
        """What dlt knows of the dialect, with the types above."""

        def type_mapper_class(self) -> type[Types]:
            """Return the types above."""
            return Types

    for name in ("mysql", "mariadb"):
        register_dialect_capabilities(name, Capabilities)
