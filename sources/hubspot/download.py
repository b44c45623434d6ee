"""Files from signed addresses: no token goes there, and the address, a secret itself, nowhere."""

from collections.abc import Callable
from typing import IO
from urllib.parse import urlsplit

import requests
from requests import PreparedRequest

from .connection import USER_AGENT

_PIECE = 1 << 20
_CONNECT_SECONDS = 10.0


class DownloadError(Exception):
    """A file did not arrive, or not whole; its message never holds the address."""


def download(
    address: str,
    file: IO[bytes],
    *,
    timeout_seconds: float,
    plain: bool = False,
    proceed: Callable[[], object] = bool,
) -> None:
    """Write what an address holds into an empty file, piece by piece.

    Guarantees: memory is bounded; what the request carries is the address and nothing of ours.

    Args:
        address: with its signature; followed through redirects.
        file: open for writing.
        timeout_seconds: how long the sender may keep silent.
        plain: whether http will do, as for an emulator.
        proceed: called before every piece, to do nothing or to end the download by an error.

    Raises:
        DownloadError: it is refused, or stops before its end.
    """
    if urlsplit(address).scheme not in ({"https", "http"} if plain else {"https"}):
        raise DownloadError("its address is no https address")
    with requests.Session() as session:
        session.auth = _nothing
        session.headers["User-Agent"] = USER_AGENT
        timeout = (min(_CONNECT_SECONDS, timeout_seconds), timeout_seconds)
        try:
            with session.get(address, stream=True, timeout=timeout) as answer:
                if answer.status_code != requests.codes.ok:
                    raise DownloadError(f"its address answers {answer.status_code}")
                for piece in answer.iter_content(_PIECE):
                    proceed()
                    file.write(piece)
        except requests.RequestException as error:
            raise DownloadError(f"it did not arrive whole ({type(error).__name__})") from None
        except OSError as error:
            raise DownloadError(f"it cannot be kept ({error.strerror})") from error


def _nothing(request: PreparedRequest) -> PreparedRequest:
    """Keep requests from looking for a password in ~/.netrc."""
    return request
