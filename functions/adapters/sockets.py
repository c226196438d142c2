"""The trigger's ``/watch`` as a client opens it. The only importer of aiohttp outside the trigger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from functions.errors import Unavailable

HEARTBEAT = 20.0
MAX_FRAME = 1_000_000


class TriggerSocket:
    """One connection. See :class:`functions.ports.Socket`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, frame: dict[str, Any]) -> None:
        """See :class:`functions.ports.Socket`."""
        try:
            await self._socket.send_json(frame)
        except (ConnectionError, aiohttp.ClientError, RuntimeError) as error:
            raise Unavailable("trigger", str(error)) from None

    async def frames(self) -> AsyncIterator[dict[str, Any]]:
        """See :class:`functions.ports.Socket`."""
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            yield message.json()


class TriggerSockets:
    """Opens connections to one address."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def open(self) -> AsyncIterator[TriggerSocket]:
        """A new connection. Raises ``Unavailable("trigger", …)`` where nothing answers."""
        async with aiohttp.ClientSession() as session:
            try:
                socket = await session.ws_connect(self._url, heartbeat=HEARTBEAT, max_msg_size=MAX_FRAME)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise Unavailable("trigger", f"{self._url}: {error}") from None
            try:
                yield TriggerSocket(socket)
            finally:
                await socket.close()
