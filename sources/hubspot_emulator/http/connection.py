"""Connections that a fault can break with a TCP reset."""

import asyncio
import socket
import struct
import sys

from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FLUSH_SECONDS, FLUSH_TRIES = 0.005, 200
LINGER_NOT = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Connection(HttpToolsProtocol):
    """The server's connection, its transport in the scope of every request."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


async def reset(scope: Scope, receive: Receive) -> None:
    """Break the connection of a request once the client has what was sent so far."""
    transport: asyncio.Transport = scope["state"]["transport"]
    for _ in range(FLUSH_TRIES):
        await asyncio.sleep(FLUSH_SECONDS)
        if transport.is_closing() or not transport.get_write_buffer_size():
            break
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT
        )
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
