"""The draft of the card: taken, edited, cleared, undone, confirmed; saved as it is typed; through its states."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from functions.catalogue.fields import FIELDS
from tests.e2e import things
from tests.e2e.conftest import Arrive
from tests.e2e.museum import Museum
from tests.e2e.person import WAIT, Person
from tests.fixtures.stack import wait_for

LIKE = things.record_of(things.KNOWN_COIN)
"""What the new coin is most like."""


def draft_of(museum: Museum, query: str) -> dict[str, Any]:
    """The card of a query as it is stored."""
    return next(one for one in museum.drafts() if one["draft"]["query"] == query)


def stored(museum: Museum, query: str, **fields: str | None) -> dict[str, Any]:
    """The card of a query once it has these values."""

    def has() -> dict[str, Any] | None:
        found = [one for one in museum.drafts() if one["draft"]["query"] == query]
        right = found and all(found[0]["fields"].get(name) == value for name, value in fields.items())
        return found[0] if right else None

    return wait_for(f"a card with {fields}", has)


def test_a_field_is_taken_with_what_it_was_taken_from(person: Person) -> None:
    """Value, support and records are shown before; the source is stored with it."""
    query = person.found(things.photo(things.NEW_COIN))
    row = person.field("MaterialandTechnique")
    offers = person.museum.result(query)["result"]["draft"]["MaterialandTechnique"]
    expect(row.locator(".offer-value")).to_have_text(offers[0]["value"])
    expect(row.locator(".support")).to_have_text(re.compile(rf"{round(offers[0]['support'] * 100)}\s?%"))
    expect(row.locator(".offer-from")).to_contain_text(person.t("card.from", n=len(offers[0]["sources"])))
    row.get_by_role("button", name=person.t.like("card.take_named")).click()
    expect(person.value("MaterialandTechnique")).to_have_value(offers[0]["value"])
    expect(row.locator(".origin")).to_have_text(person.t.like("card.taken"))
    person.saved()
    card = stored(person.museum, query, MaterialandTechnique=offers[0]["value"])
    source = card["draft"]["sources"]["MaterialandTechnique"]
    assert (source["object"], source["value"]) == (offers[0]["sources"][0]["id"], offers[0]["value"])


def test_the_next_value_is_a_press_away(registrar: Person) -> None:
    """By button, or by Alt and an arrow in the field."""
    query = registrar.found(things.photo(things.NEW_COIN))
    offers = registrar.museum.result(query)["result"]["draft"]["Authors"]
    assert len(offers) > 1
    row = registrar.field("Authors")
    row.get_by_role("button", name=registrar.t.like("card.next_of")).click()
    expect(row.locator(".offer-value")).to_have_text(offers[1]["value"])
    registrar.value("Authors").press("Alt+ArrowDown")
    registrar.value("Authors").press("Alt+ArrowDown")
    expect(registrar.value("Authors")).to_have_value(offers[2 % len(offers)]["value"])


def test_everything_offered_is_taken_at_once_and_undone_at_once(person: Person) -> None:
    """Accounting facts stay empty whatever their records say, and are marked as hers."""
    query = person.found(things.photo(things.NEW_COIN))
    person.button("card.take_all").click()
    offers = person.museum.result(query)["result"]["draft"]
    expect(person.value("Name")).to_have_value(offers["Name"][0]["value"])
    for one in FIELDS:
        box = person.value(one.name)
        if one.kind == "never":
            expect(box).to_have_value("")
            shown = box.locator("option").first.text_content() if one.codes else box.get_attribute("placeholder")
            assert shown == person.t("card.yours"), one.name
            expect(person.field(one.name).locator(".offer-one")).to_have_count(0)
        elif one.kind == "own":
            expect(box).to_have_value("")
    person.saved()
    card = stored(person.museum, query, Name=offers["Name"][0]["value"])
    assert set(card["fields"]) <= {*offers, "PublicationLimit"}
    person.button("card.undo").click()
    expect(person.value("Name")).to_have_value("")
    stored(person.museum, query, Name=None, Authors=None)
    person.button("card.redo").click()
    expect(person.value("Name")).to_have_value(offers["Name"][0]["value"])


def test_what_is_typed_is_saved_as_it_is_typed(registrar: Person, arrive: Arrive) -> None:
    """After a reload it is there, and in another browser."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").press_sequentially("Монета 25 центов", delay=15)
    registrar.saved()
    registrar.value("Condition").fill("царапина на аверсе")
    registrar.saved()
    stored(registrar.museum, query, Name="Монета 25 центов", Condition="царапина на аверсе")
    registrar.page.reload()
    expect(registrar.value("Name")).to_have_value("Монета 25 центов")
    expect(registrar.value("Condition")).to_have_value("царапина на аверсе")
    other = arrive(registrar.t.lang).go(f"q/{query}")
    expect(other.value("Name")).to_have_value("Монета 25 центов")


