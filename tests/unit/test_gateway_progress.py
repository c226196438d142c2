"""How a query is followed: the order that misses nothing, turns, and who may look."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

import pytest

from functions.catalogue.calibration import Verdict
from functions.catalogue.handle import object_handle
from functions.catalogue.keys import born
from functions.decoding import decoded
from functions.errors import Unavailable
from functions.events import subject_of, topic, upload_id
from functions.gateway import stream, uploading
from functions.gateway.queries import ASKED, FORM_LIMIT, TURN_LIMIT
from functions.results import Hit, Result, store_result
from tests.gateway_world import NORTH, SOUTH, XSS, GatewayWorld, Reply, until, worlds

world = pytest.fixture(worlds)


def starting_key(world: GatewayWorld, query: str, owner: str = "anna") -> str:
    """The key whose upload started a query."""
    keys = world.keys("queries", f"{NORTH}/{owner}/{query}/")
    return next((key for key in keys if key.endswith(".query.json")), keys[0])


def hit(rank: int, museum: str = NORTH, **more: Any) -> Hit:
    """An object that was found."""
    return Hit(
        rank=rank, museum=museum, object_id=f"object {rank}", score=0.9 - rank / 100, image=f"{museum}/o/images/a.jpg",
        display=f"{'ab' * 32}/display-", query_image=0, view="full", class_code=13, record={"Name": XSS}, **more,
    )  # fmt: skip


def finish(world: GatewayWorld, query: str, *, owner: str = "anna", status: Any = "completed", **more: Any) -> str:
    """The pipeline stores a query's result. Returns its topic."""
    key = starting_key(world, query, owner)
    info = world.store.head("queries", key)
    assert info is not None
    now = time.time()
    result = Result(
        query_id=upload_id("queries", key, info.version), museum=NORTH, owner=owner, status=status, bucket="queries", key=key,
        version=info.version, received_at=now - 0.25, completed_at=now, stages={"embed": 100.0, "search": 20.0}, **more,
    )  # fmt: skip
    store_result(world.store, "results", result)
    return topic(subject_of(key))


def follow(world: GatewayWorld, query: str, *steps: tuple[str, Any], who: str = "registrar") -> Reply:
    """The stream of a query while the pipeline takes steps: (announced type, what is done before it)."""

    async def both() -> Reply:
        told: list[Any] = []
        reading = asyncio.create_task(world.asking("GET", f"/api/queries/{query}/events", who=who, answered=told))
        await until(lambda: world.sockets.open_now and world.sockets.open_now[0].topics)
        for kind, before in steps:
            await until(lambda: any(b"event: " in one.get("body", b"") for one in told))
            so_far = len(told)
            about = before() if before else topic(subject_of(starting_key(world, query)))
            world.sockets.announce(kind, about, {"query_id": "q", "museum": NORTH, "owner": "anna"})
            await until(lambda so_far=so_far: len(told) > so_far or reading.done())
        return await asyncio.wait_for(reading, 5)

    return world.run(both())


def test_a_stream_has_each_stage_and_ends_with_the_result(world: GatewayWorld) -> None:
    """Each message is the whole state; the last is the result."""
    query = world.queried(b"photo")
    reply = follow(
        world,
        query,
        ("image.received", None),
        ("image.preprocessed", None),
        ("query.embedded", None),
        ("search.completed", lambda: finish(world, query, hits=[hit(1)])),
    )
    assert reply.headers["content-type"].startswith("text/event-stream")
    told = list(dict.fromkeys((name, said["status"], said["stage"]) for name, said in reply.events))
    assert told[-4:] == [
        ("state", "running", "received"), ("state", "running", "preprocessed"), ("state", "running", "embedded"),
        ("result", "completed", "done"),
    ]  # fmt: skip
    assert reply.events[-1][1]["result"]["hits"][0]["record"] == {"Name": XSS}
    assert not world.sockets.open_now[0].topics, "nobody looks any more"


def test_a_stream_may_begin_before_the_photo_is_there(world: GatewayWorld) -> None:
    """It is bound to the key, not to the upload."""
    given = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 5}
    begun = world.ask("POST", "/api/uploads", given).json

    def upload() -> str:
        world.forms.send(begun["upload"], b"photo")
        return topic(subject_of(begun["upload"]["fields"]["key"]))

    reply = follow(world, begun["id"], ("image.received", upload), ("search.completed", lambda: finish(world, begun["id"])))
    assert list(dict.fromkeys(said["status"] for _, said in reply.events)) == ["uploading", "running", "completed"]


