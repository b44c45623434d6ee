"""What a destination's exception means: an error of ours that names the setting and the remedy."""

import errno
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    ConfigValueCannotBeCoercedException,
)
from dlt.common.destination.exceptions import (
    DestinationException,
    DestinationLoadingViaStagingNotSupported,
    DestinationNoStagingMode,
    UnknownDestinationModule,
)
from dlt.common.exceptions import MissingDependencyException
from dlt.common.normalizers.naming.exceptions import InvalidNamingType, UnknownNamingModule
from dlt.common.schema.exceptions import TableIdentifiersFrozen
from dlt.destinations.exceptions import DatabaseTerminalException, DatabaseUndefinedRelation
from dlt.destinations.impl.duckdb.exceptions import InvalidInMemoryDuckdbCredentials

from sources.hubspot.errors import (
    BusyError,
    ConfigError,
    HubSpotError,
    WarehouseError,
)

from .catalog import KNOWN, NAMES, install_hint
from .drivers import WIDE, meaning_of

_SECRETS = (
    (re.compile(r"(\w+://)[^\s/@]*(?::[^\s@]*)?@"), r"\1***@"),
    (re.compile(r"(?i)(password|pwd|token|secret|api_key)(\s*[=:]\s*)\S+"), r"\1\2***"),
    (re.compile(r"(?i)\bbearer\s+\S+"), "Bearer ***"),
    (re.compile(r"\bpat-\w+-[\w-]+"), "***"),
)
_LONGEST_MESSAGE = 300
_LONGEST_COMMAND = 80
NAMING = "SCHEMA__NAMING ([schema] naming in .dlt/config.toml)"
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} | {
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)
}
_WRONG_LOGIN = ("authentication failed", "no password supplied", "no pg_hba.conf entry", "role ")


_ANOTHER_FILE = "Set {setting} to another file, or remove this one."
Rows = tuple[tuple[str, type[HubSpotError], str, str], ...]
"""Part of an error's text, what it is to the user, and the remedy."""
_DUCKDB: Rows = (
    (
        "Could not set lock|Conflicting lock|already open",
        BusyError,
        "{holder} has the DuckDB file open.",
        "Close that program, or run again later; commands that write can --wait SECONDS.",
    ),
    (
        "not a valid DuckDB database",
        ConfigError,
        "{file} is not a DuckDB database.",
        _ANOTHER_FILE,
    ),
    (
        "newer version|version number",
        ConfigError,
        "The DuckDB file was written by another version of DuckDB: {reason}",
        _ANOTHER_FILE,
    ),
    (
        "OutOfMemoryException",
        WarehouseError,
        "DuckDB needs more than its memory limit.",
        "Raise memory_limit in DESTINATION__DUCKDB__CREDENTIALS__GLOBAL_CONFIG.",
    ),
    ("ConstraintException", ConfigError, "{refused} {reason}", "{undo}"),
    (
        "No space left|Disk quota|File too large",  # also where it shows at a checkpoint
        WarehouseError,
        "The disk is full.",
        "Free some space and run again.",
    ),
    (
        "IOException|read-only",
        ConfigError,
        "The DuckDB file cannot be opened for writing: {reason}",
        "Set {setting} to a file that can be written.",
    ),
    (
        "SerializationException|InternalException|FatalException",
        ConfigError,
        "The DuckDB file is damaged: {reason}",
        "Restore it, or set {setting} to another file.",
    ),
)
_DUCKLAKE: Rows = (
    ("tables can have at most", *WIDE),
    (
        "authentication failed|no password supplied|does not exist|unable to open database",
        ConfigError,
        "The catalogue of the DuckLake cannot be opened: {reason}",
        "Correct user, password, database and file in {setting}.",
    ),
    (
        "(?i)unable to connect|connection refused|could not translate|closed the connection",
        WarehouseError,
        "The catalogue of the DuckLake cannot be reached: {reason}",
        "Check that it runs, and host and port in {setting}.",
    ),
)
_DUCKDBS = {"duckdb": _DUCKDB, "ducklake": _DUCKLAKE}
"""By destination."""

_REFUSED = "A constraint that the connector did not create refuses rows:"
_UNDO = "Drop the constraint, or the table: the next sync creates and fills it again."
_PASSES = (DatabaseUndefinedRelation,)
"""What dlt takes for permanent and the next run mends: it makes what is gone again."""
_CONSTRAINTS = (
    *("NotNullViolation", "UniqueViolation", "CheckViolation", "ForeignKeyViolation"),
    *("ExclusionViolation", "StringDataRightTruncation", "NumericValueOutOfRange"),
)
"""What PostgreSQL calls values that a table of somebody's making does not take."""


