"""Drafts by the API: made of a query's photos, photographed further, given out, erased; a museum's settings."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest
from PIL import Image

from functions.catalogue.fields import FIELDS
from functions.catalogue.keys import photo_key, record_key
from functions.events import subject_of, topic
from functions.gateway import drafts
from functions.gateway.handles import object_handle
from functions.gateway.spreadsheet import ENGLISH
from functions.runtime.settings import Settings
from tests.gateway_world import NORTH, SOUTH, XSS, GatewayWorld, Reply, until, worlds

WEB = Path(__file__).resolve().parents[2] / "infra" / "web"
world = pytest.fixture(worlds)
PHOTO = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 10}


def new(world: GatewayWorld, who: str = "registrar", **given: Any) -> dict[str, Any]:
    """A new draft."""
    reply = world.ask("POST", "/api/drafts", given, who=who)
    assert reply.status == 201, reply
    made: dict[str, Any] = reply.json
    return made


def jpeg(size: int = 320) -> bytes:
    """A picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size // 2), (200, 30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


# a draft begins


def test_a_draft_has_the_photos_of_its_query(world: GatewayWorld) -> None:
    """Copied into the catalogue as an upload that a person waits for; the first is main; the batch is the query's."""
    query = world.queried(b"one", b"two", batch="утро")
    made = new(world, query=query, fields={"Name": XSS}, sources={"Name": {"object": object_handle(SOUTH, "9"), "value": "Ваза"}})
    assert [(image["name"], image["main"]) for image in made["images"]] == [("0.jpg", True), ("1.jpg", False)]
    card = made["draft"]
    assert (card["state"], card["query"], card["batch"], card["by"], card["order"]) == (
        "draft", query, "утро", "anna", ["0.jpg", "1.jpg"],
    )  # fmt: skip
    assert card["sources"]["Name"]["at"] > 0
    assert made["object_id"] == f"draft-{query}"
    for name, body in (("0.jpg", b"one"), ("1.jpg", b"two")):
        stored = world.store.get("catalogue", photo_key(NORTH, made["object_id"], name))
        assert stored is not None
        assert (stored.body, stored.info.metadata) == (body, {"lane": "interactive"})
    record = world.store.head("catalogue", record_key(NORTH, made["object_id"]))
    assert record is not None
    assert record.metadata == {"lane": "interactive"}
    assert world.stored("catalogue", record.key) == {"Name": XSS, "PublicationLimit": "0"}


def test_its_photos_are_shown_before_they_are_indexed(world: GatewayWorld) -> None:
    """The query had the same bytes."""
    made = new(world, query=world.queried(b"one"))
    assert made["images"][0]["320"].startswith("/api/images/")
    reply = world.ask("POST", "/api/drafts", {})
    assert (reply.json["images"], reply.headers["location"]) == ([], f"/api/objects/{reply.json['id']}")
    assert reply.headers["etag"] == world.ask("GET", reply.headers["location"]).headers["etag"]


def test_photos_keep_their_names_where_these_tell_them_apart(world: GatewayWorld) -> None:
    """Else they are numbered."""
    assert list(drafts.called(["n/a/r/parts/0-ваза.jpg", "n/a/r/parts/1-дно.jpg"])) == ["ваза.jpg", "дно.jpg"]
    assert list(drafts.called(["n/a/r/parts/0-image.jpg", "n/a/r/parts/1-image.jpg"])) == ["0-image.jpg", "1-image.jpg"]
    assert list(drafts.called(["n/a/r/" + "x" * 300 + "1.jpg", "n/a/r/" + "x" * 300 + "2.jpg"])) == ["0.jpg", "1.jpg"]
    assert list(drafts.called(["n/a/r/<img onerror=1>.jpg"])) == ["_img onerror=1_.jpg"]


def test_the_same_query_asked_again_is_the_same_draft(world: GatewayWorld) -> None:
    """A repeat after a lost answer adds nothing, and brings no erased photo back."""
    query = world.queried(b"one", b"two")
    first = new(world, query=query, fields={"Name": "Ваза"})
    assert world.ask("DELETE", f"/api/drafts/{first['id']}/images/0.jpg").status == 204
    again = new(world, query=query, fields={"Name": "Кувшин"})
    assert (again["id"], again["fields"]["Name"], [image["name"] for image in again["images"]]) == (
        first["id"], "Ваза", ["1.jpg"],
    )  # fmt: skip


