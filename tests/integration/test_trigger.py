"""The trigger against a real RabbitMQ and a function that does what the test says."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from functions import pipeline
from functions.events import BucketNotified, CatalogueEmbedded, DeliveryDead, ImageIndexed, ImageRejected, notification_id
from functions.trigger import consumer, topology
from functions.trigger.consumer import ATTEMPTS, REASON, STEP
from infra.local.part import running
from tests.fixtures.rabbitmq import Amqp, Node, installed, private
from tests.integration.trigger_world import (
    PREPROCESSED,
    RECEIVED,
    FakeFunction,
    RealFunction,
    Seen,
    World,
    nothing,
    problem,
    queue,
    received,
    reply,
    until,
)
from tests.outbox import CONTEXT

HERE, NEXT, FINISH = queue("preprocess"), queue("embed"), queue("finish")


@pytest.fixture
def world(rabbitmq: Node) -> Iterator[World]:
    """An empty topology and a client."""
    amqp = Amqp(rabbitmq.amqp_url)
    amqp.purge()
    world = World(rabbitmq, amqp)
    with world.listening():
        yield world
    amqp.close()


def derived(identity: str) -> str:
    """An id made of another, as functions make theirs."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, identity))


async def preprocessed(seen: Seen) -> web.StreamResponse:
    """The behaviour of a function that succeeds."""
    return reply(PREPROCESSED, derived(seen.id), {"of": seen.id})


async def silent(_seen: Seen) -> web.StreamResponse:
    """The behaviour of a function that has nothing to say."""
    return nothing()


async def forever(_seen: Seen) -> web.StreamResponse:
    """The behaviour of a function that hangs."""
    await asyncio.Event().wait()
    raise AssertionError


def test_a_reply_reaches_its_next_queue_whole_and_observers_a_kilobyte_of_it(world: World) -> None:
    """Attributes travel unchanged; the copy keeps the plain values and leaves out what is long."""
    data = {"museum": "local", "key": "Ключ.jpg", "size": 7, "done": True, "pixels": ["x"] * 5000, "note": "н" * 3000}

    async def behave(seen: Seen) -> web.StreamResponse:
        return reply(PREPROCESSED, derived(seen.id), data, subject="a%20b", traceparent="00-1-2-01", museum="local")

    async def scenario() -> None:
        observer = world.amqp.observe(pipeline.EXCHANGE)
        async with world.trigger("preprocess", FakeFunction(behave)):
            identity = world.put("preprocess", RECEIVED)
            got = await until(lambda: world.amqp.get(NEXT), "the reply in the next queue")
            copy = await until(lambda: world.amqp.get(observer), "the observers' copy")
        assert json.loads(got.body) == data
        expected = {"ce-id": derived(identity), "ce-subject": "a%20b", "ce-traceparent": "00-1-2-01", "ce-museum": "local"}
        assert expected.items() <= got.headers.items()
        assert expected.items() <= copy.headers.items()
        assert json.loads(copy.body) == {"museum": "local", "key": "Ключ.jpg", "size": 7, "done": True}
        assert len(copy.body) <= 1024
        assert world.amqp.depth(HERE) == 0

    asyncio.run(scenario())


def test_the_function_gets_the_event_in_binary_mode(world: World) -> None:
    """Headers ce-*, the data as body, nothing of AMQP."""
    function = FakeFunction(silent)

    async def scenario() -> None:
        async with world.trigger("preprocess", function):
            world.put("preprocess", RECEIVED, {"a": 1}, identity="i-1", owner="Ivan%20K", traceparent="00-a-b-01")
            await until(lambda: function.seen, "a delivery")
        (seen,) = function.seen
        assert seen.data == {"a": 1}
        attributes = {name: value for name, value in seen.headers.items() if name.startswith("ce-")}
        assert attributes == {
            "ce-id": "i-1", "ce-source": "/test", "ce-type": RECEIVED, "ce-specversion": "1.0", "ce-lane": "interactive",
            "ce-owner": "Ivan%20K", "ce-traceparent": "00-a-b-01",
        }  # fmt: skip

    asyncio.run(scenario())


def test_every_event_of_a_batch_is_published(world: World) -> None:
    """ingest may answer with several: each goes to the queue of its own lane."""

    async def behave(seen: Seen) -> web.StreamResponse:
        common = {"specversion": "1.0", "source": "/test", "type": RECEIVED}
        events = [{**common, "id": f"{seen.id}-{lane}", "lane": lane, "data": {"l": lane}} for lane in ("interactive", "bulk")]
        return web.Response(body=json.dumps(events), content_type="application/cloudevents-batch+json")

    async def scenario() -> None:
        async with world.trigger("ingest", FakeFunction(behave)):
            identity = world.put("ingest", BucketNotified.TYPE)
            for lane in ("interactive", "bulk"):
                got = await until(functools.partial(world.amqp.get, f"museum.{lane}.preprocess"), lane)
                assert (got.headers["ce-id"], json.loads(got.body)) == (f"{identity}-{lane}", {"l": lane})

    asyncio.run(scenario())


