"""What the errors of drivers mean, by their codes, as data: which pass, and which fail again."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sources.hubspot.errors import (
    BusyError,
    ConfigError,
    HubSpotError,
    MissingRightError,
    WarehouseError,
)


class Meaning(NamedTuple):
    """What an error is to the user: `{setting}` stands for the setting of the credentials."""

    kind: type[HubSpotError]
    message: str
    remedy: str


LOGIN = Meaning(
    ConfigError, "The destination refuses the login", "Correct user, password and key in {setting}."
)
RIGHT = Meaning(
    MissingRightError,
    "The database refuses to write",
    "Give the user of {setting} the right.",
)
UNKNOWN = Meaning(
    ConfigError,
    "The destination lacks what the settings name",
    "Correct database, schema, role and warehouse in {setting}, or create them.",
)
REFUSED = Meaning(
    ConfigError,
    "The destination does not take a statement of a sync",
    "Take a newer version of it, or another --destination.",
)
READ_ONLY = Meaning(
    ConfigError, "The database is read-only", "Point {setting} at the primary server."
)
WIDE = Meaning(
    ConfigError,
    "An object type has more properties than the database has columns",
    "Choose another --destination, or leave the type out with --objects.",
)
CHARSET = Meaning(
    ConfigError,
    "The database has a character set that lacks characters of HubSpot's",
    "Give the server utf8mb4 (--character-set-server=utf8mb4), and the dataset a new --dataset.",
)
FULL = Meaning(WarehouseError, "The server's disk is full", "Free some space and run again.")
AWAY = Meaning(
    WarehouseError,
    "The destination cannot be reached",
    "Check that it runs, and host and port in {setting}.",
)
LIMIT = Meaning(
    WarehouseError,
    "The destination has reached a limit",
    "Run again later, or raise the limit.",
)
BUSY = Meaning(BusyError, "Another program has locked a table", "Run again when it is done.")

_PG = {
    "InsufficientPrivilege": RIGHT,
    "ReadOnlySqlTransaction": READ_ONLY,
    "RaiseException": Meaning(
        ConfigError,
        "A trigger that the connector did not create refuses rows",
        "Drop the trigger, and run again.",
    ),
    "TooManyColumns": WIDE,
    "DiskFull": FULL,
    "TooManyConnections": Meaning(
        WarehouseError,
        "PostgreSQL has no connection left",
        "Run again later, or raise max_connections.",
    ),
    "AdminShutdown": Meaning(WarehouseError, "PostgreSQL was shut down", "Start it and run again."),
    "DependentObjectsStillExist": Meaning(
        ConfigError,
        "A table cannot be made again while a view depends on it",
        "Drop the view, run again, and create the view once more.",
    ),
    "InvalidSchemaName": UNKNOWN,
    "InvalidCatalogName": UNKNOWN,
    "FeatureNotSupported": REFUSED,
    "SyntaxError": REFUSED,
    "UndefinedFunction": REFUSED,
    "LockNotAvailable": BUSY,
    "DeadlockDetected": BUSY,
    "QueryCanceled": LIMIT,
    "OutOfMemory": LIMIT,
    "ConnectionFailure": AWAY,
    "CannotConnectNow": AWAY,
}
"""By psycopg2's class of the error, which stands for PostgreSQL's own code."""

_MYSQL = {
    **dict.fromkeys((1044, 1142, 1143, 1227, 1370, 1410), RIGHT),
    **dict.fromkeys((1045, 1130, 1251, 1698), LOGIN),
    **dict.fromkeys((1049,), UNKNOWN),
    **dict.fromkeys((1064, 1235, 1305), REFUSED),
    **dict.fromkeys((1290, 1792, 1836), READ_ONLY),
    **dict.fromkeys(
        (1005, 1117, 1118), WIDE
    ),  # 1005: InnoDB refuses a table of ours for that alone
    **dict.fromkeys((1366, 1267), CHARSET),
    **dict.fromkeys((3, 1021, 1026, 1114), FULL),
    **dict.fromkeys((1053, 1077, 2002, 2003, 2005, 2006, 2013, 2055), AWAY),
    **dict.fromkeys((1040, 1041, 1203, 1226, 1969, 3024), LIMIT),
    **dict.fromkeys((1205, 1213), BUSY),
}
"""By the number of the error; of the server below 2000 and from 3000 on, of the client between."""

_SNOWFLAKE = {
    **dict.fromkeys((390100, 390102, 390103, 390104, 390114, 390144, 390422), LOGIN),
    **dict.fromkeys((250001, 251005, 251006, 251012), LOGIN),
    **dict.fromkeys((3001, 3003, 3041), RIGHT),
    **dict.fromkeys((606, 2003, 2043, 90105, 90106, 90073, 390186, 390189, 390201), UNKNOWN),
    **dict.fromkeys((1003, 2140, 2141), REFUSED),
    **dict.fromkeys((250003, 250005, 253006, 290404, 290503, 290504), AWAY),
    **dict.fromkeys((604, 630, 90079, 609, 290429), LIMIT),
    **dict.fromkeys((625, 626), BUSY),
}

_GOOGLE = {
    "Unauthorized": LOGIN,
    "DefaultCredentialsError": LOGIN,
    "RefreshError": LOGIN,
    "rateLimitExceeded": LIMIT,
    "quotaExceeded": LIMIT,
    "Forbidden": RIGHT,
    "PermissionDenied": RIGHT,
    "NotFound": UNKNOWN,
    "BadRequest": REFUSED,
    "TooManyRequests": LIMIT,
    "ResourceExhausted": LIMIT,
    **dict.fromkeys(("ServiceUnavailable", "InternalServerError", "BadGateway"), AWAY),
    **dict.fromkeys(("GatewayTimeout", "DeadlineExceeded", "RetryError", "TransportError"), AWAY),
}
"""By reason of the answer, else by class of the error."""

_SQLSTATES = {
    "28": LOGIN,
    "42501": RIGHT,
    "3D": UNKNOWN,
    "3F": UNKNOWN,
    "42704": UNKNOWN,
    "0A": REFUSED,
    "42601": REFUSED,
    "25006": READ_ONLY,
    "08": AWAY,
    "HYT": AWAY,
    "53": LIMIT,
    "54": LIMIT,
    "40": BUSY,
}
"""By the first characters of the standard's code; the longest that fits counts."""