def test_a_draft_that_was_broken_off_is_made_whole(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """By asking again; until then it is no imported object."""
    query = world.queried(b"one", b"two")

    def broken(*_: Any, **__: Any) -> str:
        raise RuntimeError("the process was killed")

    with monkeypatch.context() as patch:
        patch.setattr("functions.gateway.editing.Cards.take_photo", broken)
        assert world.ask("POST", "/api/drafts", {"query": query, "batch": "b"}).status == 500
    left = world.ask("GET", "/api/objects?kind=drafts").json["items"]
    assert [item["draft"]["state"] for item in left] == ["draft"]
    made = new(world, query=query, batch="b")
    assert [image["name"] for image in made["images"]] == ["0.jpg", "1.jpg"]
    assert len(world.ask("GET", "/api/objects?batch=b").json["items"]) == 1


def test_only_ones_own_query_gives_its_photos(world: GatewayWorld) -> None:
    """Of a colleague's it is not even said that it is there."""
    query = world.queried(b"one")
    for who in ("colleague", "foreigner"):
        assert world.ask("POST", "/api/drafts", {"query": query}, who=who).code == (404, "not-found")
    assert world.ask("POST", "/api/drafts", {"query": "none"}).code == (404, "not-found")
    assert world.ask("POST", "/api/drafts", {"query": "../x"}).code == (422, "bad-request")
    assert world.keys("catalogue") == []


def test_a_query_whose_photo_is_not_there_yet_gives_none(world: GatewayWorld) -> None:
    """409, and nothing is begun."""
    begun = world.ask("POST", "/api/uploads", {**PHOTO, "parts": [PHOTO, PHOTO]}).json
    assert world.ask("POST", "/api/drafts", {"query": begun["id"]}).code == (409, "not-uploaded")
    assert world.keys("catalogue") == []


def test_a_photo_that_is_too_large_is_said_before_anything_is_begun(world: GatewayWorld) -> None:
    """Another S3 client may have put it there."""
    small = GatewayWorld(store=world.store, settings=Settings(museum_max_bytes=5))
    key = f"{NORTH}/anna/big/photo.jpg"
    world.store.put("queries", key, b"123456", content_type="image/jpeg")
    with small:
        assert small.ask("POST", "/api/drafts", {"query": "big"}).code == (413, "too-large")
    assert world.keys("catalogue") == []
    made = new(world, query="big")
    assert [image["name"] for image in made["images"]] == ["photo.jpg"]
    assert made["object_id"] != "draft-big"


def test_a_part_of_a_photo_gives_the_whole_photo(world: GatewayWorld) -> None:
    """A query by a region has the photos of another; erasing either query leaves the draft's copies."""
    query = world.queried(b"one")
    region = {"left": 0.1, "top": 0.1, "width": 0.5, "height": 0.5}
    part = world.ask("POST", f"/api/queries/{query}/crop", region).json["id"]
    made = new(world, query=part)
    assert [image["name"] for image in made["images"]] == ["0.jpg"]
    digest = world.photo(made["object_id"], "0.jpg", body=b"one")
    for erased in (part, query):
        assert world.ask("DELETE", f"/api/queries/{erased}").status == 200
    world.swept()
    assert world.keys("derived") == [f"{digest}/display-1280.jpg", f"{digest}/display-320.jpg"]
    assert world.keys("queries") == []


def test_an_erased_query_without_a_draft_leaves_no_copies(world: GatewayWorld) -> None:
    """Nor do its photos stay."""
    query = world.queried(b"one")
    world.copies(b"one")
    assert world.ask("DELETE", f"/api/queries/{query}").status == 200
    world.swept()
    assert world.keys("derived") == []


def test_copies_of_a_query_go_with_it_once_its_draft_is_erased(world: GatewayWorld) -> None:
    """Nothing needs them any more."""
    query = world.queried(b"one")
    made = new(world, query=query)
    world.copies(b"one")
    assert world.ask("DELETE", f"/api/drafts/{made['id']}").status == 204
    assert world.ask("DELETE", f"/api/queries/{query}").status == 200
    world.swept()
    assert world.keys("derived") == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"sources": {"KPNumber": {"object": "bm9ydGgvMQ", "value": "x"}}}, "never-from-a-source"),
        ({"sources": {"FZK": {"object": "bm9ydGgvMQ", "value": "x"}}}, "never-from-a-source"),
        ({"sources": {"Name": {"object": "bm9ydGg", "value": "x"}}}, "bad-source"),
        ({"own": {"Name": "x"}}, "not-own"),
        ({"fields": {"onload": "x"}}, "unknown-field"),
        ({"fields": {"Name": "x" * 20_001}}, "bad-request"),
        ({"batch": "x" * 201}, "bad-request"),
        ({"state": "exported"}, "bad-request"),
    ],
)
def test_what_cannot_be_written_begins_no_draft(world: GatewayWorld, given: Any, code: str) -> None:
    """422."""
    assert world.ask("POST", "/api/drafts", given).code == (422, code)
    assert (world.keys("catalogue"), world.keys("state")) == ([], [])


