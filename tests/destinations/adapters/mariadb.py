"""MariaDB: the server that is installed, or Debian's, unpacked without root. Or an account's MySQL.

    uv run --isolated --with 'dlt[sqlalchemy]' --with pymysql pytest tests/destinations --on mariadb

A server of yours takes its place where DESTINATION__SQLALCHEMY__CREDENTIALS names it.
"""

import getpass
import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import DictCursor
from sqlalchemy.engine import make_url

from . import Adapter
from .processes import account, begin, end, free_port, outside

SETTING = "DESTINATION__SQLALCHEMY__CREDENTIALS"
PASSWORD = "right-p4ssword"  # noqa: S105 - of a server that lives as long as the tests
_PACKAGES = ("mariadb-server", "mariadb-server-core", "liburing2", "libaio1")
_FIRST = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"
_TABLES = ("mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data")
_ROLES = (
    f"CREATE USER loader IDENTIFIED BY '{PASSWORD}'",
    "GRANT ALL ON *.* TO loader",
    f"CREATE USER reader IDENTIFIED BY '{PASSWORD}'",
    "GRANT SELECT, SHOW DATABASES ON *.* TO reader",
    "DELETE FROM mysql.global_priv WHERE User = ''",
    "FLUSH PRIVILEGES",
)
_NO_TABLE, _NO_DATABASE = 1146, 1049


class MariaDB(Adapter):
    """A server of the tests' own, or an account's."""

    destination = "sqlalchemy"
    serves = True
    longest_name = 64
    most_columns = 1_017

    def start(self, folder: Path) -> None:
        """Start the server, or take the account's."""
        self._given = account(SETTING).get(SETTING)
        if self._given:
            self.serves = False
            return
        self.roles = {"wrong": 2, "missing": 2, "reader": 2, "nowhere": 6}
        self.secret = PASSWORD
        data, socket = folder / "data", folder / "socket"
        made = data.exists()
        data.mkdir(exist_ok=True)
        self._port = self._port if made else free_port()
        program, libraries = _server()
        share = program.parent.parent / "share" / "mysql"
        command = [
            program,
            "--no-defaults",
            f"--datadir={data}",
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share / 'charsets'}",
            f"--user={getpass.getuser()}",
            "--innodb-log-file-size=32M",
            "--innodb-flush-log-at-trx-commit=2",  # the machine does not fail, the server may
        ]
        if not made:
            tables = [(share / f"{name}.sql").read_text() for name in _TABLES]
            _bootstrap([*command, "--bootstrap"], "".join([_FIRST, *tables]), libraries)
        serving = [
            "--character-set-server=utf8mb4",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            f"--port={self._port}",
            f"--socket={socket}",
        ]
        log = folder / "log"
        self._process = begin([*command, *serving], self._port, log, **libraries)
        if not made:
            with closing(pymysql.connect(unix_socket=str(socket), user="root")) as database:
                for statement in _ROLES:
                    database.cursor().execute(statement)
                database.commit()

    def credentials(self, role: str = "") -> Mapping[str, str]:
        """Return the address with the login that may all, or another one."""
        if self._given:
            return {SETTING: self._given}
        user = "reader" if role == "reader" else "loader"
        password = f"not-{PASSWORD}" if role == "wrong" else PASSWORD
        port = 1 if role == "nowhere" else self._port
        database = "not_there" if role == "missing" else "mysql"
        return {SETTING: f"mysql+pymysql://{user}:{password}@127.0.0.1:{port}/{database}"}

    def read(self, dataset: str, table: str) -> list[dict[str, Any]]:
        """Read a table of a database."""
        url = make_url(self.credentials()[SETTING])
        with (
            closing(
                pymysql.connect(
                    host=url.host,
                    port=url.port or 3306,
                    user=url.username,
                    password=url.password or "",
                    charset="utf8mb4",
                    cursorclass=DictCursor,
                )
            ) as database,
            database.cursor() as cursor,
        ):
            try:
                cursor.execute(f"SELECT * FROM `{dataset}`.`{table}`")
            except pymysql.MySQLError as error:
                if error.args[0] in {_NO_TABLE, _NO_DATABASE}:
                    return []
                raise
            return [*cursor.fetchall()]

    def stop(self) -> None:
        """End the server, and whatever is connected."""
        if not self._given:
            end(self._process)


def _server() -> tuple[Path, Mapping[str, str]]:
    """Return the program and its environment; unpack Debian's packages where there is none."""
    if installed := shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin"):
        return Path(installed).resolve(), {}
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    root = cache / "hubspot-elt" / "mariadb"
    program = root / "usr" / "sbin" / "mariadbd"
    if not program.exists():
        root.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", *_PACKAGES], cwd=root, env=outside(), check=True)
        for package in root.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, root], check=True)
            package.unlink()
    libraries = [*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu")]
    return program, {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}


def _bootstrap(command: list[Any], sql: str, environment: Mapping[str, str]) -> None:
    """Let a server run statements into an empty folder, and end."""
    made = subprocess.run(
        command,
        input=sql,
        env={**os.environ, **environment},
        text=True,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        raise RuntimeError(f"MariaDB made no data folder: {made.stderr[-2_000:]}")
