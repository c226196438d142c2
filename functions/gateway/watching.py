"""What this replica hears of the uploads that somebody looks at, from its trigger, over one WebSocket.

The order that misses nothing: bind, read storage, stream. After every new connection all is bound again, and everybody who waits
reads storage again. Nothing here is needed by another replica: what is forgotten is read again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from functions.errors import Unavailable
from functions.gateway import metrics
from functions.ports import Socket, Sockets

log = logging.getLogger("museum.gateway")

PAUSES = (0.1, 0.2, 0.5, 1.0)
"""Seconds between attempts to reach the trigger; the last is repeated."""
DEPTH_EVERY = 1.0
"""Seconds between questions how many wait, while anybody looks."""


ENDS = ("search.completed", "image.rejected", "query.failed", "image.indexed")
"""What is announced once what it says is stored."""


class Watched:
    """Topics that one reader looks at: ``news`` is set when there is something to read, or storage is to be read again."""

    def __init__(self, topics: Sequence[str] = ()) -> None:
        self.topics = tuple(topics)
        self.news = asyncio.Event()
        self.bound = asyncio.Event()
        self.stage: str | None = None
        """Type of the last announcement, without prefix and version."""
        self._stale = True

    def tell(self, *, stale: bool) -> None:
        """There is news; ``stale``: storage says more than is known."""
        self._stale |= stale
        self.news.set()

    def must_read(self) -> bool:
        """Whether storage must be read again; asked once."""
        stale, self._stale = self._stale, False
        return stale

    async def wait(self, seconds: float) -> bool:
        """Whether there was news within some seconds."""
        try:
            await asyncio.wait_for(self.news.wait(), seconds)
        except TimeoutError:
            return False
        self.news.clear()
        return True


class Watching:
    """The connection, made again whenever it is lost."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self.heard: Callable[[str, Any], None] = lambda _kind, _data: None
        """Called with each announcement's type, without prefix and version, and its data."""
        self._readers: dict[str, set[Watched]] = {}
        self._bound: set[str] = set()
        self._stages: dict[str, str] = {}
        self._socket: Socket | None = None
        self._task: asyncio.Task[None] | None = None
        self.depth: dict[str, int] = {}
        """Messages that wait, by queue."""
        self.depth_at = -math.inf
        """When that was heard, by the monotonic clock."""

    @property
    def connected(self) -> bool:
        """Whether announcements arrive now."""
        return self._socket is not None

    @property
    def readers(self) -> int:
        """How many look at something."""
        return len({reader for readers in self._readers.values() for reader in readers})

    def stage(self, topic: str) -> str | None:
        """The last announcement of a topic that somebody here looks at."""
        return self._stages.get(topic)

    def wake(self) -> None:
        """Let everybody look about."""
        for readers in self._readers.values():
            for reader in readers:
                reader.tell(stale=False)

    def begin(self) -> None:
        """Connect, where it has not been done: whoever comes first need not wait for it."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    @contextlib.asynccontextmanager
    async def look(self, *topics: str) -> AsyncIterator[Watched]:
        """Hear of some topics. ``bound`` is set from when on nothing is missed; read storage after that."""
        self.begin()
        reader = Watched(topics)
        for topic in topics:
            readers = self._readers.setdefault(topic, set())
            readers.add(reader)
            reader.stage = self._stages.get(topic)
            if topic not in self._bound and len(readers) == 1:
                await self._send({"watch": topic})
        self._mark(reader)
        try:
            yield reader
        finally:
            for topic in topics:
                readers = self._readers.get(topic, set())
                readers.discard(reader)
                if not readers:
                    self._readers.pop(topic, None)
                    self._bound.discard(topic)
                    self._stages.pop(topic, None)
                    await self._send({"unwatch": topic})

    def _mark(self, reader: Watched) -> None:
        """A reader is bound when all its topics are."""
        if self._bound.issuperset(reader.topics):
            reader.bound.set()

    async def _send(self, frame: dict[str, Any]) -> None:
        if self._socket is not None:
            with contextlib.suppress(Unavailable):  # the connection has ended: with the next all is bound anew
                await self._socket.send(frame)

    async def _run(self) -> None:
        tries = 0
        while True:
            try:
                async with self._sockets.open() as socket:
                    tries = 0
                    await self._serve(socket)
            except Unavailable as error:
                if tries == 0:
                    log.warning("announcements are awaited: %s", error)
            finally:
                self._lost()
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1

    def _lost(self) -> None:
        self._socket = None
        metrics.CONNECTED.set(0)
        self._bound.clear()
        self._stages.clear()
        for readers in self._readers.values():
            for reader in readers:
                reader.bound.clear()

    async def _serve(self, socket: Socket) -> None:
        self._socket = socket
        metrics.CONNECTED.set(1)
        for topic in list(self._readers):
            await socket.send({"watch": topic})
        asking = asyncio.create_task(self._ask_depth())
        try:
            async for frame in socket.frames():
                self._take(frame)
        finally:
            asking.cancel()

    async def _ask_depth(self) -> None:
        while True:
            if self._readers:
                await self._send({"ask": "depth"})
            await asyncio.sleep(DEPTH_EVERY)

    def _take(self, frame: dict[str, Any]) -> None:
        if topic := frame.get("bound"):
            if topic in self._readers:
                self._bound.add(topic)
                for reader in self._readers[topic]:
                    self._mark(reader)
                    reader.tell(stale=True)
        elif event := frame.get("event"):
            kind = event["type"].removeprefix("io.museumsearch.").rpartition(".v")[0]
            self._stages[event["topic"]] = kind
            self.heard(kind, event["data"])
            for reader in self._readers.get(event["topic"], ()):
                reader.stage = kind
                reader.tell(stale=kind in ENDS or kind == "image.received")
        elif (depth := frame.get("depth")) is not None:
            self.depth_at = time.monotonic()
            if depth != self.depth:
                self.depth = depth
                self.wake()