def test_a_late_reader_gets_the_result_at_once(world: GatewayWorld) -> None:
    """Storage has it; nothing needs to be announced."""
    query = world.queried(b"photo")
    finish(world, query, hits=[hit(1)])
    reply = world.ask("GET", f"/api/queries/{query}/events")
    assert [name for name, _ in reply.events] == ["result"]


def test_an_end_that_was_announced_while_nobody_was_connected_is_not_missed(world: GatewayWorld) -> None:
    """The connection to the trigger is cut in the middle of a search: with the next, storage is read again."""
    query = world.queried(b"photo")

    async def both() -> Reply:
        told: list[Any] = []
        reading = asyncio.create_task(world.asking("GET", f"/api/queries/{query}/events", answered=told))
        await until(lambda: any(b"event: " in one.get("body", b"") for one in told))
        world.sockets.there = False
        world.sockets.cut()
        await until(lambda: not world.sockets.open_now)
        finish(world, query)  # and its announcement is lost
        await asyncio.sleep(0.05)
        assert not reading.done()
        world.sockets.there = True
        return await asyncio.wait_for(reading, 5)

    assert world.run(both()).events[-1][0] == "result"
    assert world.sockets.opened == 2


def test_a_stream_works_while_the_trigger_is_away(world: GatewayWorld) -> None:
    """The state comes at once, and the rest when it is back."""
    query = world.queried(b"photo")
    world.sockets.there = False

    async def both() -> Reply:
        reading = asyncio.create_task(world.asking("GET", f"/api/queries/{query}/events"))
        await asyncio.sleep(0.1)
        finish(world, query)
        world.sockets.there = True
        return await asyncio.wait_for(reading, 10)

    assert world.run(both()).events[-1][1]["status"] == "completed"


