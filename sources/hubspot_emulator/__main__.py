"""`python -m sources.hubspot_emulator`: a portal in the foreground."""

import argparse
from contextlib import suppress
from threading import Event

from .http.server import PORT, EmulatorServer
from .portal.seed import SeedSpec


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="hubspot_emulator", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--contacts", type=int, default=1000)
    parser.add_argument("--properties", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limits", choices=("on", "off"), default="on")
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--journal-limit", type=int, default=5_000)
    given = parser.parse_args()
    spec = SeedSpec(seed=given.seed, contacts=given.contacts, properties=given.properties)
    settings = {"limits": given.limits, "latency_ms": given.latency_ms}
    with EmulatorServer(
        spec, port=given.port, journal_limit=given.journal_limit, **settings
    ) as server:
        print(f"{server.url}  token {server.token}", flush=True)  # noqa: T201 - the command's result
        with suppress(KeyboardInterrupt):
            Event().wait()


if __name__ == "__main__":
    main()
