"""A DuckLake, whose catalogue all clients of a run share."""

from typing import TYPE_CHECKING

from dlt.destinations import ducklake as _ducklake

from ..once import ResolvedOnce

if TYPE_CHECKING:
    from .lake_client import LakeClient


class ducklake(ResolvedOnce, _ducklake):  # noqa: N801 - dlt names destinations after their class
    """dlt's DuckLake with a client of ours."""

    @property
    def client_class(self) -> type["LakeClient"]:
        """The client, imported when first used."""
        from .lake_client import LakeClient  # noqa: PLC0415 - heavy

        return LakeClient
