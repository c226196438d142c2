"""Whatever a museum's own system writes into a record's fields is shown as text, and breaks nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.catalogue.fields import FIELDS
from functions.catalogue.keys import photo_key, record_key
from functions.catalogue.record import BadRecord, listing_of, parse
from functions.gateway.handles import object_handle
from functions.results import Hit
from tests.gateway_world import NORTH, SOUTH, XSS, GatewayWorld, worlds
from tests.unit.test_gateway_progress import finish

world = pytest.fixture(worlds)
TEXTS = {
    "markup": XSS,
    "many digits": "9" * 5000,
    "a digit that is no decimal": "²",
    "other digits": "١٣",
    "a long text": "ю" * 100_000,
    "signs": "\x00\x1b[31m\u202e\ufeff\u2028</script>\"'&",
    "a formula": "=HYPERLINK(1)",
    "a number": "13.5e3",
    "a negative year": "-99999",
}
UNREADABLE = {
    "deep": b"[" * 5000,
    "half": b'{"Name": "',
    "a list": b"[]",
    "half a pair": b'{"Name": "\\ud800"}',
    "not text": b"\xff",
}


def fields_of(text: str) -> dict[str, str]:
    """A record in which all but what publishes it is the text."""
    return {field.name: text for field in FIELDS} | {"PublicationLimit": "1"}


def hit(museum: str, rank: int) -> Hit:
    """The object, as search lists it."""
    return Hit(
        rank=rank, museum=museum, object_id="1", score=0.9, image=photo_key(museum, "1", "a.jpg"), display="d/display-",
        query_image=0, view="full", class_code=99, record=None,
    )  # fmt: skip


def answers(world: GatewayWorld, museum: str) -> list[Any]:
    """Every call that shows or reads the object."""
    handle = object_handle(museum, "1")
    query = world.queried(b"photo")
    finish(world, query, hits=[hit(museum, 11)])
    asked = [
        f"/api/objects/{handle}", "/api/objects", "/api/objects?class=13", "/api/objects?name=img", "/api/objects?number=%3D",
        f"/api/queries/{query}", f"/api/queries/{query}?hits=100", f"/api/queries/{query}/events", "/api/queries",
    ]  # fmt: skip
    replies = [world.ask("GET", address) for address in asked]
    replies.append(world.ask("POST", f"/api/objects/{handle}/similar"))
    replies.append(world.patch(f"/api/objects/{handle}", {"fields": {"Name": "x"}}))
    return replies


@pytest.mark.parametrize("museum", [NORTH, SOUTH])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_any_text_in_any_field_is_text(world: GatewayWorld, text: str, museum: str) -> None:
    """In the class, the years and coded fields too: JSON that says the same, no mistake of ours, and a warning for its museum."""
    handle = world.record("1", museum, **fields_of(text))
    world.photo("1", museum=museum)
    for reply in answers(world, museum):
        assert reply.status in (200, 201, 403), reply
        assert reply.headers["content-type"].partition(";")[0] in (
            "application/json", "application/problem+json", "text/event-stream",
        )  # fmt: skip
    shown = world.ask("GET", f"/api/objects/{handle}").json
    expected = text.strip()
    assert {shown["fields"][name] for name in ("Name", "TypologyGK", "CreationTimeStart")} == {expected}
    if museum == NORTH and text != TEXTS["other digits"]:
        assert {"TypologyGK", "CreationTimeStart", "OwnershipType"} <= set(shown["warnings"])


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_a_record_that_cannot_be_read_hides_its_object_from_others_and_breaks_nothing(world: GatewayWorld, body: bytes) -> None:
    """Its museum is told why."""
    for museum in (NORTH, SOUTH):
        world.store.put("catalogue", record_key(museum, "1"), body, content_type="application/json")
        world.photo("1", museum=museum)
    assert all(reply.status in (200, 201, 403) for reply in answers(world, NORTH))
    assert all(reply.status in (200, 404) for reply in answers(world, SOUTH))
    assert world.ask("GET", f"/api/objects/{object_handle(NORTH, '1')}").json["warnings"]["record.json"]
    assert world.ask("GET", f"/api/objects/{object_handle(SOUTH, '1')}").code == (404, "not-found")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_index_takes_any_record(text: str) -> None:
    """One odd record must not end the step that has it in hand."""
    listing = listing_of(json.dumps(fields_of(text)).encode())
    assert (listing.public, listing.problem) == (True, "")


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_record_is_said_to_be_none(body: bytes) -> None:
    """Also where the parser is not deep enough."""
    assert listing_of(body).problem
    with pytest.raises(BadRecord):
        parse(body, museum=NORTH, object_id="1")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_draft_takes_any_text_or_says_why_not(world: GatewayWorld, text: str) -> None:
    """And gives out what it took."""
    for name in ("Name", "TypologyGK", "CreationTimeStart", "OwnershipType"):
        reply = world.ask("POST", "/api/drafts", {"fields": {name: text}, "batch": "odd"})
        assert reply.status in (201, 413, 422), reply
    for kind in ("xlsx", "json"):
        assert world.ask("GET", f"/api/drafts/export?batch=odd&format={kind}").status in (200, 404)