def test_silence_shows_that_the_stream_lives_and_storage_is_read_again(
    world: GatewayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """An announcement that RabbitMQ dropped costs a heartbeat, not the result."""
    monkeypatch.setattr(stream, "HEARTBEAT", 0.1)
    query = world.queried(b"photo")

    async def both() -> Reply:
        told: list[Any] = []
        reading = asyncio.create_task(world.asking("GET", f"/api/queries/{query}/events", answered=told))
        await until(lambda: world.sockets.open_now and world.sockets.open_now[0].topics)
        await until(lambda: any(b"still here" in one.get("body", b"") for one in told))
        finish(world, query)  # nobody announces it
        return await asyncio.wait_for(reading, 5)

    reply = world.run(both())
    assert b": still here\n\n" in reply.body
    assert reply.events[-1][0] == "result"


@pytest.mark.parametrize("gone", [1, 2])
def test_storage_that_is_away_for_a_moment_ends_no_stream(
    world: GatewayWorld, monkeypatch: pytest.MonkeyPatch, gone: int
) -> None:
    """What was said is still true; it is asked again."""
    monkeypatch.setattr(stream, "AWAY", 0.02)
    query = world.queried(b"photo")
    about = finish(world, query)
    real, asked = world.store.get, 0

    def away(bucket: str, key: str, **more: Any) -> Any:
        nonlocal asked
        if bucket == "results" and (asked := asked + 1) in range(2, 2 + gone):
            raise Unavailable("s3", "refused")
        return real(bucket, key, **more)

    monkeypatch.setattr(world.store, "get", away)
    assert about
    assert world.ask("GET", f"/api/queries/{query}/events").events[-1][0] == "result"
    assert asked == 2 + gone


@pytest.mark.parametrize("status", ["rejected", "failed"])
def test_a_query_that_ends_badly_says_why(world: GatewayWorld, status: str) -> None:
    """Reason, code and step; no result."""
    query = world.queried(b"photo")
    kind = "image.rejected" if status == "rejected" else "query.failed"
    why = {"reason": "25 MP at most", "code": "too-many-pixels", "step": "preprocess"}
    reply = follow(world, query, (kind, lambda: finish(world, query, status=status, **why)))
    name, said = reply.events[-1]
    assert (name, said["status"], said["reason"], said["code"], said["step"], said["result"]) == (
        "result", status, "25 MP at most", "too-many-pixels", "preprocess", None,
    )  # fmt: skip


def test_a_second_reader_gets_the_stage_at_once(world: GatewayWorld) -> None:
    """Also one who only asks: what was heard is known while somebody, or the query's turn, is watched."""
    begun = world.ask("POST", "/api/uploads", {"filename": "a.jpg", "content_type": "image/jpeg", "size": 5}).json
    key = begun["upload"]["fields"]["key"]

    async def look() -> tuple[Any, Any]:
        world.parts.start()
        world.parts.follow(key)
        world.forms.send(begun["upload"], b"photo")
        await until(lambda: world.sockets.open_now and topic(subject_of(key)) in world.sockets.open_now[0].topics)
        world.sockets.announce("query.embedded", topic(subject_of(key)))
        await until(lambda: world.parts.watching.stage(topic(subject_of(key))))
        asked = (await world.asking("GET", f"/api/queries/{begun['id']}")).json
        told: list[Any] = []
        reading = asyncio.create_task(world.asking("GET", f"/api/queries/{begun['id']}/events", answered=told))
        await until(lambda: any(b"event: " in one.get("body", b"") for one in told))
        world.parts.end()
        return asked, (await reading).events

    asked, told = world.run(look())
    assert (asked["status"], asked["stage"]) == ("running", "embedded")
    assert [(name, said["stage"]) for name, said in told] == [("state", "embedded")]


def test_a_query_of_which_nothing_was_heard_waits_only_where_anything_does(world: GatewayWorld) -> None:
    """Another replica heard of it; the queues are empty, so a step has it."""
    query = world.queried(b"photo")

    async def look() -> list[str]:
        async with world.parts.watching.look("other"):
            await until(lambda: world.parts.watching.connected)
            stages = []
            for ready in (3, 0):
                world.sockets.open_now[0].tell({"depth": {"museum.interactive.embed": ready}})
                await until(lambda ready=ready: world.parts.watching.depth == {"museum.interactive.embed": ready})
                stages.append((await world.asking("GET", f"/api/queries/{query}")).json["stage"])
            return stages

    assert world.run(look()) == ["waiting", "received"]


def test_a_gateway_listens_before_anybody_looks(world: GatewayWorld) -> None:
    """So nobody waits for the connection, and a gateway that hears nothing is told from one that nobody looks at."""

    async def begin() -> bool:
        world.parts.start()
        await until(lambda: world.parts.watching.connected)
        return world.parts.watching.connected

    assert world.run(begin())


def test_the_expected_time_is_that_of_recent_searches(world: GatewayWorld) -> None:
    """Nothing is claimed before there is one."""
    first = world.queried(b"one")
    assert world.ask("GET", f"/api/queries/{first}").json["expected_ms"] is None
    finish(world, first)
    world.ask("GET", f"/api/queries/{first}")
    said = world.ask("GET", f"/api/queries/{world.queried(b'two')}").json
    assert said["expected_ms"] == pytest.approx(250, abs=1)
    assert said["expected"] == {"embed": 100.0, "search": 20.0}


def test_the_expected_time_outlives_a_restart(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One small object, written now and then; what is read anew is not put behind what was kept."""
    first = world.queried(b"one")
    finish(world, first)
    world.ask("GET", f"/api/queries/{first}")
    monkeypatch.setattr("functions.gateway.parts.KEEP_EVERY", 0.0)

    async def run() -> None:
        world.parts.start()
        await until(lambda: world.keys("state", "expected.json"))

    world.run(run())
    assert not world.parts.recent.changed
    with GatewayWorld(store=world.store) as restarted:
        restarted.parts.prepare()
        said = restarted.ask("GET", f"/api/queries/{restarted.queried(b'two')}").json
        assert (said["expected"], round(said["expected_ms"])) == ({"embed": 100.0, "search": 20.0}, 250)
        restarted.parts.read_expected()
        assert len(restarted.parts.recent._whole) == 1
    world.store.put("state", "expected.json", b"[", content_type="application/json")
    with GatewayWorld(store=world.store) as restarted:
        restarted.parts.prepare()
        assert restarted.parts.recent.whole is None


def test_a_state_has_a_tag_that_changes_with_it_alone(world: GatewayWorld) -> None:
    """304 for what the page has."""
    query = world.queried(b"photo")
    first = world.ask("GET", f"/api/queries/{query}")
    tag = {"if-none-match": first.headers["etag"]}
    assert world.ask("GET", f"/api/queries/{query}", headers=tag).status == 304
    finish(world, query)
    assert world.ask("GET", f"/api/queries/{query}", headers=tag).status == 200


def test_more_hits_come_with_the_records_that_may_be_seen(world: GatewayWorld) -> None:
    """The stored hundred; another museum's record only where it is published, and then its public fields."""
    world.record("object 11", Name="Ваза", KPNumber="1", InvNumber="7")
    world.record("object 12", SOUTH, Name="Secret")
    world.record("object 13", SOUTH, Name="Блюдо", InvNumber="9", PublicationLimit="1")
    query = world.queried(b"photo")
    finish(world, query, hits=[*(hit(rank) for rank in range(1, 12)), hit(12, SOUTH), hit(13, SOUTH)])
    assert len(world.ask("GET", f"/api/queries/{query}").json["result"]["hits"]) == 10
    said = world.ask("GET", f"/api/queries/{query}?hits=100").json["result"]
    assert said["total"] == 13
    assert [one["record"] for one in said["hits"][10:]] == [
        {"Name": "Ваза", "KPNumber": "1", "InvNumber": "7"}, None, {"Name": "Блюдо"},
    ]  # fmt: skip
    for wrong in ("0", "101", "many"):
        assert world.ask("GET", f"/api/queries/{query}?hits={wrong}").code == (400, "bad-parameter")


def test_already_there_is_said_of_the_own_museum_alone(world: GatewayWorld) -> None:
    """Another museum's copy is not hers."""
    query = world.queried(b"photo")
    finish(world, query, hits=[hit(1, duplicate=True), hit(2, SOUTH, duplicate=True)])
    assert [one["duplicate"] for one in world.ask("GET", f"/api/queries/{query}").json["result"]["hits"]] == [True, None]


# turns


def waited(world: GatewayWorld, *names: str) -> list[str]:
    """Queries of a batch."""
    return [world.queried(name.encode(), wait=True, batch="morning") for name in names]


def statuses(world: GatewayWorld, queries: list[str]) -> list[str]:
    """Of each."""
    return [world.ask("GET", f"/api/queries/{query}").json["status"] for query in queries]


def test_two_of_an_owner_are_in_flight_and_the_rest_waits_outside_the_queues(world: GatewayWorld) -> None:
    """What waits goes in the order in which it came, as turns come free."""
    queries = waited(world, "one", "two", "three", "four")
    assert statuses(world, queries) == ["running", "running", "waiting", "waiting"]
    assert sum(key.endswith(".query.json") for key in world.keys("queries")) == 2
    finish(world, queries[1])
    world.parts.admit_all()
    assert statuses(world, queries) == ["running", "completed", "running", "waiting"]
    finish(world, queries[0])
    finish(world, queries[2])
    world.parts.admit_all()
    assert statuses(world, queries) == ["completed", "completed", "completed", "running"]


def test_a_turn_goes_on_with_the_end_of_what_nobody_watches(world: GatewayWorld) -> None:
    """The gateway hears of what it admitted itself."""
    queries = waited(world, "one", "two", "three")

    async def end() -> None:
        world.parts.start()
        await asyncio.to_thread(world.parts.follow, starting_key(world, queries[0]))
        await until(lambda: world.sockets.open_now and world.sockets.open_now[0].topics)
        world.sockets.announce("search.completed", finish(world, queries[0]), {"query_id": "q", "museum": NORTH, "owner": "anna"})
        await until(lambda: sum(key.endswith(".query.json") for key in world.keys("queries")) == 3)

    world.run(end())


def test_another_owner_does_not_wait_for_a_batch(world: GatewayWorld) -> None:
    """Turns are each owner's own."""
    waited(world, "one", "two", "three")
    other = world.queried(b"photo", who="colleague", wait=True)
    assert world.ask("GET", f"/api/queries/{other}", who="colleague").json["status"] == "running"


def test_a_single_photo_waits_too_where_both_turns_are_taken(world: GatewayWorld) -> None:
    """It gets forms that start nothing."""
    waited(world, "one", "two")
    begun = world.ask("POST", "/api/uploads", {"filename": "a.jpg", "content_type": "image/jpeg", "size": 5}).json
    assert begun["upload"] is None
    assert len(begun["parts"]) == 1


def test_what_of_one_owner_cannot_be_read_holds_up_nobody_else(world: GatewayWorld, caplog: pytest.LogCaptureFixture) -> None:
    """It is in the log; the turns of others go on."""
    theirs = waited(world, "one", "two", "three")
    mine = [world.queried(name.encode(), who="visitor", wait=True) for name in ("four", "five", "six")]
    (asked,) = [key for key in world.keys("state", ASKED) if theirs[2] in key]
    assert asked < min(key for key in world.keys("state", ASKED) if mine[2] in key), "theirs are looked at first"
    world.store.put("state", asked, b"{", content_type="application/json")
    finish(world, theirs[0])
    finish(world, mine[0], owner="vera")
    world.parts.admit_all()
    assert world.ask("GET", f"/api/queries/{mine[2]}", who="visitor").json["status"] == "running"
    assert "cannot be given a turn" in caplog.text


def test_a_form_that_nobody_used_holds_nobody_up_for_long(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page was loaded anew, say."""
    for name in ("a.jpg", "b.jpg"):
        world.ask("POST", "/api/uploads", {"filename": name, "content_type": "image/jpeg", "size": 5})
    (query,) = waited(world, "one")
    assert statuses(world, [query]) == ["waiting"]
    now = time.time()
    monkeypatch.setattr("functions.gateway.queries.time.time", lambda: now + FORM_LIMIT + 1)
    world.parts.admit_all()
    assert statuses(world, [query]) == ["running"]


def test_a_turn_whose_query_does_not_end_is_given_to_another(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes later, not as early as that of a form."""
    query = waited(world, "one", "two", "three")[-1]
    now = time.time()
    for seconds, status in ((FORM_LIMIT + 1, "waiting"), (TURN_LIMIT + 1, "running")):
        monkeypatch.setattr("functions.gateway.queries.time.time", lambda seconds=seconds: now + seconds)
        world.parts.admit_all()
        assert statuses(world, [query]) == [status]


# history


def test_the_history_has_the_newest_first_and_goes_on_by_a_cursor(world: GatewayWorld) -> None:
    """Of its owner alone."""
    queries = []
    for number in range(5):
        queries.append(world.queried(b"photo %d" % number))
        time.sleep(0.002)  # ids tell milliseconds apart
    world.queried(b"another's", who="colleague")
    first = world.ask("GET", "/api/queries?limit=3").json
    second = world.ask("GET", f"/api/queries?limit=3&cursor={first['next']}").json
    assert [one["id"] for one in first["items"] + second["items"]] == queries[::-1]
    assert second["next"] is None
    assert abs((born(queries[0]) or 0) - time.time()) < 5


def test_the_history_names_the_best_hit_unless_nothing_is_similar(world: GatewayWorld) -> None:
    """An honest end has no top."""
    found, none = world.queried(b"one"), world.queried(b"two")
    finish(world, found, hits=[hit(1)])
    finish(world, none, hits=[hit(1)], verdict=Verdict(similar=False, threshold=0.95, collection_size=400))
    said = world.ask("GET", f"/api/queries/{none}").json["result"]["verdict"]
    assert (said["similar"], "collection_size" in said) == (False, False), "others' unpublished objects are not counted"
    tops = {one["id"]: one["top"] for one in world.ask("GET", "/api/queries").json["items"]}
    assert tops[found]["name"] == XSS
    assert tops[none] is None


def test_a_batch_is_found_in_the_history(world: GatewayWorld) -> None:
    """Also among many others."""
    world.queried(b"alone")
    queries = waited(world, "one", "two")
    items = world.ask("GET", "/api/queries?batch=morning").json["items"]
    assert {one["id"] for one in items} == set(queries)


# who may look, and erase


@pytest.mark.parametrize(("method", "path", "body"), [
    ("GET", "", None), ("GET", "/events", None), ("POST", "/uploaded", {}), ("DELETE", "", None),
    ("POST", "/crop", {"left": 0, "top": 0, "width": 1, "height": 1}), ("POST", "/filter", {"scope": "mine"}),
    ("POST", "/feedback", {"object": "bm9ydGgvb2JqZWN0IDE", "is": "same"}),
])  # fmt: skip
def test_an_id_grants_nothing(world: GatewayWorld, method: str, path: str, body: Any) -> None:
    """A query is its owner's: not her colleague's, not another museum's, nobody's without a token."""
    query = world.queried(b"photo")
    finish(world, query, hits=[hit(1)])
    address = f"/api/queries/{query}{path}"
    for who in ("colleague", "foreigner", "admin"):
        assert world.ask(method, address, body, who=who).code == (404, "not-found")
    assert world.ask(method, address, body, who=None).code == (401, "unauthorised")
    assert world.ask(method, address, body, who="expired").code == (401, "token-expired")
    assert world.ask(method, address, body).status < 300


def test_an_erased_query_leaves_nothing(world: GatewayWorld) -> None:
    """Photos, copies, result, what was asked and said: but a copy that a catalogue has too stays."""
    query, other = world.queried(b"photo", b"second"), world.queried(b"kept")
    digest, known = "d" * 64, "ab" * 32
    finish(world, query, hits=[hit(1)])
    world.ask("POST", f"/api/queries/{query}/feedback", {"object": "bm9ydGgvb2JqZWN0IDE", "is": "same"})
    for name in (hashlib.sha256(b"photo").hexdigest(), digest, known):
        world.store.put("derived", f"{name}/display-320.jpg", b"x", content_type="image/jpeg")
    assert world.ask("DELETE", f"/api/queries/{query}").status == 200
    world.swept()
    assert world.ask("GET", f"/api/queries/{query}").code == (404, "not-found")
    left = [key for bucket in ("queries", "state", "results") for key in world.keys(bucket) if "turns/" not in key]
    assert left
    assert all(other in key for key in left)
    assert world.keys("derived") == [f"{known}/display-320.jpg", f"{digest}/display-320.jpg"]


def test_what_a_person_says_of_a_hit_is_kept_with_who_and_when(world: GatewayWorld) -> None:
    """Of what was found alone."""
    query = world.queried(b"photo")
    finish(world, query, hits=[hit(1)])
    assert world.ask("POST", f"/api/queries/{query}/feedback", {"object": "bm9ydGgvb2JqZWN0IDE", "is": "different"}).status == 204
    (key,) = world.keys("state", "feedback/")
    said = world.stored("state", key)
    assert (said["is"], said["by"], said["object_id"]) == ("different", "anna", "object 1")
    assert abs(said["at"] - time.time()) < 5
    assert world.ask("GET", f"/api/queries/{query}").json["said"] == {"bm9ydGgvb2JqZWN0IDE": "different"}
    other = world.ask("POST", f"/api/queries/{query}/feedback", {"object": "bm9ydGgvb2JqZWN0IDI", "is": "same"})
    assert other.code == (422, "not-a-hit")


# new queries of the same photos


def test_a_crop_is_a_new_query_of_the_same_photo(world: GatewayWorld) -> None:
    """Nothing is uploaded twice; the region is in the query file."""
    query = world.queried(b"photo")
    made = world.ask("POST", f"/api/queries/{query}/crop", {"left": 0.5, "top": 0.25, "width": 0.9, "height": 0.5})
    assert made.status == 201
    file = world.stored("queries", starting_key(world, made.json["id"]))
    assert file["photos"] == [starting_key(world, query)]
    assert file["region"] == {"left": 0.5, "top": 0.25, "width": 0.5, "height": 0.5}
    assert world.ask("GET", f"/api/queries/{made.json['id']}").json["of"] == query
    for wrong in ({"left": 1, "top": 0, "width": 1, "height": 1}, {"left": -1, "top": 0, "width": 1, "height": 1}, {"left": 0.1}):
        assert world.ask("POST", f"/api/queries/{query}/crop", wrong).status == 422


def test_a_filter_of_a_crop_keeps_its_region(world: GatewayWorld) -> None:
    """And says where it searches."""
    query = world.queried(b"photo")
    crop = world.ask("POST", f"/api/queries/{query}/crop", {"left": 0, "top": 0, "width": 0.5, "height": 0.5}).json["id"]
    narrow = {"scope": "others", "classes": [5, 14], "period": [1800, 1900]}
    made = world.ask("POST", f"/api/queries/{crop}/filter", narrow).json["id"]
    world.parts.admit_all()
    finish(world, query)
    world.parts.admit_all()
    file = world.stored("queries", starting_key(world, made))
    assert (file["region"]["width"], file["scope"], file["filter"]["classes"]) == (0.5, "others", [5, 14])


@pytest.mark.parametrize(
    "wrong", [{"classes": [99]}, {"period": [1900, 1800]}, {"scope": "theirs"}, {"colour": "red"}, {"classes": [1] * 21}]
)
def test_a_filter_that_cannot_be_is_refused_at_once(world: GatewayWorld, wrong: dict[str, Any]) -> None:
    """Before anything is stored."""
    query = world.queried(b"photo")
    before = world.keys("state")
    assert world.ask("POST", f"/api/queries/{query}/filter", wrong).status == 422
    assert world.keys("state") == before


# uploads


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"size": 40_000_001}, (413, "too-large")),
        ({"size": 0}, (422, "bad-request")),
        ({"content_type": "text/html"}, (422, "bad-request")),
        ({"content_type": "image/jpeg\n"}, (422, "bad-request")),
        ({"filename": ""}, (422, "bad-request")),
        ({"filename": "x" * 201}, (422, "bad-request")),
        ({"parts": [{"filename": "a", "content_type": "image/png", "size": 1}] * 9}, (422, "bad-request")),
        ({"key": "north/boris/x/y.jpg"}, (422, "bad-request")),
        ({"filter": {"classes": [99]}}, (422, "broken-query-file")),
    ],
)
def test_an_upload_that_would_be_refused_is_refused_before_a_byte_is_sent(
    world: GatewayWorld, given: dict[str, Any], answer: tuple[int, str]
) -> None:
    """With what was expected."""
    asked = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 5, **given}
    assert world.ask("POST", "/api/uploads", asked).code == answer
    assert world.keys("state", "queries/") == []


