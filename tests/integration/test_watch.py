"""The queue by which a gateway hears, against a real RabbitMQ: whose it is, what it is bound to, and when it goes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from functions import pipeline
from functions.trigger import watch
from functions.trigger.topology import queues
from tests.fixtures.rabbitmq import Amqp, Node
from tests.integration.test_trigger import silent
from tests.integration.trigger_world import RECEIVED, FakeFunction, World, until

MINE, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def world(rabbitmq: Node) -> Iterator[World]:
    """The topology and a client."""
    amqp = Amqp(rabbitmq.amqp_url)
    amqp.purge()
    yield World(rabbitmq, amqp)
    amqp.close()


@contextlib.asynccontextmanager
async def watching(world: World, **more: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A trigger, and a gateway's socket to it."""
    async with world.trigger("preprocess", FakeFunction(silent)), aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{world.outbox_port}/watch"

        async def opened() -> aiohttp.ClientWebSocketResponse | None:
            with contextlib.suppress(aiohttp.ClientError):  # the trigger connects
                return await http.ws_connect(url, **more)
            return None

        for _ in range(200):
            if (socket := await opened()) is not None:
                break
            await asyncio.sleep(0.05)
        assert socket is not None
        try:
            yield socket
        finally:
            await socket.close()


def watchers(world: World) -> list[dict[str, Any]]:
    """The queues that are no part of the topology, as the management API lists them."""
    listed = world.node.api("GET", f"/api/queues/{world.node.vhost}")
    return [one for one in listed if one["name"] not in queues()]


async def watcher(world: World) -> dict[str, Any]:
    """The one there is."""
    (one,) = await until(lambda: found if len(found := watchers(world)) == 1 else None, "a watcher's queue")
    return dict(one)


def bound(world: World, queue: str) -> set[tuple[str, str]]:
    """What it is bound to by itself: exchange and routing key."""
    found = world.node.api("GET", f"/api/queues/{world.node.vhost}/{queue}/bindings")
    return {(one["source"], one["routing_key"]) for one in found if one["source"]}


def announce(world: World, topic: str, data: Any = None) -> None:
    """An announcement, as a trigger publishes it."""
    attributes = {"specversion": "1.0", "id": "1", "source": "/test", "type": RECEIVED, "subject": topic}
    headers = {f"ce-{name}": value for name, value in attributes.items()}
    with contextlib.suppress(Exception):  # nobody may be bound to it: mandatory messages come back
        world.amqp.publish(f"image.received.v1.{topic}", json.dumps(data or {}).encode(), headers, exchange=pipeline.EXCHANGE)


async def frame(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """The next."""
    return await asyncio.wait_for(socket.receive_json(), 10)


def test_a_watchers_queue_is_its_own_bounded_and_bound_to_what_is_watched(world: World) -> None:
    """Exclusive, so it goes with the connection; and RabbitMQ keeps neither more nor longer than is said."""

    async def scenario() -> None:
        async with watching(world) as socket:
            queue = await watcher(world)
            assert (queue["exclusive"], queue["auto_delete"]) == (True, True)
            assert queue["arguments"] == {
                "x-max-length": watch.MAX_WAITING, "x-overflow": "drop-head", "x-expires": watch.EXPIRES,
            }  # fmt: skip
            assert (queue["arguments"]["x-max-length"], queue["arguments"]["x-expires"]) == (10_000, 60_000)
            assert bound(world, queue["name"]) == set()
            await socket.send_json({"watch": MINE})
            assert await frame(socket) == {"bound": MINE}
            assert bound(world, queue["name"]) == {(pipeline.EXCHANGE, f"#.{MINE}")}
            announce(world, OTHER)
            announce(world, MINE, {"query_id": "q"})
            event = (await frame(socket))["event"]
            assert (event["type"], event["data"]) == (RECEIVED, {"query_id": "q"})
            await socket.send_json({"unwatch": MINE})
            await until(lambda: not bound(world, queue["name"]), "nothing is bound")
            announce(world, MINE)
            await socket.send_json({"watch": OTHER})
            assert await frame(socket) == {"bound": OTHER}, "what is unwatched is not heard"

    asyncio.run(scenario())


def test_a_watchers_queue_goes_with_its_socket(world: World) -> None:
    """At once: not with the connection of the trigger, which goes on for others."""

    async def scenario() -> None:
        async with watching(world) as socket:
            await watcher(world)
            await socket.close()
            await until(lambda: not watchers(world), "the queue to go")

    asyncio.run(scenario())


def test_a_gateway_that_does_not_read_is_let_go(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits for it is bounded here too; its queue goes, the socket is closed, and another gateway hears all."""
    monkeypatch.setattr(watch, "MAX_WAITING", 20)
    caplog.set_level(logging.WARNING, "museum.trigger")
    large = {"note": "x" * 200_000}

    async def scenario() -> None:
        async with watching(world) as socket, aiohttp.ClientSession() as http:
            await socket.send_json({"watch": MINE})
            assert await frame(socket) == {"bound": MINE}
            for _ in range(150):  # 30 MB: more than sockets hold
                announce(world, MINE, large)
                await asyncio.sleep(0)
                if not watchers(world):
                    break
            await until(lambda: not watchers(world), "the queue to go")
            assert "a gateway does not read what it asked for" in caplog.text
            async with http.ws_connect(f"http://127.0.0.1:{world.outbox_port}/watch") as other:
                await other.send_json({"watch": MINE})
                assert await frame(other) == {"bound": MINE}
                announce(world, MINE, {"query_id": "q"})
                assert (await frame(other))["event"]["data"] == {"query_id": "q"}
            kinds = set()
            while not socket.closed:
                kinds.add((await asyncio.wait_for(socket.receive(), 15)).type)
            assert kinds & {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}

    asyncio.run(scenario())
