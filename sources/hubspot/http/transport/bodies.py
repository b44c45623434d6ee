"""The body of a response, read piece by piece: bounded in size, packed or unpacked, and in time."""

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Protocol

_PIECE = 1 << 16  # bytes read, or unpacked, at a time: larger ones cost page faults
_GZIP = 16 + zlib.MAX_WBITS


class BodyError(Exception):
    """A body that cannot be taken; the message says why, without its address."""


class BodyTooLargeError(BodyError):
    """A body that is larger than the bound."""


class Response(Protocol):
    """The part of urllib3's answers that is used here."""

    @property
    def headers(self) -> "Headers":
        """Found in any case."""

    def read1(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:  # noqa: FBT001 - urllib3's
        """Return what arrives next; empty at the end."""


class Headers(Protocol):
    """Headers by name."""

    def get(self, name: str, default: str) -> str:
        """Return one."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a body may take: its size, packed and unpacked, and the time of all of it."""

    most_bytes: float = inf
    seconds: float = inf


def pieces(
    response: Response, bounds: Bounds, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[bytes]:
    """Yield a body as it arrives, unpacked, at most 64 KiB at a time.

    Guarantees: no more than a piece is read beyond the bound, however far it would unpack.

    Args:
        response: whose body was not read yet.
        bounds: of it, from now on; the connection's own time-out bounds a silence.
        clock: monotonic seconds.

    Raises:
        BodyTooLargeError: it has more.
        BodyError: it takes longer, or is packed in a broken or unknown way.
    """
    packing = response.headers.get("Content-Encoding", "").strip().lower()
    if packing not in {"", "identity", "gzip", "x-gzip"}:
        raise BodyError(f"it is compressed as {packing[:20]!r}, which was not requested")
    unpacker = None if packing in {"", "identity"} else _Unpacker()
    ends_at, packed, unpacked = clock() + bounds.seconds, 0, 0
    while piece := response.read1(_PIECE, decode_content=False):
        packed += len(piece)
        for part in unpacker.parts(piece) if unpacker else (piece,):
            unpacked += len(part)
            if max(packed, unpacked) > bounds.most_bytes:
                raise BodyTooLargeError(f"it has more than {bounds.most_bytes / 1e6:,.0f} MB")
            yield part
        if clock() > ends_at:
            raise BodyError(f"it was not complete after {bounds.seconds:.0f} s")


class _Unpacker:
    """Unpacks gzip, of one part or of several."""

    def __init__(self) -> None:
        self._one = zlib.decompressobj(_GZIP)
        self._ended = False

    def parts(self, packed: bytes) -> Iterator[bytes]:
        """Yield what a piece unpacks to, bit by bit, so that it never is in memory as a whole."""
        while packed:
            try:
                part = self._one.decompress(packed, _PIECE)
            except zlib.error as error:
                if self._ended:  # what follows a whole body is padding
                    return
                raise BodyError(f"it cannot be decompressed ({error})") from None
            packed = self._one.unconsumed_tail or self._one.unused_data
            if self._one.eof:
                self._one, self._ended = zlib.decompressobj(_GZIP), True
            if part:
                yield part