def test_a_message_stays_until_its_reply_is_taken(world: World) -> None:
    """The next queue is missing: nothing is acked, no attempt counted, and it goes on once somebody declares the queue."""
    function = FakeFunction(preprocessed)

    async def scenario() -> None:
        world.amqp.delete(NEXT)
        try:
            async with world.trigger("preprocess", function):
                identities = {world.put("preprocess", RECEIVED) for _ in range(3)}
                await until(lambda: world.amqp.depth(HERE) == 2, "two handed back, one kept to try again")
            await until(lambda: world.amqp.depth(HERE) == 3, "all three again")
        finally:
            topology.declare(world.node.settings)
        async with world.trigger("preprocess", function):
            await until(lambda: world.amqp.depth(NEXT) == 3, "all three in the next queue")
        assert {json.loads(world.amqp.get(NEXT).body)["of"] for _ in range(3)} == identities  # type: ignore[union-attr]
        assert world.amqp.depth(HERE) == world.amqp.depth(f"{HERE}.dead") == world.amqp.depth(FINISH) == 0

    asyncio.run(scenario())


def test_a_reply_that_is_not_taken_is_published_later_without_working_again(world: World) -> None:
    """The function was asked once, although its reply had to wait for its queue."""
    function = FakeFunction(preprocessed)

    async def scenario() -> None:
        world.amqp.delete(NEXT)
        async with world.trigger("preprocess", function):
            try:
                world.put("preprocess", RECEIVED)
                await until(lambda: function.seen, "a delivery")
            finally:
                topology.declare(world.node.settings)
            await until(lambda: world.amqp.depth(NEXT) == 1, "the reply")
        assert len(function.seen) == 1

    asyncio.run(scenario())


def test_a_failure_is_tried_again_later_and_at_last_buried_with_its_reason(world: World) -> None:
    """Attempts are counted in a header, the delay is kept, finish is told with the whole event."""
    times: list[float] = []

    async def behave(_seen: Seen) -> web.StreamResponse:
        times.append(asyncio.get_running_loop().time())
        return problem(500, "the moon is full")

    async def scenario() -> None:
        async with world.trigger("preprocess", FakeFunction(behave), delays=(1, 1)):
            known = {"subject": "a", "museum": "m", "owner": "o%20w", "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
            identity = world.put("preprocess", RECEIVED, {"key": "a"}, **known)
            dead = await until(lambda: world.amqp.get(f"{HERE}.dead"), "the dead letter")
            told = await until(lambda: world.amqp.get(FINISH), "finish is told")
        assert len(times) == 3
        assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(times))
        assert (dead.headers["ce-id"], dead.headers[ATTEMPTS], dead.headers[STEP]) == (identity, 3, "preprocess")
        assert "the moon is full" in dead.headers[REASON]
        death = json.loads(told.body)
        context = {name[3:]: value for name, value in told.headers.items() if name.startswith("ce-")}
        assert set(context) == CONTEXT | {"museum", "owner"}
        assert (context["type"], context["lane"]) == (DeliveryDead.TYPE, "interactive")
        assert context["dataschema"] == "urn:museumsearch:contract:delivery.dead.v1"
        assert context["traceparent"][:35] == known["traceparent"][:35], "the same trace"
        assert (context["subject"], context["museum"], context["owner"]) == ("a", "m", "o%20w")
        assert (death["step"], death["attempts"]) == ("preprocess", 3)
        assert "the moon is full" in death["reason"]
        assert (death["event"]["id"], death["event"]["data"]) == (identity, {"key": "a"})

    asyncio.run(scenario())


def test_the_first_delay_is_the_maps(world: World) -> None:
    """A failed message waits in the retry queue of the first delay, with one attempt counted."""

    async def behave(_seen: Seen) -> web.StreamResponse:
        return problem(500, "no")

    async def scenario() -> None:
        waiting = f"{HERE}.retry.{pipeline.RETRY_DELAYS[0]}"
        function = FakeFunction(behave)
        async with world.trigger("preprocess", function):
            identity = world.put("preprocess", RECEIVED)
            got = await until(lambda: world.amqp.get(waiting), "the message in its retry queue")
        assert (got.headers["ce-id"], got.headers[ATTEMPTS]) == (identity, 1)

    asyncio.run(scenario())


def test_a_timeout_counts_as_a_failure(world: World) -> None:
    """A function that does not answer in time used an attempt."""

    async def scenario() -> None:
        async with world.trigger("preprocess", FakeFunction(forever), timeout=0.2, delays=()):
            world.put("preprocess", RECEIVED)
            dead = await until(lambda: world.amqp.get(f"{HERE}.dead"), "the dead letter")
        assert "did not answer" in dead.headers[REASON]

    asyncio.run(scenario())


def test_what_nobody_can_read_is_dead_at_once(world: World) -> None:
    """422: one attempt, the function's reason, finish is told."""

    async def behave(_seen: Seen) -> web.StreamResponse:
        return problem(422, "the data is not JSON")

    async def scenario() -> None:
        function = FakeFunction(behave)
        async with world.trigger("preprocess", function):
            world.put("preprocess", RECEIVED)
            dead = await until(lambda: world.amqp.get(f"{HERE}.dead"), "the dead letter")
            await until(lambda: world.amqp.get(FINISH), "finish is told")
        assert (len(function.seen), dead.headers[REASON]) == (1, "the data is not JSON")

    asyncio.run(scenario())


