"""Past values of seeded records: several versions, some at one instant, some backdated."""

from functools import lru_cache
from zlib import crc32

from .record import Change
from .rows import POOL, SeededRows

ONE, TWO, SAME_INSTANT, BACKDATED, CLEARED = range(5)
_SHAPES = (ONE, ONE, ONE, TWO, TWO, SAME_INSTANT, BACKDATED, CLEARED)
YEAR_MS = 31_536_000_000
STAGES = ("dealstage", "hs_pipeline_stage")
DELETED_STAGE = "deletedstage"


def seeded(rows: SeededRows, ordinal: int, name: str, value: str) -> tuple[Change, ...]:
    """Return every version of a value that was seeded, newest first, the value itself at its head.

    A value that tells one record from the others has one version.
    """
    created, updated = rows.created_ms(ordinal), rows.modified_ms(ordinal)
    shape = _drawn(ordinal, name) % len(_SHAPES)
    first = Change(value, created, "IMPORT")
    older = rows.pool_values((ordinal + 1) % POOL).get(name)
    if _SHAPES[shape] == ONE or older is None or updated <= created:
        return (first,)
    middle = created + (updated - created) // 2
    newest = Change(value, middle, "CRM_UI")
    rest = {
        TWO: (Change(older, created, "INTEGRATION"),),
        SAME_INSTANT: (Change(older, middle, "AUTOMATION_PLATFORM"), first),
        BACKDATED: (Change(older, created, "FORM"), Change(value, created - YEAR_MS, "IMPORT")),
        CLEARED: (
            Change(_between(name), middle - 1, "INTEGRATION"),
            Change(older, created, "IMPORT"),
        ),
    }
    return (newest, *rest[_SHAPES[shape]])


def _between(name: str) -> str:
    """Return what a property held between two values: nothing, or a stage that was deleted."""
    return DELETED_STAGE if name in STAGES else ""


def is_listed(record_id: int, name: str) -> bool:
    """Return whether a property that never had a value has an empty list, or no member at all."""
    return bool(_drawn(record_id, name) % 2)


@lru_cache(maxsize=4096)
def _drawn(number: int, name: str) -> int:
    return crc32(f"{number} {name}".encode())
