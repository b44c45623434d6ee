"""The client against the emulator: what is sent, what is sent again, and what ends a call."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import (
    AuthError,
    ConfigError,
    ContractError,
    DailyQuotaError,
    ForeignResponseError,
    NotFoundError,
    ProductMissingError,
    RateLimitedError,
    RequestRejectedError,
    ScopeMissingError,
    UnavailableError,
)
from sources.hubspot.http.client import Client
from sources.hubspot_emulator.http.server import EmulatorServer
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.settings import Limits as PortalLimits

PLENTY = PortalLimits(interval=100_000, search=100_000, associations=100_000)


class Results(msgspec.Struct):
    """The part of an answer that these tests look at."""

    results: list[dict[str, object]]


decode = msgspec.json.Decoder(Results).decode


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    """Run a small portal."""
    with EmulatorServer(SeedSpec(contacts=30)) as server:
        yield server


@pytest.fixture
def portal(server):
    """Give the portal without faults, with budgets that no test reaches."""
    server.portal.faults.clear()
    server.portal.journal.clear()
    server.portal.settings.limits = PLENTY
    return server.portal


class Made:
    """A client whose waits are written down instead of waited."""

    def __init__(self, server, **settings) -> None:
        self.waits: list[float] = []
        self.now = 0.0
        config = HubSpotConfig(access_token=server.token, base_url=server.url)
        config.update(settings)
        self.client = Client(config, sleep=self._sleep, clock=self._clock)
        self.path = self.client.path("objects", "contacts")

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def _clock(self) -> float:
        return self.now + time.monotonic()

    def get(self, **params):
        """Read a page of contacts."""
        return self.client.get(self.path, params, decode=decode)


@pytest.fixture
def made(server, portal) -> Iterator[Made]:
    """Give a client that does not really wait."""
    made = Made(server)
    yield made
    made.client.close()


def test_get(made, portal):
    """A read returns the decoded body, and list parameters keep their commas."""
    assert len(made.get(limit=3, properties="email,firstname").results) == 3
    assert made.client.meter.calls == 1
    assert portal.journal.find()[-1].query["properties"] == "email,firstname"


def test_long_list_of_properties(made, portal):
    """Commas are not percent-encoded: 3,000 names fit into HubSpot's longest URL."""
    names = ",".join(f"name_{i:04}" for i in range(3000))
    made.get(limit=1, properties=names)
    assert portal.journal.find()[-1].status == 200


def test_post(made, portal):
    """A search is a JSON body posted."""
    path = made.client.path("objects", "contacts", "search")
    assert len(made.client.post(path, {"limit": 2}, decode=decode).results) == 2
    assert portal.journal.find()[-1].method == "POST"