def test_a_reload_right_after_a_key_loses_nothing(registrar: Person) -> None:
    """Before anything could be sent."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").press_sequentially("Монета")
    registrar.page.reload()
    expect(registrar.value("Name")).to_have_value("Монета")
    stored(registrar.museum, query, Name="Монета")


def test_a_field_is_edited_cleared_and_undone(registrar: Person) -> None:
    """Also by Ctrl+Z; what was taken and changed says so."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.button("card.take_all").click()
    name = registrar.value("Name")
    expect(name).not_to_have_value("")
    before = name.input_value()
    name.press("End")
    name.press_sequentially(", 2003")
    expect(registrar.field("Name").locator(".origin")).to_have_text(registrar.t.like("card.edited"))
    row = registrar.field("MaterialandTechnique")
    row.get_by_role("button", name=registrar.t.like("card.clear_field")).click()
    expect(registrar.value("MaterialandTechnique")).to_have_value("")
    stored(registrar.museum, query, Name=f"{before}, 2003", MaterialandTechnique=None)
    assert "MaterialandTechnique" not in draft_of(registrar.museum, query)["draft"]["sources"]
    registrar.value("MaterialandTechnique").press("Control+z")
    expect(registrar.value("MaterialandTechnique")).not_to_have_value("")
    name.press("Control+z")
    expect(name).to_have_value(before)


def test_what_may_be_true_of_the_sample_alone_is_marked_to_confirm(person: Person) -> None:
    """Numbers, dates, names, inscriptions, damage; a text equal to its sample asks what distinguishes this object."""
    query = person.found(things.photo(things.NEW_COIN))
    row = person.field("ShortDescription")
    row.get_by_role("button", name=person.t.like("card.take_named")).click()
    expect(row.locator(".confirm")).to_be_visible()
    kinds = set(row.locator(".confirm mark").evaluate_all("(marks) => marks.map((one) => one.className)"))
    assert kinds >= {"number", "date", "name", "inscription", "damage"}, kinds
    expect(row.locator(".distinct")).to_contain_text(person.t("card.distinct"))
    person.saved()
    row.get_by_role("button", name=person.t.like("card.confirmed_field")).click()
    expect(row.locator(".confirm")).to_have_count(0)
    expect(row).to_contain_text(person.t("card.was_confirmed"))
    wait_for("the mark", lambda: True if "ShortDescription" in confirmed(person.museum, query) else None)
    row.get_by_role("button", name=person.t("card.distinct_add")).click()
    person.page.keyboard.type("на реверсе орёл")
    expect(row.locator(".distinct")).to_have_count(0)


def confirmed(museum: Museum, query: str) -> list[str]:
    """Fields whose marks were confirmed."""
    found = [one for one in museum.drafts() if one["draft"]["query"] == query]
    return list(found[0]["draft"]["confirmed"]) if found else []


def test_a_card_goes_through_its_states(person: Person) -> None:
    """Draft, checked after one more look, exported, linked to the museum's record, and back."""
    query = person.found(things.photo(things.NEW_COIN))
    museum = person.museum
    person.button("card.take_all").click()
    person.saved()
    person.button("card.check").click()
    review = person.page.locator("dialog.review")
    expect(review).to_contain_text(person.t("review.lead"))
    person.button("review.yes").click()
    expect(person.page.locator(".card .tag").first).to_have_text(person.t("state.checked"))
    wait_for("checked", lambda: draft_of(museum, query)["draft"]["state"] == "checked" or None)
    assert set(draft_of(museum, query)["draft"]["confirmed"]) >= {"Name", "ShortDescription"} - {"Name"}
    person.button("card.export").click()
    wait_for("exported", lambda: draft_of(museum, query)["draft"]["state"] == "exported" or None)
    person.button("card.link").click()
    person.page.get_by_label(person.t("link.number")).fill("КП-1103")
    person.page.locator("dialog .found-one").first.click()
    wait_for("linked", lambda: draft_of(museum, query)["draft"]["state"] == "linked" or None)
    assert draft_of(museum, query)["draft"]["linked_to"]
    expect(person.value("Name")).to_have_attribute("readonly", "")
    expect(person.link("card.linked_open")).to_be_visible()
    person.button("card.unlink").click()
    wait_for("exported again", lambda: draft_of(museum, query)["draft"]["state"] == "exported" or None)
    person.value("Name").fill("Другое")
    stored(museum, query, Name="Другое")
    assert draft_of(museum, query)["draft"]["state"] == "draft"


def test_a_card_that_is_checked_at_once_is_stored_as_checked(registrar: Person, museum: Museum) -> None:
    """By somebody who is quicker than the first save."""
    query = registrar.found(things.photo(things.NEW_COIN))
    take_and_check(registrar)
    expect(registrar.button("review.yes")).to_be_focused()
    registrar.page.keyboard.press("Enter")
    registrar.saved()
    stored(museum, query, MainWord="Монета")
    wait_for("checked", lambda: draft_of(museum, query)["draft"]["state"] == "checked" or None)