def test_by_hand_every_field_may_be_written(world: GatewayWorld) -> None:
    """A fact of this object is hers to write."""
    assert new(world, fields={"KPNumber": "КП 5", "Condition": "скол"})["fields"]["KPNumber"] == "КП 5"


# its photos


def test_a_photo_is_added_by_a_form_for_one_key(world: GatewayWorld) -> None:
    """Its name is its own, since phones call each one image.jpg; the order names the main one."""
    made = new(world)
    added = [world.ask("POST", f"/api/drafts/{made['id']}/images", {**PHOTO, "filename": "image.jpg"}).json for _ in range(2)]
    assert added[0]["name"] != added[1]["name"]
    for form in added:
        assert form["upload"]["fields"]["key"] == photo_key(NORTH, made["object_id"], form["name"])
        assert form["upload"]["fields"]["x-amz-meta-lane"] == "interactive"
        world.forms.send(form["upload"], b"photo")
    names = [form["name"] for form in added]
    path = f"/api/objects/{made['id']}"
    for order in (names, names[::-1]):
        shown = world.patch(path, {"draft": {"order": order}}).json["images"]
        assert [(image["name"], image["main"], image["320"]) for image in shown] == [
            (order[0], True, None), (order[1], False, None),
        ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["<img onerror=alert(1)>.jpg", "../../x.jpg", "я" * 190 + ".jpg", "..", "a\x00b.jpg", "record.json", "x.query.json"]
)
def test_a_photos_name_stays_within_its_draft(world: GatewayWorld, name: str) -> None:
    """Whatever it is; and it can be erased by it."""
    made = new(world)
    given = world.ask("POST", f"/api/drafts/{made['id']}/images", {**PHOTO, "filename": name}).json
    key = given["upload"]["fields"]["key"]
    assert key == f"{NORTH}/{made['object_id']}/images/{given['name']}"
    assert "/" not in given["name"]
    world.forms.send(given["upload"], b"x")
    assert [image["name"] for image in world.ask("GET", f"/api/objects/{made['id']}").json["images"]] == [given["name"]]
    assert world.ask("DELETE", f"/api/drafts/{made['id']}/images/{quote(given['name'], safe='')}").status == 204
    assert world.keys("catalogue", f"{NORTH}/{made['object_id']}/images/") == []


def test_a_photo_of_another_kind_or_size_is_refused_before_a_byte_is_sent(world: GatewayWorld) -> None:
    """As for a query."""
    path = f"/api/drafts/{new(world)['id']}/images"
    assert world.ask("POST", path, {**PHOTO, "size": 40_000_001}).code == (413, "too-large")
    assert world.ask("POST", path, {**PHOTO, "content_type": "text/html"}).code == (422, "bad-request")
    assert world.ask("POST", path, {**PHOTO, "filename": ""}).code == (422, "bad-request")


def test_a_draft_has_so_many_photos(world: GatewayWorld) -> None:
    """And says when it has enough."""
    made = new(world)
    for number in range(50):
        world.photo(made["object_id"], f"{number}.jpg")
    assert world.ask("POST", f"/api/drafts/{made['id']}/images", PHOTO).code == (409, "too-many-photos")


@pytest.mark.parametrize("name", ["none.jpg", "..", ".", "%2e%2e", "..%2frecord.json", "я" * 300])
def test_a_photo_that_is_not_there_is_not_found(world: GatewayWorld, name: str) -> None:
    """Nothing else is erased."""
    made = new(world)
    before = world.keys("catalogue")
    assert world.ask("DELETE", f"/api/drafts/{made['id']}/images/{quote(name, safe='%')}").code == (404, "not-found")
    assert world.keys("catalogue") == before