@pytest.mark.parametrize(
    ("version", "api", "segments", "path"),
    [
        ("2026-03", "objects", ("contacts",), "/crm/objects/2026-03/contacts"),
        ("v3", "objects", ("contacts", "search"), "/crm/v3/objects/contacts/search"),
        ("2026-09", "owners", (), "/crm/owners/2026-09"),
        ("v3", "owners", (), "/crm/v3/owners"),
        (
            "2026-03",
            "association_labels",
            ("deals", "0-1"),
            "/crm/associations/2026-03/deals/0-1/labels",
        ),
        ("v3", "association_labels", ("deals", "0-1"), "/crm/v4/associations/deals/0-1/labels"),
        ("v3", "associations", ("a", "b", "batch", "read"), "/crm/v4/associations/a/b/batch/read"),
        ("v3", "object_types", (), "/crm-object-schemas/v3/schemas"),
        ("2026-03", "account", (), "/account-info/2026-03/details"),
        ("2026-03", "limits", ("records",), "/crm/limits/2026-03/records"),
        ("2026-03", "search", ("deals",), "/crm/objects/2026-03/deals/search"),
        ("2026-03", "objects", ("p1/ä b",), "/crm/objects/2026-03/p1%2F%C3%A4%20b"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_path(server, version, api, segments, path):
    """Paths follow the version of the settings, and what goes into them is quoted."""
    assert Made(server, api_version=version).client.path(api, *segments) == path


@pytest.mark.parametrize("version", ["2026-03", "2026-09", "v3"])
def test_versions(server, portal, version):
    """The same call works in every version."""
    made = Made(server, api_version=version)
    assert made.get(limit=1).results


@pytest.mark.parametrize(
    ("fault", "least_wait"),
    [
        ({"status": 500}, 0.2),
        ({"status": 502, "body": "<html>Bad Gateway</html>"}, 0.2),
        ({"status": 503, "headers": {"Retry-After": "7"}}, 7),
        ({"status": 504}, 0.2),
        ({"status": 524, "body": "<html>timeout</html>"}, 0.2),
        ({"status": 423}, 2),
        ({"status": 429, "body": {"policyName": "SECONDLY"}}, 1),
        ({"status": 429, "body": {"policyName": "TEN_SECONDLY_ROLLING"}}, 10),
        ({"status": 429}, 10),
        ({"status": 429, "headers": {"Retry-After": "3"}}, 3),
        ({"status": 429, "body": {"retry_after": 4}}, 4),
        ({"status": 477, "headers": {"Retry-After": "20"}}, 20),
        ({"status": 200, "body": "<html>maintenance</html>"}, 0.2),
        ({"status": 200, "body": ""}, 0.2),
        ({"status": 200, "body": {"status": "error"}}, 0.2),
        ({"truncate": True}, 0.2),
        ({"disconnect": True}, 0.2),
    ],
    ids=str,
)
def test_passing_failure_is_tried_again(made, portal, fault, least_wait):
    """What may pass is waited for as long as HubSpot asks, and the caller does not notice."""
    portal.faults.add(times=1, **fault)
    assert made.get(limit=2).results
    assert sum(made.waits) >= least_wait
    assert (made.client.meter.calls, made.client.meter.retries) == (2, 1)
    assert made.client.meter.rate_limited == (fault.get("status") == 429)


def test_retry_after_as_date(made, portal):
    """Retry-After may be a date, which is read by HubSpot's clock."""
    headers = {"Date": "Tue, 24 Nov 2026 12:00:00 GMT"}
    headers |= {"Retry-After": "Tue, 24 Nov 2026 12:00:42 GMT"}
    portal.faults.add(times=1, status=503, headers=headers)
    assert made.get(limit=2).results
    assert 42 <= sum(made.waits) < 45


def test_timeout_is_tried_again(server, portal):
    """An answer that does not come in time is asked for again."""
    made = Made(server, timeout_seconds=0.2)
    portal.faults.add(times=1, delay_ms=600)
    assert made.get(limit=1).results
    assert made.client.meter.retries == 1
    while len(portal.journal) < 2:  # the late answer is not to fall into the next test
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("fault", "kind", "calls"),
    [
        ({"status": 423}, UnavailableError, 6),
        ({"status": 429, "body": {"policyName": "SECONDLY"}}, RateLimitedError, 6),
        ({"status": 200, "body": {"results": 5}}, ContractError, 2),
        ({"status": 429, "body": {"policyName": "DAILY"}}, DailyQuotaError, 1),
        ({"status": 477, "headers": {"Retry-After": "86400"}}, UnavailableError, 1),
        ({"status": 477}, UnavailableError, 1),
        ({"status": 503, "headers": {"Retry-After": "9e999"}}, UnavailableError, 1),
        ({"status": 400}, RequestRejectedError, 1),
        ({"status": 409, "body": {"message": "Conflict"}}, RequestRejectedError, 1),
        ({"status": 414, "body": "<html>"}, RequestRejectedError, 1),
        ({"status": 404, "body": {"category": "OBJECT_NOT_FOUND"}}, NotFoundError, 1),
        ({"status": 401, "body": {"status": "error"}}, AuthError, 1),
        ({"status": 530, "body": "<html>"}, AuthError, 1),
        ({"status": 403, "body": {"errors": 3, "message": "no"}}, ProductMissingError, 1),
        ({"status": 403, "body": {"message": "Missing required scope"}}, ScopeMissingError, 1),
    ],
    ids=str,
)
def test_lasting_failure_ends_the_call(made, portal, fault, kind, calls):
    """What lasts is given up after the attempts it is worth; what cannot pass is sent once."""
    portal.faults.add(**fault)
    with pytest.raises(kind) as caught:
        made.get(limit=1)
    assert type(caught.value) is kind
    assert made.client.meter.calls == calls == len(portal.journal.find())
    if "status" in fault:
        assert caught.value.status == fault["status"]
    assert max(made.waits, default=0) <= 70


def test_broken_connection_is_told_in_words(server, portal):
    """What the network did is said once, in words, not as Python writes a tuple."""
    portal.faults.add(disconnect=True)
    with pytest.raises(UnavailableError) as caught:
        Made(server, patience_seconds=0).get(limit=1)
    assert "Connection broken: IncompleteRead(" in str(caught.value)
    assert str(caught.value).count("IncompleteRead") == 1


def test_message_carries_what_support_asks_for(made, portal):
    """An error names the call, the status, HubSpot's own words and the correlation id."""
    body = {"message": "Property values\nwere not valid", "correlationId": "c-1"}
    portal.faults.add(status=400, body=body)
    with pytest.raises(RequestRejectedError) as caught:
        made.get(limit=1)
    text = str(caught.value)
    assert all(part in text for part in ("GET /crm/objects", "400", "values were not valid", "c-1"))
    assert caught.value.correlation_id == "c-1"


def test_contract_error_names_the_place(made, portal):
    """A body of the wrong shape is reported with the place in it."""
    portal.faults.add(status=200, body={"results": [1]})
    with pytest.raises(ContractError, match=r"\$\.results"):
        made.get(limit=1)


@pytest.mark.parametrize(
    ("body", "scopes"),
    [
        (
            {
                "category": "MISSING_SCOPES",
                "errors": [{"context": {"requiredGranularScopes": ["crm.a.read", "crm.b.read"]}}],
            },
            ("crm.a.read", "crm.b.read"),
        ),
        (
            {"message": "EXTERNAL auth request is missing required 'crm.c.read' scope"},
            ("crm.c.read",),
        ),
        ({"message": "This account has no such product"}, ()),
    ],
    ids=["granular", "external", "plan"],
)
def test_missing_scope(made, portal, body, scopes):
    """A 403 names the scopes in both of HubSpot's wordings."""
    portal.faults.add(status=403, body=body)
    with pytest.raises(ScopeMissingError) as caught:
        made.get(limit=1)
    assert caught.value.scopes == scopes
    assert all(scope in str(caught.value) for scope in scopes)


@pytest.mark.parametrize(
    ("category", "word"),
    [("EXPIRED_AUTHENTICATION", "expired"), ("INVALID_AUTHENTICATION", "unknown or revoked")],
)
def test_refused_token(made, portal, category, word):
    """A 401 says whether the token is too old or unknown."""
    portal.faults.add(status=401, body={"category": category, "message": "No."})
    with pytest.raises(AuthError, match=word):
        made.get(limit=1)


def test_wrong_token(server, portal):
    """The portal's own refusal of a token is an AuthError."""
    with pytest.raises(AuthError):
        Made(server, access_token="another").get(limit=1)  # noqa: S106 - made up


def test_token_never_shows(made, server, portal, caplog):
    """Even an answer that echoes the token does not bring it into an error or a log line."""
    caplog.set_level(logging.DEBUG)
    portal.faults.add(status=400, body={"message": f"Bearer {server.token} is odd"})
    with pytest.raises(RequestRejectedError, match="is odd") as caught:
        made.get(limit=1)
    shown = f"{caught.value!r} {caught.value} {made.client!r} {vars(made.client)} {caplog.text}"
    assert server.token not in shown


def test_redirect_is_not_followed(made, server, portal):
    """The token goes to the base URL only."""
    with EmulatorServer(SeedSpec(contacts=1)) as other:
        portal.faults.add(status=307, headers={"Location": f"{other.url}/x"})
        with pytest.raises(ForeignResponseError, match="SOURCES__HUBSPOT__BASE_URL"):
            made.get(limit=1)
        assert not other.portal.journal.find()


@pytest.mark.parametrize(
    ("url", "calls"),
    [("http://no-such-host.invalid", 3), ("https://{host}", 1)],
    ids=["unknown host", "no TLS"],
)
def test_wrong_address(server, portal, url, calls):
    """An address that nothing answers at is soon given up, with the setting to look at."""
    made = Made(server, base_url=url.format(host=server.url.removeprefix("http://")))
    with pytest.raises(UnavailableError, match="SOURCES__HUBSPOT__BASE_URL"):
        made.get(limit=1)
    assert made.client.meter.calls == calls


def test_proxy_of_the_environment(server, portal, monkeypatch):
    """Calls go through the proxy that the environment names, but for hosts that it excepts."""
    monkeypatch.setenv("http_proxy", server.url)
    away = Made(server, base_url="http://hubspot.invalid")
    assert away.get(limit=1).results  # the emulator answers for the host that it is asked to call
    monkeypatch.setenv("no_proxy", "hubspot.invalid")
    with pytest.raises(UnavailableError, match="BASE_URL"):
        Made(server, base_url="http://hubspot.invalid").get(limit=1)


def test_base_url_with_a_path(server, portal):
    """What a base URL has behind its host goes before the path of every call."""
    made = Made(server, base_url=f"{server.url}/gateway")
    with pytest.raises(NotFoundError):
        made.get(limit=1)
    assert portal.journal.find()[-1].path.startswith("/gateway/crm/")


def test_certificates_of_the_environment(server, portal, monkeypatch, tmp_path):
    """Certificates are those that the environment names."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    made = Made(server, base_url=server.url.replace("http:", "https:"))
    with pytest.raises(ConfigError, match=r"none\.pem"):
        made.get(limit=1)


def test_refused_connection(server, portal):
    """A port where nobody listens (yet) is worth all attempts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = Made(server, base_url=f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(UnavailableError, match="refused"):
            made.get(limit=1)
    assert made.client.meter.calls == 6


def test_unusable_settings(server):
    """Settings are checked before anything is sent, however they were made."""
    with pytest.raises(ConfigError, match="BASE_URL"):
        Client(HubSpotConfig(access_token=server.token, base_url="nonsense"))


def test_multi_status_is_a_success(made, portal):
    """A 207 is decoded like a 200."""
    portal.faults.add(status=207, body={"results": [], "errors": [{"message": "none"}]})
    assert made.get(limit=1).results == []
    assert made.client.meter.calls == 1


def test_penalty_is_shared(made, portal):
    """After a 429 the other calls of that budget wait as well, those of other budgets do not."""
    portal.faults.add(times=1, status=429, body={"policyName": "TEN_SECONDLY_ROLLING"})
    waits = []
    made.client.limits.wait = lambda seconds: waits.append(seconds) or made._sleep(seconds)
    made.get(limit=1)
    search = made.client.path("objects", "contacts", "search")
    before = len(waits)
    made.client.post(search, {"limit": 1}, decode=decode)
    assert max(waits) >= 10
    assert len(waits) == before


def test_daily_refusal_stops_the_other_calls(made, portal):
    """Once the day is spent no other call is sent, and the message says when to come back."""
    portal.faults.add(times=1, status=429, body={"policyName": "DAILY", "message": "Daily limit."})
    for _ in range(2):
        with pytest.raises(DailyQuotaError, match="midnight"):
            made.get(limit=1)
    assert made.client.meter.calls == 1


def test_daily_reserve_is_kept():
    """The share of the day that belongs to other apps is not touched."""
    with EmulatorServer(SeedSpec(contacts=1), limits={"daily": 20}) as server:
        made = Made(server)
        for _ in range(18):
            made.get(limit=1)
        with pytest.raises(DailyQuotaError, match=r"2 of the portal's 20 .* 2 are kept"):
            made.get(limit=1)
        assert len(server.portal.journal.find()) == 18


def test_meters(made, portal):
    """Each table's client counts its own calls, the root counts all."""
    one, two = made.client.for_table("contacts"), made.client.for_table("deals")
    portal.faults.add(times=1, status=500)
    one.get(made.path, {"limit": 1}, decode=decode)
    two.get(made.path, {"limit": 1}, decode=decode)
    assert (one.meter.calls, one.meter.retries, two.meter.calls) == (2, 1, 1)
    assert (made.client.meter.calls, made.client.meter.retries) == (3, 1)
    assert made.client.meter.seconds == pytest.approx(one.meter.seconds + two.meter.seconds)


def test_portal_now(made, portal):
    """The portal's time comes from its answers, and goes on with our clock."""
    assert made.client.portal_now() is None
    made.client.for_table("contacts").get(made.path, {"limit": 1}, decode=decode)
    first = made.client.portal_now()
    assert first.tzinfo is UTC
    truth = datetime.fromtimestamp(portal.clock.now_ms() / 1000, UTC)
    assert -0.1 <= (truth - first).total_seconds() <= 2
    made.now += 60
    assert 59.9 <= (made.client.portal_now() - first).total_seconds() <= 62


def test_cancel(server, portal):
    """A client in the middle of a long wait ends it at once, and sends nothing more."""
    client = Client(HubSpotConfig(access_token=server.token, base_url=server.url))
    portal.faults.add(status=503, headers={"Retry-After": "200"})
    threading.Timer(0.3, client.cancel).start()
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="cancelled"):
            client.get(client.path("owners"), decode=json.loads)
    assert time.monotonic() - began < 5
    assert client.meter.calls == 1
