"""How much one token may ask for, and what a call may be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request

from functions.gateway import progress, stream
from functions.gateway.app import policy
from functions.gateway.call import MAX_BODY
from functions.gateway.identity import Identity
from functions.gateway.limits import Limits
from functions.gateway.museums import Museum, Museums
from functions.gateway.problems import Problem
from tests.gateway_world import NORTH, SOUTH, GatewayWorld, until

GIVEN = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 5}


@pytest.fixture
def world() -> Iterator[GatewayWorld]:
    """A strict one."""
    with GatewayWorld(limits=Limits(requests=6, uploads=4, streams=2)) as made:
        yield made


def test_too_many_requests_are_refused_for_their_token_alone(world: GatewayWorld) -> None:
    """429 says when to come again."""
    answers = [world.ask("GET", "/api/me").status for _ in range(7)]
    assert answers == [200] * 6 + [429]
    refused = world.ask("GET", "/api/me")
    assert refused.code == (429, "too-many")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert world.ask("GET", "/api/me", who="colleague").status == 200


def test_a_token_and_its_cookie_are_one(world: GatewayWorld) -> None:
    """Requests and streams of both count together: else a page could have twice as many."""
    cookie = {"cookie": world.ask("POST", "/api/session").headers["set-cookie"].partition(";")[0]}
    answers = [world.ask("GET", "/api/me", **one).status for one in (3 * [{"who": None, "headers": cookie}, {}])]  # type: ignore[arg-type]
    assert answers == [200] * 5 + [429]


def test_photos_are_counted_and_not_requests(world: GatewayWorld) -> None:
    """Three parts are three."""
    assert world.ask("POST", "/api/uploads", {**GIVEN, "parts": [GIVEN] * 3}).status == 201
    refused = world.ask("POST", "/api/uploads", {**GIVEN, "parts": [GIVEN] * 2})
    assert refused.code == (429, "too-many")
    assert int(refused.headers["retry-after"]) > 60
    assert world.ask("POST", "/api/uploads", GIVEN).status == 201


def test_a_museums_people_share_its_quota() -> None:
    """Beside each one's own limit; the refusal names the museum and when to come again, and another museum is not concerned."""
    museums = Museums({NORTH: Museum(uploads_per_day=3), SOUTH: Museum()})
    with GatewayWorld(limits=Limits(requests=100, uploads=100, streams=2, museums=museums)) as world:
        assert world.ask("POST", "/api/uploads", {**GIVEN, "parts": [GIVEN] * 2}).status == 201
        refused = world.ask("POST", "/api/uploads", {**GIVEN, "parts": [GIVEN] * 2}, who="colleague")
        assert refused.code == (429, "museum-quota")
        assert "at most 3 photos a day of all people of the museum north" in refused.json["detail"]
        assert int(refused.headers["retry-after"]) == refused.json["retry_after"] > 60
        assert world.ask("POST", "/api/uploads", GIVEN, who="colleague").status == 201
        assert world.ask("POST", "/api/uploads", GIVEN).code == (429, "museum-quota")
        assert world.ask("POST", "/api/uploads", GIVEN, who="foreigner").status == 201


def test_what_the_museum_refuses_is_not_counted_as_its_owners() -> None:
    """Nor the other way round: what is refused costs nothing."""
    limits = Limits(requests=100, uploads=3, streams=2, museums=Museums({NORTH: Museum(uploads_per_day=4)}))
    anna, boris = (Identity(museum=NORTH, owner=name, token=name) for name in ("anna", "boris"))
    limits.upload(anna, 2)
    for who, photos, code in ((boris, 3, "museum-quota"), (anna, 2, "too-many")):
        with pytest.raises(Problem) as raised:
            limits.upload(who, photos)
        assert raised.value.code == code
    limits.upload(boris, 2)
    with pytest.raises(Problem, match="of the museum north"):
        limits.upload(anna)


def test_streams_are_bounded_and_free_again_when_they_end(world: GatewayWorld) -> None:
    """A page that is closed makes room."""
    query = world.queried(b"photo")

    async def three() -> tuple[int, int]:
        address = f"/api/queries/{query}/events"
        streams = [asyncio.create_task(world.asking("GET", address)) for _ in range(2)]
        await until(lambda: world.parts.watching.readers == 2)
        third = await world.asking("GET", address)
        streams[0].cancel()
        await asyncio.gather(streams[0], return_exceptions=True)
        fourth = asyncio.create_task(world.asking("GET", address))
        await until(lambda: world.parts.watching.readers == 2)
        open_now = world.parts.watching.readers
        for one in (streams[1], fourth):
            one.cancel()
        await asyncio.gather(streams[1], fourth, return_exceptions=True)
        return third.status, open_now

    assert world.run(three()) == (429, 2)
    assert world.parts.watching.readers == 0


