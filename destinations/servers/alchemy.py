"""What is reached through SQLAlchemy, whose clients share one engine, and so its connections.

dlt makes an engine for each client, and a connection for each job: both read the system's
certificates. The lock of a run holds the engine open from beginning to end.
"""

from typing import Any

from dlt.destinations import sqlalchemy as _sqlalchemy

from ..once import ResolvedOnce


class sqlalchemy(ResolvedOnce, _sqlalchemy):  # noqa: N801 - dlt names destinations after their class
    """dlt's SQLAlchemy, resolved once."""

    def placed(self, config: Any) -> Any:  # noqa: ANN401 - dlt's configuration
        """Have a connection that was lost while nobody used it made again."""
        credentials = config.credentials
        if credentials and not credentials.engine_args:
            credentials.engine_kwargs = {"pool_pre_ping": True} | (credentials.engine_kwargs or {})
        return config
