"""My searches, my drafts, one object, settings, the token."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Route, expect

from tests.e2e import things
from tests.e2e.conftest import Arrive
from tests.e2e.museum import Museum
from tests.e2e.person import Person
from tests.e2e.words import Words
from tests.fixtures.stack import wait_for
from tests.pictures import jpeg


def test_my_searches_are_listed_newest_first_and_erased(person: Person, museum: Museum) -> None:
    """With their photos, after a question."""
    older = museum.upload(things.seen_again(things.KNOWN_TOOL, 41), "старый.jpg")
    museum.result(older)
    newer = museum.upload(things.photo(things.STRANGE), "новый.jpg")
    museum.result(newer)
    person.go("history")
    rows = person.main.locator(".rowline:not(.ghost)")
    expect(rows.nth(0)).to_contain_text("новый.jpg")
    expect(rows.nth(0)).to_contain_text(person.t("work.nothing"))
    expect(rows.nth(1)).to_contain_text("старый.jpg")
    expect(rows.nth(1)).to_contain_text(things.record_of(things.KNOWN_TOOL)["Name"])
    rows.nth(0).get_by_role("button", name=person.t.like("history.delete")).click()
    person.button("delete.yes").click()
    expect(rows.nth(0)).to_contain_text("старый.jpg")
    wait_for("it to be gone", lambda: museum.ask("GET", f"/queries/{newer}")[0] == 404 or None)
    rows.nth(0).get_by_role("link").click()
    person.result()
    assert person.query == older
    person.page.go_back()
    expect(rows.nth(0).get_by_role("link")).to_be_focused()


def test_a_search_is_erased_with_those_of_its_photos(person: Person, museum: Museum) -> None:
    """How many went is said, and the list is read again."""
    query = museum.upload(things.photo(things.STRANGE), "часть.jpg")
    museum.result(query)
    part = museum.ask("POST", f"/queries/{query}/crop", {"left": 0.1, "top": 0.1, "width": 0.7, "height": 0.7})[1]["id"]
    museum.result(part)
    person.go("history")
    rows = person.main.locator(".rowline:not(.ghost)")
    expect(rows.filter(has_text="часть.jpg")).to_have_count(2)
    expect(rows.filter(has_text=person.t("chip.region"))).to_have_count(1)
    rows.filter(has=person.page.locator(f'a[href="#/q/{query}"]')).get_by_role("button").click()
    expect(person.page.locator("dialog.ask")).to_contain_text(person.t("history.delete_why"))
    person.button("delete.yes").click()
    expect(person.page.locator("#toasts")).to_have_text(person.t("history.deleted_all", n=2))
    expect(rows.filter(has_text="часть.jpg")).to_have_count(0)


def test_a_search_whose_first_hit_is_gone_says_so(registrar: Person) -> None:
    """It is not nameless: it is no longer shown."""
    image = {"320": None, "1280": None}

    def lost(route: Route) -> None:
        listed = route.fetch().json()
        items = [{**one, "status": "completed", "top": {"name": "", "score": 0.9, "image": image}} for one in listed["items"]]
        route.fulfill(json={**listed, "items": items})

    registrar.museum.searched(things.photo(things.NEW_COIN))
    registrar.page.route("**/api/queries?limit=*", lost)
    registrar.go("history")
    row = registrar.main.locator(".rowline:not(.ghost)").first
    expect(row.locator("a")).to_have_text(registrar.t("history.gone"))
    registrar.go()
    expect(registrar.main.locator(".recent-name").first).to_have_text(registrar.t("history.gone"))


def test_more_of_my_searches_are_a_press_away(registrar: Person, museum: Museum) -> None:
    """Thirty at a time."""
    there = museum.ask("GET", "/queries?limit=31")[1]["items"]
    for number in range(31 - len(there)):
        museum.upload(jpeg(number % 8))
    registrar.go("history")
    rows = registrar.main.locator(".rowline:not(.ghost)")
    expect(rows).to_have_count(30)
    registrar.button("list.more").click()
    expect(rows.nth(30)).to_be_visible()


def test_my_drafts_are_listed_by_name_and_state(person: Person, museum: Museum) -> None:
    """Opened, photographed further, put in order."""
    name = f"Чашечка {person.t.lang}"
    query = museum.upload(things.photo(things.NEW_COIN))
    museum.result(query)
    assert museum.ask("POST", "/drafts", {"query": query, "fields": {"Name": name, "KPNumber": "77/1"}})[0] == 201
    person.go("drafts")
    rows = person.main.locator(".rowline:not(.ghost)")
    person.page.get_by_label(person.t("drafts.name")).fill(name.lower())
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(person.t("state.draft"))
    person.page.get_by_label(person.t("drafts.state")).select_option("checked")
    expect(person.main).to_contain_text(person.t("drafts.none_such"))
    person.page.get_by_label(person.t("drafts.state")).select_option("")
    rows.get_by_role("link").click()
    expect(person.main.locator("h1")).to_have_text(name)
    photos = person.main.locator(".draft-photos li")
    expect(photos).to_have_count(1)
    with person.page.expect_file_chooser() as chooser:
        person.button("draft.add").click()
    chooser.value.set_files({"name": "side.jpg", "mimeType": "image/jpeg", "buffer": things.seen_again(things.NEW_COIN, 42)})
    expect(photos).to_have_count(2)
    expect(person.page.locator("#polite")).to_have_text(person.t("draft.read"))
    person.button("draft.make_main").click()
    expect(person.page.locator("#polite")).to_have_text(person.t("draft.ordered"))
    person.page.get_by_role("button", name=person.t("draft.remove", n=2)).click()
    person.button("delete.yes").click()
    expect(photos).to_have_count(1)
    person.value("Name").fill(f"{name} 2")
    person.saved()
    expect(person.main.locator("h1")).to_have_text(f"{name} 2")


def test_all_drafts_are_given_out_from_their_list(registrar: Person, museum: Museum) -> None:
    """Not a batch alone."""
    assert museum.ask("POST", "/drafts", {"fields": {"Name": "Без пакета", "TypologyGK": "13"}})[0] == 201
    registrar.go("drafts")
    for kind in ("XLSX", "JSON"):
        with registrar.page.expect_download() as given:
            registrar.page.get_by_role("button", name=kind, exact=True).click()
        assert given.value.suggested_filename == f"{registrar.t('drafts.title')}.{kind.lower()}"
    cards = json.loads(Path(given.value.path()).read_text())["cards"]
    assert "Без пакета" in [card["fields"].get("Name") for card in cards]


def test_an_imported_record_can_only_be_read(registrar: Person, museum: Museum) -> None:
    """Its master is the museum's system."""
    found = museum.ask("GET", "/objects?number=КП-1103")[1]["items"][0]
    registrar.go(f"o/{found['id']}")
    expect(registrar.main.locator("h1")).to_have_text(things.record_of(things.KNOWN_COIN)["Name"])
    expect(registrar.main).to_contain_text(registrar.t("object.imported"))
    expect(registrar.main.locator(".views button")).to_have_count(2)
    expect(registrar.main.locator("textarea")).to_have_count(0)