def test_keys_pressed_before_the_card_is_here_wait_for_it(registrar: Person) -> None:
    """Take, then check; what is to be confirmed is shown before it can be."""
    museum = registrar.museum
    query = museum.upload(things.photo(things.NEW_COIN))
    museum.result(query)
    with answered_late(registrar, "**/api/objects?kind=drafts*"):
        registrar.go(f"q/{query}")
        take_and_check(registrar)
        registrar.page.keyboard.press("Enter")
        expect(registrar.page.locator("dialog")).to_have_count(0)
    expect(registrar.page.locator("dialog.review")).to_have_count(1)
    expect(registrar.button("review.yes")).to_be_focused()
    registrar.page.keyboard.press("Enter")
    registrar.saved()
    wait_for("checked", lambda: draft_of(museum, query)["draft"]["state"] == "checked" or None)


@contextlib.contextmanager
def answered_late(person: Person, address: str, *, but: int = 0) -> Iterator[None]:
    """The answers to what the page asks there, but the first ones, come after the block and the question."""
    asked: list[Route] = []
    over: list[bool] = []

    def hold(route: Route) -> None:
        asked.append(route)
        if over or len(asked) <= but:
            route.continue_()

    person.page.route(address, hold)
    yield
    wait_for("the question", lambda: person.page.wait_for_timeout(20) or len(asked) > but or None)
    over.append(True)
    for route in asked[but:]:
        route.continue_()


def test_nothing_is_written_over_a_draft_that_is_not_read_yet(registrar: Person) -> None:
    """It is not editable until then: what was typed into it took the place of all that it had."""
    museum = registrar.museum
    had = {"Name": "Ложка", "Authors": "Иванов И.", "Weight": "40 г"}
    status, draft = museum.ask("POST", "/drafts", {"fields": had})
    assert status == 201, draft
    registrar.go("drafts")
    with answered_late(registrar, f"**/api/objects/{draft['id']}", but=1):  # the page's own comes first
        registrar.page.evaluate("(to) => { location.hash = to; }", f"#/d/{draft['id']}")
        registrar.main.locator(".card h2").first.focus()
        for _ in range(8):  # whoever is at a field by Tab would write into it
            registrar.page.keyboard.press("Tab")
            registrar.page.keyboard.type("ъ")
    expect(registrar.value("Name")).to_have_value("Ложка")
    registrar.value("Condition").fill("царапина")
    registrar.saved()
    fields = museum.ask("GET", f"/objects/{draft['id']}")[1]["fields"]
    assert {**had, "Condition": "царапина"}.items() <= fields.items()


def test_a_draft_that_cannot_be_read_is_read_again_when_that_is_asked_for(registrar: Person) -> None:
    """Until then it takes no text, says why, and the page answers: it does not wait for itself for ever."""
    museum = registrar.museum
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").fill("Монета")
    stored(museum, query, Name="Монета")
    registrar.saved()
    registrar.excused.append("503")
    problem = {"status": 503, "code": "unavailable", "detail": "s3"}
    broken = re.compile(r".*/api/objects/[^?]+$")
    registrar.page.route(broken, lambda route: route.fulfill(status=503, json=problem))
    registrar.page.reload()
    expect(registrar.page.locator(".save-line.failed")).to_be_visible()
    assert registrar.page.locator(".card-body").evaluate("(one) => one.inert")
    registrar.page.unroute(broken)
    registrar.button("save.again").click()
    expect(registrar.value("Name")).to_have_value("Монета")
    registrar.value("Condition").fill("царапина")
    stored(museum, query, Name="Монета", Condition="царапина")


def test_what_is_typed_while_another_browsers_draft_is_looked_for_is_kept(registrar: Person) -> None:
    """Beside what that one has; where both wrote, hers is what she has just written."""
    museum = registrar.museum
    query = museum.upload(things.photo(things.NEW_COIN))
    museum.result(query)
    fields = {"Name": "Монета", "Authors": "Флэнаган Дж."}
    assert museum.ask("POST", "/drafts", {"query": query, "fields": fields})[0] == 201
    with answered_late(registrar, "**/api/objects?kind=drafts*"):
        registrar.go(f"q/{query}")
        registrar.value("Condition").fill("царапина")
        registrar.value("Name").fill("Монета США")
    expect(registrar.value("Authors")).to_have_value("Флэнаган Дж.")
    stored(museum, query, Name="Монета США", Authors="Флэнаган Дж.", Condition="царапина")


def take_and_check(person: Person) -> None:
    """By two keys, as fast as they are."""
    person.button("card.take_all").focus()
    for _ in range(2):
        person.page.keyboard.press("Enter")


