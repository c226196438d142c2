"""How many are before a query, in exact numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from functions.gateway import ahead
from tests.gateway_world import GatewayWorld, until, worlds
from tests.unit.test_gateway_progress import finish, waited

world = pytest.fixture(worlds)


def told(world: GatewayWorld, queries: list[str], *depths: dict[str, int], before: Callable[[int], Any] = lambda _: None) -> Any:
    """Of each query after each word on the queues: by step, of the interactive lane."""

    async def look() -> list[list[Any]]:
        found = []
        async with world.parts.watching.look("somebody looks"):
            await until(lambda: world.parts.watching.connected)
            for turn, depth in enumerate(depths):
                before(turn)
                named = {f"museum.interactive.{step}": ready for step, ready in depth.items()}
                heard = world.parts.watching.depth_at
                world.sockets.open_now[0].tell({"depth": named})
                await until(lambda heard=heard: world.parts.watching.depth_at > heard)
                found.append([(await world.asking("GET", f"/api/queries/{query}")).json["ahead"] for query in queries])
        return found

    return world.run(look())


def test_those_in_the_queues_are_before_one_that_has_just_come(world: GatewayWorld) -> None:
    """All on its way, which is not that of records and refusals; its own message is one of them."""
    query = world.queried(b"photo")
    depth = {"ingest": 2, "preprocess": 0, "embed": 7, "search": 1, "index": 40, "finish": 5}
    assert told(world, [query], depth) == [[9]]


def test_what_comes_behind_it_is_not_before_it(world: GatewayWorld) -> None:
    """In a queue the number falls, and never rises."""
    query = world.queried(b"photo")
    depths = [{"embed": 5}, {"ingest": 60, "embed": 5}, {"ingest": 3}, {"ingest": 90}, {"embed": 1}, {"embed": 9}]
    assert told(world, [query], *depths) == [[4], [4], [2], [2], [0], [0]]


def test_of_one_that_waits_outside_hers_that_wait_longer_count_too(world: GatewayWorld) -> None:
    """Another owner's do not: he has turns of his own. Once it is in a queue, its number only falls."""
    waited(world, "a1", "a2")
    third, fourth, fifth = waited(world, "a3", "a4", "a5")
    world.queried(b"other", who="colleague", wait=True)

    def turn(number: int) -> None:
        if number == 2:
            for done in sorted(world.keys("state", "turns/north/anna/")):
                finish_turn(world, done)
            world.parts.admit("north", "anna")

    depths = [{"ingest": 1, "embed": 2}, {"embed": 6}, {"ingest": 20}]
    assert told(world, [third, fourth, fifth], *depths, before=turn) == [[3, 4, 5], [6, 7, 8], [6, 7, 20]]


def finish_turn(world: GatewayWorld, key: str) -> None:
    """The query that has a turn ends."""
    finish(world, world.stored("state", key)["id"])


def test_of_one_that_is_first_looked_at_later_nothing_is_claimed(
    world: GatewayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Nobody knows which of those in the queues came after it."""
    query = world.queried(b"photo")
    now = time.time()
    monkeypatch.setattr("functions.gateway.ahead.time.time", lambda: now + ahead.SEEN_FROM + 1)
    assert told(world, [query], {"ingest": 3}) == [[None]]


def test_a_depth_that_is_old_tells_nothing(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has asked since, or the trigger is away."""
    query = world.queried(b"photo")
    assert world.ask("GET", f"/api/queries/{query}").json["ahead"] is None
    monkeypatch.setattr(ahead, "CURRENT", -1.0)
    assert told(world, [query], {"ingest": 3}) == [[None]]
    monkeypatch.undo()
    world.parts.watching.depth_at = time.monotonic()
    world.parts.watching._lost()
    assert world.ask("GET", f"/api/queries/{query}").json["ahead"] is None
