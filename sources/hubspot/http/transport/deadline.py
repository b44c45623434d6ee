"""Responses that have to be over in time: the head, the marks between chunks and what ends a body.

A time-out bounds a silence. Who sends a byte before each one ends can keep a call for ever.
"""

import http.client
import io
import time
from typing import Any


def in_time(kind: Any, seconds: float) -> Any:  # noqa: ANN401 - urllib3's classes
    """Return a class of connections whose answers end in this many seconds, or by a time-out."""

    class Answer(http.client.HTTPResponse):
        def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - http's
            super().__init__(sock, *args, **kwargs)
            read = self.fp
            if isinstance(read, io.BufferedReader):
                self.fp = io.BufferedReader(_Timed(sock, read.detach(), seconds))

    class InTime(kind):  # type: ignore[misc]
        response_class = Answer

    InTime.__name__ = kind.__name__  # urllib3's messages show it
    return InTime


class _Timed(io.RawIOBase):
    """What a socket brings until a deadline."""

    def __init__(self, sock: Any, read: Any, seconds: float) -> None:  # noqa: ANN401 - plain or TLS
        self._sock, self._read = sock, read
        self._silence = sock.gettimeout()
        self._ends_at = time.monotonic() + seconds

    def readable(self) -> bool:
        """Let a buffer read."""
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any writable buffer
        """Read what comes next, waiting no longer than until the deadline."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not complete in time")
        self._sock.settimeout(left if self._silence is None else min(left, self._silence))
        read: int | None = self._read.readinto(buffer)
        return read

    def close(self) -> None:
        """Close the socket's file as well."""
        self._read.close()
        super().close()