def test_a_dead_delivery_to_finish_is_not_sent_to_finish_again(world: World) -> None:
    """It lies in finish.dead for people; a loop would never end."""

    async def behave(_seen: Seen) -> web.StreamResponse:
        return problem(422, "no")

    async def scenario() -> None:
        function = FakeFunction(behave)
        async with world.trigger("finish", function):
            world.put("finish", ImageRejected.TYPE)
            await until(lambda: world.amqp.get(f"{FINISH}.dead"), "the dead letter")
        assert world.amqp.depth(FINISH) == 0
        assert len(function.seen) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("refused", [False, True], ids=["503", "connection refused"])
def test_an_outage_costs_no_attempt_and_only_one_message_probes(world: World, refused: bool) -> None:
    """Ten messages wait in their queue while one asks; when the dependency answers all are done."""
    down = True

    async def behave(_seen: Seen) -> web.StreamResponse:
        return problem(503, "milvus is away", Museum_Unavailable="milvus") if down else nothing()

    async def scenario() -> None:
        nonlocal down
        function = FakeFunction(behave)
        async with world.trigger("preprocess", function, listening=not refused):
            identities = {world.put("preprocess", RECEIVED) for _ in range(10)}
            await until(lambda: world.amqp.depth(HERE) == 9, "nine are back in the queue")
            if not refused:
                already = len(function.seen)
                await until(lambda: len(function.seen) >= already + 3, "three probes")
                assert len(set(function.ids[already:])) == 1
                assert world.amqp.depth(HERE) == 9
            down = False
            if refused:
                await function.start()
            await until(lambda: set(function.ids) == identities and world.amqp.depth(HERE) == 0, "all are delivered")
        left = [world.amqp.depth(name) for name in topology.queues()]
        assert sum(left) == 0

    asyncio.run(scenario())


def test_a_long_outage_does_not_keep_a_message_until_rabbitmq_takes_it_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the broker's 30 minutes are over the probe goes back to its queue, is taken again, and in the end done."""
    monkeypatch.setattr(consumer, "PROBE_FOR", 0.3)
    down = True

    async def behave(_seen: Seen) -> web.StreamResponse:
        return problem(503, "milvus is away", Museum_Unavailable="milvus") if down else nothing()

    async def scenario() -> None:
        nonlocal down
        async with world.trigger("preprocess", FakeFunction(behave), prefetch=1):
            identities = {world.put("preprocess", RECEIVED) for _ in range(2)}
            outcomes = ["unavailable", "handed back"] * 3
            await until(lambda: world.outcomes()[:6] == outcomes, "it went back three times")
            down = False
            await until(lambda: world.ids("done") == identities, "both are done")
        assert world.amqp.depth(f"{HERE}.dead") == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("restarts", [False, True], ids=["answers at once", "is away for a while"])
def test_poison_is_quarantined_and_no_neighbour_with_it(world: World, restarts: bool) -> None:
    """Five in flight in one worker, one of them kills it: three deaths, the last two alone, and four innocents done."""
    company: list[int] = []

    async def scenario() -> None:
        full = asyncio.Event()

        async def back() -> None:
            await function.stop()
            await asyncio.sleep(0.3)
            await function.start()

        async def behave(seen: Seen) -> web.StreamResponse:
            if len(function.seen) == 5:
                full.set()
            await full.wait()
            if seen.id == poison:
                company.append(seen.together)
                function.kill_worker()
                if restarts:
                    tasks.append(asyncio.create_task(back()))
                return await forever(seen)
            return nothing() if company else await forever(seen)

        tasks: list[asyncio.Task[None]] = []
        function = FakeFunction(behave)
        async with world.trigger("preprocess", function, prefetch=5):
            innocents = {world.put("preprocess", RECEIVED) for _ in range(4)}
            poison = world.put("preprocess", RECEIVED)
            dead = await until(lambda: world.amqp.get(f"{HERE}.dead"), "the dead letter")
            await asyncio.gather(*tasks)
            await until(lambda: world.ids("done") == innocents, "the innocents are done")
        assert dead.headers["ce-id"] == poison
        assert "died 3 times" in dead.headers[REASON]
        assert company == [5, 1, 1]
        assert world.amqp.depth(HERE) == world.amqp.depth(f"{HERE}.dead") == 0
        assert world.amqp.depth(FINISH) == 1

    asyncio.run(scenario())


def test_a_worker_that_resets_connections_while_it_ends_is_no_verdict_on_a_message(world: World) -> None:
    """A killed gunicorn leaves a worker that takes connections for up to a second and resets them."""

    async def behave(seen: Seen) -> web.StreamResponse:
        nonlocal ends
        now = asyncio.get_running_loop().time()
        ends = ends or now + 0.9
        if now < ends or function.ids.count(seen.id) == 1:
            function.kill_worker()
        return nothing()

    ends = 0.0
    function = FakeFunction(behave)

    async def scenario() -> None:
        async with world.trigger("preprocess", function):
            identities = {world.put("preprocess", RECEIVED) for _ in range(3)}
            await until(lambda: world.ids("done") == identities, "all are done")
        assert world.ids("crashed") == identities
        assert world.amqp.depth(f"{HERE}.dead") == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["kills", "faults", "hangs", "locks"])
