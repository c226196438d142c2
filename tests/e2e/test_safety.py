"""What records say stays text; the page asks nobody but its own server and S3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from functions.catalogue.fields import FIELDS
from tests.e2e.museum import EVIL, Museum
from tests.e2e.person import Person
from tests.pictures import jpeg

PICTURE, CODED = 77, 78
EVIL_ID = f"e2e-{EVIL}"


@pytest.fixture(scope="module")
def evil(museum: Museum) -> Iterator[str]:
    """An object of another's making: markup in its id, in every field, and in its photo's name. Its handle."""
    fields = {
        one.name: f"{one.name} {EVIL}" for one in FIELDS if not one.codes and one.form == "text" and one.name != "TypologyGK"
    }
    record = {**fields, "TypologyGK": "13", "PublicationLimit": "1"}
    museum.catalogue({("local", EVIL_ID): (record, {"evil <img src=x onerror=alert(1)>.jpg": jpeg(PICTURE)})})
    found = museum.result(museum.upload(jpeg(PICTURE)))["result"]["hits"][0]["object"]
    assert found["object_id"] == EVIL_ID
    yield found["id"]
    museum.remove("local/e2e-%3Cimg")


def harmless(person: Person) -> None:
    """No element was made of a text, nothing ran."""
    assert person.page.locator("img[src='x'], img[onerror]").count() == 0
    assert person.page.evaluate("window.evil") is None
    assert not [one for one in person.complaints if one.startswith("dialog")]


@pytest.mark.usefixtures("evil")
def test_markup_in_a_record_stays_text_in_results_comparison_and_card(registrar: Person) -> None:
    """As it stands in the record."""
    query = registrar.search(jpeg(PICTURE), name=f"{EVIL.replace('/', '')}.jpg")
    expect(registrar.hits.first.locator("h3")).to_contain_text(f"Name {EVIL}")
    harmless(registrar)
    registrar.link("hit.compare", within=registrar.hits.first).click()
    expect(registrar.page.locator(".compare-record")).to_contain_text(f"Provenance {EVIL}")
    harmless(registrar)
    registrar.page.keyboard.press("Escape")
    registrar.button("same.different").first.click()
    registrar.button("card.take_all").click()
    expect(registrar.value("Authors")).to_have_value(f"Authors {EVIL}")
    registrar.button("card.check").click()
    expect(registrar.page.locator("dialog.review")).to_contain_text(EVIL)
    harmless(registrar)
    registrar.button("review.yes").click()
    registrar.saved()
    registrar.go("history")
    expect(registrar.main.locator(".rowline:not(.ghost)").first).to_contain_text(EVIL)
    harmless(registrar)
    registrar.go("drafts")
    expect(registrar.main.locator(".rowline:not(.ghost)").first).to_contain_text(EVIL)
    registrar.main.locator(".rowline a").first.click()
    expect(registrar.main.locator("h1")).to_contain_text(EVIL)
    harmless(registrar)
    registrar.go()
    expect(registrar.main.locator(".recent")).to_contain_text(EVIL)
    harmless(registrar)
    assert query


def test_markup_in_a_record_stays_text_on_its_own_page(registrar: Person, evil: str) -> None:
    """And in what is like it."""
    registrar.go(f"o/{evil}")
    expect(registrar.main.locator("h1")).to_contain_text(EVIL)
    expect(registrar.main).to_contain_text(f"Fund {EVIL}")
    registrar.button("hit.like").click()
    registrar.result()
    expect(registrar.main.locator(".chip").first).to_contain_text(EVIL)
    harmless(registrar)


@pytest.fixture
def coded(museum: Museum) -> Iterator[dict[str, str]]:
    """An object with markup where a code, a year or a class is expected, which are kept as they came. Its record."""
    record = {one.name: EVIL for one in FIELDS if one.codes or one.form != "text" or one.name == "TypologyGK"}
    assert {"TypologyGK", "CreationTimeStart", "CreationTimeEnd", "OwnershipType", "PublicationLimit"} <= record.keys()
    record["Name"] = "Коды"
    museum.catalogue({("local", "e2e-coded"): (record, {"a.jpg": jpeg(CODED)})})
    yield record
    museum.remove("local/e2e-coded")


def test_markup_in_a_code_a_year_and_a_class_stays_text(registrar: Person, coded: dict[str, str]) -> None:
    """In the results, the comparison, the card, and on the object's own page."""
    query = registrar.search(jpeg(CODED))
    found = registrar.museum.result(query)["result"]
    hit = found["hits"][0]
    assert hit["record"]["Name"] == coded["Name"]
    assert found["draft"]["CreationTimeStart"][0]["value"] == EVIL
    harmless(registrar)
    registrar.link("hit.compare", within=registrar.hits.first).click()
    expect(registrar.page.locator(".compare-record dd").get_by_text(EVIL)).to_have_count(len(coded) - 1)
    harmless(registrar)
    registrar.page.keyboard.press("Escape")
    if registrar.main.locator(".same").count():
        registrar.main.locator(".same .button:not(.primary, .quiet)").click()
    registrar.button("card.take_all").click()
    expect(registrar.value("CreationTimeStart")).to_have_value(EVIL)
    expect(registrar.field("CreationTimeEnd")).to_contain_text(registrar.t("card.bad_year"))
    harmless(registrar)
    registrar.go(f"o/{hit['object']['id']}")
    expect(registrar.main.locator(".object-record dd").get_by_text(EVIL)).to_have_count(len(coded) - 1)
    harmless(registrar)


def test_markup_in_an_address_a_batch_and_a_setting_stays_text(registrar: Person) -> None:
    """Whoever made the link."""
    registrar.excused.append("404")
    registrar.page.goto(f"{registrar.museum.base}/#/batch/{EVIL.replace('/', '%2F')}")
    expect(registrar.main.locator("h1")).to_contain_text("<img")
    harmless(registrar)
    try:
        registrar.museum.ask("PUT", "/settings", {"own": {"FZK": EVIL}, "copy_order": []})
        registrar.go("settings")
        expect(registrar.page.locator(".sample")).to_contain_text(EVIL)
        harmless(registrar)
    finally:
        registrar.museum.ask("PUT", "/settings", {"own": {}, "copy_order": []})


def test_the_policy_lets_no_foreign_script_or_style_in(registrar: Person) -> None:
    """Not inline, not from elsewhere; sent as a header and without unsafe words."""
    answer = registrar.page.goto(f"{registrar.museum.base}/")
    assert answer
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    registrar.excused += ["Content Security Policy", "TrustedScript"]
    registrar.page.evaluate(
        """() => {
          const script = document.createElement('script');
          try { script.textContent = 'window.evil = 1'; } catch { /* not even that */ }
          document.head.append(script);
          const frame = document.createElement('img');
          frame.src = 'http://127.0.0.2:9/x.png';
          document.body.append(frame);
        }"""
    )
    registrar.page.wait_for_timeout(200)
    assert registrar.page.evaluate("window.evil") is None
    assert any("Content Security Policy" in one for one in registrar.complaints)
    registrar.asked = [one for one in registrar.asked if "127.0.0.2" not in one[1]]


def test_every_view_is_opened_without_a_complaint(person: Person, museum: Museum) -> None:
    """Console, other origins: looked at when the window is closed."""
    query = museum.upload(jpeg(3))
    museum.result(query)
    for path in ("", f"q/{query}", "history", "drafts", "batch", "settings"):
        person.go(path)
        person.page.wait_for_load_state("networkidle")
