"""Files from signed addresses: no token goes there, and the address, a secret itself, nowhere."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import IO
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests import PreparedRequest

from .bodies import BodyError, BodyTooLargeError, Bounds, pieces
from .connection import USER_AGENT

_LEFT_BYTES = 1 << 30  # of the disk, for what else is written
_CONNECT_SECONDS = 10.0
_MOST_REDIRECTS = 10
_UNBOUNDED = Bounds()


class DownloadError(Exception):
    """A file did not arrive, or not whole; its message never holds the address."""


def download(
    address: str,
    file: IO[bytes],
    *,
    timeout_seconds: float,
    bounds: Bounds = _UNBOUNDED,
    plain: bool = False,
    proceed: Callable[[], object] = bool,
) -> None:
    """Write what an address holds into an empty file, piece by piece.

    Guarantees: memory is bounded; what the request carries is the address and nothing of ours.

    Args:
        address: with its signature; followed through redirects.
        file: open for writing.
        timeout_seconds: how long the sender may keep silent.
        bounds: of the whole file; it never takes more than the disk has, but for a GB.
        plain: whether http will do, as for an emulator.
        proceed: called before every piece, to do nothing or to end the download by an error.

    Raises:
        BodyTooLargeError: it is larger than its bound, or than the disk allows.
        DownloadError: it is refused, or stops before its end.
    """
    if urlsplit(address).scheme not in ({"https", "http"} if plain else {"https"}):
        raise DownloadError("its address does not begin with https")
    most = min(bounds.most_bytes, max(0, _free_bytes(file) - _LEFT_BYTES))
    bounds = replace(bounds, most_bytes=most)
    with _Session() as session:
        session.auth = _nothing
        session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"})
        timeout = (min(_CONNECT_SECONDS, timeout_seconds), timeout_seconds)
        if not plain:
            del session.adapters["http://"]  # nor may a redirect lead there
        try:
            with _followed(session, address, timeout) as answer:
                if answer.status_code != requests.codes.ok:
                    raise DownloadError(f"its address answers {answer.status_code}")
                for piece in pieces(answer.raw, bounds):
                    proceed()
                    file.write(piece)
        except BodyTooLargeError:
            raise
        except BodyError as error:
            raise DownloadError(str(error)) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise DownloadError(f"it did not arrive whole ({type(error).__name__})") from None
        except OSError as error:
            raise DownloadError(f"it cannot be kept ({error.strerror})") from error


class _Session(requests.Session):
    """Follows no redirect: requests would read its body first, and that may have no end."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - requests'
        """Name none."""
        return None


def _followed(
    session: requests.Session, address: str, timeout: tuple[float, float]
) -> requests.Response:
    """Ask for a file and follow redirects, whose bodies are left alone."""
    for _ in range(_MOST_REDIRECTS):
        answer = session.get(address, stream=True, timeout=timeout)
        if not answer.is_redirect:
            return answer
        answer.close()
        address = urljoin(address, answer.headers["Location"])
    raise DownloadError("it is redirected again and again")


def _free_bytes(file: IO[bytes]) -> int:
    """Return what the disk has left where a file lies."""
    return shutil.disk_usage(file.fileno()).free


def _nothing(request: PreparedRequest) -> PreparedRequest:
    """Keep requests from looking for a password in ~/.netrc."""
    return request