def test_an_erased_draft_leaves_nothing(world: GatewayWorld) -> None:
    """A colleague may erase it; the query stays its owner's."""
    made = new(world, query=world.queried(b"one"), batch="b", fields={"Name": "Ваза"})
    other = new(world, batch="b")
    assert world.ask("DELETE", f"/api/drafts/{made['id']}", who="colleague").status == 204
    assert world.keys("catalogue") == [record_key(NORTH, other["object_id"])]
    assert not [key for key in world.keys("state") if made["object_id"] in key]
    assert world.ask("GET", f"/api/objects/{made['id']}").code == (404, "not-found")
    assert world.ask("DELETE", f"/api/drafts/{made['id']}").code == (404, "not-found")
    assert len(world.keys("queries")) == 1


# settings


def test_own_fields_begin_as_the_museum_has_set_them(world: GatewayWorld) -> None:
    """The batch's go before; each museum has its own."""
    assert world.ask("GET", "/api/settings", who="visitor").json["own"] == {}
    given = {"own": {"OwnershipType": "2", "EntranceSource": XSS}, "copy_order": ["Name", "KPNumber"]}
    assert world.ask("PUT", "/api/settings", given).json == given
    assert world.ask("GET", "/api/settings", who="colleague").json == given
    assert world.ask("GET", "/api/settings", who="foreigner").json["own"] == {}
    assert new(world, own={"OwnershipType": "3"})["fields"] == {
        "OwnershipType": "3", "EntranceSource": XSS, "PublicationLimit": "0",
    }  # fmt: skip
    assert new(world, who="foreigner")["fields"] == {"PublicationLimit": "0"}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"own": {"Name": "x"}}, "not-own"),
        ({"own": {"KPNumber": "x"}}, "not-own"),
        ({"own": {"OwnershipType": "9"}}, "bad-value"),
        ({"own": {"x": "9"}}, "unknown-field"),
        ({"copy_order": ["x"]}, "unknown-field"),
        ({"own": {"FZK": "x" * 2001}}, "bad-request"),
        ({"museum": "south"}, "bad-request"),
    ],
)
def test_settings_that_no_card_could_have_are_refused(world: GatewayWorld, given: Any, code: str) -> None:
    """They would be in forty cards a day."""
    assert world.ask("PUT", "/api/settings", given).code == (422, code)


def test_a_copied_card_has_every_field_once(world: GatewayWorld) -> None:
    """In the table's order unless the museum says otherwise."""
    assert world.ask("GET", "/api/settings").json["copy_order"][0] == "Name"
    twice = {"copy_order": ["KPNumber", "Name", "KPNumber"]}
    assert world.ask("PUT", "/api/settings", twice).json["copy_order"] == ["KPNumber", "Name"]
    assert len(world.ask("PUT", "/api/settings", {}).json["copy_order"]) > 30


# out again


def batch(world: GatewayWorld) -> list[dict[str, Any]]:
    """Two cards of a batch, one of them with a photo, and one beside it."""
    sample = world.record("КП 7/1", Name="Ваза", KPNumber="КП 7/1")
    hidden = world.record("s1", SOUTH, Name="Чаша", KPNumber="КП 9")
    public = world.record("s2", SOUTH, Name="Блюдо", KPNumber="КП 10", PublicationLimit="1")
    sources = {
        "Name": {"object": sample, "value": "=1+1"},
        "Authors": {"object": hidden, "value": "Иванов"},
        "ProductionPlace": {"object": public, "value": "Гжель"},
    }
    fields = {"Name": '=HYPERLINK("http://x")', "Authors": "+1", "ShortDescription": XSS, "KPDate": "https://example.org"}
    first = new(world, batch="утро / 1", fields={**fields, "Weight": "\x01\ufffe\uffff 12"}, sources=sources)
    world.photo(first["object_id"], "b.jpg", body=b"b")
    for key in world.keys("derived"):
        world.store.put("derived", key, jpeg(), content_type="image/jpeg")
    second = new(world, batch="утро / 1", fields={"Name": "@SUM(1)", "KPNumber": "123"})
    new(world, fields={"Name": "beside"})
    return [first, second]


