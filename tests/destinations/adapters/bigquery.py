"""BigQuery: a project's where credentials are in the environment, else bqemulator's imitation.

    uv run --isolated --with 'dlt[bigquery]' pytest tests/destinations --on bigquery

bqemulator runs in an environment of its own. With DESTINATION__BIGQUERY__CREDENTIALS, or parts of
them, the same command runs on that project.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dlt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.api_core.exceptions import NotFound
from google.cloud import bigquery

from . import Adapter
from .processes import account, begin_emulator, end, free_port

PROJECT = "suite-project"


class BigQuery(Adapter):
    """A project, or an imitation that knows no passwords and roles."""

    destination = "bigquery"

    def start(self, folder: Path) -> None:
        """Start the imitation, unless there is a project."""
        self._settings = account("DESTINATION__BIGQUERY__")
        self._process = None
        if self._settings:
            return
        port, tokens = free_port(), free_port()
        self._process = begin_emulator(
            ["bqemulator==1.4.0", "duckdb==1.5.5", "duckdb-extension-spatial==1.5.5", "numpy"],
            "bigquery_server.py",
            port,
            folder / "log",
            str(tokens),
        )
        key = folder / "account.json"
        key.write_text(json.dumps(_account(f"http://127.0.0.1:{tokens}/token")))
        self._settings = {
            "BIGQUERY_EMULATOR_HOST": f"http://127.0.0.1:{port}",
            "GOOGLE_APPLICATION_CREDENTIALS": str(key),
        }

    def credentials(self, role: str = "") -> Mapping[str, str]:  # noqa: ARG002 - it has none
        """Return the project's settings, or where the imitation is."""
        return self._settings

    def read(self, dataset: str, table: str) -> list[dict[str, Any]]:
        """Read a table by Google's driver."""
        config = dlt.destinations.bigquery().configuration(
            dlt.destinations.bigquery.spec()._bind_dataset_name(dataset)
        )
        project = config.project_id or config.credentials.project_id
        known = config.credentials.to_native_credentials()
        with closing(bigquery.Client(project, credentials=known)) as client:
            try:
                rows = client.query(f"SELECT * FROM `{project}`.`{dataset}`.`{table}`").result()
            except NotFound:
                return []
            return [dict(row.items()) for row in rows]

    def stop(self) -> None:
        """End the imitation."""
        if self._process:
            end(self._process)


def _account(tokens: str) -> dict[str, str]:
    """Return the file of an account that gets its tokens there."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": f"loader@{PROJECT}.example",
        "client_id": "1",
        "token_uri": tokens,
    }
