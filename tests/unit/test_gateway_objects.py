"""Objects by the API: who sees what, lists, changes of a draft, what is like one."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import quote

import pytest

from functions.catalogue.handle import object_handle
from functions.catalogue.keys import photo_key, record_key
from functions.events import upload_id
from functions.gateway import objects
from functions.outcome import Outcome, write
from functions.ports import ObjectInfo
from tests.gateway_world import NORTH, PEOPLE, SOUTH, XSS, GatewayWorld, worlds
from tests.unit.world import World

world = pytest.fixture(worlds)


def draft(world: GatewayWorld, who: str = "registrar", **given: Any) -> dict[str, Any]:
    """A new draft."""
    reply = world.ask("POST", "/api/drafts", given, who=who)
    assert reply.status == 201, reply
    made: dict[str, Any] = reply.json
    return made


def one(world: GatewayWorld, handle: str, who: str = "registrar") -> Any:
    """An object as somebody sees it."""
    reply = world.ask("GET", f"/api/objects/{handle}", who=who)
    assert reply.status == 200, reply
    return reply.json


# who sees what


def test_an_imported_object_is_shown_whole_to_its_museum(world: GatewayWorld) -> None:
    """Also to a visitor of it; and is read-only."""
    handle = world.record("КП 1/2", Name=XSS, KPNumber="КП 1", Provenance="дар", TypologyGK="99")
    digest = world.photo("КП 1/2", "b.jpg", body=b"b")
    world.photo("КП 1/2", "a.jpg", body=b"a", indexed=False)
    for who in ("registrar", "visitor", "colleague"):
        shown = one(world, handle, who)
        assert shown["fields"] == {"Name": XSS, "KPNumber": "КП 1", "Provenance": "дар", "TypologyGK": "99"}
        assert (shown["museum"], shown["object_id"], shown["own"], shown["editable"], shown["draft"]) == (
            NORTH, "КП 1/2", True, False, None,
        )  # fmt: skip
        assert list(shown["warnings"]) == ["TypologyGK"]
        assert [(image["name"], image["main"], image["320"] is None) for image in shown["images"]] == [
            ("a.jpg", True, True), ("b.jpg", False, False),
        ]  # fmt: skip
    picture = world.ask("GET", shown["images"][1]["1280"], who="colleague")
    assert (picture.status, picture.body) == (200, b"\xff\xd8 1280")
    assert digest in world.keys("derived")[0]


def test_another_museum_sees_the_public_fields_of_a_published_object(world: GatewayWorld) -> None:
    """An allow-list, whatever PublicationLimit says; its images by handles of the viewer's own."""
    handle = world.record("1", Name="Ваза", KPNumber="КП 1", Provenance="дар", PublicationLimit="1")
    world.photo("1")
    shown = one(world, handle, "foreigner")
    assert (shown["fields"], shown["own"], shown["editable"]) == ({"Name": "Ваза", "KPNumber": "КП 1"}, False, False)
    address = shown["images"][0]["320"]
    assert world.ask("GET", address, who="foreigner").status == 200
    assert world.ask("GET", address, who="registrar").code == (404, "not-found")
    assert world.patch(f"/api/objects/{handle}", {"fields": {"Name": "x"}}, who="foreigner").code == (403, "imported")


@pytest.mark.parametrize("fields", [{}, {"PublicationLimit": "0"}, {"PublicationLimit": "да"}])
def test_what_is_not_published_is_not_there_for_another_museum(world: GatewayWorld, fields: dict[str, str]) -> None:
    """By no call."""
    handle = world.record("1", Name="Ваза", **fields)
    world.photo("1")
    for reply in (
        world.ask("GET", f"/api/objects/{handle}", who="foreigner"),
        world.patch(f"/api/objects/{handle}", {"fields": {}}, tag='"x"', who="foreigner"),
        world.ask("POST", f"/api/objects/{handle}/similar", who="foreigner"),
        world.ask("DELETE", f"/api/drafts/{handle}", who="foreigner"),
        world.ask("DELETE", f"/api/drafts/{handle}/images/a.jpg", who="foreigner"),
        world.ask("POST", f"/api/drafts/{handle}/images", PHOTO, who="foreigner"),
    ):
        assert reply.code == (404, "not-found")


