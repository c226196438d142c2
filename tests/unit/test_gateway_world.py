"""The gateway's table of calls over in-memory twins: who is let in, and that the harness is true to the process."""

from __future__ import annotations

import pytest

from tests.gateway_world import GatewayWorld, worlds

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
