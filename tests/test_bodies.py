"""Bodies without end, bombs and drips: nothing is read beyond its bound, and the rest goes on."""

import gzip
import io
import json
import socket
import time
import tracemalloc
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import pytest
from conftest import Warehouse
from wire import OK, Clocked, serving

from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import AnswerTooLargeError, ContractError, UnavailableError
from sources.hubspot.http.client import Client
from sources.hubspot.http.transport.bodies import BodyTooLargeError, Bounds
from sources.hubspot.http.transport.download import DownloadError, download
from sources.hubspot.steps.exports.file import BadFileError, ExportFile
from sources.hubspot_emulator.portal.seed import SeedSpec
from sources.hubspot_emulator.portal.store import Portal

pytestmark = pytest.mark.usefixtures("records_alone")

CHUNK = b"10000\r\n" + b" " * 65_536 + b"\r\n"


def endless(connection: socket.socket, _: bytes) -> None:
    """Send white space for ever, without a length."""
    connection.sendall(OK + b"\r\n[")
    while True:
        connection.sendall(b" " * 65_536)


def endless_chunks(connection: socket.socket, _: bytes) -> None:
    """Send chunks for ever."""
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(CHUNK)


def bomb(connection: socket.socket, _: bytes) -> None:
    """Send a body that unpacks to a thousand times its size."""
    body = packed_bomb()
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    connection.sendall(OK + head + body)


@cache
def packed_bomb() -> bytes:
    """Return a hundred megabytes of white space, packed."""
    return gzip.compress(b"[" + b" " * 100_000_000 + b"]")


def drip(connection: socket.socket, _: bytes) -> None:
    """Send a byte now and then, for ever."""
    connection.sendall(OK + b"\r\n[")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


DRIPS = {
    "status": b"HTTP/1.1 100 Continue\r\n\r\n" * 40 + b"HTTP/1.1 ",
    "head": OK + b"X-Long: ",
    "mark": OK + b"Transfer-Encoding: chunked\r\n\r\n2;x=",
    "end": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\nX-Long: ",
}


def client_of(port: int, **settings: object) -> Client:
    """Return a client of a server of raw bytes that does not wait between attempts."""
    config = HubSpotConfig(access_token="a-token", base_url=f"http://127.0.0.1:{port}")  # noqa: S106 - made up
    config.update({"max_body_mb": 2, "patience_seconds": 0} | settings)
    return Client(config, sleep=lambda _: None)


@pytest.mark.parametrize("answer", [endless, endless_chunks, bomb])
def test_body_is_bounded(answer):
    """A body without end or of a bomb is read up to `MAX_BODY_MB`, and the error names it."""
    packed_bomb()  # before memory is measured
    with serving(answer) as port:
        client = client_of(port)
        tracemalloc.start()
        with pytest.raises(AnswerTooLargeError, match="MAX_BODY_MB") as caught:
            client.get("/crm/x", decode=json.loads)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (caught.value.exit_code, isinstance(caught.value, ContractError)) == (4, True)
    assert peak < 8e6
    assert client.meter.calls == 1