def test_poison_in_a_real_worker_is_quarantined_and_no_neighbour_with_it(world: World, tmp_path: Path, how: str) -> None:
    """It kills its worker, lets it fault, hangs or locks the interpreter: three workers end, four innocents are done."""

    async def scenario() -> None:
        function = RealFunction(tmp_path / "function", timeout=4)
        async with world.trigger("preprocess", function, listening=False, prefetch=5, timeout=4):
            await function.start()
            poison = world.put("preprocess", RECEIVED, received(how))
            innocents = {world.put("preprocess", RECEIVED, received("innocent")) for _ in range(4)}
            dead = await until(lambda: world.amqp.get(f"{HERE}.dead"), "the dead letter", 40)
            await until(lambda: world.ids("done") == innocents, "the innocents are done")
            if how == "faults":
                await until(lambda: function.log.count("was sent SIGSEGV") == 3, "the third death is logged")
        assert dead.headers["ce-id"] == poison
        assert "died 3 times" in dead.headers[REASON]
        first = function.seen[0][1]
        assert sorted(key for key, pid in function.seen if pid == first) == sorted([how, *["innocent"] * 4])
        assert len({pid for key, pid in function.seen if key == how}) == 3
        assert world.amqp.depth(NEXT) == 4
        assert world.amqp.depth(HERE) == world.amqp.depth(f"{HERE}.dead") == 0
        assert sum(world.amqp.depth(f"{HERE}.retry.{delay}") for delay in pipeline.RETRY_DELAYS) == 0
        if how == "faults":
            assert function.log.count("in obedient") == 3 + 4, "where it faulted, and where its neighbours were"
        if how == "hangs":
            lines = [json.loads(line) for line in function.log.splitlines() if '"watchdog"' in line]
            assert [line["outcome"] for line in lines] == ["hangs"] * 3
            assert [line["id"] for line in lines[1:]] == [poison] * 2, "in the first worker an innocent may have been the oldest"
            assert "in obedient" in lines[2]["stack"]

    asyncio.run(scenario())


def test_a_reply_that_is_on_no_map_is_a_failure(world: World) -> None:
    """Nobody would ever get it: it is not acked away."""

    async def behave(seen: Seen) -> web.StreamResponse:
        return reply("io.museumsearch.image.forgotten.v1", derived(seen.id))

    async def scenario() -> None:
        async with world.trigger("preprocess", FakeFunction(behave), delays=()):
            world.put("preprocess", RECEIVED)
            dead = await until(lambda: world.amqp.get(f"{HERE}.dead"), "the dead letter")
        assert "image.forgotten" in dead.headers[REASON]

    asyncio.run(scenario())


def test_two_copies_of_an_upload_become_one_reply(world: World) -> None:
    """Both targets of a bucket bring the same upload: its reply has the same id, and is published once, to observers too."""
    function = FakeFunction(preprocessed)

    async def scenario() -> None:
        observer = world.amqp.observe(pipeline.EXCHANGE)
        async with world.trigger("preprocess", function):
            identity = world.put("preprocess", RECEIVED)
            await until(lambda: world.amqp.depth(NEXT) == 1, "the reply")
            await until(lambda: world.amqp.depth(observer) == 1, "the copy")
            world.put("preprocess", RECEIVED, identity=identity)
            last = world.put("preprocess", RECEIVED)
            await until(lambda: len(function.seen) == 3 and world.amqp.depth(observer) == 2, "all three are done")
        replies = [world.amqp.get(NEXT), world.amqp.get(NEXT), world.amqp.get(NEXT)]
        assert [got.headers["ce-id"] for got in replies if got] == [derived(identity), derived(last)]

    asyncio.run(scenario())


def test_what_was_published_is_forgotten_with_the_connection(world: World) -> None:
    """A broker that was wiped must get everything again."""
    function = FakeFunction(preprocessed)

    async def scenario() -> None:
        async with world.trigger("preprocess", function):
            identity = world.put("preprocess", RECEIVED)
            await until(lambda: world.amqp.get(NEXT), "the reply")
            await cut(world)
            world.put("preprocess", RECEIVED, identity=identity)
            await until(lambda: world.amqp.get(NEXT), "the reply once more")

    asyncio.run(scenario())


def test_a_lost_connection_loses_no_message(world: World) -> None:
    """What was in work comes again on the next connection."""
    release = False

    async def scenario() -> None:
        async def behave(seen: Seen) -> web.StreamResponse:
            return await (preprocessed(seen) if release else forever(seen))

        nonlocal release
        function = FakeFunction(behave)
        async with world.trigger("preprocess", function):
            identities = {world.put("preprocess", RECEIVED) for _ in range(6)}
            await until(lambda: len(function.seen) == pipeline.BY_NAME["preprocess"].prefetch, "some in work")
            release = True
            await cut(world)
            await until(lambda: world.amqp.depth(NEXT) == 6, "all six replies")
        assert {json.loads(world.amqp.get(NEXT).body)["of"] for _ in range(6)} == identities  # type: ignore[union-attr]
        assert world.amqp.depth(HERE) == world.amqp.depth(f"{HERE}.dead") == 0

    asyncio.run(scenario())