def test_own_fields_come_from_the_museums_settings(registrar: Person) -> None:
    """Set once, filled in in each new card."""
    registrar.go("settings")
    try:
        registrar.page.locator("#s-IncomingMethod").select_option("1")
        registrar.page.locator("#s-ActNumberandDate").fill("№ 12 от 03.02.2026")
        own = {"IncomingMethod": "1", "ActNumberandDate": "№ 12 от 03.02.2026"}
        wait_for("the settings", lambda: registrar.museum.ask("GET", "/settings")[1]["own"] == own or None)
        query = registrar.found(things.photo(things.NEW_COIN))
        expect(registrar.value("IncomingMethod")).to_have_value("1")
        expect(registrar.value("ActNumberandDate")).to_have_value("№ 12 от 03.02.2026")
        registrar.value("Name").fill("Монета")
        stored(registrar.museum, query, Name="Монета", IncomingMethod="1", ActNumberandDate="№ 12 от 03.02.2026")
    finally:
        registrar.museum.ask("PUT", "/settings", {"own": {}, "copy_order": []})


def test_a_year_that_is_none_is_said_and_stops_nothing_else(registrar: Person) -> None:
    """All is saved, what is wrong stays marked, and the card is not checked with it. Before our era a year has a minus."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.value("CreationTimeStart").fill("давно")
    registrar.value("Name").fill("Монета")
    expect(registrar.field("CreationTimeStart")).to_contain_text(registrar.t("card.bad_year"))
    for name, value, said in (("KPDate", "31.02.1956", "card.bad_date"), ("Quantity", "один", "card.bad_count")):
        registrar.value(name).fill(value)
        expect(registrar.field(name)).to_contain_text(registrar.t(said))
    stored(registrar.museum, query, Name="Монета", CreationTimeStart="давно", KPDate="31.02.1956", Quantity="один")
    expect(registrar.page.locator(".save-line.saved")).to_contain_text(registrar.t("save.wrong"))
    registrar.page.reload()
    expect(registrar.value("CreationTimeStart")).to_have_value("давно")
    registrar.value("TypologyGK").select_option(things.COIN)
    registrar.button("card.check").click()
    expect(registrar.page.locator("#toasts")).to_contain_text(registrar.t("code.has-warnings"))
    expect(registrar.value("CreationTimeStart")).to_be_focused()
    right = {"CreationTimeStart": "-480", "KPDate": "12.03.1956", "Quantity": "1"}
    for name, value in right.items():
        registrar.value(name).fill(value)
    stored(registrar.museum, query, **right)
    registrar.saved()


def test_years_the_wrong_way_round_are_said_at_once(person: Person) -> None:
    """Before anything is confirmed, and whichever of the two is mended."""
    person.found(things.photo(things.NEW_COIN))
    person.value("CreationTimeStart").fill("1971")
    person.value("CreationTimeEnd").fill("1965")
    note = person.field("CreationTimeEnd").locator(".field-note")
    expect(note).to_have_text(person.t("card.bad_period"))
    person.value("Name").fill("Монета")
    person.value("TypologyGK").select_option(things.COIN)
    person.button("card.check").click()
    expect(person.value("CreationTimeEnd")).to_be_focused()
    expect(person.page.locator("dialog[open]")).to_have_count(0)
    person.value("CreationTimeStart").fill("1960")
    expect(note).not_to_have_text(person.t("card.bad_period"))


def test_what_the_gateway_warns_of_is_said_at_its_field_in_her_language(person: Person) -> None:
    """A code that does not exist, which another program wrote into the card: nothing is said in English to who reads Russian."""
    query = person.found(things.photo(things.NEW_COIN))
    person.value("Name").fill("Монета")
    person.saved()
    card = stored(person.museum, query, Name="Монета")
    path, kind = f"/objects/{card['id']}", {"content-type": "application/merge-patch+json", "if-match": "*"}
    wrong = {"fields": {"TypologyGK": "999", "OwnershipType": "9"}}
    assert person.museum.ask("PATCH", path, wrong, **kind)[0] == 200
    person.page.reload()
    expect(person.value("Name")).to_have_value("Монета")
    person.excused.append("409")
    person.button("card.check").click()
    expect(person.page.locator(".save-line.failed")).to_contain_text(person.t("code.has-warnings"))
    for name in ("TypologyGK", "OwnershipType"):
        expect(person.field(name).locator(".field-note")).to_have_text(person.t("card.bad_code"))


def test_what_a_checked_card_lacks_is_said_at_its_fields(person: Person) -> None:
    """A name and a class, and years the right way round, before anything is asked. It is a draft as before."""
    query = person.found(things.photo(things.NEW_COIN))
    for name, text in (("MainWord", "Монета"), ("CreationTimeStart", "1999"), ("CreationTimeEnd", "1996")):
        person.value(name).fill(text)
    person.saved()
    stored(person.museum, query, CreationTimeEnd="1996")
    person.button("card.check").click()
    expect(person.page.locator("#toasts")).to_contain_text(person.t("code.incomplete"))
    expect(person.value("Name")).to_be_focused()
    for name in ("Name", "TypologyGK"):
        expect(person.field(name).locator(".field-note")).to_contain_text(person.t("card.needed"))
    person.value("Name").fill("Монета")
    person.value("TypologyGK").select_option(things.COIN)
    person.saved()
    person.button("card.check").click()
    expect(person.page.locator("#toasts")).to_contain_text(person.t("code.has-warnings"))
    expect(person.field("CreationTimeEnd").locator(".field-note")).to_contain_text(person.t("card.bad_period"))
    expect(person.value("CreationTimeEnd")).to_be_focused()
    expect(person.page.locator(".card .tag").first).to_have_text(person.t("state.draft"))
    assert draft_of(person.museum, query)["draft"]["state"] == "draft"


def offered(person: Person, query: str, draft: dict[str, Any]) -> None:
    """Open the query as if this were offered."""
    said = person.museum.result(query)
    said["result"]["draft"] = draft
    body = f"event: result\ndata: {json.dumps(said)}\n\n"
    person.page.route(f"**/api/queries/{query}/events", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    person.go(f"q/{query}")
    person.result()


def test_what_is_taken_together_is_of_one_object(registrar: Person) -> None:
    """Texts and years; what that one lacks is from others, and is named before the card is checked."""
    query = registrar.museum.upload(things.photo(things.NEW_COIN))
    hits = registrar.museum.result(query)["result"]["hits"]
    numbered = [hit["object"] for hit in hits if hit["object"]["own"] and (hit["record"] or {}).get("KPNumber")]
    one, other = numbered[:2]
    numbers = {hit["object"]["id"]: hit["record"]["KPNumber"] for hit in hits if (hit["record"] or {}).get("KPNumber")}

    def offer(value: str, *objects: dict[str, Any]) -> dict[str, Any]:
        return {"value": value, "support": 0.5, "sources": [{**made, "score": 0.9} for made in objects]}

    draft = {
        "Name": [offer("Кружка", one), offer("Чашка", other)],
        "ShortDescription": [offer("о другой", other), offer("об этой", one)],
        "CreationTimeStart": [offer("1800", other), offer("1900", one)],
        "ProductionPlace": [offer("Тула", other)],
        "TypologyGK": [offer("13", other, one)],
    }
    offered(registrar, query, draft)
    registrar.button("card.take_all").click()
    for name, value in (("Name", "Кружка"), ("ShortDescription", "об этой"), ("CreationTimeStart", "1900")):
        expect(registrar.value(name)).to_have_value(value)
    registrar.saved()
    sources = draft_of(registrar.museum, query)["draft"]["sources"]
    assert {name for name, source in sources.items() if source["object"] == one["id"]} == set(draft) - {"ProductionPlace"}
    registrar.button("card.check").click()
    others = registrar.page.locator("dialog .review-others li")
    label = next(field for field in FIELDS if field.name == "ProductionPlace")
    name = getattr(label, registrar.t.lang)
    expect(others).to_have_text(
        [registrar.t("review.other", name=name[:1].upper() + name[1:], value="Тула", number=numbers[other["id"]])]
    )
    registrar.page.keyboard.press("Enter")
    wait_for("checked", lambda: draft_of(registrar.museum, query)["draft"]["state"] == "checked" or None)


def test_what_is_saved_is_found_by_its_photo(registrar: Person, museum: Museum) -> None:
    """Two seconds later, with the name she gave."""
    registrar.search(things.photo("household-toilet"))
    registrar.value("Name").fill("Унитаз Компакт")
    registrar.saved()

    def found() -> bool | None:
        said = museum.result(museum.upload(things.seen_again("household-toilet")))
        hits = said["result"]["hits"]
        return True if hits and (hits[0]["record"] or {}).get("Name") == "Унитаз Компакт" else None

    wait_for("the draft to be found", found)


def test_two_windows_do_not_overwrite_each_other(registrar: Person, arrive: Arrive) -> None:
    """What only one changed is taken over silently; where both did, both values are shown, and none is sent until she chooses."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").fill("Монета")
    registrar.saved()
    other = arrive(registrar.t.lang).go(f"q/{query}")
    expect(other.value("Name")).to_have_value("Монета")
    other.value("Name").fill("Монета США")
    other.value("Authors").fill("Флэнаган Дж.")
    stored(registrar.museum, query, Name="Монета США", Authors="Флэнаган Дж.")
    registrar.excused.append("412")
    registrar.value("Name").fill("Монета 25 центов")
    registrar.value("Condition").fill("царапина")
    clash = registrar.field("Name").locator(".clash")
    expect(clash).to_contain_text(registrar.t("card.changed"))
    expect(clash).to_contain_text(registrar.t("card.clash_here", value="Монета 25 центов"))
    expect(clash).to_contain_text(registrar.t("card.clash", value="Монета США"))
    registrar.page.locator("#toasts").get_by_role("button", name=registrar.t("card.clash_choose")).click()
    expect(registrar.button("card.clash_keep")).to_be_focused()
    expect(registrar.value("Authors")).to_have_value("Флэнаган Дж.")
    stored(registrar.museum, query, Name="Монета США", Authors="Флэнаган Дж.", Condition="царапина")
    registrar.button("card.clash_keep").click()
    stored(registrar.museum, query, Name="Монета 25 центов", Authors="Флэнаган Дж.")
    expect(clash).to_have_count(0)
    other.excused.append("412")
    other.value("Name").fill("Четвертак")
    other.button("card.clash_take").click(timeout=WAIT)
    expect(other.value("Name")).to_have_value("Монета 25 центов")
    other.saved()
    stored(registrar.museum, query, Name="Монета 25 центов", Condition="царапина")


