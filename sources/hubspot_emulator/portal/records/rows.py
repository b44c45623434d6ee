"""Seeded records, generated when they are asked for: a pure function of seed, type, position.

A record is a row of a small pool of values plus what is its own: id, dates, and the properties
named in the type's `own`. That is what lets a portal of a million records start at once.
"""

from dataclasses import dataclass
from random import Random

from ..catalog.definitions import TRANSCRIPT, Definition
from ..catalog.object_types import ObjectType
from .record import Record
from .values import ODD_VALUES, value_for

POOL = 509  # prime, so that steps through the pool meet every row
CLUSTERS = (20_051, 57_156_923_994)  # first id of the old records, first id of the others
STEP = 4  # ids are at most this far apart inside a cluster
FIRST_MS = 1_552_000_000_000  # 2019-03-07
LAST_MS = 1_735_000_000_000  # 2024-12-24, the last record was created before
CHANGED_MS = 1_756_000_000_000  # 2025-08-24, the last change was before
BULK_MS = 1_740_999_999_123  # the millisecond that an import touched
BULK_EVERY = 20
ODD_EVERY, ODD_RECORDS = 5, 40
BULK_PLACE, ODD_PLACE = 7, 3
CLEARED = 0.02  # share of values that were set and then cleared
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class SeedOptions:
    """What generated values depend on besides their definition.

    `lanes`, `lane`: ids are this one of every so many, so that several types share one sequence.
    """

    seed: int
    filled: float
    odd: bool
    archived: float
    owner_ids: tuple[str, ...] = ()
    lanes: int = 1
    lane: int = 0


class SeededRows:
    """The seeded records of one type, by ordinal 0 … count-1."""

    def __init__(
        self,
        object_type: ObjectType,
        definitions: dict[str, Definition],
        count: int,
        options: SeedOptions,
    ) -> None:
        self.count = count
        self._type = object_type
        self._options = options
        self._split = count * 3 // 5
        self._step = max(1, (LAST_MS - FIRST_MS) // max(1, count))
        self._salt = (options.seed * 0xBF58476D1CE4E5B9 + sum(object_type.type_id.encode())) & _MASK
        self._pool: dict[int, dict[str, str]] = {}
        own = {name for name, _ in object_type.own}
        self._generated = [
            d for name, d in definitions.items() if name not in own and not _system(d, object_type)
        ]
        self.archive_every = round(1 / options.archived) if options.archived else 0

    def _mix(self, ordinal: int) -> int:
        x = (ordinal * 0x9E3779B97F4A7C15 + self._salt) & _MASK
        x = ((x ^ (x >> 29)) * 0xBF58476D1CE4E5B9) & _MASK
        return x ^ (x >> 32)

    def id_of(self, ordinal: int) -> int:
        """Return the id of a record; ids ascend with ordinals."""
        cluster = ordinal >= self._split
        place = ordinal - self._split if cluster else ordinal
        number = place * STEP + (ordinal * 7 + 3) % 5 % STEP
        return CLUSTERS[cluster] + number * self._options.lanes + self._options.lane

    def in_lane(self, record_id: int) -> int:
        """Return the first id from `record_id` on that a record of this type may have."""
        lanes, lane = self._options.lanes, self._options.lane
        first = CLUSTERS[record_id >= CLUSTERS[1]]
        return record_id + (lane + first - record_id) % lanes

    def ordinal_of(self, record_id: int) -> int | None:
        """Return the ordinal that has this id, or None."""
        cluster = record_id >= CLUSTERS[1]
        place = (record_id - CLUSTERS[cluster]) // (STEP * self._options.lanes)
        ordinal = place + self._split if cluster else place
        valid = 0 <= ordinal < self.count and self.id_of(ordinal) == record_id
        return ordinal if valid else None

    def created_ms(self, ordinal: int) -> int:
        """Return when a record was created; ascends with the ordinal."""
        return FIRST_MS + ordinal * self._step + ordinal * 7919 % self._step

    def modified_ms(self, ordinal: int) -> int:
        """Return when a record was last modified; one in 20 in the same millisecond."""
        if ordinal % BULK_EVERY == BULK_PLACE:
            return BULK_MS
        created = self.created_ms(ordinal)
        return created + self._mix(ordinal + 1) % (CHANGED_MS - created)

    def is_archived(self, ordinal: int) -> bool:
        """Return whether a record lies in the recycle bin."""
        every = self.archive_every
        return bool(every) and ordinal % every == every - 1

    def archived_ms(self, ordinal: int) -> int | None:
        """Return when a record was archived, None if it was not."""
        if not self.is_archived(ordinal):
            return None
        return self.modified_ms(ordinal) + 86_400_000

    def pool_index(self, ordinal: int) -> int:
        """Return the row of the pool that a record shows."""
        return self._mix(ordinal) % POOL

    def pool_values(self, index: int) -> dict[str, str]:
        """Return one row of the pool: values of the properties that are set."""
        row = self._pool.get(index)
        if row is None:
            row = self._pool[index] = self._make_row(index)
        return row

    def _make_row(self, index: int) -> dict[str, str]:
        random = Random(self._salt * 1009 + index)
        options = self._options
        row = {}
        for definition in self._generated:
            draw = random.random()
            if draw < options.filled:
                row[definition["name"]] = value_for(definition, random, options)
            elif draw > 1 - CLEARED:
                row[definition["name"]] = ""  # once set, then cleared
        return row

    def is_odd(self, ordinal: int) -> bool:
        """Return whether a record holds values outside the pool."""
        return (
            self._options.odd
            and ordinal % ODD_EVERY == ODD_PLACE
            and ordinal < ODD_EVERY * ODD_RECORDS
        )

    def _odd_values(self, ordinal: int) -> dict[str, str]:
        place = ordinal // ODD_EVERY
        kind, value = ODD_VALUES[place % len(ODD_VALUES)]
        fitting = [d["name"] for d in self._generated if d["type"] == kind]
        return {fitting[place % len(fitting)]: value} if fitting else {}

    def values(self, ordinal: int) -> dict[str, str]:
        """Return every set value of a record, without the system's own."""
        values = dict(self.pool_values(self.pool_index(ordinal)))
        values.update((name, template % ordinal) for name, template in self._type.own)
        if self.is_odd(ordinal):
            values.update(self._odd_values(ordinal))
        return values

    def record(self, record_id: int, ordinal: int) -> Record:
        """Return a record as it was at the start; `record_id` is that of the ordinal."""
        return Record(
            record_id,
            self.created_ms(ordinal),
            self.modified_ms(ordinal),
            self.values(ordinal),
            self.archived_ms(ordinal),
        )

    def find_own(self, name: str, value: str) -> int | None:
        """Return the ordinal whose own property `name` was seeded with `value`."""
        template = dict(self._type.own).get(name)
        digits = "".join(c for c in value if c.isdigit())
        if template is None or not digits or template % int(digits) != value:
            return None
        return int(digits) if int(digits) < self.count else None


def _system(definition: Definition, object_type: ObjectType) -> bool:
    name = definition["name"]
    system = (
        "hs_object_id",
        TRANSCRIPT,
        "hs_merged_object_ids",
        object_type.created,
        object_type.modified,
    )
    return name in system or definition["hasUniqueValue"]
