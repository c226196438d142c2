"""Already catalogued? Said within her own museum alone, before she writes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e import things
from tests.e2e.museum import Museum
from tests.e2e.person import Person
from tests.fixtures.stack import wait_for

TOOL = things.record_of(things.KNOWN_TOOL)
COIN = things.record_of(things.KNOWN_COIN)


def told(museum: Museum, query: str) -> dict[str, Any] | None:
    """What was answered, as it is kept."""
    for info in museum.running.store.list("state", "feedback/"):
        found = museum.running.store.get("state", info.key)
        if found and query in info.key + found.body.decode():
            return {"key": info.key, "body": found.body.decode()}
    return None


@pytest.mark.parametrize("stamp", [things.KNOWN_TOOL, things.KNOWN_COIN])
def test_it_is_asked_before_she_writes_a_word(person: Person, stamp: str) -> None:
    """Of a coin, whose copies are alike by nature, in other words: number, condition, inscriptions decide."""
    person.search(things.seen_again(stamp))
    banner = person.main.locator(".same")
    if stamp == things.KNOWN_COIN:
        expect(banner).to_contain_text(person.t("same.copy_text", number=COIN["KPNumber"]))
        if person.t.lang == "ru":
            expect(banner).to_contain_text("акой же экземпляр: КП-1103, сравните номер, сохранность, надписи")
        yes, no = "same.same_copy", "same.different_copy"
    else:
        expect(banner).to_contain_text(person.t("same.same_text"))
        expect(banner).to_contain_text(TOOL["KPNumber"])
        yes, no = "same.same", "same.different"
    expect(person.button(yes, within=banner)).to_be_visible()
    expect(person.button(no, within=banner)).to_be_visible()
    expect(person.main.locator(".veil")).to_be_visible()
    assert person.main.locator(".card-body").evaluate("(one) => one.inert")
    box, card = banner.bounding_box(), person.main.locator(".card").bounding_box()
    assert box
    assert card
    assert box["y"] < card["y"] or box["y"] < 400


def test_it_is_this_one(registrar: Person) -> None:
    """Kept with who and when; no card is begun; the record is a press away; an error can be mended."""
    query = registrar.search(things.seen_again(things.KNOWN_TOOL))
    registrar.button("same.same").first.click()
    expect(registrar.main.locator(".note.good")).to_contain_text(registrar.t("same.is", number=TOOL["KPNumber"]))
    wait_for("the answer to be kept", lambda: told(registrar.museum, query))
    assert not [one for one in registrar.museum.drafts() if one["draft"]["query"] == query]
    registrar.page.reload()
    expect(registrar.main.locator(".note.good")).to_be_visible()
    registrar.button("same.mistake").click()
    expect(registrar.main.locator(".same")).to_be_visible()
    registrar.button("same.same").first.click()
    registrar.link("same.open").click()
    expect(registrar.main.locator("h1")).to_have_text(TOOL["Name"])


def test_it_is_another(registrar: Person) -> None:
    """Then the card is hers."""
    query = registrar.search(things.seen_again(things.KNOWN_TOOL, 12))
    registrar.button("same.different").first.click()
    expect(registrar.main.locator(".same")).to_have_count(0)
    expect(registrar.main.locator(".veil")).to_be_hidden()
    expect(registrar.button("card.take_all")).to_be_focused()
    wait_for("the answer to be kept", lambda: told(registrar.museum, query))


def test_that_it_is_another_can_be_taken_back(person: Person) -> None:
    """And the hit says what she said, not that it is probably the same, also after the page is loaded anew."""
    person.search(things.seen_again(things.KNOWN_TOOL, 62))
    how = person.hits.first.locator(".how")
    expect(how).to_have_text(person.t("like.same_object.sure"))
    person.button("same.different").first.click()
    expect(how).to_have_text(person.t("same.said_different"))
    person.page.reload()
    person.result()
    expect(how).to_have_text(person.t("same.said_different"))
    expect(person.main.locator(".status")).to_contain_text(person.t("same.is_not", number=TOOL["KPNumber"]))
    person.button("same.mistake").click()
    expect(person.main.locator(".same")).to_be_visible()
    expect(person.main.locator(".veil")).to_be_visible()
    expect(how).to_have_text(person.t("like.same_object.sure"))


def test_an_answer_about_one_hit_is_none_about_another(registrar: Person) -> None:
    """That the fifth is another object leaves the question about the first."""
    query = registrar.museum.upload(things.seen_again(things.KNOWN_TOOL, 63))
    hits = registrar.museum.result(query)["result"]["hits"]
    place = next(n for n, hit in enumerate(hits) if n and hit["object"]["own"])
    registrar.go(f"q/{query}")
    registrar.result()
    registrar.link("hit.compare", within=registrar.hits.nth(place)).click()
    registrar.page.locator("dialog.compare .compare-answers button").first.click()
    registrar.page.keyboard.press("Escape")
    expect(registrar.hits.nth(place).locator(".how")).to_have_text(registrar.t.like("same.said_different"))
    expect(registrar.main.locator(".same")).to_be_visible()
    expect(registrar.main.locator(".veil")).to_be_visible()


def test_she_may_fill_the_card_without_an_answer(registrar: Person) -> None:
    """It is her work."""
    registrar.search(things.seen_again(things.KNOWN_TOOL, 13))
    registrar.button("card.anyway").click()
    registrar.value("Name").fill("Пила")
    registrar.saved()


@pytest.mark.parametrize("stamp", [things.NEW_COIN, things.FOREIGN_COIN, things.STRANGE])
def test_nothing_is_asked_of_what_is_new_or_anothers(registrar: Person, stamp: str) -> None:
    """A false alarm costs more than none."""
    registrar.search(things.seen_again(stamp) if stamp == things.FOREIGN_COIN else things.photo(stamp))
    expect(registrar.main.locator(".same")).to_have_count(0)
    expect(registrar.main.locator(".veil")).to_be_hidden()


@pytest.mark.parametrize("code", [13, 5])
def test_a_photo_all_but_the_same_is_asked_about_without_a_calibration(person: Person, code: int) -> None:
    """It says that of the photos, and no more; of a copy what is said of copies."""
    query = person.museum.searched(things.seen_again(things.KNOWN_TOOL))
    unknown = {"duplicate": None, "relation": None, "class_code": code}
    person.told(
        query, said={}, hits=lambda hits: [{**hits[0], **unknown, "score": 0.97}, *({**one, **unknown} for one in hits[1:])]
    )
    number = TOOL["KPNumber"]
    banner = person.main.locator(".same")
    expect(banner).to_contain_text(person.t("same.copy_text" if code == 5 else "same.near_text", number=number))
    for answer in ("same", "different"):
        expect(person.button(f"same.{answer}{'_copy' if code == 5 else ''}", within=banner)).to_be_visible()
    expect(person.main.locator(".veil")).to_be_visible()
    expect(person.main.locator(".check-note")).to_be_hidden()


def test_a_card_of_hers_is_called_one(registrar: Person) -> None:
    """It is no record of the catalogue: she goes on with it, and it cannot be linked to."""
    query = registrar.museum.searched(things.seen_again(things.KNOWN_TOOL))
    drafted = {"duplicate": None, "relation": None, "class_code": 13, "score": 0.97, "record": {"Name": "Ваза"}}

    def hits(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        first = {**found[0], **drafted, "object": {**found[0]["object"], "object_id": "draft-1", "own": True}}
        return [first, *({**one, "duplicate": False, "relation": None} for one in found[1:])]

    registrar.told(query, said={}, hits=hits)
    named = registrar.t("object.draft_named", name="Ваза")
    expect(registrar.main.locator(".same")).to_contain_text(registrar.t("same.near_text", number=named))
    registrar.button("same.same").first.click()
    expect(registrar.main.locator(".note.good")).to_contain_text(registrar.t("same.is_draft", number=named))


def test_that_nothing_can_tell_what_is_catalogued_is_said(registrar: Person) -> None:
    """In one quiet line under the results; where the check is set up there is none."""
    query = registrar.museum.searched(things.seen_again(things.KNOWN_TOOL))
    registrar.told(query, said={}, hits=lambda hits: [{**one, "duplicate": None, "relation": None, "score": 0.8} for one in hits])
    expect(registrar.main.locator(".check-note")).to_have_text(registrar.t("query.unchecked"))
    expect(registrar.main.locator(".same")).to_have_count(0)
    registrar.told(query, said={})
    expect(registrar.main.locator(".same")).to_be_visible()
    expect(registrar.main.locator(".check-note")).to_be_hidden()
