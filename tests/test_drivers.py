"""Errors of drivers that are not installed here, by their codes: what passes, and what does not."""

from collections.abc import Mapping
from typing import Any

import pytest

from destinations.failures import to_error
from sources.hubspot.errors import MissingRightError


def raised(module: str, name: str = "Error", *args: object, **fields: Any) -> Exception:
    """Make an error as a driver's module would."""
    error: Exception = type(name, (Exception,), {"__module__": module})(*args)
    for field, value in fields.items():
        setattr(error, field, value)
    return error


def answer(code: str) -> Mapping[str, Any]:
    """Make an answer of S3's."""
    return {"response": {"Error": {"Code": code}}}


OVER = {"reason": "quotaExceeded"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (raised("pymysql.err", "OperationalError", 1045, "Access denied for user"), 2),
        (raised("pymysql.err", "OperationalError", 1049, "Unknown database"), 2),
        (raised("pymysql.err", "OperationalError", 1142, "INSERT command denied"), 2),
        (raised("pymysql.err", "OperationalError", 2003, "Can't connect to MySQL server"), 6),
        (raised("pymysql.err", "OperationalError", 1205, "Lock wait timeout exceeded"), 6),
        (raised("snowflake.connector.errors", errno=3001), 2),
        (raised("snowflake.connector.errors", errno=390100), 2),
        (raised("snowflake.connector.errors", errno=250003), 6),
        (raised("snowflake.connector.errors", errno=-1, sqlstate="08001"), 6),
        (raised("google.api_core.exceptions", "Forbidden"), 2),
        (
            raised("google.api_core.exceptions", "Forbidden", errors=[OVER]),
            6,
        ),
        (raised("google.api_core.exceptions", "ServiceUnavailable"), 6),
        (raised("databricks.sql.exc", "ServerOperationError", "no right. SQLSTATE: 42501"), 2),
        (raised("pyodbc", "InterfaceError", "28000", "Login failed for user 'x'. (18456)"), 2),
        (raised("pyodbc", "OperationalError", "08001", "TCP Provider: timeout"), 6),
        (raised("botocore.exceptions", "ClientError", **answer("AccessDenied")), 2),
        (raised("botocore.exceptions", "ClientError", **answer("SlowDown")), 6),
        (raised("clickhouse_driver.errors", "ServerException", code=516), 2),
    ],
)
def test_permanent_faults_are_told_from_passing_ones(error: Exception, code: int) -> None:
    """What a setting or a right has to mend ends with 2; what may pass by itself with 6."""
    meant = to_error(error, "mysql")
    assert meant is not None
    assert meant.exit_code == code
    assert meant.remedy


def test_a_missing_right_is_known_as_one() -> None:
    """So that the statement which grants it can be named."""
    error = raised("google.api_core.exceptions", "Forbidden")
    assert isinstance(to_error(error, "bigquery"), MissingRightError)