def redacted(text: str) -> str:
    """Return a text without passwords, tokens and the user part of connection strings."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def credentials_setting(destination: str) -> str:
    """Name the setting that says where a destination is, in both spellings."""
    name = destination or "<name>"
    return (
        f"DESTINATION__{name.upper()}__CREDENTIALS"
        f" ([destination.{name}] credentials in .dlt/secrets.toml)"
    )


def to_error(error: BaseException, destination: str = "") -> HubSpotError | None:
    """Return what an exception of dlt or of a database driver means; None if it is none of them.

    Args:
        error: one exception, without its causes.
        destination: the destination's name, where known.
    """
    driver = type(error).__module__.partition(".")[0].lstrip("_")
    if driver == "duckdb" and (rows := _DUCKDBS.get(destination or "duckdb")):
        return _of_duckdb(error, rows, destination or "duckdb")
    if driver in {"psycopg2", "psycopg"}:
        return _of_postgres(error, destination or "postgres")
    if known := _of_driver(error, destination):
        return known
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return unwritable(error)
    return _of_dlt(error, destination)


def unwritable(error: OSError) -> ConfigError:
    """Return the error for a file of ours that cannot be written, in the working folder mostly."""
    place = error.filename or tempfile.gettempdir()
    return ConfigError(
        f"{Path(str(place)).absolute()} cannot be written: {error.strerror or error}.",
        remedy="Make room and make it writable, or set TMPDIR to a folder that is.",
    )


def _of_dlt(error: BaseException, destination: str) -> HubSpotError | None:
    if isinstance(error, UnknownDestinationModule):
        return unknown_destination(error.ref)
    if isinstance(error, MissingDependencyException):
        return missing_driver(destination, ", ".join(error.dependencies))
    if refused := _of_values(error) or _of_settings(error, destination):
        return refused
    if isinstance(error, InvalidInMemoryDuckdbCredentials):
        return ConfigError(
            "A DuckDB database in memory is gone when the run ends.",
            remedy=f"Set {credentials_setting('duckdb')} to a file.",
        )
    return _of_statement(error, destination) if isinstance(error, DestinationException) else None


def _of_statement(error: BaseException, destination: str) -> HubSpotError:
    """Return what it means that a statement failed whose driver says no more."""
    setting = credentials_setting(destination)
    if isinstance(error, DatabaseTerminalException) and not isinstance(error, _PASSES):
        return ConfigError(
            f"The destination refuses a statement: {first_line(error)}",
            remedy=f"Check its version and {setting}, or take another --destination.",
        )
    return WarehouseError(
        f"The destination failed: {first_line(error)}",
        remedy=f"Check that it runs and {setting}, then run again.",
    )


def another_naming(made: str, asked: str) -> ConfigError:
    """Return the error for a naming convention that is not the one of a dataset's tables."""
    return ConfigError(
        f"The dataset was made with the naming convention {made}, the settings say {asked}.",
        remedy=f"Set {NAMING} to {made}, or load into another --dataset.",
    )


def _of_settings(error: BaseException, destination: str) -> ConfigError | None:
    if isinstance(error, DestinationNoStagingMode | DestinationLoadingViaStagingNotSupported):
        return ConfigError(
            f"The destination {destination} takes no staging.",
            remedy="Remove STAGING_TYPE and STAGING_NAME ([pipelines] staging_type in"
            " .dlt/config.toml).",
        )
    if isinstance(error, UnknownNamingModule | InvalidNamingType):
        return ConfigError(
            f"There is no naming convention {getattr(error, 'naming_module', '')!r}.",
            remedy=f"Correct or remove {NAMING}.",
        )
    if isinstance(error, TableIdentifiersFrozen):
        return another_naming(error.from_naming.name(), error.to_naming.name())
    if isinstance(error, ConfigFieldMissingException):
        return _missing_setting(error, destination)
    if isinstance(error, ConfigurationException):
        return ConfigError(
            f"The settings of the destination cannot be read: {first_line(error)}",
            remedy=f"Check {credentials_setting(destination)}.",
        )
    return None