def test_a_queue_that_was_deleted_and_declared_again_is_consumed_again(world: World) -> None:
    """RabbitMQ cancels the consumer with one frame and keeps the connection: nothing else would ever tell."""
    function = FakeFunction(silent)

    async def scenario() -> None:
        async with world.trigger("preprocess", function):
            first = world.put("preprocess", RECEIVED)
            await until(lambda: function.ids == [first], "it consumes")
            try:
                world.amqp.delete(HERE)
            finally:
                topology.declare(world.node.settings)
            second = world.put("preprocess", RECEIVED)
            await until(lambda: function.ids == [first, second], "it consumes again")

    asyncio.run(scenario())


async def cut(world: World) -> None:
    """End the trigger's connections by the management API."""
    await end(world, await consuming(world))


async def consuming(world: World) -> list[str]:
    """The connections of this virtual host that consume: the trigger's."""

    def connections() -> list[str]:
        consumers = world.node.api("GET", f"/api/consumers/{world.node.vhost}")
        return [one["channel_details"]["connection_name"] for one in consumers if one["channel_details"]]

    names: list[str] = await until(connections, "the trigger is connected")
    return names


async def end(world: World, connections: list[str]) -> None:
    """As an operator ends them."""
    for name in connections:
        await asyncio.to_thread(world.node.api, "DELETE", "/api/connections/" + name.replace(" ", "%20").replace(">", "%3E"))


def test_the_outbox_says_202_only_once_the_event_is_in_its_queue(world: World) -> None:
    """The queue is chosen by type and lane; what no step takes is the caller's mistake."""

    async def scenario() -> None:
        async with world.trigger("preprocess", FakeFunction(silent)), aiohttp.ClientSession() as http:
            await listening(http, world, status=200)
            headers = {"ce-id": "o-1", "ce-source": "/t", "ce-type": BucketNotified.TYPE, "ce-specversion": "1.0"}
            lane = {"ce-lane": "bulk"}
            for accepted in range(2):  # never deduplicated: a caller that asks again has its reason
                assert await post(http, world, headers | lane) == 202
                assert world.amqp.depth("museum.bulk.ingest") == accepted + 1
            got = world.amqp.get("museum.bulk.ingest")
            assert got is not None
            assert (got.headers["ce-id"], got.body) == ("o-1", b'{"body": {}}')
            envelope = {
                "specversion": "1.0",
                "id": "o-2",
                "source": "/t",
                "type": BucketNotified.TYPE,
                "lane": "bulk",
                "data": {},
            }
            assert await post(http, world, {"content-type": "application/cloudevents+json"}, json.dumps(envelope)) == 202
            assert await post(http, world, headers | {"ce-lane": "slow"}) == 400
            assert await post(http, world, headers | lane | {"ce-type": "io.museumsearch.nothing.v1"}) == 400
            assert await post(http, world, lane) == 400

    asyncio.run(scenario())


def test_the_outbox_says_503_while_nothing_can_be_confirmed(world: World) -> None:
    """No queue, or no broker: the caller keeps its event."""

    async def scenario() -> None:
        headers = {
            "ce-id": "o-1", "ce-source": "/t", "ce-type": BucketNotified.TYPE, "ce-specversion": "1.0", "ce-lane": "bulk",
        }  # fmt: skip
        async with world.trigger("preprocess", FakeFunction(silent)), aiohttp.ClientSession() as http:
            await listening(http, world, status=200)
            world.amqp.delete("museum.bulk.ingest")
            try:
                assert await post(http, world, headers) == 503
            finally:
                topology.declare(world.node.settings)
            assert await post(http, world, headers) == 202
        nobody = World(Node("amqp://a:b@127.0.0.1:9/", ""), world.amqp)
        async with nobody.trigger("preprocess", FakeFunction(silent)), aiohttp.ClientSession() as http:
            await listening(http, nobody)
            assert await post(http, nobody, headers) == 503
            async with http.get(f"http://127.0.0.1:{nobody.outbox_port}/readyz") as answer:
                assert answer.status == 503
            async with http.get(f"http://127.0.0.1:{nobody.outbox_port}/healthz") as answer:
                assert answer.status == 200

    asyncio.run(scenario())


async def listening(http: aiohttp.ClientSession, world: World, *, status: int = 0) -> None:
    """Wait until the outbox answers, with this status of readiness if one is given."""
    for _ in range(500):
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with http.get(f"http://127.0.0.1:{world.outbox_port}/readyz") as answer:
                if status in (0, answer.status):
                    return
        await asyncio.sleep(0.02)
    pytest.fail("the outbox does not answer")


