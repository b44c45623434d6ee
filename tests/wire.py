"""A server of raw bytes, and clients whose waits pass at once, or faster than real ones."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sources.hubspot.config import HubSpotConfig
from sources.hubspot.http.client import Client
from sources.hubspot_emulator.portal.store import Portal

_TLS = b"\x16"  # the first byte of a greeting that no HTTP server understands
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Answer = Callable[[socket.socket, bytes], object]


@contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """Run a server; give its port.

    Args:
        answer: given each connection with the head of its first request, or a greeting of TLS; the
            connection is closed when it returns.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, answer), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, answer: Answer) -> None:
    with contextlib.suppress(OSError):  # the test is over
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection, answer), daemon=True).start()


def _serve(connection: socket.socket, answer: Answer) -> None:
    head = b""
    with connection, contextlib.suppress(OSError):  # the other side has gone
        while b"\r\n\r\n" not in head and not head.startswith(_TLS):
            part = connection.recv(65_536)
            if not part:
                return
            head += part
        answer(connection, head)


class Clocked:
    """A client whose waits pass at once, on a clock of its own, with what it says."""

    def __init__(self, server, **settings) -> None:
        self.now = 0.0
        self.ends: dict[float, object] = {}
        """What happens when the clock has come to a moment."""
        config = HubSpotConfig(access_token=server.token, base_url=server.url)
        config.update(settings)
        self.client = Client(config, sleep=self._sleep, clock=lambda: self.now)
        self.said: list[str] = []
        self.client.health.notify = self.said.append

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [at for at in self.ends if at <= self.now]:
            self.ends.pop(moment)()

    def get(self, api="objects", *segments):
        """Read one page."""
        path = self.client.path(api, *(segments or ("contacts",)))
        return self.client.get(path, {"limit": 1}, decode=json.loads)


class Quick:
    """A clock that runs some times as fast as the real one."""

    def __init__(self, speed: float) -> None:
        self.speed = speed

    def now(self) -> float:
        """Return the seconds of this clock."""
        return time.monotonic() * self.speed

    def sleep(self, seconds: float) -> None:
        """Wait until so many seconds of this clock are over."""
        time.sleep(seconds / self.speed)

    def client(self, config: HubSpotConfig) -> Client:
        """Return a client that waits by this clock."""
        return Client(config, sleep=self.sleep, clock=self.now)

    def rule(self, portal: Portal) -> None:
        """Let the windows of a portal's budgets follow this clock."""
        setattr(portal.clock, "elapsed_ms", lambda: self.now() * 1000)  # noqa: B010 - of one clock