def test_error_page_without_end_is_cut():
    """Of an error no more than its first MB is read; it stays the error that it is."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 503 Unavailable\r\n\r\n")
        while True:
            connection.sendall(b" " * 65_536)

    with serving(answer) as port:
        client = client_of(port, max_attempts=2, max_body_mb=64)
        with pytest.raises(UnavailableError, match="answered 503"):
            client.get("/crm/x", decode=json.loads)
    assert client.meter.calls == 2


def test_drip_is_cut_off():
    """A body of which a byte comes before each time-out is given up after five of them."""
    with serving(drip) as port:
        client = client_of(port, timeout_seconds=0.2, max_attempts=1)
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="not complete after 1 s"):
            client.get("/crm/x", decode=json.loads)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("decode", [json.loads, msgspec.json.decode])
def test_body_nested_without_end_is_no_bug_of_ours(decode):
    """An answer nested too deep to be decoded is one that HubSpot has not documented."""
    body = b"[" * 100_000 + b"]" * 100_000

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    with serving(answer) as port, pytest.raises(UnavailableError, match="not complete JSON"):
        client_of(port, max_attempts=1).get("/crm/x", decode=decode)


@pytest.mark.parametrize("place", DRIPS)
def test_drip_outside_the_body_is_cut_off(place):
    """An answer ends in time wherever its bytes drip: interim ones, head, chunk marks, trailer."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(DRIPS[place])
        while True:
            connection.sendall(b"1")
            time.sleep(0.05)

    with serving(answer) as port:
        client = client_of(port, timeout_seconds=0.2, max_attempts=1)
        with pytest.raises(UnavailableError):
            client.get("/crm/x", decode=json.loads)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (gzip.compress(b'{"a": 1}'), {"a": 1}),
        (gzip.compress(b'{"a"') + gzip.compress(b": 1}"), {"a": 1}),
        (gzip.compress(b'{"a": 1}') + b"\0\0padding", {"a": 1}),
        (gzip.compress(json.dumps(list(range(400_000))).encode()), list(range(400_000))),
    ],
    ids=["one", "two parts", "padding", "large"],
)
def test_gzip_is_unpacked(body, expected):
    """Whatever gzip allows is read, and several answers come over one connection."""

    def answer(connection: socket.socket, _: bytes) -> None:
        head = b"Content-Encoding: GZIP\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(OK + head + body)
        assert connection.recv(65_536)
        connection.sendall(OK + head + body)

    with serving(answer) as port:
        client = client_of(port, max_body_mb=4)
        for _ in range(2):
            assert client.get("/crm/x", decode=json.loads) == expected


@pytest.mark.parametrize(
    ("head", "body", "words"),
    [
        (b"Content-Encoding: gzip\r\n", b"no gzip at all", "cannot be decompressed"),
        (b"Content-Encoding: br\r\n", b"xxxx", "compressed as 'br'"),
    ],
    ids=["broken", "unknown"],
)
def test_broken_packing_is_tried_again(head, body, words):
    """What cannot be unpacked is no answer: it is asked for again, then reported."""

    def answer(connection: socket.socket, _: bytes) -> None:
        length = b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(OK + head + length + body)

    with serving(answer) as port:
        client = client_of(port, max_attempts=3)
        with pytest.raises(UnavailableError, match=words):
            client.get("/crm/x", decode=json.loads)
    assert client.meter.calls == 3


