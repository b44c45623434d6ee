"""What links say: types of one direction by those of the other, differences, the cheaper side.

A link has one type id seen from its first record, and another one seen from its second. HubSpot
names no list of which belong together, so they are learned from links that were read from both.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from .associations import BATCH, Link, Pair, Side

Ends = tuple[str, str]


def turned_round(links: Iterable[Link]) -> list[Link]:
    """Return links as if they had been read from their other record, with the types they have.

    >>> turned_round([("9", "5", 280, "HUBSPOT_DEFINED", None)])
    [('5', '9', 280, 'HUBSPOT_DEFINED', None)]
    """
    return [
        (from_id, to_id, type_id, category, label)
        for to_id, from_id, type_id, category, label in links
    ]


def learn(own: Iterable[Link], other: Iterable[Link]) -> dict[int, int]:
    """Return which type of one direction belongs to which of the other.

    Two types belong together if exactly the same links have them, and no other two do; or where
    several do, if they alone agree in category and label.

    Args:
        own: links as read from their first record.
        other: the same links as read from their second one, turned round.

    Returns:
        By type id of `other` that of `own`; types that cannot be distinguished are left out.

    >>> own = [("1", "9", 279, "HUBSPOT", None), ("1", "9", 1, "HUBSPOT", "Primary")]
    >>> other = [("1", "9", 2, "HUBSPOT", "Primary"), ("1", "9", 280, "HUBSPOT", None)]
    >>> learn(own, other)
    {2: 1, 280: 279}
    """
    ends_of = _by_ends(other)
    own_types, other_types = _sharing(_by_ends(own)), _sharing(ends_of)
    own_looks, other_looks = _looks(own), _looks(other)
    found = {}
    for type_id, ends in ends_of.items():
        mates, rivals = own_types.get(ends, []), other_types[ends]
        if max(len(mates), len(rivals)) > 1:
            look = other_looks[type_id]
            mates = [one for one in mates if own_looks[one] == look]
            rivals = [one for one in rivals if other_looks[one] == look]
        if len(mates) == len(rivals) == 1:
            found[type_id] = mates[0]
    return found


def _sharing(ends_of: Mapping[int, frozenset[Ends]]) -> Mapping[frozenset[Ends], list[int]]:
    """Return the types that exactly the same links have."""
    types: defaultdict[frozenset[Ends], list[int]] = defaultdict(list)
    for type_id, ends in ends_of.items():
        types[ends].append(type_id)
    return types


def _looks(links: Iterable[Link]) -> dict[int, tuple[str | None, str | None]]:
    """Return the category and label of each type."""
    return {type_id: (category, label) for _, _, type_id, category, label in links}


def _by_ends(links: Iterable[Link]) -> dict[int, frozenset[Ends]]:
    """Return the ends of the links of each type."""
    found: defaultdict[int, set[Ends]] = defaultdict(set)
    for from_id, to_id, type_id, _, _ in links:
        found[type_id].add((from_id, to_id))
    return {type_id: frozenset(ends) for type_id, ends in found.items()}


def translated(
    links: Iterable[Link], types: Mapping[int, int], labels: Mapping[str, str | None]
) -> tuple[list[Link], set[str]]:
    """Return links with the types that they have from their first record.

    Args:
        links: read from their second record, turned round.
        types: as `learn` returns them.
        labels: by type id, as text, of the first record's direction.

    Returns:
        The links, and the first records of those whose type is unknown.
    """
    known, unclear = [], set()
    for from_id, to_id, type_id, category, _ in links:
        own = types.get(type_id)
        if own is None:
            unclear.add(from_id)
        else:
            known.append((from_id, to_id, own, category, labels.get(str(own))))
    return known, unclear


def differing(links: Iterable[Link], held: Iterable[Link]) -> dict[str, list[Link]]:
    """Return the links by first record, of those records that hold other links than these.

    Links are compared by their ends and type: the label belongs to the type.

    >>> differing([("1", "9", 279, "HUBSPOT", None)], [("2", "9", 279, "HUBSPOT", None)])
    {'1': [('1', '9', 279, 'HUBSPOT', None)], '2': []}
    """
    found: defaultdict[str, dict[tuple[str, str, int], Link]] = defaultdict(dict)
    for link in links:
        found[link[0]][link[:3]] = link
    kept: defaultdict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for row in held:
        kept[row[0]].append(row[:3])
    names = [*found, *(name for name in kept if name not in found)]
    return {
        name: [*found[name].values()] if name in found else []
        for name in names
        if sorted(found.get(name, ())) != sorted(kept.get(name, ()))
    }


def cheaper_side(pair: Pair, records: int | None, others: int | None) -> Side:
    """Choose the side from which all links take fewer calls.

    The target's side takes a call more once, which reports its types; later sweeps save it again.

    Args:
        pair: whose links are read.
        records: of its source; None where it is unknown.
        others: of its target.
    """
    if pair.source == pair.target or records is None or others is None:
        return "source"
    return "target" if -(-others // BATCH) < -(-records // BATCH) else "source"