@pytest.mark.parametrize("name", [
    "../../south/fyodor/x.jpg", "a/b.jpg", "..", ".jpg", XSS + ".jpg", "ваза №1.JPG", "x.query.json", "x" * 200, "ю" * 200,
    "a\x00b.jpg", "a\\b.jpg", "\u202egpj.exe",
])  # fmt: skip
def test_whatever_a_photo_is_called_its_key_is_the_owners(world: GatewayWorld, name: str) -> None:
    """One part below her own prefix, no longer than a key may be; the name she gave is what she sees."""
    query = world.ask("POST", "/api/uploads", {"filename": name, "content_type": "image/jpeg", "size": 5}).json
    key = query["upload"]["fields"]["key"]
    assert key.startswith(f"{NORTH}/anna/{query['id']}/")
    assert key.count("/") == 3
    assert not key.endswith(("/", ".query.json", "/..", "/."))
    assert len(key.encode()) < 400
    assert key.isprintable()
    world.forms.send(query["upload"], b"photo")
    world.ask("POST", f"/api/queries/{query['id']}/uploaded", {})
    assert world.ask("GET", f"/api/queries/{query['id']}").json["filename"] == name


def test_what_has_not_arrived_is_not_searched(world: GatewayWorld) -> None:
    """409, for one photo and for several."""
    given = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 5}
    one = world.ask("POST", "/api/uploads", given).json
    assert world.ask("POST", f"/api/queries/{one['id']}/uploaded", {}).code == (409, "not-uploaded")
    two = world.ask("POST", "/api/uploads", {**given, "parts": [given, given]}).json
    world.forms.send(two["parts"][0], b"photo")
    refused = world.ask("POST", f"/api/queries/{two['id']}/uploaded", {})
    assert refused.code == (409, "not-uploaded")
    assert "1 of 2" in refused.json["detail"]


