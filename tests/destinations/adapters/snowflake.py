"""Snowflake: an account's where credentials are in the environment, else fakesnow's imitation.

    uv run --isolated --with 'dlt[snowflake]' --with 'snowflake-connector-python<5' \
        pytest tests/destinations --on snowflake

fakesnow runs in an environment of its own. With DESTINATION__SNOWFLAKE__CREDENTIALS, or parts of
them, the same command runs on that account.
"""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dlt
import snowflake.connector
from dlt.destinations.impl.snowflake.configuration import SnowflakeCredentials
from snowflake.connector.errors import ProgrammingError

from . import Adapter
from .processes import account, begin_emulator, end, free_port

SETTING = "DESTINATION__SNOWFLAKE__CREDENTIALS"
DATABASE = "SUITE"
_NOT_THERE = 2003


class Snowflake(Adapter):
    """An account, or an imitation that knows no passwords, roles and transactions."""

    destination = "snowflake"

    def start(self, folder: Path) -> None:
        """Start the imitation, with an empty database, unless there is an account."""
        self._given = account("DESTINATION__SNOWFLAKE__")
        if self._given:
            return
        port = free_port()
        self._process = begin_emulator(
            ["fakesnow[server]==0.12.1", "snowflake-connector-python<5"],
            "fakesnow_server.py",
            port,
            folder / "log",
        )
        self._uri = (
            f"snowflake://loader:any@fakesnow/{DATABASE}"
            f"?host=127.0.0.1&port={port}&protocol=http&warehouse=any"
        )
        with closing(
            snowflake.connector.connect(
                user="loader",
                password="any",  # noqa: S106 - it takes each
                account="fakesnow",
                host="127.0.0.1",
                port=port,
                protocol="http",
            )
        ) as connection:
            connection.cursor().execute(f"CREATE DATABASE {DATABASE}")

    def credentials(self, role: str = "") -> Mapping[str, str]:  # noqa: ARG002 - it has none
        """Return the account's settings, or the address of the imitation."""
        return self._given or {SETTING: self._uri}

    def read(self, dataset: str, table: str) -> list[dict[str, Any]]:
        """Read a table by Snowflake's driver."""
        known = dlt.secrets.get("destination.snowflake.credentials", SnowflakeCredentials)
        with closing(snowflake.connector.connect(**known.to_connector_params())) as connection:
            cursor = connection.cursor()
            try:
                cursor.execute(f'SELECT * FROM "{dataset.upper()}"."{table.upper()}"')
            except ProgrammingError as error:
                if error.errno == _NOT_THERE:
                    return []
                raise
            names = [column.name.lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def stop(self) -> None:
        """End the imitation."""
        if not self._given:
            end(self._process)