PHOTO = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 10}


def test_photos_without_a_readable_record_are_their_museums_alone(world: GatewayWorld) -> None:
    """Who may see it is told what is wrong with the record."""
    world.photo("1")
    world.store.put("catalogue", record_key(NORTH, "1"), b"{", content_type="x/y")
    handle = object_handle(NORTH, "1")
    assert "no JSON" in one(world, handle)["warnings"]["record.json"]
    assert world.ask("GET", f"/api/objects/{handle}", who="foreigner").status == 404


def test_a_refused_photo_says_why(world: GatewayWorld) -> None:
    """It will have no copies."""
    handle = world.record("1", Name="Ваза")
    key = photo_key(NORTH, "1", "a.jpg")
    version = world.store.put("catalogue", key, b"text", content_type="image/jpeg")
    end = Outcome(upload_id=upload_id("catalogue", key, version), museum=NORTH, object_id="1", bucket="catalogue", key=key,
                  version=version, status="rejected", reason="this is no image")  # fmt: skip
    write(world.store, "state", end)
    assert one(world, handle)["images"] == [
        {"name": "a.jpg", "main": True, "320": None, "1280": None, "findable": False, "reason": "this is no image"}
    ]


def test_a_photo_under_a_key_of_another_shape_is_an_object_of_the_default_museum(world: GatewayWorld) -> None:
    """Search finds it, so it is shown; to nobody else."""
    world.store.put("catalogue", "foto/1.jpg", b"x", content_type="image/jpeg")
    handle = object_handle("local", "foto/1.jpg")
    assert world.ask("GET", f"/api/objects/{handle}").status == 404
    local = GatewayWorld(store=world.store)
    PEOPLE["local"] = PEOPLE["registrar"].__class__(museum="local", owner="x", roles=("visitor",), token="t")
    with local:
        assert [image["name"] for image in one(local, handle, "local")["images"]] == ["1.jpg"]
        assert local.ask("GET", f"/api/objects/{object_handle('local', '../state/live.json')}", who="local").status == 404
        assert local.ask("GET", f"/api/objects/{object_handle('local', 'north/1/record.json')}", who="local").status == 404
    del PEOPLE["local"]


@pytest.mark.parametrize(
    "handle",
    [
        "x", "AAAA", object_handle("..", "x"), object_handle(".", "x"), object_handle(NORTH, "../../state/live.json"),
        object_handle(NORTH, "я" * 300), object_handle(NORTH, "x" * 2000), object_handle(NORTH, "\x00"), object_handle("", "x"),
        object_handle(NORTH, "1") + "=", "a" * 3000,
    ],
)  # fmt: skip
def test_an_id_of_nothing_is_not_found(world: GatewayWorld, handle: str) -> None:
    """Whatever it was made of."""
    for method, path in (("GET", ""), ("POST", "/similar")):
        assert world.ask(method, f"/api/objects/{handle}{path}").code == (404, "not-found")
    assert world.ask("DELETE", f"/api/drafts/{handle}").code == (404, "not-found")