def test_an_upload_is_told_once_whoever_tells_first(world: GatewayWorld) -> None:
    """The page and the store speak of the same upload."""
    query = world.queried(b"photo")
    world.ask("POST", f"/api/queries/{query}/uploaded", {})
    assert len(world.outbox.published) == 1
    finish(world, query)
    world.ask("POST", f"/api/queries/{query}/uploaded", {})
    assert len(world.outbox.published) == 1


def test_a_query_of_another_s3_client_is_seen_and_cropped(world: GatewayWorld) -> None:
    """Whatever its id."""
    world.store.put("queries", f"{NORTH}/anna/by-aws-cli/vase.jpg", b"photo", content_type="image/jpeg")
    said = world.ask("GET", "/api/queries/by-aws-cli").json
    assert (said["status"], said["filename"]) == ("running", "vase.jpg")
    made = world.ask("POST", "/api/queries/by-aws-cli/crop", {"left": 0, "top": 0, "width": 0.5, "height": 0.5}).json["id"]
    world.parts.admit_all()
    assert world.stored("queries", starting_key(world, made))["photos"] == [f"{NORTH}/anna/by-aws-cli/vase.jpg"]
    assert [one["id"] for one in world.ask("GET", "/api/queries").json["items"]][:1] != []


# pictures


