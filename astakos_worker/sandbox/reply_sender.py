"""Sending a reply to one client: whole, in part, byte by byte, or not at all.

ASGI cannot drop a connection. `server.py` therefore puts the transport of the connection into the
scope, and the sender uses it.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final

from astakos_worker.sandbox.api_messages import Reply, headers_of

AsgiScope = MutableMapping[str, Any]
AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]


TRANSPORT: Final = "astakos_worker.transport"
# The outcomes of requests that get no status, as the counters name them.
CUT: Final = "cut"
HUNG: Final = "hung"


class ReplySender:
    """Sends replies to one client; each method returns the outcome that the counters show."""

    def __init__(
        self, scope: AsgiScope, receive: Receive, send: Send, closing: asyncio.Event
    ) -> None:
        self._transport: asyncio.Transport = scope["extensions"][TRANSPORT]
        self._receive = receive
        self._send = send
        self._closing = closing

    async def send(self, reply: Reply) -> str:
        """Send the whole reply."""
        await self._start(reply)
        await self._send({"type": "http.response.body", "body": reply.body})
        return str(reply.status)

    async def cut(self) -> str:
        """Drop the connection without a reply."""
        self._transport.abort()
        await self._gone()
        return CUT

    async def hang(self) -> str:
        """Send nothing until the client gives up or the sandbox ends."""
        gone = asyncio.ensure_future(self._gone())
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait({gone, closing}, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if not gone.done():
            self._transport.abort()
            await gone
        return HUNG

    async def truncate(self, reply: Reply) -> str:
        """Promise the whole body, send half of it, and close the connection."""
        await self._start(reply)
        half = reply.body[: len(reply.body) // 2]
        await self._send({"type": "http.response.body", "body": half, "more_body": True})
        # After close(), unlike abort(), the bytes already written still arrive.
        self._transport.close()
        await self._gone()
        return CUT

    async def trickle(self, reply: Reply, seconds: float) -> str:
        """Send the headers at once and the body one byte at a time."""
        await self._start(reply)
        for position in range(len(reply.body)):
            await self.pause(seconds)
            byte = reply.body[position : position + 1]
            await self._send({"type": "http.response.body", "body": byte, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})
        return str(reply.status)

    async def pause(self, seconds: float) -> None:
        """Wait, at most until the sandbox ends or is reset."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), seconds)

    async def _start(self, reply: Reply) -> None:
        await self._send(
            {"type": "http.response.start", "status": reply.status, "headers": headers_of(reply)}
        )

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
