"""Which keys came before, in about ten bytes each, so that a million of them take no memory."""

from array import array
from collections import defaultdict
from collections.abc import Hashable
from functools import partial

YOUNG = 1 << 14
"""Digests that lie in a set, which is quicker, and ten times as large."""
BUCKETS = 1 << 13
"""A million of digests are 120 in each."""


class Digests:
    """A set of keys that grows only; two keys of one digest, one pair in 2**64, are the same.

    >>> seen = Digests()
    >>> [seen.add(key) for key in "aba"], "a" in seen
    ([True, True, False], True)
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._young: set[int] = set()
        self._old: defaultdict[int, array[int]] = defaultdict(partial(array, "q"))

    def __contains__(self, key: Hashable) -> bool:
        return self._has(hash(key))

    def add(self, key: Hashable) -> bool:
        """Take a key; return whether it is new."""
        digest = hash(key)
        if self._has(digest):
            return False
        self._young.add(digest)
        if len(self._young) > YOUNG:
            for one in self._young:
                self._old[one % BUCKETS].append(one)
            self._young = set()
        return True

    def _has(self, digest: int) -> bool:
        return digest in self._young or digest in self._old.get(digest % BUCKETS, ())
