"""Records that were archived: when to look for them, and the listing that finds them.

HubSpot has no feed of deletions. Archived records appear only in `archived=true` listings, so
these are read in full where the number of live records says that something disappeared, and once
a day in any case.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial

from .changes import instant_ms
from .client import Client
from .decoding import Record, RecordDecoder
from .errors import RequestRejectedError
from .listing import Listing, Range, list_page
from .model import ObjectType, Page
from .run import Run
from .state import TableState

EVERY = timedelta(hours=24)


def is_due(state: TableState, total: int | None, *, new: int, now: datetime) -> bool:
    """Tell whether the archived records have to be listed.

    Args:
        total: live records now, as search counts them; None where that is not known.
        new: how many of them were created since they were last counted.
    """
    if state.swept_at is None or now - state.swept_at >= EVERY:
        return True
    return state.total is None or total is None or total != state.total + new


def list_archived(
    run: Run,
    client: Client,
    object_type: ObjectType,
    decoder: RecordDecoder,
    *,
    since: datetime | None,
) -> Iterator[Sequence[Record] | None]:
    """Yield the archived records page by page; None while waiting.

    Args:
        since: leave out those archived before this instant; None for all of them.

    An object type that has no archived listing yields nothing and says so in its outcome.
    """
    floor = int(since.timestamp() * 1000) if since else 0

    def submit(after: str | None) -> Future[Page[Record]]:
        return run.submit(partial(list_page, client, object_type, decoder, after, archived=True))

    begun = False
    try:
        for records in Listing(submit, [Range()], in_flight=1, sequential=True).pages():
            if records is None:
                yield None
                continue
            begun = True
            yield [r for r in records if (instant_ms(r.archivedAt) or floor) >= floor]
    except RequestRejectedError as error:
        if begun:
            raise
        run.outcome_of(
            object_type.table
        ).error = f"HubSpot does not list archived records of it: {error.message}"