def test_a_batch_is_given_out_as_a_spreadsheet(world: GatewayWorld) -> None:
    """With pictures and the numbers of its samples; nothing in it is a formula, a number or a link."""
    first, second = batch(world)
    world.ask("PUT", "/api/settings", {"copy_order": ["KPNumber", "Name"]})
    reply = world.ask("GET", f"/api/drafts/export?batch={quote('утро / 1')}")
    assert reply.headers["content-type"] == drafts.CONTENT_TYPE
    assert quote("утро / 1", safe="") in reply.headers["content-disposition"]
    book = openpyxl.load_workbook(io.BytesIO(reply.body))
    cards, samples = (book[name] for name in ("Карточки", "Источники"))
    titles = [cell.value for cell in cards[1]]
    assert titles[:5] == ["Фото", "Черновик", "Состояние", "№ по Книге поступлений", "Наименование"]
    rows = {row[1].value: dict(zip(titles, row, strict=True)) for row in cards.iter_rows(min_row=2)}
    assert list(rows) == [first["object_id"], second["object_id"]], "as they were given"
    shown = rows[first["object_id"]]
    assert shown["Наименование"].value == '=HYPERLINK("http://x")'
    assert shown["Краткое описание"].value == XSS
    assert (shown["Состояние"].value, shown["Файлы фотографий"].value) == ("черновик", "b.jpg")
    assert {cell.data_type for row in cards.iter_rows() for cell in row if cell.value is not None} == {"s"}
    raw = reply.body
    assert b"<f>" not in unzipped(raw, "xl/worksheets/sheet1.xml")
    assert not any(cell.hyperlink for row in cards.iter_rows() for cell in row)
    assert len(cards._images) == 1
    assert sorted(row for row in samples.iter_rows(min_row=2, values_only=True)) == [
        (first["object_id"], "Автор (мастер)", "s1", SOUTH, "Иванов"),
        (first["object_id"], "Наименование", "КП 7/1", NORTH, "=1+1"),
    ]


def unzipped(raw: bytes, name: str) -> bytes:
    """A file of an archive."""
    import zipfile

    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return archive.read(name)


def test_the_spreadsheet_speaks_english_too(world: GatewayWorld) -> None:
    """As it is asked."""
    new(world, fields={"Name": "x"})
    book = openpyxl.load_workbook(io.BytesIO(world.ask("GET", "/api/drafts/export?lang=en").body))
    assert book.sheetnames == ["Cards", "Sources"]
    assert [cell.value for cell in book["Cards"][1]][:4] == ["Photo", "Draft", "State", "Name"]


@pytest.mark.parametrize(
    ("lang", "sheet", "said"),
    [
        (
            "ru",
            "Карточки",
            ["черновик", "Предметы прикладного искусства, быта и этнографии (13)", "дар (1)", "не публиковать (0)"],
        ),
        ("en", "Cards", ["draft", "Applied arts, everyday life, ethnography (13)", "gift (1)", "do not publish (0)"]),
    ],
)
def test_codes_are_words_in_the_spreadsheet(world: GatewayWorld, lang: str, sheet: str, said: list[str]) -> None:
    """With the code beside, for a system that wants it; what is no code stays as it was written."""
    new(world, fields={"Name": "x", "TypologyGK": "13", "PublicationLimit": "0"}, own={"IncomingMethod": "1"})
    new(world, fields={"Name": "y", "TypologyGK": "99", "OwnershipType": "7"})
    book = openpyxl.load_workbook(io.BytesIO(world.ask("GET", f"/api/drafts/export?lang={lang}").body))
    cells = {str(cell.value) for row in book[sheet].iter_rows(min_row=2) for cell in row}
    assert cells >= {*said, "99", "7"}


def test_every_code_has_an_english_word() -> None:
    """The same that the page has."""
    page = json.loads((WEB / "lang" / "en.json").read_text())
    coded = {f"codes.{one.name}.{code}": ENGLISH[one.name][code] for one in FIELDS for code in one.codes}
    assert coded.items() <= page.items()


def test_a_picture_that_cannot_be_read_spoils_no_spreadsheet(world: GatewayWorld) -> None:
    """Its cell has a dash."""
    made = new(world)
    world.photo(made["object_id"])
    book = openpyxl.load_workbook(io.BytesIO(world.ask("GET", "/api/drafts/export").body))
    assert book["Карточки"]["A2"].value == "—"


def test_a_batch_is_given_out_as_json(world: GatewayWorld) -> None:
    """Every card with its fields, and where each value is from; of a hidden record its id alone."""
    first, second = batch(world)
    given = world.ask("GET", f"/api/drafts/export?format=json&batch={quote('утро / 1')}").json
    cards = {card["object_id"]: card for card in given["cards"]}
    assert set(cards) == {first["object_id"], second["object_id"]}
    card = cards[first["object_id"]]
    assert (card["fields"], card["images"], card["state"]) == (first["fields"], ["b.jpg"], "draft")
    numbers = {name: (source["museum"], source["number"]) for name, source in card["sources"].items()}
    assert numbers == {"Name": (NORTH, "КП 7/1"), "Authors": (SOUTH, "s1"), "ProductionPlace": (SOUTH, "КП 10")}
    assert given["next"] is None