def test_two_windows_that_both_begin_the_card_do_not_overwrite_each_other(registrar: Person, arrive: Arrive) -> None:
    """The second asks for a draft that there is already, and gets the first one's."""
    query = registrar.museum.upload(things.photo(things.NEW_COIN))
    registrar.museum.result(query)
    other = arrive(registrar.t.lang).go(f"q/{query}")
    registrar.go(f"q/{query}")
    for one in (registrar, other):
        expect(one.button("card.take_all")).to_be_enabled()
    other.value("Name").fill("Монета США")
    other.value("Authors").fill("Флэнаган Дж.")
    stored(registrar.museum, query, Name="Монета США", Authors="Флэнаган Дж.")
    registrar.value("Name").fill("Монета 25 центов")
    clash = registrar.field("Name").locator(".clash")
    expect(clash).to_contain_text(registrar.t("card.clash", value="Монета США"))
    expect(registrar.value("Authors")).to_have_value("Флэнаган Дж.")
    stored(registrar.museum, query, Name="Монета США")
    registrar.button("card.clash_keep").click()
    stored(registrar.museum, query, Name="Монета 25 центов", Authors="Флэнаган Дж.")


def test_a_record_is_linked_by_the_number_that_the_page_shows(registrar: Person) -> None:
    """Also by its id in the museum's system, with what the page writes before it; back closes the question."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").fill("Монета")
    registrar.value("TypologyGK").select_option(things.COIN)
    registrar.saved()
    registrar.go(f"d/{draft_of(registrar.museum, query)['id']}")
    registrar.button("card.check").click(timeout=WAIT)
    registrar.button("card.link").click(timeout=WAIT)
    dialog = registrar.page.locator("dialog[open]")
    for number in (f"e2e-{things.KNOWN_COIN}", registrar.t("object.id", number=f"e2e-{things.KNOWN_COIN}"), "КП-1103"):
        registrar.page.get_by_label(registrar.t("link.number")).fill("")
        expect(dialog.locator(".found-one")).to_have_count(0)
        registrar.page.get_by_label(registrar.t("link.number")).fill(number)
        expect(dialog.locator(".found-one")).to_contain_text("КП-1103")
    registrar.page.go_back()
    expect(registrar.page.locator("dialog")).to_have_count(0)


def test_a_record_far_behind_in_a_large_catalogue_is_found_too(registrar: Person) -> None:
    """A page of a list looks at some hundred objects: the question goes on to the next until it has one."""
    registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").fill("Монета")
    registrar.value("TypologyGK").select_option(things.COIN)
    registrar.saved()
    registrar.button("card.check").click(timeout=WAIT)
    registrar.button("card.link").click(timeout=WAIT)
    asked: list[str] = []

    def nothing_yet(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) < 3:
            route.fulfill(json={"items": [], "next": "bm9ydGgvYQ"})
        else:
            route.continue_(url=route.request.url.replace("&cursor=bm9ydGgvYQ", ""))

    registrar.page.route("**/api/objects?*number=*", nothing_yet)
    registrar.page.get_by_label(registrar.t("link.number")).fill("КП-1103")
    expect(registrar.page.locator("dialog[open] .found-one")).to_contain_text("КП-1103")
    assert ["cursor=" in url for url in asked] == [False, True, True]


def test_a_card_that_was_begun_goes_on_when_the_search_is_narrowed(registrar: Person) -> None:
    """It is of the same photos; nothing is asked of itself, which is found by them, for a part of them is no other object."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").fill("Моя монета")
    registrar.saved()
    mine = draft_of(registrar.museum, query)["id"]

    def findable() -> bool | None:
        images = registrar.museum.ask("GET", f"/objects/{mine}")[1]["images"]
        return all(one["findable"] for one in images) or None if images else None

    wait_for("the card to be findable", findable, seconds=30)
    narrowed = registrar.museum.ask("POST", f"/queries/{query}/filter", {"scope": "mine"})[1]["id"]
    registrar.go(f"q/{narrowed}")
    registrar.result()
    expect(registrar.value("Name")).to_have_value("Моя монета")
    expect(registrar.main.locator(".same")).to_have_count(0)
    expect(registrar.field("Name").locator(".offer-value")).to_have_text(LIKE["Name"])
    registrar.value("Name").fill("Моя монета, 25 центов")
    registrar.saved()
    assert draft_of(registrar.museum, query)["id"] == mine
    assert not [one for one in registrar.museum.drafts() if one["draft"]["query"] == narrowed]


