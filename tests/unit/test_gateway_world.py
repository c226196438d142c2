"""The gateway's table of calls over in-memory twins: who is let in, and that the harness is true to the process."""

from __future__ import annotations

import re
from typing import Any

import pytest

from functions.gateway.handles import object_handle
from tests.gateway_world import NORTH, GatewayWorld, worlds

world = pytest.fixture(worlds)


def test_a_known_token_is_let_in_and_no_other(world: GatewayWorld) -> None:
    """Each refusal says why."""
    assert world.ask("GET", "/api/me").json["owner"] == "anna"
    assert world.ask("GET", "/api/me", who=None).code == (401, "unauthorised")
    assert world.ask("GET", "/api/me", who="guessed").code == (401, "token-unknown")
    assert world.ask("GET", "/api/me", who="expired").code == (401, "token-expired")
    assert world.ask("GET", "/api/nothing").code == (404, "not-found")


def test_a_cookie_reads_and_changes_nothing(world: GatewayWorld) -> None:
    """A page elsewhere could make a browser send it."""
    cookie = world.ask("POST", "/api/session").headers["set-cookie"].partition(";")[0]
    assert world.ask("GET", "/api/me", who=None, headers={"cookie": cookie}).status == 200
    assert world.ask("POST", "/api/session", who=None, headers={"cookie": cookie}).code == (401, "unauthorised")


def test_a_query_of_one_photo_begins_with_its_upload(world: GatewayWorld) -> None:
    """The form has the exact key; its owner alone sees the query."""
    query = world.queried(b"photo")
    assert [key.split("/")[:3] for key in world.keys("queries")] == [["north", "anna", query]]
    assert world.ask("GET", f"/api/queries/{query}").json["status"] == "running"
    assert world.ask("GET", f"/api/queries/{query}", who="colleague").code == (404, "not-found")


def test_a_query_of_several_photos_is_closed_by_a_file(world: GatewayWorld) -> None:
    """Which names them all."""
    query = world.queried(b"one", b"two")
    closing = next(key for key in world.keys("queries") if key.endswith(".query.json"))
    assert len(world.stored("queries", closing)["photos"]) == 2
    assert world.ask("GET", f"/api/queries/{query}").json["status"] == "running"


def addresses(world: GatewayWorld) -> list[tuple[str, str, Any, str, str]]:
    """Each call that needs somebody: method, address, body, content type and role."""
    sample = {"id": object_handle(NORTH, "vase"), "name": "a.jpg", "handle": "x", "size": "320.jpg"}
    return [
        (call.method, re.sub(r"\{(\w+)\}", lambda found: sample[found[1]], call.path), {}, call.content_type, call.role)
        for call in world.table.calls
        if call.role is not None
    ]


def test_no_call_is_answered_without_a_good_token(world: GatewayWorld) -> None:
    """None, an unknown one, an expired one, one in another scheme: whatever the call, before anything else is looked at."""
    asked = addresses(world)
    assert len(asked) > 20
    for method, path, body, kind, _role in asked:
        for who, code in ((None, "unauthorised"), ("guessed", "token-unknown"), ("expired", "token-expired")):
            assert world.ask(method, path, body, who=who, content_type=kind).code == (401, code), (method, path)
        basic = {"authorization": "Basic cmVnaXN0cmFyOg=="}
        assert world.ask(method, path, body, who=None, headers=basic, content_type=kind).code == (401, "unauthorised")


def test_a_visitor_searches_and_changes_no_record(world: GatewayWorld) -> None:
    """Each call that asks for more than a visitor's role is refused with the role that it needs."""
    more = [one for one in addresses(world) if one[-1] != "visitor"]
    assert {(method, path.split("/")[2]) for method, path, *_ in more} == {
        ("PATCH", "objects"), ("POST", "drafts"), ("GET", "drafts"), ("DELETE", "drafts"), ("PUT", "settings"),
    }  # fmt: skip
    for method, path, body, kind, role in more:
        refused = world.ask(method, path, body, who="visitor", content_type=kind)
        assert refused.code == (403, "forbidden"), (method, path)
        assert role in refused.json["detail"]
