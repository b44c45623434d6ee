"""Calls of the emulator as any client makes them: over HTTP, with the portal's token."""

from typing import Any

import requests

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.store import Portal

PATIENCE_SECONDS = 30


class Caller:
    """One connection to an emulator; a call that is not answered in time is an error."""

    def __init__(self, server: EmulatorServer) -> None:
        self.portal: Portal = server.portal
        self.server = server
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {server.token}"

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """Send a request."""
        options = {"timeout": PATIENCE_SECONDS} | options
        return self._session.request(method, self.server.url + path, json=body, **options)
