"""``GET /watch``: what a gateway hears of the uploads that somebody looks at, over one WebSocket.

The gateway sends ``{"watch": TOPIC}`` and ``{"unwatch": TOPIC}``; the answers are ``{"bound": TOPIC}``, from when on nothing
is missed, and ``{"event": {"type": …, "topic": …, "data": {…}}}``. ``{"ask": "depth"}`` gives ``{"depth": {queue: ready}}``.
The queue is the socket's own: it is bound to those topics alone, holds at most ``MAX_WAITING``, and goes with the socket.
Where the connection to RabbitMQ ends, the socket is closed: its gateway opens another, binds all again, and reads storage.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import WSMsgType, web

from functions.trigger.binding import CloudEvent, NotACloudEvent, from_amqp, topic_of
from functions.trigger.broker import Broker, BrokerLost, Message, Watching

log = logging.getLogger("museum.trigger")

MAX_WAITING = 10_000
"""Announcements that wait for a gateway, in RabbitMQ and here; one that does not read them is let go, and reads storage."""
EXPIRES = 60_000
"""Milliseconds after which RabbitMQ forgets a watcher's queue whose connection it has lost sight of."""
HEARTBEAT = 20.0
TRY_AGAIN = 1013
"""WebSocket's close code: the server cannot serve now."""


def watch_route(broker: Callable[[], Broker | None], exchange: str, depths: Sequence[str]) -> web.RouteDef:
    """The route. ``depths``: queues whose length may be asked for."""

    async def watch(request: web.Request) -> web.StreamResponse:
        current = broker()
        if current is None:
            return web.json_response({"status": 503, "detail": "RabbitMQ is not connected"}, status=503)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=4096)
        await socket.prepare(request)
        with contextlib.suppress(BrokerLost, TimeoutError, ConnectionError):
            await Watcher(socket, current, exchange, depths).run()
        await socket.close(code=TRY_AGAIN)
        return socket

    return web.get("/watch", watch)


class Watcher:
    """One gateway's socket, and its queue."""

    def __init__(self, socket: web.WebSocketResponse, broker: Broker, exchange: str, depths: Sequence[str]) -> None:
        self._socket = socket
        self._broker = broker
        self._exchange = exchange
        self._depths = depths
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_WAITING)
        self._end = asyncio.Event()

    async def run(self) -> None:
        """Until the socket, or the connection to RabbitMQ, ends."""
        queue = await self._broker.watch(self._heard, max_length=MAX_WAITING, expires=EXPIRES)
        reading = asyncio.ensure_future(self._read(queue))
        writing = asyncio.ensure_future(self._write())
        ended = asyncio.ensure_future(self._end.wait())
        try:
            waited: set[asyncio.Future[Any]] = {reading, writing, ended, self._broker.lost}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, writing, ended):
                task.cancel()
            queue.close()
        if reading.done() and not reading.cancelled():
            reading.result()

    async def _read(self, queue: Watching) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                return
            asked = json.loads(message.data)
            if topic := asked.get("watch"):
                await queue.bind(self._exchange, f"#.{topic}")
                self._put({"bound": topic})
            elif topic := asked.get("unwatch"):
                await queue.unbind(self._exchange, f"#.{topic}")
            elif asked.get("ask") == "depth":
                self._put({"depth": {name: await queue.depth(name) for name in self._depths}})

    async def _write(self) -> None:
        while True:
            await self._socket.send_json(await self._waiting.get())

    def _heard(self, message: Message) -> None:
        try:
            event = from_amqp(message.headers, message.content_type, message.body)
        except NotACloudEvent:
            return
        if event is not None:
            self._put({"event": {"type": event.type, "topic": topic_of(event), "data": data_of(event)}})

    def _put(self, frame: dict[str, Any]) -> None:
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            log.warning("a gateway does not read what it asked for: let go, it will ask storage")
            self._end.set()


def data_of(event: CloudEvent) -> Any:
    """An announcement's data; nothing where it is no JSON."""
    try:
        return json.loads(event.data or b"{}")
    except (ValueError, RecursionError):
        return {}
