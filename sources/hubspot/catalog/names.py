"""Names as people write them: in any case, in one or several words, singular or plural."""

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

HISTORY = "history"
"""The group of property histories, as users name it."""
_OF_HISTORY = "_property_history"
_LONGEST, _DIGEST = 63, 8
"""Characters: of the name of a table in PostgreSQL, which of all warehouses takes the fewest; of
a digest that keeps apart names that are shortened."""
_ALIKE = 0.7  # of 1: a letter wrong in five
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


def divided(names: Iterable[str]) -> list[str]:
    """Return names one by one, where a text may hold several with commas between them.

    >>> divided(["deals, contacts", " "])
    ['deals', 'contacts']
    """
    return [name.strip() for text in names for name in text.split(",") if name.strip()]


def find(names: Iterable[str], aliases: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Look names up in any spelling.

    Args:
        names: as they were given.
        aliases: what each table may be called, and the table.

    Returns:
        The tables, each once, in the order of the names; and the names that there are no tables of.
    """
    tables = {_key(alias): table for alias, table in aliases.items()}
    found = {name: next(_known(_key(name), tables), None) for name in names}
    known = [table for table in found.values() if table is not None]
    return list(dict.fromkeys(known)), [name for name, table in found.items() if table is None]


def did_you_mean(names: Iterable[str], known: Iterable[str]) -> str:
    """Return a question that names what was likely meant, with a space behind; else nothing."""
    by_name = {_key(name): name for name in known}
    meant = [
        by_name[close]
        for name in names
        for close in difflib.get_close_matches(_key(name), by_name, n=1, cutoff=_ALIKE)
    ]
    return f"Did you mean {', '.join(dict.fromkeys(meant))}? " if meant else ""


def _known(key: str, tables: Mapping[str, str]) -> Iterator[str]:
    """Yield the table of a name, or of its plural or singular."""
    forms = [key, f"{key}s", f"{key.removesuffix('y')}ies", key.removesuffix("s")]
    forms.append(f"{key.removesuffix('ies')}y")
    yield from (tables[form] for form in forms if form in tables)


@lru_cache(maxsize=10_000)  # some hundreds, that every look-up needs
def _key(name: str) -> str:
    return _BETWEEN_WORDS.sub("_", name.strip().casefold())


def history_table(table: str) -> str:
    """Return the table with the property history of an object table.

    That of a custom type with a very long name is short enough for every warehouse, which else
    would shorten it in a way of its own.

    >>> history_table("deals")
    'deals_property_history'
    """
    return _fitting(table, _OF_HISTORY)


def link_table(source: str, target: str) -> str:
    """Return the table with the links from one object table to another, short enough as well.

    >>> link_table("contacts", "deals")
    'contacts_to_deals'
    """
    return _fitting(f"{source}_to_{target}")


def link_tables(table: str, others: Iterable[str]) -> set[str]:
    """Name the link tables that a table may be an end of."""
    return {
        name for other in others for name in (link_table(table, other), link_table(other, table))
    }


def _fitting(name: str, end: str = "") -> str:
    if len(name) + len(end) <= _LONGEST:
        return name + end
    end = f"_{hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]}{end}"
    return name[: _LONGEST - len(end)].rstrip("_") + end