def test_a_printed_card_is_a_table_with_its_photos(registrar: Person) -> None:
    """On two pages at most: what is filled in, and no form."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.button("card.take_all").click()
    registrar.value("Condition").fill("царапина на аверсе")
    registrar.saved()
    page = registrar.page
    for address in (f"q/{query}", f"d/{draft_of(registrar.museum, query)['id']}"):
        registrar.go(address)
        expect(registrar.value("Name")).not_to_have_value("")
        page.emulate_media(media="print")
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) <= 2
        for name in ("Name", "Condition"):
            expect(registrar.field(name).locator(".mirror")).to_be_visible()
        expect(registrar.value("TypologyGK")).to_be_visible()
        expect(registrar.field("Weight")).to_be_hidden()
        expect(page.locator("textarea:visible, .offer:visible, #main button.button:visible")).to_have_count(0)
        expect(page.locator(".query-photo img, .draft-photos img").first).to_be_visible()
        page.emulate_media(media="null")


def test_typed_while_offline_is_kept_and_goes_by_itself(registrar: Person) -> None:
    """Said on the card."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").fill("Монета")
    registrar.saved()
    registrar.excused.append("ERR_INTERNET_DISCONNECTED")
    registrar.page.context.set_offline(True)
    registrar.value("Name").fill("Монета США")
    expect(registrar.page.locator(".save-line")).to_contain_text(registrar.t("save.offline"))
    registrar.page.context.set_offline(False)
    stored(registrar.museum, query, Name="Монета США")
    registrar.saved()


