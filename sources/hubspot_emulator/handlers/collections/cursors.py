"""Opaque cursors of collections: after which row a page begins, whatever was changed meanwhile."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from ...portal.collections.collection import Entry
from ..errors import invalid


class Cursor(msgspec.Struct, array_like=True):
    """The sort value and place of a row; `turn` tells cursors to the same page apart."""

    rank: int
    value: int | float | str
    place: int
    turn: int = 0

    @property
    def entry(self) -> Entry:
        """Return what the cursor follows as a row is sorted."""
        return (self.rank, self.value), self.place


START = Cursor(-1, 0, -1)
END = Cursor(9, 0, 0)


def sealed(cursor: Cursor) -> str:
    """Return a cursor as a text to send."""
    return urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def opened(name: str, text: str) -> Cursor:
    """Return the cursor in a text, or refuse one that is not this portal's."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=Cursor)
    except ValueError as error:
        raise invalid(f"The {name} {text!r} is not a valid cursor") from error


def behind(entry: Entry) -> Cursor:
    """Return the cursor to what follows a row."""
    (rank, value), place = entry
    return Cursor(rank, value, place)