def test_a_reader_that_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept for it."""
    monkeypatch.setattr(stream, "SLOW", 0.05)
    with GatewayWorld() as world:
        query = world.queried(b"photo")
        known = world.parts.queries_of(NORTH, "anna").known(query)
        assert known is not None

        async def stuck(message: Any) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        async def never() -> Any:
            await asyncio.Event().wait()

        async def read() -> None:
            sent = progress.QueryStream(world.parts, Identity(museum=NORTH, owner="anna"), known)
            await asyncio.wait_for(sent({"type": "http"}, never, stuck), 10)

        world.run(read())
        assert world.parts.watching.readers == 0


def test_streams_end_when_the_process_is_told_to_end() -> None:
    """Their readers go on with another replica."""
    with GatewayWorld() as world:
        query = world.queried(b"photo")

        async def end() -> int:
            reading = asyncio.create_task(world.asking("GET", f"/api/queries/{query}/events"))
            await asyncio.sleep(0.1)
            world.parts.end()
            return (await asyncio.wait_for(reading, 10)).status

        assert world.run(end()) == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "answer"),
    [
        ("POST", "/api/uploads", b"{", {}, (422, "bad-request")),
        ("POST", "/api/uploads", b"[" * 100_000, {}, (422, "bad-request")),
        ("POST", "/api/uploads", b"\xff\xfe", {}, (422, "bad-request")),
        ("POST", "/api/uploads", b" " * (MAX_BODY + 1), {}, (413, "too-large")),
        ("POST", "/api/uploads", b"{}", {"content-type": "text/plain"}, (415, "wrong-content-type")),
        ("PUT", "/api/uploads", b"{}", {}, (405, "method-not-allowed")),
        ("GET", "/api/queries?colour=red", None, {}, (400, "unknown-parameter")),
        ("GET", "/api/queries?limit=1000", None, {}, (400, "bad-parameter")),
        ("GET", "/api/queries?cursor=../..", None, {}, (400, "bad-parameter")),
        ("GET", "/api/queries/..%2f..%2fsouth", None, {}, (404, "not-found")),
        ("GET", "/api/queries/" + "x" * 2048, None, {}, (404, "not-found")),
        ("GET", "/api/queries/%D1%8E", None, {}, (404, "not-found")),
        ("GET", "/api/images/x/320.jpg", None, {}, (404, "not-found")),
    ],
)
def test_what_is_no_call_is_a_problem_with_a_reason(
    method: str, path: str, body: bytes | None, headers: dict[str, str], answer: tuple[int, str]
) -> None:
    """Whatever comes."""
    with GatewayWorld() as world:
        reply = world.ask(method, path, body, headers=headers)
        assert reply.code == answer
        assert len(reply.json["detail"]) > 10


def test_a_store_that_is_away_is_said_and_not_a_mistake_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After, and no secret in it."""
    from functions.errors import Unavailable

    with GatewayWorld() as world:
        query = world.queried(b"photo")

        def away(*_: Any, **__: Any) -> None:
            raise Unavailable("s3", "http://key:secret@store refused")

        monkeypatch.setattr(world.store, "get", away)
        reply = world.ask("GET", f"/api/queries/{query}")
        assert reply.code == (503, "unavailable")
        assert reply.headers["retry-after"]
        assert "secret" not in reply.body.decode()


def test_a_bug_is_a_problem_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cause is in the log, not in the answer."""
    with GatewayWorld() as world:
        monkeypatch.setattr(world.store, "get", lambda *_, **__: 1 / 0)
        reply = world.ask("GET", "/api/queries/abc")
        assert reply.code == (500, "bug")
        assert "division" not in reply.json["detail"]


def test_the_page_may_load_its_own_scripts_alone() -> None:
    """And send to S3."""
    rules = dict(rule.split(" ", 1) for rule in policy("http://s3.example:9000/path").split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["connect-src"] == "'self' http://s3.example:9000"
    assert "unsafe" not in str(rules)


def test_a_request_of_the_framework_is_answered_by_the_table() -> None:
    """The dispatcher takes a path as the server decoded it."""
    with GatewayWorld() as world:
        scope = {"type": "http", "method": "GET", "path": "/api/me", "query_string": b"", "headers": []}
        assert world.run(world.table(Request(scope))).status_code == 401


def test_metrics_count_calls_by_fixed_labels() -> None:
    """A path that somebody makes up is no label: else each would be kept for ever."""
    from prometheus_client import generate_latest

    with GatewayWorld() as world:
        world.ask("GET", "/api/queries/abc")
        world.ask("GET", "/api/made-up-by-somebody")
        world.ask("BREW", "/api/me")
        said = generate_latest().decode()
    assert 'museum_gateway_calls_total{call="/api/queries/{id}",method="GET",status="404"}' in said
    assert 'call="unknown",method="GET",status="404"' in said
    assert 'method="other",status="405"' in said
    assert "made-up" not in said
    assert "BREW" not in said