async def post(http: aiohttp.ClientSession, world: World, headers: dict[str, str], body: str = '{"body": {}}') -> int:
    """POST to the outbox; the status."""
    url = f"http://127.0.0.1:{world.outbox_port}/"
    async with http.post(url, data=body.encode(), headers={"content-type": "application/json"} | headers) as answer:
        return answer.status


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"EventName":"s3:ObjectCreated:Put","Key":"queries/a","Records":[]}',
         {"EventName": "s3:ObjectCreated:Put", "Key": "queries/a", "Records": []}),
        (b'{"Records": [', '{"Records": ['),
        (b"\xff\xfe\x00", "\ufffd\ufffd\x00"),
        (b"[" * 100_000, "[" * 100_000),
        (b'"\\ud800"', "\ud800"),
    ],
    ids=["JSON", "broken", "no text", "nested too deeply", "half a surrogate pair"],
)  # fmt: skip
def test_a_buckets_own_message_reaches_ingest_wrapped(world: World, body: bytes, expected: object) -> None:
    """MinIO publishes to museum.bucket with the lane as routing key; its id is that of the bytes."""
    function = FakeFunction(silent)

    async def scenario() -> None:
        async with world.trigger("ingest", function):
            world.amqp.publish("interactive", body, {"minio-event": "x"}, exchange=topology.BUCKET_EXCHANGE)
            await until(lambda: function.seen, "a delivery")
        (seen,) = function.seen
        assert seen.data == {"body": expected}
        assert seen.id == notification_id(body) == hashlib.sha256(body).hexdigest()
        assert (seen.headers["ce-type"], seen.headers["ce-lane"]) == (BucketNotified.TYPE, "interactive")
        assert {name.removeprefix("ce-") for name in seen.headers if name.startswith("ce-")} == CONTEXT
        assert world.amqp.depth(queue("ingest")) == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("headers", "kind", "body"),
    [
        ({"ce-id": "1", "ce-specversion": "1.0"}, "application/json", b"{"),
        ({}, "application/cloudevents+json", b"{"),
        ({ATTEMPTS: "many", "ce-id": "1", "ce-specversion": "1.0", "ce-type": "t", "ce-source": "s"}, "application/json", b"{}"),
    ],
    ids=["half an event", "broken envelope", "attempts that are no number"],
)
def test_what_is_no_event_does_not_keep_its_place(world: World, headers: dict[str, str], kind: str, body: bytes) -> None:
    """It ends among the dead, and the next message is served by a consumer that takes one at a time."""

    async def behave(seen: Seen) -> web.StreamResponse:
        return nothing() if seen.headers["ce-type"] == RECEIVED else problem(422, "unknown type")

    async def scenario() -> None:
        function = FakeFunction(behave)
        async with world.trigger("preprocess", function, prefetch=1):
            world.amqp.publish(HERE, body, headers, kind=kind)
            identity = world.put("preprocess", RECEIVED)
            await until(lambda: identity in function.ids, "the next message")
            await until(lambda: world.amqp.depth(f"{HERE}.dead") == 1, "the other one among the dead")

    asyncio.run(scenario())


def test_a_bug_of_the_trigger_buries_its_message_and_stops_nobody(world: World) -> None:
    """Also while that message was the probe: the reason is told to finish, and the next message is served."""
    answers = ["down", "bug"]

    async def behave(seen: Seen) -> web.StreamResponse:
        if answers and answers.pop(0) == "down":
            return problem(503, "milvus is away", Museum_Unavailable="milvus")
        return reply(PREPROCESSED, derived(seen.id))

    def route(kind: str, lane: str) -> tuple[str | None, bool]:
        if bugs:
            raise LookupError(bugs.pop())
        return NEXT, False

    bugs = ["the map is torn"]

    async def scenario() -> None:
        async with world.trigger("preprocess", FakeFunction(behave), prefetch=1, route=route):
            identity = world.put("preprocess", RECEIVED)
            dead = await until(lambda: world.amqp.get(f"{HERE}.dead"), "the dead letter")
            told = await until(lambda: world.amqp.get(FINISH), "finish is told")
            world.put("preprocess", RECEIVED)
            await until(lambda: world.amqp.get(NEXT), "the next message is served")
        assert dead.headers["ce-id"] == json.loads(told.body)["event"]["id"] == identity
        assert "the map is torn" in dead.headers[REASON]
        assert "the map is torn" in json.loads(told.body)["reason"]
        assert world.amqp.depth(f"{HERE}.dead") == world.amqp.depth(HERE) == 0

    asyncio.run(scenario())


def test_what_cannot_even_be_buried_goes_to_the_dead_by_the_queues_policy(world: World) -> None:
    """Finish cannot be told here: the message does not keep its place, and the next one is served."""

    async def behave(seen: Seen) -> web.StreamResponse:
        return problem(422, "no") if seen.id == bad else nothing()

    async def scenario() -> None:
        async with world.trigger("preprocess", FakeFunction(behave), prefetch=1, finish_queue="x" * 300):
            world.put("preprocess", RECEIVED, identity=bad)
            good = world.put("preprocess", RECEIVED)
            await until(lambda: good in world.ids("done"), "the next message is served")

        def by_policy() -> bool:
            got = world.amqp.get(f"{HERE}.dead")
            assert got is None or got.headers["ce-id"] == bad
            return got is not None and "x-death" in got.headers

        await until(by_policy, "the dead letter")

    bad = str(uuid.uuid4())
    asyncio.run(scenario())