CHANGES = [
    ("PATCH", "/api/objects/{id}", {}),
    ("POST", "/api/drafts", {}),
    ("DELETE", "/api/drafts/{id}", None),
    ("POST", "/api/drafts/{id}/images", PHOTO),
    ("DELETE", "/api/drafts/{id}/images/a.jpg", None),
    ("PUT", "/api/settings", {}),
    ("GET", "/api/drafts/export", None),
]
READS = [
    ("GET", "/api/objects", None),
    ("GET", "/api/objects/{id}", None),
    ("POST", "/api/objects/{id}/similar", None),
    ("GET", "/api/fields", None),
    ("GET", "/api/settings", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES + READS)
def test_nobody_is_let_in_without_a_good_token(world: GatewayWorld, method: str, path: str, body: Any) -> None:
    """To any call."""
    path = path.format(id=draft(world)["id"])
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    for who, code in ((None, "unauthorised"), ("guessed", "token-unknown"), ("expired", "token-expired")):
        assert world.ask(method, path, body, who=who, content_type=kind).code == (401, code)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_visitor_changes_nothing(world: GatewayWorld, method: str, path: str, body: Any) -> None:
    """The role is registrar's."""
    path = path.format(id=draft(world)["id"])
    before = {bucket: world.keys(bucket) for bucket in ("state", "catalogue")}
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    assert world.ask(method, path, body, who="visitor", content_type=kind).code == (403, "forbidden")
    assert {bucket: world.keys(bucket) for bucket in ("state", "catalogue")} == before


def test_a_draft_is_its_museums_whatever_it_says_of_publication(world: GatewayWorld) -> None:
    """A visitor of the museum reads it and may not change it."""
    made = draft(world, fields={"Name": XSS, "PublicationLimit": "1"})
    assert one(world, made["id"], "colleague")["fields"]["PublicationLimit"] == "1"
    assert (one(world, made["id"], "colleague")["editable"], one(world, made["id"], "visitor")["editable"]) == (True, False)
    assert world.ask("GET", f"/api/objects/{made['id']}", who="foreigner").code == (404, "not-found")
    assert world.patch(f"/api/objects/{made['id']}", {}, tag="*", who="foreigner").code == (404, "not-found")
    assert world.stored("catalogue", record_key(NORTH, made["object_id"]))["PublicationLimit"] == "0"


# a change


def test_a_patch_changes_what_it_names(world: GatewayWorld) -> None:
    """The record by which the draft is found says so too; null takes a field away."""
    made = draft(world, fields={"Name": "Ваза", "Authors": "Иванов"})
    path = f"/api/objects/{made['id']}"
    reply = world.patch(path, {"fields": {"Name": XSS, "Authors": None, "Dimensions": "10 × 20"}}, who="colleague")
    assert reply.status == 200
    assert reply.json["fields"] == {"Name": XSS, "PublicationLimit": "0", "Dimensions": "10 × 20"}
    assert (reply.json["draft"]["by"], reply.json["draft"]["changed_by"]) == ("anna", "boris")
    assert world.stored("catalogue", record_key(NORTH, made["object_id"])) == reply.json["fields"]
    assert reply.headers["etag"] == world.ask("GET", path).headers["etag"]


def test_a_patch_says_what_it_is_of(world: GatewayWorld) -> None:
    """428 without, 412 with another, and the current one with it, which can be sent with the new tag."""
    path = f"/api/objects/{draft(world)['id']}"
    kind = "application/merge-patch+json"
    change = {"fields": {"Name": "Ваза"}}
    assert world.ask("PATCH", path, change, content_type=kind).code == (428, "no-if-match")
    old = world.ask("GET", path).headers["etag"]
    assert world.patch(path, change, tag=old).status == 200
    late = world.patch(path, {"fields": {"Name": "Кувшин"}}, tag=old)
    assert late.code == (412, "changed-meanwhile")
    assert late.json["current"]["fields"]["Name"] == "Ваза"
    again = world.patch(path, {"fields": {"Name": "Кувшин"}}, tag=late.headers["etag"])
    assert again.json["fields"]["Name"] == "Кувшин"
    assert world.ask("PATCH", path, change).code == (415, "wrong-content-type")


def test_a_tag_made_weak_by_a_proxy_and_a_star_are_good(world: GatewayWorld) -> None:
    """A list of tags too."""
    path = f"/api/objects/{draft(world)['id']}"
    for number, tag in enumerate(("W/{}", '"x", {}', "*")):
        now = world.ask("GET", path).headers["etag"]
        assert world.patch(path, {"fields": {"Name": f"{number}"}}, tag=tag.format(now)).status == 200
    for tag in ("x", '""', '"x"', 'W/"x"'):
        assert world.patch(path, {"fields": {"Name": "y"}}, tag=tag).code == (412, "changed-meanwhile")


def test_an_indexed_photo_takes_nobodys_change_away(world: GatewayWorld) -> None:
    """The tag is another, since more is shown; a change is checked against what people wrote."""
    made = draft(world)
    path = f"/api/objects/{made['id']}"
    before = world.ask("GET", path).headers["etag"]
    assert world.ask("GET", path, headers={"if-none-match": before}).status == 304
    world.photo(made["object_id"])
    assert world.ask("GET", path, headers={"if-none-match": before}).status == 200
    assert world.patch(path, {"fields": {"Name": "Ваза"}}, tag=before).status == 200


@pytest.mark.parametrize("honours", [True, False])
def test_of_changes_at_once_one_is_taken(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch, honours: bool) -> None:
    """All of the same tag; the others are told what is there. Also where the store ignores conditions."""
    if not honours:
        put = world.store.put

        def slow(*given: Any, etag: str, **more: Any) -> bool:
            time.sleep(0.02)  # a store that takes its time: all eight have read by then, if nothing keeps them
            return bool(put(*given, **more))

        monkeypatch.setattr(world.store, "replace", slow)
    path = f"/api/objects/{draft(world)['id']}"
    tag = world.ask("GET", path).headers["etag"]

    async def all_at_once() -> list[Any]:
        ways = [
            world.asking(
                "PATCH", path, {"fields": {"Name": f"{number}"}}, headers={"if-match": tag},
                content_type="application/merge-patch+json",
            )
            for number in range(8)
        ]  # fmt: skip
        return await asyncio.gather(*ways)

    replies = world.run(all_at_once())
    assert sorted(reply.status for reply in replies) == [200] + [412] * 7
    won = next(reply for reply in replies if reply.status == 200).json["fields"]["Name"]
    assert {reply.json["current"]["fields"]["Name"] for reply in replies if reply.status == 412} == {won}


def test_a_store_that_ignores_conditions_is_told_of_at_the_start(
    world: GatewayWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Then one gateway alone may change records."""
    world.parts.say_how_changes_are_kept()
    assert not caplog.records
    monkeypatch.setattr(world.store, "honours_conditions", lambda: False)
    world.parts.say_how_changes_are_kept()
    assert "run one" in caplog.text


def test_another_gateways_change_is_seen_where_the_store_honours_conditions(
    world: GatewayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and writing: 412, and the record stays the other's."""
    made = draft(world, fields={"Name": "Ваза"})
    path, key = f"/api/objects/{made['id']}", f"drafts/{NORTH}/{made['object_id']}.json"
    real = world.store.replace

    def late(*given: Any, **more: Any) -> bool:
        card = world.stored("state", key)
        card["fields"]["Name"] = "Кувшин"
        world.store.put("state", key, json.dumps(card).encode(), content_type="application/json")
        return real(*given, **more)

    monkeypatch.setattr(world.store, "replace", late)
    reply = world.patch(path, {"fields": {"Name": "Блюдо"}})
    assert reply.code == (412, "changed-meanwhile")
    assert reply.json["current"]["fields"]["Name"] == "Кувшин"


def test_an_imported_record_is_changed_where_its_master_is(world: GatewayWorld) -> None:
    """Also one whose name looks like a draft's."""
    for object_id in ("1", "draft-1"):
        handle = world.record(object_id, Name="Ваза")
        reply = world.patch(f"/api/objects/{handle}", {"fields": {"Name": "x"}})
        assert reply.code == (403, "imported")
        assert "museum's own system" in reply.json["detail"]
        assert world.ask("DELETE", f"/api/drafts/{handle}").code == (403, "imported")
        assert world.ask("POST", f"/api/drafts/{handle}/images", PHOTO).code == (403, "imported")
        assert world.ask("DELETE", f"/api/drafts/{handle}/images/a.jpg").code == (403, "imported")
    assert world.stored("catalogue", record_key(NORTH, "1")) == {"Name": "Ваза"}


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"fields": {"Nam": "x"}}, "unknown-field"),
        ({"fields": {"Name": "я" * 20_001}}, "bad-request"),
        ({"fields": {"Name": 5}}, "bad-request"),
        ({"museum": "south"}, "bad-request"),
        ({"draft": {"by": "me"}}, "bad-request"),
        ({"draft": None}, "bad-request"),
        ({"draft": {"state": "lost"}}, "bad-request"),
        ({"draft": {"state": None}}, "bad-request"),
        ({"draft": {"sources": {"KPNumber": {"object": "bm9ydGgvMQ", "value": "КП 1"}}}}, "never-from-a-source"),
        ({"draft": {"sources": {"Name": {"object": "bm9ydGg", "value": "x"}}}}, "bad-source"),
        ({"draft": {"sources": {"Name": {"value": "x"}}}}, "bad-request"),
        ({"draft": {"confirmed": ["<b>"]}}, "unknown-field"),
        ([], "bad-request"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_changed(world: GatewayWorld, patch: Any, code: str) -> None:
    """422, with what is expected."""
    path = f"/api/objects/{draft(world)['id']}"
    before = world.ask("GET", path)
    assert world.patch(path, patch).code == (422, code)
    assert world.ask("GET", path) == before


def test_what_makes_no_sense_is_kept_and_warned_of_and_holds_the_card_back(world: GatewayWorld) -> None:
    """Nothing she types is lost."""
    path = f"/api/objects/{draft(world, fields={'Name': 'Ваза'})['id']}"
    reply = world.patch(path, {"fields": {"CreationTimeStart": "нач. XX в.", "TypologyGK": "ваза"}})
    assert reply.status == 200
    assert sorted(reply.json["warnings"]) == ["CreationTimeStart", "TypologyGK"]
    refused = world.patch(path, {"draft": {"state": "checked"}})
    assert refused.code == (409, "has-warnings")
    assert sorted(refused.json["warnings"]) == ["CreationTimeStart", "TypologyGK"]
    fixed = {"fields": {"CreationTimeStart": "1901", "TypologyGK": "13"}, "draft": {"state": "checked"}}
    assert world.patch(path, fixed).json["draft"]["state"] == "checked"


def test_a_card_goes_its_way_to_the_imported_record(world: GatewayWorld) -> None:
    """Linked to an imported object of the same museum alone; then it is read-only."""
    path = f"/api/objects/{draft(world, fields={'Name': 'Ваза', 'TypologyGK': '13'})['id']}"
    good, photographed = world.record("КП 5", Name="Ваза"), object_handle(NORTH, "КП 6")
    world.photo("КП 6")
    foreign = world.record("9", SOUTH, Name="Ваза", PublicationLimit="1")
    other = draft(world)["id"]
    assert world.patch(path, {"draft": {"state": "exported"}}).code == (409, "wrong-state")
    for state in ("checked", "exported"):
        assert world.patch(path, {"draft": {"state": state}}).json["draft"]["state"] == state
    assert world.patch(path, {"draft": {"state": "linked"}}).code == (422, "no-link")
    for bad in (foreign, other, object_handle(NORTH, "none"), "AAAA"):
        assert world.patch(path, {"draft": {"state": "linked", "linked_to": bad}}).code == (422, "bad-link")
    linked = world.patch(path, {"draft": {"state": "linked", "linked_to": good}}).json
    assert (linked["draft"]["state"], linked["draft"]["linked_to"], linked["editable"]) == ("linked", good, False)
    assert world.patch(path, {"fields": {"Name": "x"}}).code == (409, "linked")
    assert world.ask("POST", path.replace("objects", "drafts") + "/images", PHOTO).code == (409, "linked")
    assert world.patch(path, {"draft": {"linked_to": photographed}}).json["draft"]["linked_to"] == photographed
    assert world.patch(path, {"draft": {"state": "exported"}}).json["draft"]["linked_to"] is None


def test_what_changes_nothing_writes_nothing(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the card nor its record, whose every version is indexed."""
    path = f"/api/objects/{draft(world, fields={'Name': 'Ваза'})['id']}"
    tag = world.ask("GET", path).headers["etag"]
    put: list[str] = []
    real = world.store.put
    monkeypatch.setattr(
        world.store, "put", lambda bucket, key, *a, **more: (put.append(bucket), real(bucket, key, *a, **more))[1]
    )
    assert world.patch(path, {"fields": {"Name": "Ваза "}}).headers["etag"] == tag
    assert put == []
    world.patch(path, {"draft": {"confirmed": ["Name"]}})
    assert put == ["state"]


# lists


def names(world: GatewayWorld, query: str = "", who: str = "registrar") -> list[str]:
    """object_ids of all pages of a list."""
    found: list[str] = []
    cursor = ""
    for _ in range(50):
        reply = world.ask("GET", f"/api/objects?{query}{cursor}", who=who)
        assert reply.status == 200, reply
        found += [item["object_id"] for item in reply.json["items"]]
        if reply.json["next"] is None:
            return found
        cursor = f"&cursor={reply.json['next']}"
    raise AssertionError("the list has no end")


ALL = ["1", "10", "a", "a-b", "a.b", "a/b", "КП 1/2", "Ваза"]


@pytest.mark.parametrize("limit", [1, 2, 3, 8, 100])
def test_a_list_has_every_object_of_the_museum_once(world: GatewayWorld, limit: int) -> None:
    """Whatever its page size; in the order of keys; nobody else's."""
    for object_id in ALL:
        world.record(object_id, Name=XSS)
        world.photo(object_id)
    world.photo("photos only", "b.jpg")
    world.record("x", "nort", Name="x")
    world.record("x", NORTH + "h", Name="x", PublicationLimit="1")
    world.store.put("catalogue", f"{NORTH}/a", b"x", content_type="image/jpeg")
    world.store.put("catalogue", f"{NORTH}/a/other.jpg", b"x", content_type="image/jpeg")
    found = names(world, f"limit={limit}")
    assert sorted(found) == sorted([*ALL, "photos only"])
    assert found == names(world, "limit=100", "visitor")
    assert names(world, who="foreigner") == []


def test_a_list_is_narrowed_by_class_number_and_name(world: GatewayWorld) -> None:
    """A number by its beginning, a name by any part; letters' case and ё do not matter, nor a number's spaces."""
    world.record("1", Name="Ваза с птицами", KPNumber="КП-123/4", TypologyGK="13")
    world.record("2", Name="Монета. Счётная", InvNumber="Н 55", TypologyGK="Нумизматика")
    world.record("3", Name="Ваза", GKNumber="123", KPNumber="ГМ 7")
    assert names(world, "class=13") == ["1"]
    assert names(world, "class=5") == ["2"]
    assert names(world, "number=" + quote("кп-12")) == ["1"]
    assert names(world, "number=" + quote("Н55")) == ["2"]
    assert names(world, "number=12") == ["3"]
    assert names(world, "number=" + quote("%")) == []
    assert names(world, "number=1") == ["1", "3"], "also by the id, which is what a page shows of an object without a number"
    assert names(world, "name=" + quote("ВАЗА")) == ["1", "3"]
    assert names(world, "name=" + quote("счетн")) == ["2"]
    assert names(world, "name=" + quote("ваза") + "&class=13&number=" + quote("КП")) == ["1"]


def test_an_object_is_found_at_once_by_its_id_however_many_there_are(
    world: GatewayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the first of its list, and no page has it again; others with such a number follow."""
    monkeypatch.setattr(objects, "LOOKED_AT", 2)
    for object_id in ("a", "b", "c", "m-1", "m-10", "z"):
        world.record(object_id, Name=object_id, **({"KPNumber": "m-1 bis"} if object_id == "b" else {}))
    assert [one["object_id"] for one in world.ask("GET", "/api/objects?number=m-1&limit=1").json["items"]] == ["m-1"]
    assert names(world, "number=m-1&limit=1") == ["m-1", "b", "m-10"]
    assert names(world, "number=m-1&limit=100") == ["m-1", "b", "m-10"]
    assert names(world, "number=m-1", who="foreigner") == []


def test_a_list_of_drafts_has_the_newest_first(world: GatewayWorld) -> None:
    """And may be that of one batch; the whole list has them too."""
    world.record("1", Name="Ваза")
    made = []
    for number in range(3):
        time.sleep(0.002)
        made.append(draft(world, fields={"Name": f"{number}"}, batch="утро / 1" if number else "")["object_id"])
    assert names(world, "kind=drafts&limit=1") == made[::-1]
    assert names(world, "kind=drafts&name=1") == [made[1]]
    assert names(world, "batch=" + quote("утро / 1") + "&limit=1") == made[:0:-1]
    assert names(world, "batch=" + quote("утро")) == []
    assert sorted(names(world, "kind=all")) == sorted([*made, "1"])
    assert names(world, "kind=drafts", "foreigner") == []
    item = world.ask("GET", "/api/objects?kind=drafts&limit=1").json["items"][0]
    assert (item["draft"]["state"], item["draft"]["batch"], item["images"]) == ("draft", "утро / 1", [])


def test_the_draft_of_a_query_is_found_by_it(world: GatewayWorld) -> None:
    """So that a page that lost its notes goes on with it; whoever's client made the query."""
    query = world.queried(b"one")
    assert names(world, f"query={query}") == []
    made = draft(world, query=query, batch="b")["object_id"]
    assert names(world, f"query={query}&limit=1") == names(world, f"kind=drafts&query={query}", "colleague") == [made]
    assert names(world, f"query={query}&batch=b") == [made]
    assert names(world, f"query={query}&batch=x") == names(world, f"query={query}", "foreigner") == []
    world.store.put("queries", f"{NORTH}/anna/other/a.jpg", b"x", content_type="image/jpeg")
    assert names(world, "query=other") == []
    other = draft(world, query="other")["object_id"]
    assert names(world, "query=other&limit=1") == [other]


def test_a_page_looks_at_so_many_objects_and_no_more(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be empty and yet have a next; the objects' photos in between are passed over."""
    for number in range(400):
        world.record(f"{number:04}", Name="Ваза" if number == 350 else "Чаша")
    reads: list[str] = []
    real = world.store.get
    monkeypatch.setattr(world.store, "get", lambda bucket, key, **more: (reads.append(key), real(bucket, key, **more))[1])
    first = world.ask("GET", "/api/objects?name=" + quote("ваза")).json
    assert first["items"] == []
    assert len(reads) == 300
    second = world.ask("GET", f"/api/objects?name={quote('ваза')}&cursor={first['next']}").json
    assert [item["object_id"] for item in second["items"]] == ["0350"]
    assert second["next"] is None


def test_a_list_has_the_main_image_alone(world: GatewayWorld) -> None:
    """With its copies."""
    world.record("1", Name="Ваза")
    for name in ("b.jpg", "a.jpg", "c.jpg"):
        world.photo("1", name, body=name.encode())
    images = world.ask("GET", "/api/objects").json["items"][0]["images"]
    assert [(image["name"], image["main"]) for image in images] == [("a.jpg", True)]
    assert images[0]["320"].startswith("/api/images/")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=x", "class=x", "class=0", "kind=mine", "cursor=../x", "museum=south", "name=",
        "cursor=AAAA", "cursor=" + object_handle(SOUTH, "1"),
    ],
)  # fmt: skip
def test_a_list_says_which_parameter_is_wrong(world: GatewayWorld, query: str) -> None:
    """400."""
    assert world.ask("GET", f"/api/objects?{query}").status == 400


# alike


def test_similar_is_a_query_of_the_main_photo_without_the_object(world: GatewayWorld) -> None:
    """Of the viewer's own, with the display copy: an original may tell where it was taken."""
    handle = world.record("1", Name=XSS, PublicationLimit="1")
    world.photo("1", "b.jpg", body=b"b")
    world.photo("1", "a.jpg", body=b"a")
    reply = world.ask("POST", f"/api/objects/{handle}/similar", who="foreigner")
    assert reply.status == 201
    assert reply.json["links"]["events"] == f"/api/queries/{reply.json['id']}/events"
    folder = f"{SOUTH}/fyodor/{reply.json['id']}/"
    closing = world.stored("queries", folder + "photos.query.json")
    assert closing["photos"] == [folder + "parts/0-object.jpg"]
    assert closing["exclude"] == {"museum": NORTH, "object_id": "1"}
    copied = world.store.get("queries", closing["photos"][0])
    assert copied is not None
    assert copied.body == b"\xff\xd8 1280"
    state = world.ask("GET", f"/api/queries/{reply.json['id']}", who="foreigner").json
    assert (state["status"], state["filename"]) == ("running", XSS)
    assert world.ask("GET", f"/api/queries/{reply.json['id']}").status == 404


def test_similar_waits_for_the_first_copy(world: GatewayWorld) -> None:
    """And says so."""
    handle = world.record("1", Name="Ваза")
    assert world.ask("POST", f"/api/objects/{handle}/similar").code == (409, "not-indexed")
    world.photo("1", indexed=False)
    assert world.ask("POST", f"/api/objects/{handle}/similar").code == (409, "not-indexed")


def test_similar_counts_as_an_upload_and_takes_a_turn(world: GatewayWorld) -> None:
    """The third of one owner waits outside the queues."""
    handle = world.record("1", Name="Ваза")
    world.photo("1")
    ids = [world.ask("POST", f"/api/objects/{handle}/similar").json["id"] for _ in range(3)]
    states = [world.ask("GET", f"/api/queries/{query}").json["status"] for query in ids]
    assert states == ["running", "running", "waiting"]


def test_the_table_of_fields_is_told_once(world: GatewayWorld) -> None:
    """Whose ETag a page keeps."""
    reply = world.ask("GET", "/api/fields", who="visitor")
    fields = {field["name"]: field for field in reply.json["fields"]}
    assert (fields["Name"]["kind"], fields["KPNumber"]["kind"], fields["FZK"]["kind"]) == ("offered", "never", "own")
    assert fields["CreationTimeStart"]["form"] == "year"
    assert fields["Category"]["codes"]["1"] == "первая"
    assert {"code": 5, "ru": "Предметы нумизматики", "en": "Numismatics"} in reply.json["classes"]
    assert world.ask("GET", "/api/fields", headers={"if-none-match": reply.headers["etag"]}).status == 304


# with the pipeline


class Both:
    """The gateway, and the steps behind it, over one store."""

    def __init__(self) -> None:
        self.steps = World()
        self.gateway = GatewayWorld(store=self.steps.store)
        self._told: dict[tuple[str, str], str] = {}

    def run(self) -> None:
        """The buckets tell what is new, and the steps do their work."""
        for bucket in ("queries", "catalogue"):
            there: dict[str, ObjectInfo] = {info.key: info for info in self.steps.store.list(bucket)}
            for key, info in there.items():
                if self._told.get((bucket, key)) != info.version:
                    self._told[bucket, key] = info.version
                    self.steps.notify("created", bucket, key, info.version, info.size)
            for _, key in [told for told in self._told if told[0] == bucket and told[1] not in there]:
                del self._told[bucket, key]
                self.steps.notify("removed", bucket, key, "", 0)
        self.steps.run()

    def hits(self, query: str, who: str = "registrar") -> list[str]:
        """object_ids that a query found."""
        reply = self.gateway.ask("GET", f"/api/queries/{query}", who=who)
        assert reply.json["status"] == "completed", reply
        return [hit["object"]["object_id"] for hit in reply.json["result"]["hits"]]


def test_what_is_like_an_object_is_found_and_not_the_object() -> None:
    """As an ordinary query ends."""
    both = Both()
    with both.gateway as world:
        for object_id, value in (("1", 10), ("2", 12), ("3", 90)):
            world.record(object_id, Name=f"Ваза {object_id}")
            world.store.put("catalogue", photo_key(NORTH, object_id, "a.jpg"), bytes([value]), content_type="image/jpeg")
        both.run()
        digest = one(world, object_handle(NORTH, "1"))
        assert digest["images"][0]["1280"]
        outcome = next(key for key in world.keys("state", "outcomes/") if world.stored("state", key)["object_id"] == "1")
        copies = f"{world.stored('state', outcome)['sha256']}/display-1280.jpg"
        world.store.put("derived", copies, bytes([10]), content_type="image/jpeg")
        query = world.ask("POST", f"/api/objects/{object_handle(NORTH, '1')}/similar").json["id"]
        both.run()
        assert both.hits(query) == ["2", "3"]


def test_a_draft_is_found_by_its_photo_in_its_museum_alone_and_not_once_it_is_erased() -> None:
    """Whatever it says of its publication."""
    both = Both()
    with both.gateway as world:
        query = world.queried(bytes([10]))
        both.run()
        assert both.hits(query) == []
        made = draft(world, query=query, fields={"Name": "Ваза", "PublicationLimit": "1"})
        both.run()
        for who, found in (("colleague", [made["object_id"]]), ("foreigner", [])):
            again = world.queried(bytes([11]), who=who)
            both.run()
            assert both.hits(again, who) == found
        assert world.ask("DELETE", f"/api/drafts/{made['id']}").status == 204
        both.run()
        last = world.queried(bytes([12]))
        both.run()
        assert both.hits(last) == []
