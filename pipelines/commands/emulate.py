"""The emulated portal in the foreground, to point anything at."""

import sys
from threading import Event

from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec


def emulate(
    *, port: int, contacts: int, properties: int, seed: int, limits: bool, latency_ms: float
) -> None:
    """Run an emulated portal until interrupted; its address and token go to stdout.

    Raises:
        OSError: the port cannot be had.
    """
    spec = SeedSpec(seed=seed, contacts=contacts, properties=properties)
    server = EmulatorServer(
        spec, port=port, limits="on" if limits else "off", latency_ms=latency_ms
    )
    with server:
        sys.stdout.write(
            f"export SOURCES__HUBSPOT__BASE_URL={server.url}\n"
            f"export SOURCES__HUBSPOT__ACCESS_TOKEN={server.token}\n"
        )
        sys.stdout.flush()
        sys.stderr.write("The portal answers; Ctrl-C ends it.\n")
        Event().wait()
