"""A reader that does not read, by a real socket: the server that a gateway runs under, and the kernel's buffers behind it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request

from functions.gateway import app, slow, stream
from functions.gateway.app import Gateway, all_calls
from functions.gateway.call import Call, Table
from functions.gateway.identity import Door
from functions.gateway.stream import Look, Stream
from functions.gateway.watching import Watched
from tests.gateway_world import GatewayWorld, KnownTokens, until

MESSAGE = 200_000
READERS = 5


class Flood(Stream):
    """A stream that always has something new to say."""

    made = 0

    @property
    def topics(self) -> tuple[str, ...]:
        """Any."""
        return ("flood",)

    async def look(self, reader: Watched, *, reread: bool) -> Look:
        """Something new."""
        Flood.made += 1
        reader.tell(stale=False)
        return Look(b"%d" % Flood.made, b": %b\n\n" % (b"x" * MESSAGE), ended=False)


@contextlib.asynccontextmanager
async def serving(world: GatewayWorld) -> AsyncIterator[tuple[uvicorn.Server, int]]:
    """A gateway with a flood, behind its server; and the port."""
    door = Door([KnownTokens()], world.parts.sessions)
    gateway = Gateway(world.parts, door)

    async def flood(asked: Any) -> Flood:
        return Flood(world.parts, asked.identity)

    calls = [*all_calls(world.parts), Call(method="GET", path="/api/flood", handler=flood, does="Floods.")]
    gateway.table = Table(calls, door, world.limits)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        response = await gateway(Request(scope, receive, send))
        await response(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    serve = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield server, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait_for(serve, 10)


def open_reader(port: int, path: str) -> socket.socket:
    """A connection that has asked, and reads nothing."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(("127.0.0.1", port))
    one.sendall(f"GET {path} HTTP/1.1\r\nhost: museum\r\nauthorization: Bearer registrar\r\n\r\n".encode())
    return one


def test_a_reader_that_does_not_read_costs_a_message_and_then_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is made for it than the socket takes; its stream ends, and then the kernel ends its connection."""
    monkeypatch.setattr(stream, "SLOW", 1.0)
    monkeypatch.setattr(slow, "GIVE_UP", 4.0)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)

    async def scenario() -> None:
        async with serving(world) as (server, port):
            first = open_reader(port, "/api/me")  # with a first request a gateway begins
            await until(lambda: server.server_state.total_requests == 1)
            first.close()
            await until(lambda: not server.server_state.connections)
            tracemalloc.start()
            readers = [open_reader(port, "/api/flood") for _ in range(READERS)]
            await until(lambda: world.parts.watching.readers == READERS)
            assert len(server.server_state.connections) == READERS
            await until(lambda: world.parts.watching.readers == 0, 20)
            made = Flood.made
            assert made * MESSAGE < READERS * 8_000_000, "what the kernel's buffers take"
            world.limits.may_stream("hash of north/anna")
            await until(lambda: not server.server_state.connections, 15)
            assert Flood.made == made
            assert tracemalloc.get_traced_memory()[1] < READERS * 10 * MESSAGE
            tracemalloc.stop()
            for one in readers:
                one.close()

    with GatewayWorld() as world:
        world.run(scenario())