def test_a_card_is_copied_as_text(registrar: Person) -> None:
    """One field or the whole, into any other system."""
    registrar.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").fill("Монета 25 центов")
    registrar.value("Condition").fill("царапина")
    registrar.button("card.copy").click()
    toasts = registrar.page.locator("#toasts")
    expect(toasts).to_contain_text(registrar.t("copy.done", what=registrar.t("card.title")))
    copied = registrar.page.evaluate("navigator.clipboard.readText()")
    assert [line.split(": ", 1)[1] for line in copied.splitlines()] == ["Монета 25 центов", "царапина"]
    registrar.field("Name").get_by_role("button", name=registrar.t.like("card.copy_field")).click()
    expect(toasts.locator(".toast")).to_have_count(2)
    assert registrar.page.evaluate("navigator.clipboard.readText()") == "Монета 25 центов"


def test_a_card_is_copied_as_the_settings_say(registrar: Person) -> None:
    """In the order that she set, only the fields that she ticked, as lines or as cells."""
    registrar.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    registrar.museum.ask("PUT", "/settings", {"own": {}, "copy_order": ["Name", "MaterialandTechnique"]})
    labels = {one.name: getattr(one, registrar.t.lang).capitalize() for one in FIELDS}
    try:
        query = registrar.found(things.photo(things.NEW_COIN))
        for name, text in (("Name", "Монета"), ("Condition", "царапина"), ("MaterialandTechnique", "медь")):
            registrar.value(name).fill(text)
        registrar.saved()
        registrar.go("settings")
        registrar.button("settings.down", name=labels["Name"]).click()
        expect(registrar.page.locator(".save-line.saved")).to_have_text(registrar.t("settings.saved"))
        first = [f"{labels['MaterialandTechnique']}: медь", f"{labels['Name']}: Монета"]
        hidden = {"ru": "не публиковать", "en": "do not publish"}[registrar.t.lang]
        others = [f"{labels['PublicationLimit']}: {hidden}", f"{labels['Condition']}: царапина"]
        for only, form, copied in (
            (False, "lines", "\n".join(first + others)),
            (True, "lines", "\n".join(first)),
            (True, "cells", "медь\tМонета"),
        ):
            registrar.go("settings")
            registrar.page.get_by_label(registrar.t("settings.only")).set_checked(only)
            registrar.page.get_by_label(registrar.t("settings.form")).select_option(form)
            registrar.go(f"q/{query}")
            expect(registrar.value("Name")).to_have_value("Монета")
            registrar.page.evaluate("document.querySelector('#toasts').replaceChildren()")
            registrar.button("card.copy").click()
            expect(registrar.page.locator("#toasts")).to_contain_text(registrar.t("copy.done", what=registrar.t("card.title")))
            assert registrar.page.evaluate("navigator.clipboard.readText()") == copied
    finally:
        registrar.museum.ask("PUT", "/settings", {"own": {}, "copy_order": []})


def test_from_photo_to_checked_card_by_keyboard_alone(person: Person) -> None:
    """Outside a batch, too: no mouse, and no key but those that are named."""
    person.page.on("filechooser", lambda _: None)  # from now on, or a key is faster than the browser learns to ask us
    person.go()
    tab_to(person, person.page.locator("#choose"))
    with person.page.expect_file_chooser() as chooser:
        person.press("Enter")
    photo = {"name": "coin.jpg", "mimeType": "image/jpeg", "buffer": things.photo(things.NEW_COIN)}
    chooser.value.set_files([photo])  # type: ignore[list-item]
    expect(person.page.get_by_role("button", name=person.t("search.go"))).to_be_focused()
    person.press("Enter")
    person.page.wait_for_url("**/#/q/**", timeout=WAIT)
    person.result()
    expect(person.button("card.take_all")).to_be_enabled()
    person.press("Alt+a")
    expect(person.value("Name")).not_to_have_value("")
    expect(person.button("card.check")).to_be_focused()
    person.press("Enter")
    expect(person.button("review.yes")).to_be_focused()
    person.press("Enter")
    query = person.query
    wait_for(
        "checked",
        lambda: (
            [one["draft"]["state"] for one in person.museum.drafts() if one["draft"]["query"] == query] == ["checked"] or None
        ),
    )


