"""The connections to HubSpot's host: its proxy and certificates as requests finds them.

A call goes to urllib3's pool at once: what requests does around each one (the URL taken apart
three times, cookies, a response object) takes as long as the call itself.
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from math import inf
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ..auth.bearer import BearerAuth
from .bodies import BodyError, BodyTooLargeError, Bounds, pieces
from .deadline import in_time
from .network import check_bundle, missing_socks, proxy_of

USER_AGENT = "hubspot-elt"
_CONNECT_SECONDS = 10.0

_LONGEST = 5  # times the time-out, for a whole body that keeps arriving
_ERROR_BYTES = 1e6  # of an error, whose message is short

NO_ANSWER = (requests.RequestException, urllib3.exceptions.HTTPError, BodyError)
"""What `Connections.send` raises where no whole response came."""


class Connections:
    """As many connections to one host as there are calls in flight; safe to share."""

    def __init__(
        self,
        base_url: str,
        auth: BearerAuth,
        *,
        size: int,
        timeout: float,
        most_bytes: float = inf,
    ) -> None:
        """Read what the environment says of proxies and certificates; nothing is opened yet.

        Args:
            base_url: where every call goes, and the token with it.
            auth: puts the token on a request.
            size: connections kept open.
            timeout: seconds that HubSpot may keep silent.
            most_bytes: of a body, packed and unpacked.
        """
        self._base_url = base_url
        self._bounds = Bounds(most_bytes, _LONGEST * timeout)
        self._error_bounds = Bounds(min(most_bytes, _ERROR_BYTES), _LONGEST * timeout)
        self._ends_after = (_LONGEST + 1) * timeout  # the body's own bound ends it first
        self._timeout = urllib3.Timeout(connect=min(_CONNECT_SECONDS, timeout), read=timeout)
        self._opened: WeakSet[Any] = WeakSet()
        self._adapter = HTTPAdapter(pool_maxsize=size, max_retries=0)
        session = requests.Session()
        session.auth = auth
        session.headers.update(
            {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": USER_AGENT}
            | {"Content-Type": "application/json"}
        )
        self._request = session.prepare_request(requests.Request("GET", base_url))
        self._headers = dict(self._request.headers)
        self._way = session.merge_environment_settings(
            base_url, {}, stream=None, verify=None, cert=None
        )
        self.proxy = proxy_of(base_url, self._way["proxies"])

    def send(
        self, method: str, target: str, content: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request once; the token goes nowhere else, for redirects are not followed.

        Args:
            method: of HTTP.
            target: path and query, sent as they are.
            content: the body.

        Returns:
            Status, headers (found in any case), and the body, unpacked; of an error the first MB.

        Raises:
            ConfigError: the proxy or the certificates that the environment names cannot be used.
            BodyTooLargeError: the body is larger than the bound.
            NO_ANSWER: the address cannot be called, or no whole response came.
        """
        answer = self._pool.urlopen(
            method,
            self._prefix + target,
            body=content,
            headers=self._headers,
            timeout=self._timeout,
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
        )
        return answer.status, answer.headers, self._body(answer)

    def _body(self, answer: urllib3.BaseHTTPResponse) -> bytes:
        """Read a body; one that is not read to its end takes its connection with it."""
        read = BytesIO()  # grows without a copy in the end
        ok = answer.status < 300  # noqa: PLR2004 - the success class of HTTP
        try:
            for piece in pieces(answer, self._bounds if ok else self._error_bounds):
                read.write(piece)
        except BaseException as error:
            answer.close()
            if ok or not isinstance(error, BodyTooLargeError):
                raise
        finally:
            answer.release_conn()
        return read.getvalue()

    def abort(self) -> None:
        """Cut off what is on its way: its calls fail at once instead of when they are answered."""
        for connection in self._opened.copy():
            if connection.sock is not None:
                with suppress(OSError):  # it ended just now
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    @cached_property
    def _pool(self) -> urllib3.HTTPConnectionPool:
        verify, cert, proxies = self._way["verify"], self._way["cert"], self._way["proxies"]
        secure = self._base_url.startswith("https:")
        if secure and isinstance(verify, str):
            check_bundle(verify)
        adapter: Any = self._adapter  # its types are less exact than what it returns
        try:
            pool: urllib3.HTTPConnectionPool = adapter.get_connection_with_tls_context(
                self._request, verify, proxies=proxies, cert=cert
            )
        except ValueError as error:  # requests' and urllib3's own are among them
            if self.proxy is None:
                raise
            if isinstance(error, requests.exceptions.InvalidSchema) and "SOCKS" in str(error):
                raise missing_socks(self.proxy) from None
            raise self.proxy.wrong() from None
        adapter.cert_verify(pool, self._base_url, verify, cert)
        kind = in_time(pool.ConnectionCls, self._ends_after)
        pool.ConnectionCls = _remembered(kind, self._opened)
        return pool

    @cached_property
    def _prefix(self) -> str:
        """What goes before a target: for a proxy of plain http the host as well."""
        asked = self._adapter.request_url(self._request, self._way["proxies"])
        return self._base_url if "://" in asked else urlsplit(self._base_url).path


def _remembered(kind: Any, opened: "WeakSet[Any]") -> Any:  # noqa: ANN401 - urllib3's classes
    """Return a class of connections that register themselves in a set when they are made."""

    class Remembered(kind):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's
            super().__init__(*args, **kwargs)
            opened.add(self)

    Remembered.__name__ = kind.__name__  # errors name the class
    return Remembered
