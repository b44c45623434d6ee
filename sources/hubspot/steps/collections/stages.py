"""Stages of the pipelines of an object type, known before its records are read."""

from collections.abc import Generator

from ...api.stages import labels_of
from ...catalog.endpoints import ENDPOINTS
from ...errors import HubSpotError
from ...model import ObjectType
from ...run.pace.waiting import wait
from ...run.portal.schemas import stages_name
from ...run.run import Run
from .pages import ask_ahead
from .reading import parts_of, refusal_of, why

PIPELINES = "pipelines"


def stages_of(run: Run, kind: ObjectType) -> Generator[None, None, dict[str, str]]:
    """Begin to find out the stages of a type; return what waits for their labels, by their ids.

    HubSpot is asked only if this run reads the pipelines of the type, which then takes this answer.
    A stage that was known once stays, for records of earlier days have dates of it.
    """
    parts = parts_of(run, PIPELINES, [kind]) if kind.pipelines and _are_read(run) else []
    due = [part for part in parts if why(run, part.endpoint, part.scope)]
    calls = [ask_ahead(run, part.client, part.request(part.endpoint.variants[0])) for part in due]

    def waiting() -> Generator[None, None, dict[str, str]]:
        found = dict(run.state.last(stages_name(kind.table)) or {})
        for call in calls:
            try:
                answer = yield from wait(call)
            except HubSpotError:  # whoever reads the pipelines reports it
                continue
            found |= labels_of(answer.rows)
        return found

    return waiting()


def _are_read(run: Run) -> bool:
    is_read = PIPELINES in run.selection.endpoints
    return is_read and refusal_of(run, ENDPOINTS[PIPELINES]) is None