_MSSQL = {"18456": LOGIN, "4060": UNKNOWN, "229": RIGHT, "262": RIGHT, "2760": UNKNOWN}
_MSSQL |= {"1205": BUSY, "1222": BUSY, "1105": FULL, "9002": FULL, "1702": WIDE}
_CLICKHOUSE = {516: LOGIN, 192: LOGIN, 497: RIGHT, 81: UNKNOWN, 62: REFUSED, 48: REFUSED}
_CLICKHOUSE |= {209: AWAY, 210: AWAY, 159: AWAY, 241: LIMIT, 202: LIMIT, 243: FULL, 164: READ_ONLY}
_AWS = {
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"), LOGIN),
    **dict.fromkeys(("NoCredentialsError", "PartialCredentialsError"), LOGIN),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "403"), RIGHT),
    **dict.fromkeys(("NoSuchBucket", "404", "PermanentRedirect"), UNKNOWN),
    **dict.fromkeys(("SlowDown", "TooManyRequests"), LIMIT),
    **dict.fromkeys(("RequestTimeout", "InternalError", "ServiceUnavailable", "503"), AWAY),
    **dict.fromkeys(("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError"), AWAY),
}


def _name(error: Any) -> Iterator[Any]:  # noqa: ANN401 - of any driver
    yield type(error).__name__


def _first_argument(error: Any) -> Iterator[Any]:  # noqa: ANN401
    yield next(iter(error.args), None)


def _number(error: Any) -> Iterator[Any]:  # noqa: ANN401
    yield getattr(error, "errno", None)


def _reason(error: Any) -> Iterator[Any]:  # noqa: ANN401
    yield from (one.get("reason") for one in getattr(error, "errors", ()) if isinstance(one, dict))
    yield type(error).__name__


def _state(error: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield the standard's code, the longest part of it first."""
    given = getattr(error, "sqlstate", None) or next(iter(error.args), "")
    found = re.search(r"SQLSTATE:? ?(\w{5})", str(error))
    code = found[1] if found else str(given)
    yield from (code[:size] for size in (5, 3, 2))


def _native(error: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield SQL Server's own numbers in a message of ODBC's."""
    yield from re.findall(r"\((\d+)\)", str(error))


def _code(error: Any) -> Iterator[Any]:  # noqa: ANN401
    yield getattr(error, "code", None)


def _answer(error: Any) -> Iterator[Any]:  # noqa: ANN401
    yield getattr(error, "response", {}).get("Error", {}).get("Code")
    yield type(error).__name__


Codes = Callable[[Any], Iterator[Any]]
DRIVERS: Mapping[str, tuple[tuple[Codes, Mapping[Any, Meaning]], ...]] = {
    "psycopg2": ((_name, _PG),),
    "psycopg": ((_name, _PG),),
    "pymysql": ((_first_argument, _MYSQL),),
    "MySQLdb": ((_first_argument, _MYSQL),),
    "mysql": ((_number, _MYSQL),),
    "snowflake": ((_number, _SNOWFLAKE), (_state, _SQLSTATES)),
    "google": ((_reason, _GOOGLE),),
    "databricks": ((_state, _SQLSTATES),),
    "pyodbc": ((_native, _MSSQL), (_state, _SQLSTATES)),
    "clickhouse_driver": ((_code, _CLICKHOUSE),),
    "clickhouse_connect": ((_code, _CLICKHOUSE),),
    "botocore": ((_answer, _AWS),),
}
"""By package of the driver: how the codes of an error are found, and what each means."""


def meaning_of(error: BaseException) -> Meaning | None:
    """Return what an error of a driver means; None where its code says nothing."""
    driver = type(error).__module__.partition(".")[0].lstrip("_")
    for codes, meanings in DRIVERS.get(driver, ()):
        for code in codes(error):
            if code in meanings:
                return meanings[code]
    return None