@pytest.mark.parametrize(
    "more",
    [{"n" * 250: "1"}, {"v": "x" * 200_000}, {f"a{number}": "x" * 4000 for number in range(40)}],
    ids=["a long name", "a long value", "many"],
)
def test_an_event_whose_attributes_cannot_travel_is_dead_with_a_reason_and_alone(world: World, more: dict[str, str]) -> None:
    """Its neighbours are served on the same connection; the outbox and a function's reply are held to the same limits."""

    async def behave(seen: Seen) -> web.StreamResponse:
        if not seen.data:
            return await preprocessed(seen)
        attributes = {"specversion": "1.0", "id": "r", "source": "/t", "type": PREPROCESSED, **more}
        return web.json_response([attributes], content_type="application/cloudevents-batch+json")

    async def scenario() -> None:
        body = b'{"specversion": "1.0", "id": "1", "source": "/t", "type": "t", %s' % json.dumps(more)[1:].encode()
        async with world.trigger("preprocess", FakeFunction(behave), delays=()), aiohttp.ClientSession() as http:
            await listening(http, world, status=200)
            world.amqp.publish(HERE, body, kind="application/cloudevents+json")
            dead = await until(lambda: world.amqp.get(f"{HERE}.dead"), "the dead letter")
            told = await until(lambda: world.amqp.get(FINISH), "finish is told")
            assert "expected " in dead.headers[REASON] == json.loads(told.body)["reason"]
            failed = world.put("preprocess", RECEIVED, {"reply": "too large"})
            dead = await until(lambda: world.amqp.get(f"{HERE}.dead"), "the function's reply is a failure")
            assert dead.headers["ce-id"] == failed
            assert await post(http, world, {"content-type": "application/cloudevents+json"}, body.decode()) == 400
            for _ in range(4):
                world.put("preprocess", RECEIVED)
            await until(lambda: world.amqp.depth(NEXT) == 4, "its neighbours' replies")
        assert world.outcomes().count("connection lost") == 0
        assert world.amqp.depth(HERE) == 0

    asyncio.run(scenario())


def test_an_attribute_that_no_header_may_hold_is_encoded(world: World) -> None:
    """A line break or a Cyrillic letter in a stranger's event neither breaks the request nor its neighbours."""
    function = FakeFunction(silent)

    async def scenario() -> None:
        async with world.trigger("preprocess", function):
            world.put("preprocess", RECEIVED, subject="a\r\nce-lane: б", other="50%")
            await until(lambda: function.seen, "a delivery")
        (seen,) = function.seen
        assert seen.headers["ce-subject"] == "a%0D%0Ace-lane: %D0%B1"
        assert seen.headers["ce-other"] == "50%"
        assert seen.headers["ce-lane"] == "interactive"

    asyncio.run(scenario())


def test_what_a_newer_release_wrote_takes_the_same_way(world: World) -> None:
    """Versions of one event share a queue: releases overlap."""

    async def behave(seen: Seen) -> web.StreamResponse:
        return reply(CatalogueEmbedded.TYPE.replace(".v1", ".v2"), derived(seen.id))

    async def scenario() -> None:
        async with world.trigger("embed", FakeFunction(behave)):
            world.put("embed", PREPROCESSED)
            got = await until(lambda: world.amqp.get(queue("index")), "the newer event at index")
        assert got.headers["ce-type"].endswith(".v2")

    asyncio.run(scenario())


def test_a_terminal_event_goes_to_observers_alone(world: World) -> None:
    """What was stored is announced, and no queue has to take it."""

    async def behave(seen: Seen) -> web.StreamResponse:
        return reply(ImageIndexed.TYPE, derived(seen.id), {"status": "indexed"})

    async def scenario() -> None:
        observer = world.amqp.observe(pipeline.EXCHANGE)
        async with world.trigger("index", FakeFunction(behave)):
            world.put("index", CatalogueEmbedded.TYPE)
            copy = await until(lambda: world.amqp.get(observer), "the announcement")
        assert json.loads(copy.body) == {"status": "indexed"}
        assert sum(world.amqp.depth(name) for name in topology.queues()) == 0

    asyncio.run(scenario())


def test_a_trigger_that_acks_first_has_nothing_left_to_lose(world: World) -> None:
    """The fault injection of the harness: the message is gone while its function still works on it."""
    function = FakeFunction(forever)

    async def scenario() -> None:
        async with world.trigger("preprocess", function, ack_first=True):
            world.put("preprocess", RECEIVED)
            await until(lambda: function.seen, "a delivery")
        assert world.amqp.depth(HERE) == 0

    asyncio.run(scenario())


def process(world: World, function: FakeFunction, log: Path, **env: str) -> subprocess.Popen[bytes]:
    """A trigger as a process of its own."""
    settings = {
        "MUSEUM_AMQP_URL": world.node.amqp_url,
        "MUSEUM_LANE": "interactive",
        "MUSEUM_FUNCTIONS": f"preprocess={function.url}",
        **env,
    }
    with log.open("wb") as out:
        return subprocess.Popen([sys.executable, "-m", "functions.trigger.main"], env={**os.environ, **settings}, stderr=out)


