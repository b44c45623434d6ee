"""The emulator as a server: in a thread for tests, in the foreground for people."""

import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import uvicorn

from ..portal.seed import SeedSpec
from ..portal.store import Portal
from ..settings import DEFAULT_TOKEN, Settings
from .app import Emulator
from .connection import Connection

HOST, PORT = "127.0.0.1", 8765
START_SECONDS = 20


def make_portal(spec: SeedSpec | None, members: Mapping[str, object]) -> Portal:
    """Return a portal; `members` are those of `Settings` (`limits` may be "off")."""
    settings = Settings()
    settings.change(members)
    return Portal(spec or SeedSpec(), settings)


def bound(host: str, port: int) -> socket.socket:
    """Return a socket at an address; port 0 picks a free one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _config(portal: Portal) -> uvicorn.Config:
    return uvicorn.Config(
        Emulator(portal),
        http=Connection,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )


class EmulatorServer:
    """A portal on a free port of this machine while the `with` block runs."""

    token = DEFAULT_TOKEN

    def __init__(self, spec: SeedSpec | None = None, *, port: int = 0, **settings: object) -> None:
        self.portal = make_portal(spec, settings)
        self._socket = bound(HOST, port)
        self.url = f"http://{HOST}:{self._socket.getsockname()[1]}"
        self.portal.address = self.url
        self._server = uvicorn.Server(_config(self.portal))
        self._thread = threading.Thread(target=self._run, name="hubspot-emulator", daemon=True)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread.start()
        give_up_at = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > give_up_at:
                raise RuntimeError("the emulator did not start")
            time.sleep(0.002)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = self._server.force_exit = True  # nobody waits for an answer
        self._thread.join(START_SECONDS)
        self._socket.close()


def serve(
    spec: SeedSpec | None = None, host: str = HOST, port: int = PORT, **settings: object
) -> None:
    """Run a portal in the foreground until interrupted."""
    portal = make_portal(spec, settings)
    with bound(host, port) as listener:
        portal.address = f"http://{host}:{listener.getsockname()[1]}"
        uvicorn.Server(_config(portal)).run(sockets=[listener])