def test_the_token_leaves_the_address_at_once(arrive: Arrive, museum: Museum, lang: str) -> None:
    """It comes in the fragment, which is sent to nobody, and is in no request's address."""
    person = arrive(lang, signed_in=False)
    person.page.goto(f"{museum.base}/#token={museum.token}")
    expect(person.main.locator("h1")).to_have_text(person.t("search.title"))
    assert person.page.url == f"{museum.base}/#/"
    person.page.reload()
    expect(person.main.locator("h1")).to_have_text(person.t("search.title"))
    assert not [url for _, url in person.asked if museum.token in url.split("#")[0]]


def test_a_wrong_token_in_the_address_is_said(arrive: Arrive, museum: Museum, lang: str) -> None:
    """Before she is asked for another."""
    person = arrive(lang, signed_in=False)
    person.excused.append("401")
    person.page.goto(f"{museum.base}/#token=wrong")
    expect(person.main.locator("h1")).to_have_text(person.t("sign.title"))
    expect(person.main.get_by_role("alert")).to_have_text(person.t("sign.wrong"))


def test_without_a_token_one_is_asked_for(arrive: Arrive, museum: Museum, lang: str) -> None:
    """A wrong one is said; leaving takes it out of the browser."""
    person = arrive(lang, signed_in=False)
    person.excused.append("401")
    person.go()
    field = person.page.get_by_label(person.t("sign.token"))
    field.fill("wrong")
    person.button("sign.enter").click()
    expect(person.main.get_by_role("alert")).to_have_text(person.t("sign.wrong"))
    field.fill(museum.token)
    person.button("sign.enter").click()
    expect(person.main.locator("h1")).to_have_text(person.t("search.title"))
    person.go("settings")
    expect(person.page.locator("#museum")).to_have_text("local")
    person.button("settings.out").click()
    expect(person.main.locator("h1")).to_have_text(person.t("sign.title"))
    expect(person.page.locator("#museum")).to_have_text("")
    assert person.page.evaluate("localStorage.getItem('museum.token')") is None


