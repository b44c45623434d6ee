"""What a call without a response means: proxy, certificates, address, or an outage."""

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from sys import maxsize
from urllib.parse import urlsplit

import requests
import urllib3
from requests.utils import select_proxy

from ...config import setting
from ...errors import AnswerTooLargeError, ConfigError, ForeignResponseError, UnavailableError
from ..responses import CallFailedError
from .bodies import BodyError, BodyTooLargeError

_TEXT_LENGTH = 300
_UNKNOWN_HOST_ATTEMPTS = 3
_REFUSED_ATTEMPTS = 3
_UNCONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
)
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_USER = re.compile(r"//[^/@\s]*@")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_UNTRUSTED = ("self-signed", "self signed", "unable to get local issuer", "unable to get issuer")
_SYSTEM = "the system's proxy settings"


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy that calls go through; its address may hold a password and is never shown."""

    variable: str
    """Of the environment, which names it."""
    address: str

    def wrong(self, found: str = "names no proxy that can be used") -> ConfigError:
        """Return the error of an address that is none of a proxy."""
        return ConfigError(f"{self.variable} {found}.", remedy="Write it as http://host:port.")

    def needs_password(self) -> ConfigError:
        """Return the error of a proxy that does not know us."""
        return ConfigError(
            f"The proxy of {self.variable} wants another user name and password (407).",
            remedy=f"Write them into {self.variable} as http://USER:PASSWORD@host:port, with"
            " special characters percent-encoded.",
        )


def proxy_of(url: str, proxies: Mapping[str, str]) -> Proxy | None:
    """Return the proxy of an address, and the variable that names it; None without one.

    Args:
        url: that is called.
        proxies: as requests finds them.
    """
    address = select_proxy(url, proxies)
    if not address:
        return None
    kinds = (urlsplit(url).scheme, "all")
    names = [name for kind in kinds for name in (f"{kind}_proxy", f"{kind}_proxy".upper())]
    return Proxy(next((name for name in names if os.environ.get(name)), _SYSTEM), address)


def missing_socks(proxy: Proxy) -> ConfigError:
    """Return the error of a SOCKS proxy without the package that speaks with it."""
    return ConfigError(
        f"{proxy.variable} names a SOCKS proxy, and the package PySocks is not installed.",
        remedy=f"Install it (uv sync --extra socks, or pip install pysocks), or unset"
        f" {proxy.variable}.",
    )


def check_bundle(path: str) -> None:
    """Refuse certificates that the environment names and nobody can read.

    Raises:
        ConfigError: there are none at the path, or they are damaged; it names the variable.
    """
    folder = os.path.isdir(path)  # noqa: PTH112 - one of requests' texts
    try:
        ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
    except OSError as error:  # ssl's own errors are among them
        name = next((name for name in _BUNDLES if os.environ.get(name)), _BUNDLES[0])
        found = error.strerror or "it is damaged"
        raise ConfigError(
            f"{name}: the certificates in {path} cannot be read ({found}).",
            remedy=f"Set {name} to a PEM file with the certificates of your CA, or to nothing.",
        ) from error


def unreachable(
    error: requests.RequestException | urllib3.exceptions.HTTPError | BodyError,
    call: str,
    proxy: Proxy | None = None,
) -> CallFailedError:
    """Return what it means that no whole response came.

    Args:
        error: of the attempt.
        call: method and path, for the message.
        proxy: that the call went through.

    Raises:
        ConfigError: proxy, certificates or base URL cannot work; it names the setting.
        AnswerTooLargeError: the response is larger than the setting allows.
    """
    if isinstance(error, BodyTooLargeError):
        raise AnswerTooLargeError(
            f"The answer to {call} is too large: {error}.",
            remedy=f"Raise {setting('max_body_mb')} if HubSpot's answers are that large.",
        )
    if isinstance(error, ValueError) and isinstance(error, requests.RequestException):
        raise ConfigError(f"{setting('base_url')} is no usable address.", remedy="Correct it.")
    reason = " ".join(_USER.sub("//", _reason(error)).split())[:_TEXT_LENGTH].rstrip(".")
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return _untrusted(reason, call)
    if proxy is not None and (failed := _by_proxy(reason, call, proxy)):
        return failed
    return _lost(error, reason, call, proxy)


def _lost(error: Exception, reason: str, call: str, proxy: Proxy | None) -> CallFailedError:
    """Return what a call means that broke off, or found nobody."""
    unknown, no_tls = "resolve" in reason, "WRONG_VERSION_NUMBER" in reason
    places = [proxy.variable] if proxy else []
    if unknown or no_tls or isinstance(error, _UNCONNECTED):
        places.append(setting("base_url"))
    remedy = "Check " + ", ".join(["the network", *places]) + "."
    failed = UnavailableError(f"Incomplete response to {call}: {reason}.", remedy=remedy)
    if no_tls:
        return CallFailedError(failed, attempts=1)
    refused = maxsize if isinstance(error, _UNCONNECTED) else None
    return CallFailedError(
        failed, at_first=_UNKNOWN_HOST_ATTEMPTS if unknown else refused, outage=True
    )


def _untrusted(reason: str, call: str) -> CallFailedError:
    """Return what a certificate means that was not accepted.

    Raises:
        ConfigError: nobody here knows who signed it.
    """
    if any(words in reason for words in _UNTRUSTED):
        raise ConfigError(
            f"No response to {call}: its certificate is not signed by a trusted CA. A proxy or"
            " firewall may inspect connections.",
            remedy="Set REQUESTS_CA_BUNDLE to a PEM file with the certificates of its CA"
            f" (SSL_CERT_FILE is not read); without such a proxy check {setting('base_url')}.",
        )
    failed = UnavailableError(
        f"No response to {call}: {reason}.",
        remedy=f"Check this machine's clock, the proxy, and {setting('base_url')}.",
    )
    return CallFailedError(failed, attempts=1)


def _by_proxy(reason: str, call: str, proxy: Proxy) -> CallFailedError | None:
    """Return what a proxy's own refusal means; None where it is none.

    Raises:
        ConfigError: the proxy cannot be used as the variable names it.
    """
    if "only use HTTP and not HTTPS" in reason:
        raise proxy.wrong("names a proxy by https:// that speaks http")
    found = _TUNNEL.search(reason)
    if not found:
        return None
    status = int(found[1])
    if status == 407:  # noqa: PLR2004 - Proxy Authentication Required
        raise proxy.needs_password()
    error = ForeignResponseError(
        f"The proxy of {proxy.variable} answered {status} to {call}.",
        remedy=f"Let it pass calls to HubSpot, or check {proxy.variable}.",
        status=status,
    )
    if status >= 500:  # noqa: PLR2004 - the proxy does not reach HubSpot
        return CallFailedError(error, at_first=maxsize, outage=True)
    return CallFailedError(error, attempts=_REFUSED_ATTEMPTS)


def _reason(error: Exception) -> str:
    """Return what an error of the HTTP library says, and its cause unless it says that."""
    reported = ""
    for part in map(str, error.args):
        if part not in reported:
            reported += f": {part}" if reported else part.rstrip(".")
    return reported or type(error).__name__
