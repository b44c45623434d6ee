"""What a run says that finds another one at work."""

from sources.hubspot.errors import OverlapError

from ..failures import redacted


def busy(what: str, by: str) -> OverlapError:
    """Return the error of a run that gives way.

    Args:
        what: the other one writes.
        by: who that is, as far as it is known.
    """
    who = f": {by}" if by else ""
    return OverlapError(
        redacted(f"Another run is at work on {what}{who}."),
        remedy="Wait for it to end, which --wait SECONDS does, or stop it.",
    )
