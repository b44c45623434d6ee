"""What a token may not read, or a portal does not have, in one line with the scopes to add."""

from collections.abc import Iterable, Mapping

from ...errors import HubSpotError, ProductMissingError, ScopeMissingError
from ...model import TableOutcome


def refusals_of(outcomes: Iterable[TableOutcome]) -> dict[str, HubSpotError]:
    """Name what a run could not read and never had; parts of tables that it lacks anyway left out.

    Returns:
        Tables, or parts such as `pipelines of orders`, with the reason.
    """
    tables = {outcome.table_name: outcome for outcome in outcomes}
    not_read = {name for name, outcome in tables.items() if outcome.status != "ok"}
    return {
        f"{name} of {part}" if part else name: error
        for name, outcome in tables.items()
        for part, error in outcome.refusals.items()
        if part not in not_read and (not part or isinstance(error, ScopeMissingError))
    }


def summary(refused: Mapping[str, HubSpotError]) -> list[str]:
    """Say in one line what is not read and which scopes would change that; none without any."""
    scopes = {
        name: error
        for name, error in refused.items()
        if isinstance(error, ScopeMissingError) and not isinstance(error, ProductMissingError)
    }
    absent = [name for name in refused if name not in scopes]
    parts = []
    if scopes:
        wanted = dict.fromkeys(scope for error in scopes.values() for scope in to_add(error))
        add = f"; to read them, add {', '.join(wanted)}" if wanted else ""
        parts.append(f"The token may not read {', '.join(scopes)}{add}.")
    if absent:
        parts.append(f"Not in this portal: {', '.join(absent)}.")
    return [" ".join(parts)] if parts else []


def to_add(error: ScopeMissingError) -> tuple[str, ...]:
    """Choose the smallest of the scopes that would each be enough to read a table.

    Where definitions were refused, the scope for the records would be missed next.
    """
    plain = [scope for scope in error.scopes if "sensitive" not in scope] or list(error.scopes)
    records = [scope for scope in plain if scope.startswith("crm.objects.")]
    if records or not plain:
        return tuple(records[:1])
    if plain[0].startswith("crm.schemas."):
        return plain[0].replace("crm.schemas.", "crm.objects."), plain[0]
    return (plain[0],)
