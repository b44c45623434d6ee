"""What pages of a live portal do although no document says so, each of it when asked for.

None of it takes a record away from a client that follows the cursors to their end.
"""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Collection, Sequence
from random import Random

EMPTY_EVERY = 3


def room(wanted: Collection[str], limit: int) -> int:
    """Return how many records a page of `limit` rows may hold."""
    if "short_pages" in wanted:
        limit = max(1, limit * 2 // 3)
    return max(1, limit - 1) if "repeated_ids" in wanted else limit


def is_empty(wanted: Collection[str], given: Counter[str], kind: str, ids: Sequence[int]) -> bool:
    """Return whether a page that would hold `ids` is to be empty: every third one of a kind.

    `given` counts the pages of each kind.
    """
    if "empty_pages" not in wanted or not ids:
        return False
    given[kind] += 1
    return given[kind] % EMPTY_EVERY == 0


def cursor(asked: str, following: int) -> str:
    """Return the cursor that leads to `following`, never the text of the one asked for."""
    return f"0{asked}" if asked and int(asked) == following else str(following)


def sealed(wanted: Collection[str], following: str | None) -> str | None:
    """Return the cursor of a listing as a text that is no record id."""
    if "opaque_cursors" not in wanted or following is None:
        return following
    return b64encode(f"next:{following}".encode()).decode()


def opened(wanted: Collection[str], after: str) -> str | None:
    """Return the id in a cursor that `sealed` made, None for any other text."""
    if "opaque_cursors" not in wanted or not after:
        return after
    try:
        name, _, following = b64decode(after, validate=True).decode().partition(":")
    except ValueError:
        return None
    return following if name == "next" else None


def repeated(wanted: Collection[str], ids: Sequence[int], limit: int) -> Sequence[int]:
    """Return a page with its middle record twice, if there is room for it."""
    middle = len(ids) // 2
    if "repeated_ids" not in wanted or not 0 < len(ids) < limit:
        return ids
    return [*ids[:middle], ids[middle], *ids[middle:]]


def shuffled(wanted: Collection[str], ids: Sequence[int]) -> Sequence[int]:
    """Return a page out of order, another record last than was."""
    if "search_unsorted" not in wanted or len(set(ids)) < len(("first", "last")):
        return ids
    found = list(ids)
    Random(sum(ids)).shuffle(found)
    if found[-1] == ids[-1]:
        other = next(place for place, one in enumerate(found) if one != ids[-1])
        found[other], found[-1] = found[-1], found[other]
    return found
