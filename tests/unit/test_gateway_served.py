"""What a gateway has beside its calls: health, readiness, metrics; and what it says and checks at its start."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from functions.errors import Reject, Unavailable
from functions.gateway.app import Gateway
from functions.gateway.identity import Door
from functions.gateway.session import cookie_path
from functions.gateway.settings import GatewaySettings
from tests.gateway_world import KEY, GatewayWorld, KnownTokens, until

RUN_ONE = "so run one"


def served(**own: Any) -> GatewayWorld:
    """A world whose table is that of the whole gateway."""
    world = GatewayWorld(own=GatewaySettings(museum_session_key=KEY, **own))
    world.table = Gateway(world.parts, Door([KnownTokens()], world.parts.sessions)).table
    return world


@pytest.fixture
def world() -> Iterator[GatewayWorld]:
    """With the usual settings."""
    with served() as made:
        yield made


def away(*_: Any, **__: Any) -> Any:
    """S3 does not answer."""
    raise Unavailable("s3", "refused")


def test_a_process_that_answers_is_alive(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is behind it: to end it would mend nothing."""
    for name in ("head", "get", "list"):
        monkeypatch.setattr(world.store, name, away)
    reply = world.ask("GET", "/healthz", who=None)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"ok\n", "text/plain; charset=utf-8")


def test_without_s3_a_gateway_is_not_ready(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, so that it gets no requests; and is again once it answers."""
    assert world.ask("GET", "/readyz", who=None).json == {"s3": True, "announcements": False, "streams": 0}
    monkeypatch.setattr(world.store, "head", away)
    assert world.ask("GET", "/readyz", who=None).code == (503, "unavailable")
    monkeypatch.undo()
    assert world.ask("GET", "/readyz", who=None).status == 200
    monkeypatch.setattr(world.store, "head", unmade)
    assert world.ask("GET", "/readyz", who=None).code == (503, "unavailable"), "nor without buckets"


def unmade(*_: Any, **__: Any) -> Any:
    """S3 has no buckets yet."""
    raise Reject("unknown-bucket", "there is no bucket state")


def test_without_announcements_a_gateway_is_ready_and_says_so(world: GatewayWorld) -> None:
    """Results are read from storage then, each 15 s; the trigger that has the outbox is the one that announces."""

    async def look() -> list[Any]:
        world.parts.watching.begin()
        found = []
        for there in (True, False):
            world.sockets.there = there
            if not there:
                world.sockets.cut()
            await until(lambda there=there: world.parts.watching.connected == there)
            found.append((await world.asking("GET", "/readyz", who=None)).json["announcements"])
        return found

    assert world.run(look()) == [True, False]


def test_metrics_tell_calls_streams_announcements_and_what_is_away(
    world: GatewayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Without a token: they name nobody."""
    query = world.queried(b"photo")
    monkeypatch.setattr(world.outbox, "publish", refused)
    again = world.ask("POST", "/api/uploads", {"filename": "a.jpg", "content_type": "image/jpeg", "size": 5}).json
    world.forms.send(again["upload"], b"other")
    assert world.ask("POST", f"/api/queries/{again['id']}/uploaded", {}).code == (503, "unavailable")
    reply = world.ask("GET", "/metrics", who=None)
    said = reply.body.decode()
    assert reply.headers["content-type"].startswith("text/plain; version=")
    for line in (
        'museum_gateway_away_total{dependency="outbox"}', "museum_gateway_streams ", "museum_gateway_announcements ",
        'museum_gateway_calls_total{call="/api/queries/{id}/uploaded",method="POST",status="503"}',
        "museum_search_seconds_bucket", "museum_gateway_call_seconds_bucket",
    ):  # fmt: skip
        assert line in said
    assert query not in said
    assert "anna" not in said


def refused(*_: Any, **__: Any) -> None:
    """The outbox does not answer."""
    raise Unavailable("outbox", "refused")


def test_the_document_is_given_to_everybody(world: GatewayWorld) -> None:
    """And leaves out nothing of the API."""
    paths = world.ask("GET", "/api/openapi.json", who=None).json["paths"]
    assert {call.path for call in world.table.calls if call.path.startswith("/api/")} - set(paths) == {"/api/openapi.json"}


def test_nothing_is_begun_before_gunicorn_forks(world: GatewayWorld) -> None:
    """A thread of the import would not be in the worker, but the locks that it held would, and an upload would wait for ever."""
    before = set(threading.enumerate())
    Gateway(world.parts, Door([KnownTokens()], world.parts.sessions))
    begun = set(threading.enumerate()) - before
    assert all(isinstance(one, threading.Timer) for one in begun), "a Timer is of the limits of another test's gateway"


def test_a_gateway_says_at_its_start_that_it_must_be_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once: where S3 is away, when it answers, and nobody waits for it."""
    asked: list[float] = []
    answers = threading.Event()

    def honours() -> bool:
        asked.append(time.monotonic())
        if not answers.is_set():
            raise Unavailable("s3", "refused")
        return False

    monkeypatch.setattr("functions.gateway.parts.ASK_AGAIN", 0.01)
    with GatewayWorld() as world:
        monkeypatch.setattr(world.store, "honours_conditions", honours)
        threading.Thread(target=world.parts.prepare).start()

        async def told(true: Any) -> None:
            await until(true)

        world.run(told(lambda: len(asked) > 2))
        assert RUN_ONE not in caplog.text
        answers.set()
        world.run(told(lambda: RUN_ONE in caplog.text))
    assert caplog.text.count(RUN_ONE) == 1


# below a path of somebody else's web server


@pytest.mark.parametrize(("path", "root"), [("/api/", "/"), ("/search/api/", "/search/"), ("/", "/"), ("/a.b/c_d/", "/a.b/c_d/")])
def test_the_cookie_goes_where_the_calls_are(path: str, root: str) -> None:
    """Behind a web server that serves them below a path; the document names it too."""
    with served(museum_cookie_path=path) as world:
        for method in ("POST", "DELETE"):
            cookie = world.ask(method, "/api/session").headers["set-cookie"].split("; ")
            assert f"Path={path}" in cookie
        assert world.ask("GET", "/api/openapi.json").json["servers"] == [{"url": root}]


@pytest.mark.parametrize("path", ["", "api/", "/api", "/search/api", "//", "/a;b/", "/a b/", "/a\n/", "http://x/api/"])
def test_a_path_that_is_none_ends_the_start(path: str) -> None:
    """With what was expected."""
    own = replace(GatewaySettings(museum_session_key=KEY), museum_cookie_path=path)
    with pytest.raises(SystemExit, match=r"MUSEUM_COOKIE_PATH is .*: expected a path that begins and ends with /"):
        cookie_path(own)
    with pytest.raises(SystemExit, match="MUSEUM_COOKIE_PATH"):
        served(museum_cookie_path=path)
