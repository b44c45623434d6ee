"""Exit codes of every command, declared once: the help, the documents and tests read them here."""

from typing import NamedTuple


class Meaning(NamedTuple):
    """What one exit code means to a person or a scheduler."""

    short: str
    """A few words, for `--help`."""
    long: str
    """One line, for the documents."""


EXIT_CODES: dict[int, Meaning] = {
    0: Meaning("done", "Done. Tables that the token may not read are one warning."),
    1: Meaning("a bug of ours", "A bug of ours; `--debug` shows the traceback."),
    2: Meaning(
        "settings",
        "A setting is missing or wrong, or the proxy or certificates of the environment cannot be"
        " used.",
    ),
    3: Meaning(
        "token",
        "The token is unknown, expired or revoked, or lacks a scope for a table that was named or"
        " loaded before.",
    ),
    4: Meaning(
        "refused by HubSpot",
        "HubSpot refuses a request, answers not as documented, or no longer has a table that was"
        " named or loaded before.",
    ),
    5: Meaning("daily quota", "The calls of the day are used up. The next run continues."),
    6: Meaning(
        "try again later",
        "HubSpot or the warehouse did not answer, a firewall or proxy answered instead, or another"
        " run has the dataset. Try again later.",
    ),
    8: Meaning(
        "portal and warehouse differ",
        "Portal and warehouse differ (`verify`, also after `--repair`), or a table is older than"
        " `status --max-age` allows.",
    ),
    129: Meaning("stopped by SIGHUP", "Stopped by SIGHUP. What was loaded is kept."),
    130: Meaning("interrupted", "Interrupted with Ctrl-C. What was loaded is kept."),
    143: Meaning("stopped by SIGTERM", "Stopped by SIGTERM. What was loaded is kept."),
}


def summary() -> str:
    """Return all exit codes as one sentence for `--help`."""
    return f"Exit codes: {', '.join(f'{code} {of.short}' for code, of in EXIT_CODES.items())}."