def tab_to(person: Person, wanted: Locator) -> None:
    """Press Tab until it is there."""
    for _ in range(40):
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
        person.press("Tab")
    raise AssertionError("Tab does not come there")


def test_a_draft_is_deleted_after_a_question(registrar: Person) -> None:
    """With its photos."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").fill("Лишнее")
    card = stored(registrar.museum, query, Name="Лишнее")
    registrar.button("card.delete").click()
    registrar.button("delete.yes").click()
    wait_for("it to be gone", lambda: registrar.museum.ask("GET", f"/objects/{card['id']}")[0] == 404 or None)
    expect(registrar.value("Name")).to_have_value("")


@pytest.mark.parametrize("stamp", [things.STRANGE])
def test_without_anything_similar_a_card_is_filled_from_nothing(registrar: Person, stamp: str) -> None:
    """And saved as any other."""
    query = registrar.search(things.photo(stamp))
    expect(registrar.button("card.take_all")).to_have_count(0)
    registrar.value("Name").fill("Медведь плюшевый")
    stored(registrar.museum, query, Name="Медведь плюшевый")


COVERED = """() => {
  const one = document.activeElement;
  if (!one.closest('#main')) return null;
  const box = one.getBoundingClientRect();
  const [left, right] = [Math.max(0, box.left), Math.min(innerWidth, box.right)];
  const under = [box.top + 3, box.bottom - 3].map((y) => document.elementFromPoint((left + right) / 2, y));
  const bars = '#top, header nav, .card-top, .card-foot';
  return under.some((top) => top && top.closest(bars) && !top.closest(bars).contains(one)) ? one.outerHTML.slice(0, 120) : null;
}"""


@pytest.mark.parametrize(("width", "height"), [(640, 450), (390, 844)])
@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_what_has_the_focus_is_never_under_a_bar(arrive: Arrive, width: int, height: int, key: str) -> None:
    """At 200 % on a desk, and on a phone: neither the navigation nor the card's own top and foot cover it."""
    registrar = arrive("ru", viewport={"width": width, "height": height})
    registrar.found(things.photo(things.NEW_COIN))
    expect(registrar.button("card.take_all")).to_be_enabled()
    if key == "Shift+Tab":
        registrar.button("card.check").focus()
    covered = set()
    for _ in range(90):
        registrar.page.keyboard.press(key)
        covered.add(registrar.page.evaluate(COVERED))
    assert covered == {None}


def test_what_is_said_again_stands_once(registrar: Person) -> None:
    """And stays as long as if it were said now."""
    registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").fill("Монета")
    registrar.saved()
    for _ in range(3):
        registrar.button("card.check").click()  # it has no class
    expect(registrar.page.locator("#toasts .toast")).to_have_count(1)


@pytest.mark.parametrize("exported", [False, True])
def test_a_card_that_is_a_draft_again_says_so(person: Person, exported: bool) -> None:
    """Once, however much is typed; undone with what was typed."""
    query = person.found(things.photo(things.NEW_COIN))
    state = "exported" if exported else "checked"
    person.button("card.take_all").click()
    person.saved()
    person.button("card.check").click()
    person.button("review.yes").click()
    wait_for("checked", lambda: draft_of(person.museum, query)["draft"]["state"] == "checked" or None)
    if exported:
        person.button("card.export").click()
    wait_for(state, lambda: draft_of(person.museum, query)["draft"]["state"] == state or None)
    before = person.value("Name").input_value()
    person.value("Name").press("End")
    person.value("Name").press_sequentially(", 2003")
    toast = person.page.locator("#toasts .toast").filter(has_text=person.t(f"card.fell.{state}"))
    expect(toast).to_have_count(1)
    expect(person.page.locator("#assertive")).to_have_text(person.t(f"card.fell.{state}"))
    expect(person.page.locator(".card .tag").first).to_have_text(person.t("state.draft"))
    person.value("Authors").fill("Она же")
    expect(toast).to_have_count(1)
    person.button("card.undo", within=toast).click()
    expect(person.value("Name")).to_have_value(before)
    expect(person.page.locator(".card .tag").first).to_have_text(person.t(f"state.{state}"))
    stored(person.museum, query, Name=before)
    wait_for(f"{state} again", lambda: draft_of(person.museum, query)["draft"]["state"] == state or None)
    person.value("Name").press_sequentially("!")
    expect(toast).to_have_count(1)
    person.go("history")
    expect(toast).to_have_count(0)
