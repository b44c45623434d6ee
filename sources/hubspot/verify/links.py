"""Links against link tables: every link of a pair is read and compared with its row."""

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from functools import partial

from ..api.associations import BATCH, COLUMNS, Link, Pair, read_links
from ..api.batch_read import batches
from ..model import LIVE, View
from ..run.pace.waiting import wait_all
from ..run.run import Run
from .records import Check, Verification

AT_ONCE = 8 * BATCH  # ids whose links are asked for at the same time


def check_links(judge: Verification, pair: Pair, *, one_way: bool) -> Generator[None, None, Check]:
    """Compare all links of a pair with its table.

    Links bear no date. So a difference counts only if a second look at the portal says the same,
    and if neither of its records changed meanwhile. As for a sync, a link exists only where both
    of its records are live.

    Args:
        judge: what all checks have in common.
        pair: the pair.
        one_way: whether HubSpot reports its links from the target's side only.
    """
    run, view, check = judge.run, judge.view, Check(pair.table)
    rows = _rows(view, pair)
    check.warehouse = sum(rows.values())
    end = pair.target if one_way else pair.source
    asked = {id_ for part in view.values(end.table, ("id",), LIVE) for (id_,) in part}
    ids = asked | _ends(rows, one_way=one_way)
    links = yield from _links(run, pair, ids, check, one_way=one_way)
    check.portal = len(links)
    doubtful = _ends(links ^ rows.keys(), one_way=one_way) - check.refused.keys()
    again = yield from _links(run, pair, doubtful, check, one_way=one_way)
    held = {row for row in rows if row[1 if one_way else 0] not in check.refused}
    missing, extra = yield from _certain(
        judge, pair, (links & again) - held, held - links - again, check
    )
    _note(check, missing, extra)
    return check


def differing_links(
    judge: Verification, pair: Pair, from_ids: Sequence[str]
) -> Generator[None, None, Check]:
    """Compare the links of some records again, after they were repaired."""
    check = Check(pair.table)
    found = judge.view.rows(pair.table, COLUMNS, from_ids, key="from_id")
    links = yield from _links(judge.run, pair, from_ids, check, one_way=False)
    held = {row for row in found if row[0] not in check.refused}
    missing, extra = yield from _certain(judge, pair, links - held, held - links, check)
    _note(check, missing, extra)
    return check


def _certain(
    judge: Verification, pair: Pair, missing: set[Link], extra: set[Link], check: Check
) -> Generator[None, None, tuple[set[Link], set[Link]]]:
    """Keep the differences between records that did not change; a missing link joins live ones."""
    differing = missing | extra
    sources = yield from judge.fates(pair.source, (link[0] for link in differing), check)
    targets = yield from judge.fates(pair.target, (link[1] for link in differing), check)
    known = {link for link in differing if link[0] in sources and link[1] in targets}
    live = {link for link in known if sources[link[0]] == targets[link[1]] == ("live", None)}
    return missing & live, extra & known


def _rows(view: View, pair: Pair) -> Counter[Link]:
    rows: Counter[Link] = Counter()
    for part in view.values(pair.table, COLUMNS, "1 = 1"):
        rows.update(part)
    return rows


def _ends(links: Iterable[Link], *, one_way: bool) -> set[str]:
    """Return the ids that links are read from."""
    return {link[1] if one_way else link[0] for link in links}


def _links(
    run: Run, pair: Pair, ids: Iterable[str], check: Check, *, one_way: bool
) -> Generator[None, None, set[Link]]:
    """Read the links of ids; those read from the target's side are turned round.

    Records whose links are refused are noted in the check.
    """
    read = partial(
        read_links, run.portal.client_for(pair.table), pair.reversed if one_way else pair
    )
    found: set[Link] = set()
    numbers = sorted(id_ for id_ in {*ids} if id_.isdecimal())  # no other id is HubSpot's
    for block in batches(numbers, AT_ONCE):
        calls = [run.submit(partial(read, part), lane="links") for part in batches(block, BATCH)]
        for answer in (yield from wait_all(calls)):
            check.refused |= {id_: error.message for id_, error in answer.refused.items()}
            for link in (link for links in answer.links.values() for link in links):
                found.add((link[1], link[0], *link[2:]) if one_way else link)
    return found


def _note(check: Check, missing: set[Link], extra: set[Link]) -> None:
    """Add to a check the ids that differing links come from."""
    there = {link[:3] for link in extra}
    relabelled = {link for link in missing if link[:3] in there}
    keys = {link[:3] for link in relabelled}
    kinds = {
        "missing": missing - relabelled,
        "extra": {link for link in extra if link[:3] not in keys},
        "wrong": relabelled,
    }
    for kind, links in kinds.items():
        check.found[kind] += sorted({link[0] for link in links})