def _of_values(error: BaseException) -> ConfigError | None:
    """Return what it means that dlt cannot use the value of one of its settings."""
    if isinstance(error, ConfigValueCannotBeCoercedException):
        return ConfigError(
            f"The value of dlt's setting {error.field_name} has the wrong type.",
            remedy=f"Correct or remove the variable that ends in {error.field_name.upper()}, or"
            f" {error.field_name} in .dlt/config.toml.",
        )
    if isinstance(error, ValueError) and "max_workers" in str(error):
        return ConfigError(
            "dlt's setting workers has to be 1 or more.",
            remedy="Correct or remove LOAD__WORKERS and EXTRACT__WORKERS ([load] and [extract]"
            " workers in .dlt/config.toml).",
        )
    return None


def unknown_destination(name: str) -> ConfigError:
    """Return the error for a name that dlt has no destination for."""
    return ConfigError(
        f"There is no destination {name!r}.",
        remedy=f"--destination takes one of: {', '.join(NAMES)}.",
    )


def missing_driver(destination: str, module: str) -> ConfigError:
    """Return the error for a destination whose driver is not installed."""
    return ConfigError(
        f"The destination {destination or '(as set)'} needs a driver that is not installed"
        f" ({module}).",
        remedy=f"Install it: {install_hint(destination)}.",
    )


def _missing_setting(error: ConfigFieldMissingException, destination: str) -> ConfigError:
    field = error.fields[0] if error.fields else "credentials"
    name = (destination or "<name>").upper()
    example = KNOWN[destination].example if destination in KNOWN else ""
    shape = f", such as {example}" if example else ""
    return ConfigError(
        f"The destination {destination or '(as set)'} has no {field}.",
        remedy=f"Set DESTINATION__{name}__{field.upper()}{shape}, or [destination.{name.lower()}]"
        f" {field} in .dlt/secrets.toml.",
    )


def _of_duckdb(error: BaseException, rows: Rows, destination: str) -> HubSpotError | None:
    """Return what the first matching row says of an error."""
    text = f"{type(error).__name__}: {error}"
    for pattern, kind, message, remedy in rows:
        if re.search(pattern, text):
            words = {
                "file": _path_in(text),
                "reason": first_line(error),
                "setting": credentials_setting(destination),
                "holder": _holder(text),
                "refused": _REFUSED,
                "undo": _UNDO,
            }
            return kind(message.format(**words), remedy=remedy.format(**words))
    return None


def _of_driver(error: BaseException, destination: str) -> HubSpotError | None:
    """Return what the code of an error means, of any driver."""
    found = meaning_of(error)
    if found is None:
        return None
    remedy = found.remedy.format(setting=credentials_setting(destination))
    return found.kind(f"{found.message}: {first_line(error)}", remedy=remedy)


def _of_postgres(error: BaseException, destination: str) -> HubSpotError | None:
    kind, text = type(error).__name__, str(error)
    setting = credentials_setting(destination)
    if kind in _CONSTRAINTS:
        return ConfigError(f"{_REFUSED} {first_line(error)}", remedy=_UNDO)
    if known := _of_driver(error, destination):
        return known
    if kind != "OperationalError":
        return None
    if any(part in text for part in _WRONG_LOGIN) or "does not exist" in text:
        return ConfigError(
            f"PostgreSQL refuses the login: {first_line(error)}",
            remedy=f"Correct user, password and database in {setting}.",
        )
    return WarehouseError(
        f"PostgreSQL cannot be reached: {first_line(error)}",
        remedy=f"Check that it runs, and host and port in {setting}.",
    )


def _holder(text: str) -> str:
    """Name the process that has a file open, as DuckDB's message and this machine name it."""
    found = re.search(r"\bin (\S.*?) \(PID (\d+)\)", text)
    if not found:
        return "Another program"
    program, pid = found.groups()
    with suppress(OSError):  # no such folder but on Linux, or a process that has ended since
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
        program = " ".join([Path(words[0]).name, *words[1:]]).strip() or program
    return f"Process {pid} ({redacted(' '.join(program.split()))[:_LONGEST_COMMAND]})"


def _path_in(text: str) -> str:
    found = re.search(r'"([^"]+)"', text) or re.search(r"'([^']+)'", text)
    return found.group(1) if found else "The file"


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's text, without secrets."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = redacted(lines[0] if lines else type(error).__name__)[:_LONGEST_MESSAGE]
    return text if text.endswith((".", "!", "?")) else f"{text}."