def test_an_export_is_bounded_and_goes_on(world: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms say where."""
    monkeypatch.setattr(drafts, "EXPORTED", 2)
    made = {new(world)["object_id"] for _ in range(3)}
    first = world.ask("GET", "/api/drafts/export?format=json").json
    second = world.ask("GET", f"/api/drafts/export?format=json&cursor={first['next']}").json
    assert {card["object_id"] for page in (first, second) for card in page["cards"]} == made
    assert (len(first["cards"]), second["next"]) == (2, None)
    link = world.ask("GET", "/api/drafts/export?lang=en").headers["link"]
    assert link == f'</api/drafts/export?lang=en&cursor={first["next"]}>; rel="next"'
    assert world.ask("GET", link[1 : link.index(">")]).status == 200
    assert world.ask("GET", f"/api/drafts/export?cursor={object_handle(SOUTH, '1')}").code == (400, "bad-parameter")


def test_another_museums_drafts_are_in_no_export(world: GatewayWorld) -> None:
    """Also of a batch of the same name."""
    batch(world)
    for query in ("", f"&batch={quote('утро / 1')}"):
        assert world.ask("GET", f"/api/drafts/export?format=json{query}", who="foreigner").json["cards"] == []


@pytest.mark.parametrize("query", ["format=csv", "lang=de", "batch=", "museum=south"])
def test_an_export_says_which_parameter_is_wrong(world: GatewayWorld, query: str) -> None:
    """400."""
    assert world.ask("GET", f"/api/drafts/export?{query}").status == 400


def test_every_call_is_in_the_document(world: GatewayWorld) -> None:
    """With the header and the content type that it needs."""
    from functions.gateway import openapi
    from functions.gateway.app import all_calls

    document = json.loads(json.dumps(openapi.document(all_calls(world.parts))))
    calls = {
        "/api/objects": {"get"},
        "/api/objects/{id}": {"get", "patch"},
        "/api/objects/{id}/similar": {"post"},
        "/api/drafts": {"post"},
        "/api/drafts/{id}": {"delete"},
        "/api/drafts/{id}/images": {"post"},
        "/api/drafts/{id}/images/{name}": {"delete"},
        "/api/drafts/export": {"get"},
        "/api/fields": {"get"},
        "/api/settings": {"get", "put"},
    }
    for path, methods in calls.items():
        assert set(document["paths"][path]) == methods
    patch = document["paths"]["/api/objects/{id}"]["patch"]
    assert list(patch["requestBody"]["content"]) == ["application/merge-patch+json"]
    assert "If-Match" in [one["name"] for one in patch["parameters"]]


# until it is findable


def test_a_draft_says_when_it_is_found_by_its_photos(world: GatewayWorld) -> None:
    """A stream until each photo has ended, and who comes late gets the end at once."""
    query = world.queried(b"front", b"back")
    draft = world.ask("POST", "/api/drafts", {"query": query}).json
    assert [image["findable"] for image in draft["images"]] == [False, False]
    address = f"/api/drafts/{draft['id']}/events"

    async def follow() -> Reply:
        told: list[Any] = []
        reading = asyncio.create_task(world.asking("GET", address, answered=told))
        for name, body in (("0.jpg", b"front"), ("1.jpg", b"back")):
            await until(lambda: any(b"event: " in one.get("body", b"") for one in told))
            so_far = len(told)
            world.photo(draft["object_id"], name, body=body)
            world.sockets.announce("image.indexed", topic(subject_of(photo_key(NORTH, draft["object_id"], name))))
            await until(lambda so_far=so_far: len(told) > so_far or reading.done())
        return await asyncio.wait_for(reading, 5)

    reply = world.run(follow())
    found = [(name, [image["findable"] for image in said["images"]]) for name, said in reply.events]
    assert found == [("state", [False, False]), ("state", [True, False]), ("result", [True, True])]
    assert [name for name, _ in world.ask("GET", address).events] == ["result"]
    assert world.ask("GET", address, who="foreigner").code == (404, "not-found")
    assert world.ask("GET", f"/api/drafts/{world.record('vase')}/events").code == (404, "not-found")