@pytest.mark.parametrize(
    "headers",
    [
        b"X-HubSpot-RateLimit-Max: 100\r\n" * 2,
        b"X-HubSpot-RateLimit-Max: %s\r\n" % (b"9" * 5_000),
        b"X-HubSpot-RateLimit-Interval-Milliseconds: 999999999999999\r\n",
        b"Date: nonsense\r\nDate: Tue, 99 Nov 99999 99:99:99 GMT\r\n",
        b"Retry-After: -5, soon\r\nContent-Encoding:\r\n",
    ],
    ids=["twice", "huge", "eternal", "date", "others"],
)
def test_odd_headers_do_no_harm(headers):
    """Headers that come twice, or hold nonsense, neither fail a call nor stop the next one."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(OK + headers + b"Content-Length: 2\r\n\r\n{}")

    with serving(answer) as port:
        client = client_of(port)
        began = time.monotonic()
        for _ in range(3):
            assert client.get("/crm/x", decode=json.loads) == {}
    assert time.monotonic() - began < 10
    assert 0.1 <= client.limits.snapshot()["interval"]["window_seconds"] <= 60


@pytest.mark.parametrize("value", ["", "soon", "nan", "-7", "-1e9", "5, 7", "0x10", "Tue, 1"])
def test_odd_retry_after(server, value):
    """A Retry-After that says nothing leaves the wait to the back-off."""
    server.portal.reset(SeedSpec(contacts=1))
    server.portal.faults.add(times=1, status=503, headers={"Retry-After": value})
    made = Clocked(server)
    assert made.get()["results"]
    assert made.now < 10


def test_page_too_large_is_read_in_halves(portal: Portal, warehouse: Warehouse) -> None:
    """Records whose pages are too large come in smaller ones; one alone too large fails a table."""
    text = "x" * 60_000
    for n in range(12):
        portal.create("companies", {"name": f"{n}", "description": text})
        portal.create("contacts", {"firstname": f"{n}"})
    small = warehouse.with_settings(max_body_mb=0.2)
    assert small.sync("contacts", "companies").exit_code == 0
    names = {row["name"]: row["description"] for row in warehouse.table("companies").values()}
    assert names == {f"{n}": text for n in range(12)}
    long = dict.fromkeys(("name", "domain", "description", "city"), text)
    portal.create("companies", long)
    portal.create("contacts", {"firstname": "new"})
    report = small.sync("contacts", "companies")
    assert report.exit_code == 4
    assert "MAX_BODY_MB" in (report.tables["companies"].error or "")
    assert len(warehouse.table("contacts")) == 13


def test_download_is_bounded(tmp_path: Path) -> None:
    """A file without end, or one that takes too long, is not kept."""
    for answer, bounds, error in (
        (endless, Bounds(most_bytes=3e6), BodyTooLargeError),
        (bomb, Bounds(most_bytes=3e6), BodyTooLargeError),
        (drip, Bounds(seconds=0.3), DownloadError),
    ):
        path = tmp_path / "file"
        with serving(answer) as port, path.open("wb") as file:
            address = f"http://127.0.0.1:{port}/x"
            with pytest.raises(error):
                download(address, file, timeout_seconds=5, bounds=bounds, plain=True)
        assert path.stat().st_size <= 3e6


@pytest.mark.parametrize("where", ["/next", "http://127.0.0.1:1/next"])
def test_redirects_of_a_download_are_not_read(tmp_path: Path, where: str) -> None:
    """The body of a redirect stays unread, however often it leads on."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {where}\r\n\r\n".encode())
        while True:
            connection.sendall(b" " * 65_536)

    with serving(answer) as port, (tmp_path / "file").open("wb") as file:
        tracemalloc.start()
        with pytest.raises(DownloadError):
            download(f"http://127.0.0.1:{port}/", file, timeout_seconds=1, plain=True)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4e6


def test_unpacked_export_is_bounded() -> None:
    """A zip that unpacks to too much, or a file with too many rows, is not read to its end."""
    rows = "hs_object_id\n" + "".join(f"{n}\n" for n in range(3_000))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in range(3):
            archive.writestr(f"{part}.csv", "hs_object_id\n" + " " * 1_000_000)
    with pytest.raises(BodyTooLargeError, match="unpacks to"):
        ExportFile(packed, ["hs_object_id"], most_bytes=2e6).check()
    with pytest.raises(BadFileError, match="more than 2,999 records"):
        ExportFile(io.BytesIO(rows.encode()), ["hs_object_id"]).check(most_rows=2_999)
    file = ExportFile(io.BytesIO(rows.encode()), ["hs_object_id"])
    file.check(most_rows=3_000)
    assert file.count == 3_000


def test_large_export_becomes_a_listing(portal: Portal, warehouse: Warehouse) -> None:
    """An export beyond `MAX_EXPORT_GB` is not used: the table is listed, and says why."""
    for n in range(120):
        portal.create("contacts", {"firstname": f"{n}"})
    config = replace(warehouse.config, backfill="export", max_export_gb=1e-6)
    report = Warehouse(warehouse.path, config).sync("contacts")
    assert report.exit_code == 0
    assert "MAX_EXPORT_GB" in (report.tables["contacts"].error or "")
    assert len(warehouse.table("contacts")) == 120
    assert portal.journal.count(path_contains="/hubspot-exports/") == 1
