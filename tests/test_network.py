"""Proxies and certificates of the environment: what fails is named, with its remedy."""

import json
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme
from wire import OK, serving

from sources.hubspot.config import HubSpotConfig
from sources.hubspot.errors import ConfigError, ForeignResponseError, HubSpotError, UnavailableError
from sources.hubspot.http.client import Client

SECRET = "s3cr3t"  # noqa: S105 - made up
VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    """Take away what the machine says of proxies and certificates."""
    for name in (*VARIABLES, "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def ask(url: str, **settings: object) -> tuple[Client, HubSpotError | None]:
    """Call once without waiting; return the client and its error."""
    config = HubSpotConfig(access_token="a-token", base_url=url)  # noqa: S106 - made up
    config.update({"patience_seconds": 0} | settings)
    client = Client(config, sleep=lambda _: None)
    try:
        client.get("/crm/x", decode=json.loads)
    except HubSpotError as error:
        return client, error
    return client, None


def proxy(status: bytes):
    """Return the answer of a proxy to whatever it is asked."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    return answer


@pytest.mark.parametrize("url", ["https://api.hubapi.com", "http://hubspot.invalid"])
@pytest.mark.parametrize("name", ["{}_PROXY", "{}_proxy", "ALL_PROXY", "all_proxy"])
def test_proxy_that_wants_a_password(monkeypatch, url, name):
    """A 407 is final, exit 2: the variable and the form are named, the password is not."""
    scheme = url.partition(":")[0]
    name = name.format(scheme.upper() if name.isupper() else scheme)
    with serving(proxy(b"407 Proxy Authentication Required")) as port:
        monkeypatch.setenv(name, f"http://user:{SECRET}@127.0.0.1:{port}")
        client, error = ask(url)
    assert isinstance(error, ConfigError)
    assert f"proxy of {name}" in error.message
    assert "USER:PASSWORD" in error.remedy
    assert SECRET not in repr(error)
    assert client.meter.calls == 1


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("socks5://user:s3cr3t@127.0.0.1:9", "PySocks is not installed"),
        ("ftp://user:s3cr3t@127.0.0.1:9", "http://host:port"),
        ("socks9://user:s3cr3t@127.0.0.1:9", "ALL_PROXY"),
        ("http://user:s3cr3t@127.0.0.1:999999", "http://host:port"),
        ("http://", "http://host:port"),
    ],
)
def test_proxy_that_cannot_be_used(monkeypatch, address, words):
    """A proxy's address that cannot work is an error of its variable, not of the base URL."""
    monkeypatch.setitem(sys.modules, "socks", None)  # as where the package is not installed
    monkeypatch.setenv("ALL_PROXY", address)
    client, error = ask("https://api.hubapi.com")
    assert isinstance(error, ConfigError)
    assert "ALL_PROXY" in error.message
    assert words in str(error)
    assert SECRET not in repr(error)
    assert "BASE_URL" not in str(error)
    assert client.meter.calls == 1


def test_proxy_that_speaks_no_tls(monkeypatch):
    """An https:// proxy that speaks http is told from a HubSpot that does."""
    with serving(proxy(b"400 Bad Request")) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"https://user:{SECRET}@127.0.0.1:{port}")
        _, error = ask("https://api.hubapi.com")
    assert isinstance(error, ConfigError)
    assert "HTTPS_PROXY names a proxy by https:// that speaks http" in error.message
    assert SECRET not in repr(error)


@pytest.mark.parametrize(
    ("status", "kind", "calls"),
    [(b"403 Forbidden", ForeignResponseError, 3), (b"502 Bad Gateway", ForeignResponseError, 6)],
)
def test_proxy_that_refuses_the_way(monkeypatch, status, kind, calls):
    """A proxy that does not let calls pass, or cannot, is named; HubSpot said nothing."""
    with serving(proxy(status)) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:{port}")
        client, error = ask("https://api.hubapi.com")
    assert type(error) is kind
    assert f"The proxy of HTTPS_PROXY answered {status[:3].decode()}" in str(error)
    assert SECRET not in repr(error)
    assert client.meter.calls == calls


def test_proxy_that_is_not_there(monkeypatch):
    """A proxy that nobody can reach is named by its variable."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://user:{SECRET}@127.0.0.1:{free.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", address)
        client, error = ask("https://api.hubapi.com")
    assert isinstance(error, UnavailableError)
    assert "HTTPS_PROXY" in error.remedy
    assert "HTTPSConnection(host=" in error.message  # as everybody knows it from elsewhere
    assert SECRET not in repr(error)
    assert client.meter.calls == 6


@contextmanager
def secure(certificate: trustme.LeafCert) -> Iterator[str]:
    """Run a TLS server that answers {}; give its address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:  # the test is over
                return
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(65_536)
                    connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
            except OSError:  # the client did not like the certificate
                plain.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


def test_private_authority(monkeypatch, tmp_path):
    """A certificate of a private CA is refused with the variable to set, and then accepted."""
    authority, bundle = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with secure(authority.issue_cert("127.0.0.1")) as url:
        client, error = ask(url)
        assert isinstance(error, ConfigError)
        assert "REQUESTS_CA_BUNDLE" in error.remedy
        assert client.meter.calls == 1
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        assert ask(url)[1] is None
    with secure(authority.issue_cert("elsewhere.test")) as url:
        client, error = ask(url)
        assert type(error) is UnavailableError
        assert "BASE_URL" in error.remedy
        assert client.meter.calls == 1


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("text", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAA"])
def test_broken_bundle(monkeypatch, tmp_path, name, text):
    """Certificates that are not there, or damaged, are an error of the variable that names them."""
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv(name, str(path))
    client, error = ask("https://127.0.0.1:9")
    assert isinstance(error, ConfigError)
    assert error.message.startswith(f"{name}: the certificates in {path} cannot be read")
    assert f"Set {name}" in error.remedy
    assert client.meter.calls == 1
