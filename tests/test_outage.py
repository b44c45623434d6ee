"""Outages: how long calls go on, what is said of it, and when a call that alone fails ends."""

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from wire import Clocked, Quick

from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import ForeignResponseError, HubSpotError, UnavailableError, is_absent
from sources.hubspot.http import patience
from sources.hubspot.http.client import Client
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec

HTML = "<html><head><title>Blocked by\n policy 7</title></head><body>no</body></html>"
EVERY = {
    "503": {"status": 503},
    "502 in HTML": {"status": 502, "body": "<html>Bad Gateway</html>"},
    "523": {"status": 523, "body": ""},
    "reset": {"reset": True},
    "closed": {"disconnect": True},
    "cut": {"truncate": True},
    "login page": {"status": 200, "body": "<html><title>Log in</title></html>"},
}


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    """Run a small portal without limits."""
    with EmulatorServer(SeedSpec(contacts=30), limits="off") as server:
        yield server


@pytest.fixture
def portal(server):
    """Give the portal without faults."""
    server.portal.faults.clear()
    server.portal.journal.clear()
    return server.portal


@pytest.mark.parametrize("fault", EVERY.values(), ids=EVERY)
def test_outage_is_waited_for(server, portal, fault):
    """An outage of a minute ends no call, and is told once when it lasts and once when it ends."""
    made = Clocked(server)
    made.get()
    portal.faults.add(**fault)
    made.ends[60] = portal.faults.clear
    began = made.now
    assert made.get()["results"]
    assert 60 <= made.now - began <= 66
    assert len(made.said) == 2
    assert re.search(r"has not answered a call since .* trying again until", made.said[0])
    assert made.said[1].startswith("HubSpot answers again, after 6")


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [({"status": 503}, 180, 190), ({"status": 403, "body": HTML}, 0, 5)],
    ids=["outage", "firewall"],
)
def test_patience_ends(server, portal, fault, least, most):
    """What lasts longer than the patience ends the call, even the first one of a command."""
    made = Clocked(server)
    portal.faults.add(**fault)
    with pytest.raises(UnavailableError):
        made.get()
    assert least <= made.now <= most
    calls = made.client.meter.calls
    with pytest.raises(UnavailableError):  # the same outage: it has been waited for
        made.get()
    assert made.client.meter.calls - calls <= 6


def test_patience_is_a_setting(server, portal):
    """`PATIENCE_SECONDS` bounds the wait; 0 leaves only the attempts."""
    portal.faults.add(status=503)
    for seconds, calls in ((30, range(7, 16)), (0, range(6, 7))):
        made = Clocked(server, patience_seconds=seconds)
        with pytest.raises(UnavailableError):
            made.get()
        assert made.client.meter.calls in calls
        assert made.now >= seconds


def test_call_that_alone_fails_has_its_attempts(server, portal):
    """A path that answers 503 for ever is given up after six attempts while others answer."""
    made = Clocked(server)
    made.get("owners", "")
    portal.faults.add(path="/contacts", status=503)
    with pytest.raises(UnavailableError):
        made.get()
    assert portal.journal.count(status=503) == 6
    assert made.now < 30
    assert not made.said


def test_calls_of_all_threads_wait_together(server, portal, monkeypatch):
    """Eight threads that meet an outage all go on after it, and it is told once."""
    monkeypatch.setattr(patience, "REPORT_SECONDS", 1.0)
    config = HubSpotConfig(access_token=server.token, base_url=server.url, max_attempts=2)
    clock = Quick(5)
    client = clock.client(config)
    said: list[str] = []
    client.health.notify = said.append
    path = client.path("objects", "contacts")
    client.get(path, {"limit": 1}, decode=json.loads)
    portal.faults.add(status=503)
    threading.Timer(3 / clock.speed, portal.faults.clear).start()
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(client.get, path, {"limit": 1}, decode=json.loads) for _ in range(8)]
        assert all(call.result()["results"] for call in calls)
    assert len(said) == 2


def test_stopped_server_is_waited_for():
    """Where calls were answered before, a refused connection is an outage and no wrong address."""
    with EmulatorServer(SeedSpec(contacts=1), limits="off") as first:
        made = Clocked(first)
        made.get()
        port = int(first.url.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        made.ends[40] = lambda: stack.enter_context(
            EmulatorServer(SeedSpec(contacts=1), port=port, limits="off")
        )
        assert made.get()["results"]
    assert made.now >= 40


def test_cancel_ends_an_outage_at_once(server, portal):
    """Ctrl-C does not wait for HubSpot."""
    config = HubSpotConfig(access_token=server.token, base_url=server.url)
    client = Client(config)
    portal.faults.add(status=503, headers={"Retry-After": "100"})
    threading.Timer(0.2, client.cancel).start()
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="cancelled"):
        client.get(client.path("owners"), decode=json.loads)
    assert time.monotonic() - began < 10


def test_address_that_never_answered_is_soon_given_up(server, portal):
    """A wrong address takes its attempts, not three minutes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = Clocked(server, base_url=f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(UnavailableError, match="refused"):
            made.get()
    assert (made.client.meter.calls, made.said) == (6, [])
    assert made.now < 30


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 409, 410, 451])
@pytest.mark.parametrize(
    "body",
    ["", HTML, "denied", {"detail": "Not Found"}, {"status": 403}, []],
    ids=["empty", "page", "text", "detail", "number", "list"],
)
def test_answer_that_is_not_hubspots(server, portal, status, body):
    """A firewall's answer says nothing of the portal: no missing scope, no absence, try later."""
    made = Clocked(server)
    portal.faults.add(status=status, body=body, headers={"Location": "https://u:p@login.test/x"})
    with pytest.raises(ForeignResponseError) as caught:
        made.get()
    error: HubSpotError = caught.value
    assert (error.exit_code, error.retryable, is_absent(error)) == (6, True, False)
    assert f"answered {status} to GET /crm/objects" in error.message
    assert "u:p" not in str(error)
    assert made.client.meter.calls == 3


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 403, "body": HTML}, 'the page "Blocked by policy 7"'),
        ({"status": 404, "body": ""}, "an empty body"),
        ({"status": 200, "body": HTML}, 'the page "Blocked by policy 7"'),
        (
            {"status": 302, "headers": {"Location": "https://wifi.test/?x=1"}},
            "redirect to wifi.tes",
        ),
    ],
    ids=["page", "empty", "success", "redirect"],
)
def test_foreign_answer_is_described(server, portal, fault, words):
    """The message says what came instead of HubSpot's answer, and what to check."""
    portal.faults.add(**fault)
    with pytest.raises(ForeignResponseError, match="proxy, firewall or network login") as caught:
        Clocked(server).get()
    assert words in str(caught.value)
