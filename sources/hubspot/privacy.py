"""What leaves HubSpot: which properties are read, which only as keyed hashes, and which never.

One policy serves every table. `Policy.rule` says of a property of records, or of a column of any
other table, whether it is `plain`, `hashed` or `excluded`. Whatever reads it asks HubSpot for no
excluded property, and gives hashed ones to `Hasher` before anything else sees their values.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

Rule = Literal["plain", "hashed", "excluded"]

REQUIRED = frozenset(
    {
        "id",
        "hs_object_id",
        "hs_merged_object_ids",
        "createdate",
        "hs_createdate",
        "lastmodifieddate",
        "hs_lastmodifieddate",
    }
)
"""Properties without which records cannot be identified, merged or kept current: always plain."""
METADATA = frozenset(
    {"account", "association_labels", "object_types", "properties", "property_options"}
)
"""Tables that describe the portal and hold no values of records: no pattern applies to them."""
KEY_CHARACTERS = 32
"""The fewest of a key: what is shorter could be guessed, and every hash with it."""
_WILDCARDS = {r"\*": ".*", r"\?": "."}
_PATTERN = re.compile(r"(?P<table>[^.\s]+)\.(?P<name>\S+)")
_PURPOSE = b"hubspot-elt: which key"


@dataclass(frozen=True, slots=True)
class Hasher:
    """HMAC-SHA256 with the user's key, as 64 hexadecimal digits.

    Guarantees: one text has one hash, in every table and every run with the same key. HubSpot's
    text is hashed as it is: no case is folded, no space is cut. No value, null or "", has no hash.
    """

    key: bytes = field(repr=False)

    def text(self, text: str | None) -> str | None:
        """Return the hash of a text; what is no value stays what it is."""
        if not text:
            return text
        return hmac.digest(self.key, text.encode("utf-8", "surrogatepass"), "sha256").hex()

    def texts(self, texts: Iterable[str | None]) -> list[str | None]:
        """Return the hashes of many texts."""
        return [self.text(text) for text in texts]

    def array(self, texts: pa.Array) -> pa.Array:
        """Return the hashes of a text column; each different text is hashed once."""
        found = texts.dictionary_encode()
        return pa.array(self.texts(found.dictionary.to_pylist()), pa.string()).take(found.indices)

    @property
    def fingerprint(self) -> str:
        """What shows that a key is another one, and nothing else of it."""
        return hmac.digest(self.key, _PURPOSE, "sha256").hex()[:16]


@dataclass(frozen=True, slots=True)
class Pattern:
    """`table.property`, with `*` for any characters and `?` for one, in any case."""

    text: str
    table: re.Pattern[str]
    name: re.Pattern[str]

    def matches(self, table: str, name: str) -> bool:
        """Whether it names a property of a table."""
        return bool(self.table.fullmatch(table) and self.name.fullmatch(name))

    @property
    def required(self) -> str:
        """The property that it names without a wildcard, and that cannot be left out or hashed."""
        name = self.text.partition(".")[2].casefold()
        return name if name in REQUIRED else ""


def to_pattern(text: str) -> Pattern | None:
    """Read a pattern; None where the text is none."""
    parts = _PATTERN.fullmatch(text.strip())
    if not parts:
        return None
    return Pattern(parts[0], _compiled(parts["table"]), _compiled(parts["name"]))


def _compiled(text: str) -> re.Pattern[str]:
    pattern = re.escape(text)
    for wildcard, expression in _WILDCARDS.items():
        pattern = pattern.replace(wildcard, expression)
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Policy:
    """The user's decision on every property of every table."""

    include: Sequence[Pattern] = ()
    """Of the tables that these name, no other property is read."""
    exclude: Sequence[Pattern] = ()
    """These are never read; this outweighs the other two."""
    hashed: Sequence[Pattern] = ()
    """Of these, hashes are read."""
    hasher: Hasher | None = None
    """None where nothing is hashed."""
    sensitive: bool = False
    """Whether properties that HubSpot holds for sensitive are read at all."""

    @property
    def is_open(self) -> bool:
        """Whether everything is read as it is."""
        return not (self.include or self.exclude or self.hashed)

    def rule(self, table: str, name: str, keys: Collection[str] = REQUIRED) -> Rule:
        """Return what becomes of a property, or of a column of another table.

        Args:
            table: its name in the warehouse; a property in a history or an event is that of the
                records' table.
            name: HubSpot's name of the property; of other tables the column.
            keys: what is always plain, whatever the patterns say.
        """
        if name in keys or not self.applies_to(table):
            return "plain"
        limits = [pattern for pattern in self.include if pattern.table.fullmatch(table)]
        if _any(self.exclude, table, name) or (limits and not _any(limits, table, name)):
            return "excluded"
        return "hashed" if _any(self.hashed, table, name) else "plain"

    def hasher_of(self, table: str, name: str, keys: Collection[str] = REQUIRED) -> Hasher | None:
        """Return what hashes the values of a property; None where they are not hashed."""
        return self.hasher if self.rule(table, name, keys) == "hashed" else None

    def applies_to(self, table: str) -> bool:
        """Whether any pattern may name a property of a table."""
        if table in METADATA or table.startswith("_hs_"):
            return False
        return any(one.table.fullmatch(table) for one in self._patterns())

    def digest(self, table: str) -> str:
        """Return what differs where another policy applies to a table; empty where none does."""
        named = [
            [one.text.casefold() for one in part if one.table.fullmatch(table)]
            for part in (self.include, self.exclude, self.hashed)
        ]
        if not self.applies_to(table):
            return "sensitive" if self.sensitive else ""
        key = self.hasher.fingerprint if self.hasher and named[2] else ""
        content = json.dumps([*map(sorted, named), key, self.sensitive])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def unmatched(self, names: Mapping[str, AbstractSet[str]], unread: Iterable[str]) -> list[str]:
        """Return the patterns that name no property of any table.

        Args:
            names: of the properties or columns, by table.
            unread: tables whose properties are not known yet: whatever may name one of theirs is
                left out.
        """
        waiting = [*unread]
        return [
            one.text
            for one in dict.fromkeys(self._patterns())
            if not any(one.table.fullmatch(table) for table in waiting)
            and not any(
                one.matches(table, name)
                for table, found in names.items()
                for name in found
                if table not in METADATA
            )
        ]

    def _patterns(self) -> list[Pattern]:
        return [*self.include, *self.exclude, *self.hashed]


def _any(patterns: Iterable[Pattern], table: str, name: str) -> bool:
    return any(pattern.matches(table, name) for pattern in patterns)


OPEN = Policy()
"""Everything is read as it is."""