def test_sigterm_finishes_what_is_in_work_and_leaves_the_rest(world: World, tmp_path: Path) -> None:
    """Four in work are acked, four untouched stay in the queue, none is dead, the exit code is 0."""

    async def scenario() -> None:
        release = asyncio.Event()

        async def behave(seen: Seen) -> web.StreamResponse:
            await release.wait()
            return await preprocessed(seen)

        function = FakeFunction(behave)
        await function.start()
        prefetch = pipeline.BY_NAME["preprocess"].prefetch
        for _ in range(2 * prefetch):
            world.put("preprocess", RECEIVED)
        log = tmp_path / "log"
        trigger = process(world, function, log)
        try:
            await until(lambda: len(function.seen) == prefetch, "its hands are full")
            trigger.send_signal(signal.SIGTERM)
            await until(lambda: "stopping" in log.read_text(), "it takes no more")
            release.set()
            assert await asyncio.to_thread(trigger.wait, 10) == 0
        finally:
            trigger.kill()
            trigger.wait()
            await function.stop()
        assert len(function.seen) == prefetch
        assert world.amqp.depth(NEXT) == prefetch
        await until(lambda: world.amqp.depth(HERE) == prefetch, "the untouched are ready again")
        assert world.amqp.depth(f"{HERE}.dead") == 0
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        deliveries = [line for line in lines if line["message"] == "delivery"]
        assert [line["outcome"] for line in deliveries] == ["done"] * prefetch
        assert {"function", "id", "type", "lane", "attempt", "ms"} < set(deliveries[0])

    asyncio.run(scenario())


@contextlib.asynccontextmanager
async def hanging(world: World, log: Path, **env: str) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A trigger with one message in a function that never answers; afterwards that message is in its queue again."""
    function = FakeFunction(forever)
    await function.start()
    world.put("preprocess", RECEIVED)
    trigger = process(world, function, log, **env)
    try:
        await until(lambda: function.seen, "a delivery")
        yield trigger
    finally:
        trigger.kill()
        trigger.wait()
        await function.stop()
    await until(lambda: world.amqp.depth(HERE) == 1, "the message is ready again")


def test_sigterm_does_not_wait_longer_than_its_grace(world: World, tmp_path: Path) -> None:
    """A function that hangs keeps nobody: its message is in the queue again."""

    async def scenario() -> None:
        async with hanging(world, tmp_path / "log", MUSEUM_GRACE="0.3") as trigger:
            trigger.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(trigger.wait, 15) == 0

    asyncio.run(scenario())


def test_sigterm_waits_for_nothing_that_rabbitmq_cannot_be_told(world: World, tmp_path: Path) -> None:
    """A node is drained, RabbitMQ and functions with it: what hangs in a function is in the queue again already."""
    log = tmp_path / "log"

    async def scenario() -> None:
        async with hanging(world, log, MUSEUM_GRACE="60") as trigger:
            connections = await consuming(world)
            trigger.send_signal(signal.SIGTERM)
            await until(lambda: "stopping" in log.read_text(), "it takes no more")
            await end(world, connections)
            assert await asyncio.to_thread(trigger.wait, 15) == 0

    asyncio.run(scenario())


def test_a_killed_trigger_loses_nothing(world: World, tmp_path: Path) -> None:
    """kill -9 with its hands full: the next one gets all of it."""

    async def scenario() -> None:
        hanging = FakeFunction(forever)
        await hanging.start()
        identities = {world.put("preprocess", RECEIVED) for _ in range(6)}
        trigger = process(world, hanging, tmp_path / "log")
        try:
            await until(lambda: len(hanging.seen) == pipeline.BY_NAME["preprocess"].prefetch, "its hands are full")
        finally:
            trigger.kill()
            trigger.wait()
            await hanging.stop()
        function = FakeFunction(preprocessed)
        async with world.trigger("preprocess", function):
            await until(lambda: world.amqp.depth(NEXT) == 6, "all six replies")
        assert set(function.ids) == identities

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_broker_killed_and_started_again_loses_nothing(tmp_path: Path) -> None:
    """kill -9 of RabbitMQ with messages queued, in work and waiting for a retry: all are done after its return."""
    installed()
    part, node = private(tmp_path)
    back = False

    async def scenario() -> None:
        nonlocal back

        async def behave(seen: Seen) -> web.StreamResponse:
            if back:
                return await preprocessed(seen)
            return problem(500, "later") if len(fake.seen) == 1 else await forever(seen)

        fake = FakeFunction(behave)
        async with contextlib.AsyncExitStack() as stack:
            with running(part) as broker:
                topology.declare(node.settings)
                world = World(node, Amqp(node.amqp_url))
                identities = {world.put("preprocess", RECEIVED) for _ in range(20)}
                await stack.enter_async_context(world.trigger("preprocess", fake, delays=(5, 5)))
                await until(lambda: len(fake.seen) == 1 + pipeline.BY_NAME["preprocess"].prefetch, "its hands are full")
                world.amqp.close()
                broker.kill()
                broker.wait()
            back = True
            with running(part):
                world.amqp = Amqp(node.amqp_url)
                await until(lambda: world.amqp.depth(NEXT) == 20, "all replies", 30)
                assert {json.loads(world.amqp.get(NEXT).body)["of"] for _ in range(20)} == identities  # type: ignore[union-attr]
                assert world.amqp.depth(f"{HERE}.dead") == 0
                world.amqp.close()
                await stack.aclose()

    asyncio.run(scenario())
