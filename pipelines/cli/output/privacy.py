"""What the settings say about properties: what is hashed, left out, and still there in plain."""

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby

from pipelines.cli.output.report import Section
from sources.hubspot.privacy import Policy
from sources.hubspot.state.source import SourceState
from sources.hubspot.warehouse.privacy import held_plain

COLUMNS = ("table", "policy", "property")
_SHOWN = 5  # properties of a table that people see
_REMEDIES = {
    "excluded": "Run hubspot-elt sync --refresh-schema: it empties them.",
    "hashed": "The next hubspot-elt sync replaces them with hashes.",
}


def policy_section(policy: Policy, names: Mapping[str, Collection[str]]) -> Section | None:
    """Return a row per property that is hashed or left out; None where there is none.

    Args:
        policy: of the settings.
        names: of properties, by table.
    """
    rows = [
        (table, rule, name)
        for table, found in sorted(names.items())
        for rule in ("hashed", "excluded")
        for name in sorted(found)
        if policy.rule(table, name) == rule
    ]
    if not rows:
        return None
    brief = []
    for (table, rule), group in groupby(rows, key=lambda row: row[:2]):
        brief.append((table, rule, few([row[2] for row in group])))
    title = "Properties that do not leave HubSpot as they are"
    return Section("policy", COLUMNS, rows, title, brief)


def still_plain(state: SourceState, policy: Policy) -> Iterator[tuple[str, str]]:
    """Yield what the warehouse holds against the settings, and the remedy."""
    for rule, columns in held_plain(state, policy).items():
        text = f"The warehouse still holds values that the settings have {rule}: {few(columns)}."
        yield text, _REMEDIES[rule]


def few(names: Collection[str]) -> str:
    """Return the first names, and how many more there are."""
    shown, more = [*names][:_SHOWN], len(names) - _SHOWN
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
