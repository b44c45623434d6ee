"""Links as targets list them, given the types and labels that they have from the source's side."""

from collections import defaultdict
from collections.abc import Generator, Sequence
from itertools import chain

from ...api.associations import BATCH, Link, Pair
from ...api.link_types import learn, translated
from ...run.run import Run
from .calls import LinkCalls


class Translation:
    """Which types the links of pairs have from either side, as far as the state or HubSpot says."""

    def __init__(self, run: Run, calls: LinkCalls) -> None:
        """Remember whom to ask; nothing is called yet."""
        self._run, self._calls = run, calls
        self._unknown: defaultdict[str, set[int]] = defaultdict(set)
        """By link table the types of the target's side that no link has distinguished."""

    def translate(
        self, pair: Pair, theirs: Sequence[Link], ids: Sequence[str]
    ) -> Generator[None, None, tuple[list[Link], set[str]]]:
        """Give links the types and labels that they have from the source's side.

        Types that are new are learned first, by reading some of the links from there.

        Args:
            pair: theirs.
            theirs: the links of some targets, turned round.
            ids: of these targets.

        Returns:
            The links, and the sources of those whose type nobody knows.
        """
        known = self._run.state.pair(pair.table)
        if known.reported_by == "target" or pair.source == pair.target:
            return list(theirs), set()
        settled = self._unknown[pair.table].union(map(int, known.types))
        if new := [link for link in theirs if link[2] not in settled]:
            yield from self._learn(pair, new, theirs, {*ids})
        types = {int(type_id): own for type_id, own in known.types.items()}
        labels = self._run.state.last(f"labels:{pair.table}")
        return translated(theirs, types, labels if isinstance(labels, dict) else {})

    def _learn(
        self, pair: Pair, new: Sequence[Link], theirs: Sequence[Link], ids: set[str]
    ) -> Generator[None, None, None]:
        """Learn the types of new links by reading some of them from the source's side."""
        sample = [*dict.fromkeys(link[0] for link in new)][:BATCH]
        answers = yield from self._calls.ask(pair, sample, "source")
        own = [link for link in chain(*answers.values()) if link[1] in ids]
        found = learn(own, [link for link in theirs if link[0] in answers])
        known = self._run.state.pair(pair.table)
        known.types |= {str(type_id): own_id for type_id, own_id in found.items()}
        self._unknown[pair.table].update(link[2] for link in new if link[2] not in found)