def test_a_picture_is_for_the_museum_that_was_given_its_handle(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """By token or cookie; not for another museum, not forged, not for ever."""
    query = world.queried(b"photo")
    finish(world, query, hits=[hit(1)])
    world.store.put("derived", f"{'ab' * 32}/display-320.jpg", b"\xff\xd8", content_type="image/jpeg")
    picture = world.ask("GET", f"/api/queries/{query}").json["result"]["hits"][0]["image"]["320"]
    assert world.ask("GET", picture).body == b"\xff\xd8"
    assert world.ask("GET", picture, who="colleague").status == 200
    assert world.ask("GET", picture, who="foreigner").code == (404, "not-found")
    assert world.ask("GET", picture, who=None).code == (401, "unauthorised")
    assert world.ask("GET", picture.replace("/320", "x/320")).code == (404, "not-found")
    assert world.ask("GET", picture.replace("320.jpg", "../../x")).status == 404
    week = time.time() + 8 * 86_400
    monkeypatch.setattr("functions.gateway.handles.time.time", lambda: week)
    assert world.ask("GET", picture).code == (404, "not-found")


def test_results_are_json_that_a_page_can_show_as_text(world: GatewayWorld) -> None:
    """Names stay what they are: nothing is escaped twice, and nothing is markup."""
    query = world.queried(b"photo")
    finish(world, query, hits=[hit(1)])
    reply = world.ask("GET", f"/api/queries/{query}")
    assert reply.headers["content-type"] == "application/json"
    assert decoded(reply.body)["result"]["hits"][0]["record"]["Name"] == XSS


def test_what_was_said_of_a_hit_holds_when_the_search_is_narrowed(world: GatewayWorld) -> None:
    """She is not asked again whether it is this one; what she says there is of that search."""
    first = world.queried(b"photo")
    finish(world, first, hits=[hit(1), hit(2)])
    one, two = (object_handle(NORTH, f"object {number}") for number in (1, 2))
    assert world.ask("POST", f"/api/queries/{first}/feedback", {"object": one, "is": "different"}).status == 204
    second = world.ask("POST", f"/api/queries/{first}/filter", {"scope": "mine"}).json["id"]
    world.parts.admit_all()
    finish(world, second, hits=[hit(1), hit(2)])
    assert world.ask("POST", f"/api/queries/{second}/feedback", {"object": two, "is": "same"}).status == 204
    said = [world.ask("GET", f"/api/queries/{query}").json["said"] for query in (first, second)]
    assert said == [{one: "different"}, {one: "different", two: "same"}]


def test_ids_of_one_moment_are_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is begun faster than a clock ticks, and the newest is first in a listing."""
    monkeypatch.setattr(uploading.time, "time_ns", lambda: 1_700_000_000_000_000_000)
    made = [uploading.new_id() for _ in range(50)]
    assert sorted(made, reverse=True) == made


def test_a_query_of_the_same_photos_says_with_which_they_were_given(world: GatewayWorld) -> None:
    """Its draft is theirs: a card that was begun goes on when the search is narrowed, however often."""
    first = world.queried(b"photo")
    finish(world, first)
    second = world.ask("POST", f"/api/queries/{first}/filter", {"scope": "mine"}).json["id"]
    world.parts.admit_all()
    finish(world, second)
    part = {"left": 0.1, "top": 0.1, "width": 0.5, "height": 0.5}
    third = world.ask("POST", f"/api/queries/{second}/crop", part).json["id"]
    assert [world.ask("GET", f"/api/queries/{one}").json["root"] for one in (first, second, third)] == [first] * 3