def test_the_language_is_changed_on_the_page(arrive: Arrive) -> None:
    """And kept; nothing of the other stays."""
    registrar = arrive("ru")
    registrar.go("drafts")
    registrar.page.get_by_role("button", name="EN", exact=False).click()
    expect(registrar.main.locator("h1")).to_have_text(Words("en")("drafts.title"))
    expect(registrar.page.locator("html")).to_have_attribute("lang", "en")
    registrar.page.reload()
    expect(registrar.main.locator("h1")).to_have_text(Words("en")("drafts.title"))


def test_the_order_in_which_a_card_is_copied_is_hers(registrar: Person) -> None:
    """Kept for the museum, and shown by an example."""
    registrar.go("settings")
    try:
        sample = registrar.page.locator(".sample")
        expect(sample).to_contain_text(registrar.t("settings.example_name"))
        labels = registrar.page.locator(".order label")
        first, second = labels.nth(0).text_content(), labels.nth(1).text_content()
        registrar.button("settings.down", name=first).click()
        expect(labels.first).to_have_text(second or "")
        expect(registrar.page.locator(".save-line.saved")).to_be_visible()
        assert registrar.museum.ask("GET", "/settings")[1]["copy_order"][:2] == ["ShortDescription", "Name"]
        registrar.page.reload()
        expect(labels.first).to_have_text(second or "")
    finally:
        registrar.museum.ask("PUT", "/settings", {"own": {}, "copy_order": []})


def test_a_filter_of_drafts_is_there_when_she_comes_back(registrar: Person, museum: Museum) -> None:
    """From a card, and after a reload: it stands in the address."""
    for fields in ({"Name": "Пуговица", "TypologyGK": "13", "KPNumber": "88/1"}, {"Name": "Пуговица медная", "TypologyGK": "5"}):
        assert museum.ask("POST", "/drafts", {"fields": fields})[0] == 201
    registrar.go("drafts")
    rows = registrar.main.locator(".rowline:not(.ghost)")
    asked = {"#d-name": "пуговица", "#d-number": "88/1"}
    for field, text in asked.items():
        registrar.page.locator(field).press_sequentially(text)
    chosen = {"#d-class": "13", "#d-state": "draft"}
    for field, code in chosen.items():
        registrar.page.locator(field).select_option(code)
    expect(rows).to_have_count(1)
    rows.get_by_role("link").click()
    expect(registrar.main.locator("h1")).to_have_text("Пуговица")
    for come in (registrar.page.go_back, registrar.page.reload):
        come()
        expect(rows).to_have_count(1)
        for field, value in {**asked, **chosen}.items():
            expect(registrar.page.locator(field)).to_have_value(value)
        expect(registrar.page.locator("#d-class option")).not_to_have_count(2)
    registrar.page.locator("#top nav a[href='#/drafts']").click()
    expect(registrar.page.locator("#d-name")).to_have_value("")


def test_who_comes_back_to_the_drafts_is_where_she_was(registrar: Person, museum: Museum) -> None:
    """On the second page of the list, at the card that she looked at."""
    for number in range(53):
        assert museum.ask("POST", "/drafts", {"fields": {"Name": f"Гвоздь {number}"}})[0] == 201
    registrar.go("drafts")
    rows = registrar.main.locator(".rowline:not(.ghost)")
    expect(rows).to_have_count(50)
    registrar.button("list.more").click()
    rows.nth(51).get_by_role("link", name="Гвоздь 1", exact=True).click()
    expect(registrar.main.locator("h1")).to_have_text("Гвоздь 1")
    registrar.page.go_back()
    left = rows.nth(51).get_by_role("link", name="Гвоздь 1", exact=True)
    expect(left).to_be_focused()
    expect(left).to_be_in_viewport()
