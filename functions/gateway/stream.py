"""Server-sent events: looks at something, one after another, each whole, until it has ended."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from functions.errors import MuseumError
from functions.gateway import metrics
from functions.gateway.identity import Identity
from functions.gateway.parts import Parts
from functions.gateway.watching import Watched

HEARTBEAT = 15.0
"""Seconds without news after which a comment shows that the connection is alive; storage is read again then too."""
BOUND = 2.0
"""Seconds that a stream waits for its binding before it begins; later it is told to read again."""
AWAY = 1.0
"""Seconds until storage that was away is asked again."""
SLOW = 10.0
"""Seconds that a reader may take for one message before it is let go: it comes again, and gets the state at once."""


@dataclass(frozen=True, slots=True)
class Look:
    """How something stands."""

    signature: bytes
    """What tells it from the one before."""
    message: bytes
    ended: bool


class Stream(Response):
    """A stream to one reader. What cannot be sent in time ends it: nothing is kept for a slow reader."""

    def __init__(self, parts: Parts, viewer: Identity) -> None:
        super().__init__(media_type="text/event-stream")
        self._parts = parts
        self._viewer = viewer

    @property
    @abstractmethod
    def topics(self) -> Sequence[str]:
        """What announcements it is about."""

    @abstractmethod
    async def look(self, reader: Watched, *, reread: bool) -> Look:
        """How it stands now; ``reread``: storage says more than was known. Raises a ``MuseumError`` where storage is away."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it has ended, the reader goes, or the process ends."""
        with self._parts.limits.stream(self._viewer.token), metrics.STREAMS.track_inprogress():
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            gone = asyncio.create_task(left(receive))
            sending = asyncio.create_task(self._send(send))
            try:
                await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (gone, sending):
                    task.cancel()
                await asyncio.gather(gone, sending, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        with contextlib.suppress(TimeoutError, OSError):
            async for message in self._messages():
                await asyncio.wait_for(send({"type": "http.response.body", "body": message, "more_body": True}), SLOW)
        await asyncio.wait_for(send({"type": "http.response.body", "body": b"", "more_body": False}), SLOW)

    async def _messages(self) -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        last = b""
        async with self._parts.watching.look(*self.topics) as reader:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.bound.wait(), BOUND)
            reread = True
            while not self._parts.closing.is_set():
                try:
                    found = await self.look(reader, reread=reread)
                except MuseumError:  # S3 is away for a moment: what was said is still true
                    quiet = AWAY
                else:
                    reread, quiet = False, HEARTBEAT
                    if found.signature != last:
                        last = found.signature
                        yield found.message
                    if found.ended:
                        return
                news = await reader.wait(quiet)
                reread |= reader.must_read() or not news
                if not news:
                    yield b": still here\n\n"


def message_of(shown: Any, *, ended: bool) -> bytes:
    """A shape as one server-sent event: the last is called ``result``."""
    return b"event: %b\ndata: %b\n\n" % (b"result" if ended else b"state", msgspec.json.encode(shown))


async def left(receive: Receive) -> None:
    """Until the reader has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
