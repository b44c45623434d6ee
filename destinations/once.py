"""Destinations whose settings are resolved once: dlt asks for them some forty times a run."""

from typing import TYPE_CHECKING, Any

from dlt.common.destination import Destination

from .dlt_settings import PIPELINE

if TYPE_CHECKING:
    from dlt.common.destination.client import DestinationClientDwhConfiguration

    Base = Destination[Any, Any]
else:
    Base = object


class ResolvedOnce(Base):
    """A destination whose clients share their credentials, and so their connections."""

    def configuration(
        self,
        initial_config: Any,  # noqa: ANN401 - of whichever destination
        accept_partial: bool = False,  # noqa: FBT001, FBT002 - dlt's signature
    ) -> "DestinationClientDwhConfiguration":
        """Return a copy of what is resolved once; only its credentials are shared."""
        given = initial_config or self.spec()
        given.pipeline_name = given.pipeline_name or PIPELINE  # files are called after it
        found: dict[object, Any] = vars(self).setdefault("_resolved", {})
        key = accept_partial, repr(vars(given))
        if key not in found:
            found[key] = self.placed(super().configuration(given, accept_partial))
        config = found[key].copy()
        config.credentials = found[key].credentials
        return config  # type: ignore[no-any-return]

    def placed(self, config: Any) -> Any:  # noqa: ANN401
        """Return resolved settings as they are used."""
        return config
