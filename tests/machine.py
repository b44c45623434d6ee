"""The environment of the machine that runs the tests, cleared of what programs follow unasked.

Imported before anything that reads it. Time zone, language and home stay: no test may need any.
"""

import json
import os
import re
import sys

_FOLLOWED = re.compile(
    r"""
    (?!AIRFLOW__) [A-Z0-9]\w*__\w+                          # settings of dlt, ours among them
    | DLT_\w+ | DEV_MODE | FULL_REFRESH | REFRESH | PROGRESS | WORKERS | CREDENTIALS
    | (DATASET|PIPELINES?|DESTINATION|STAGING)_(NAME|DIR|TYPE|NAME_LAYOUT)
    | (IMPORT|EXPORT)_SCHEMA_PATH | USE_SINGLE_DATASET | RESTORE_FROM_DESTINATION
    | NEXT_ITEM_MODE | REPLACE_STRATEGY | OBJECTS | ONLY | RUN | HARD_DELETE
    | (NO|FORCE|PY|CLI)_?COLORS? | CLICOLOR_FORCE | COLORTERM | COLUMNS | LINES | TERM
    | TTY_\w+ | FORCE_TERMINAL | TERMINAL_WIDTH | GITHUB_ACTIONS | \w*_COMPLETE
    | (HTTPS?|ALL|NO|FTP)_PROXY | (REQUESTS|CURL)_CA_BUNDLE | SSL_CERT_(FILE|DIR)
    | PYTHON(WARNINGS|OPTIMIZE|UTF8|IOENCODING|UNBUFFERED)
    """,
    re.VERBOSE | re.IGNORECASE,
)


GIVEN = "CLEARED_BY_TESTS"
"""Holds what was cleared, as JSON: accounts for the tests, and what fetches packages for them."""
_CLEARED = "TESTED_IN_A_CLEARED_ENVIRONMENT"
"""Set from then on: what tests set for a process that they start is meant for it."""


def followed() -> list[str]:
    """Name the variables that dlt, HTTP, terminals or Python would follow, as they are now."""
    return [name for name in os.environ if _FOLLOWED.fullmatch(name)]


if _CLEARED not in os.environ:
    os.environ[GIVEN] = json.dumps({name: os.environ[name] for name in followed()})
    for _name in followed():
        del os.environ[_name]
    os.environ[_CLEARED] = "1"
os.umask(0o022)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # processes of tests find each other's bytecode
sys.dont_write_bytecode = False  # and workers the asserts of 80 files that pytest has rewritten
