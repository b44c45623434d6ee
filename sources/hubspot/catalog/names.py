"""Tables as people name them: in any case, and the one that was meant where a name is misspelt."""

import difflib
from collections.abc import Iterable, Mapping

_ALIKE = 0.7  # of 1: a letter wrong in five


def find(names: Iterable[str], aliases: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Look names up in any case.

    Args:
        names: as they were given.
        aliases: what each table may be called, in lower case, and the table.

    Returns:
        The tables, each once, in the order of the names; and the names that there are no tables of.
    """
    found = {name: aliases.get(name.casefold()) for name in names}
    tables = [table for table in found.values() if table is not None]
    return list(dict.fromkeys(tables)), [name for name, table in found.items() if table is None]


def did_you_mean(names: Iterable[str], known: Iterable[str]) -> str:
    """Return a question that names what was likely meant, with a space behind; else nothing."""
    by_name = {name.casefold(): name for name in known}
    meant = [
        by_name[close]
        for name in names
        for close in difflib.get_close_matches(name.casefold(), by_name, n=1, cutoff=_ALIKE)
    ]
    return f"Did you mean {', '.join(dict.fromkeys(meant))}? " if meant else ""
