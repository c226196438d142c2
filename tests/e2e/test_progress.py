"""Progress: bytes, then stages; what is said when it takes long; the same result at the same address everywhere."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e import things
from tests.e2e.conftest import Arrive
from tests.e2e.museum import Museum
from tests.e2e.person import WAIT, Person
from tests.fixtures.stack import held

TOOL = things.record_of(things.KNOWN_TOOL)["Name"]


def test_stages_pass_and_the_result_comes_by_itself(person: Person, museum: Museum) -> None:
    """Each is named as it runs; a screen reader hears it; nothing was pressed."""
    person.go()
    person.choose(("coin.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 4)))
    now, steps = person.main.locator(".progress-now"), person.main.locator(".steps li")
    with held(museum.running, "search-interactive"):
        person.find()
        expect(now).to_have_text(person.t("progress.search"))
        expect(steps).to_have_text([person.t(f"step.{step}") for step in ("upload", "ingest", "preprocess", "embed", "search")])
        assert [one.get_attribute("class") for one in steps.all()] == ["done", "done", "done", "done", "now"]
        expect(person.page.locator("#polite")).to_have_text(person.t("progress.search"))
        expect(person.page.get_by_role("progressbar")).to_have_attribute("aria-valuetext", person.t("progress.search"))
    person.result()
    assert person.names()[0] == TOOL


def test_the_expected_time_is_told_from_recent_searches(registrar: Person, museum: Museum) -> None:
    """And after a while that it takes longer than usual."""
    museum.result(museum.upload(things.seen_again(things.KNOWN_TOOL, 5)))
    registrar.go()
    registrar.choose(("coin.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 6)))
    with held(museum.running, "search-interactive"):
        registrar.find()
        more = registrar.main.locator(".progress-more")
        expect(more).to_have_text(
            re.compile(f"{registrar.t.like('progress.usual').pattern}|{registrar.t.like('progress.longer').pattern}"),
            timeout=WAIT,
        )
        expect(more).to_have_text(registrar.t.like("progress.longer"))
    registrar.result()


def test_how_many_are_before_is_told(registrar: Person, museum: Museum) -> None:
    """While they are."""
    with held(museum.running, "ingest-interactive"):
        for seed in range(3):
            museum.upload(things.seen_again(things.KNOWN_COIN, seed))
        registrar.go()
        registrar.choose(("coin.jpg", "image/jpeg", things.seen_again(things.KNOWN_COIN, 5)))
        registrar.find()
        expect(registrar.main.locator(".progress-more")).to_have_text(registrar.t.like("progress.ahead"))
    registrar.result()


def test_the_upload_counts_its_bytes(registrar: Person) -> None:
    """On a slow line."""
    registrar.go()
    registrar.choose(("coin.jpg", "image/jpeg", things.large(things.KNOWN_COIN, (1900, 1500))))
    line = registrar.page.context.new_cdp_session(registrar.page)
    slow = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": 100_000}
    line.send("Network.emulateNetworkConditions", slow)
    registrar.find()
    more = registrar.main.locator(".progress-more")
    expect(more).to_have_text(registrar.t.like("progress.bytes"))
    shown = more.text_content()
    expect(more).not_to_have_text(shown or "")
    line.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    registrar.result()


def test_ten_seconds_without_news_are_said_and_help_is_offered(registrar: Person, museum: Museum) -> None:
    """To ask now, or to go and come back."""
    registrar.go()
    registrar.choose(("coin.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 7)))
    with held(museum.running, "search-interactive"):
        registrar.find()
        expect(registrar.main.locator(".progress-help")).to_contain_text(registrar.t.like("progress.quiet"))
        expect(registrar.link("progress.leave")).to_be_visible()
        registrar.button("progress.check").click()
        expect(registrar.page.locator("#toasts")).to_contain_text(
            registrar.t("progress.checked", stage=registrar.t("stage.embedded"))
        )
    registrar.result()


def test_nothing_is_asked_in_a_rhythm_while_a_search_runs(registrar: Person, museum: Museum) -> None:
    """The stream tells: in five seconds of a held search not one request is made."""
    registrar.go()
    registrar.choose(("coin.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 71)))
    with held(museum.running, "search-interactive"):
        registrar.find()
        expect(registrar.main.locator(".progress-now")).to_have_text(registrar.t("progress.search"))
        before = len(registrar.asked)
        registrar.page.wait_for_timeout(5000)
        assert registrar.asked[before:] == []
    registrar.result()


def test_a_reload_in_the_middle_loses_nothing(registrar: Person, museum: Museum) -> None:
    """The address is the search, and it is as far as it was."""
    registrar.go()
    registrar.choose(("coin.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 8)))
    with held(museum.running, "search-interactive"):
        registrar.find()
        expect(registrar.main.locator(".progress-now")).to_have_text(registrar.t("progress.search"))
        registrar.page.reload()
        expect(registrar.main.locator(".progress-now")).to_have_text(registrar.t("progress.search"))
    registrar.result()
    assert registrar.names()[0] == TOOL


def test_the_same_address_shows_the_same_result_anywhere(registrar: Person, arrive: Arrive) -> None:
    """After a reload, in another tab, in another browser of the same registrar."""
    query = registrar.search(things.seen_again(things.KNOWN_TOOL, 9))
    names, scores = registrar.names(), registrar.hits.locator(".hit-score strong").all_text_contents()
    registrar.page.reload()
    registrar.result()
    assert (registrar.names(), registrar.hits.locator(".hit-score strong").all_text_contents()) == (names, scores)
    tab = registrar.page.context.new_page()
    tab.goto(registrar.page.url)
    expect(tab.locator(".hits .hit")).to_have_count(len(names))
    other = arrive(registrar.t.lang).go(f"q/{query}")
    other.result()
    assert other.names() == names


def test_a_photo_that_cannot_be_searched_ends_with_why_and_what_to_do(person: Person, museum: Museum) -> None:
    """Never on "processing": what the browser let pass, the pipeline refuses."""
    query = museum.upload(b"\xff\xd8\xff\xe0 no photo at all")
    person.go(f"q/{query}")
    expect(person.main.locator("h1")).to_have_text(person.t("query.rejected"))
    expect(person.main.locator(".note.bad")).to_contain_text(person.t(f"reject.{museum.result(query)['code']}"))
    expect(person.link("query.again")).to_be_visible()


def test_a_search_that_is_not_mine_is_not_there(person: Person) -> None:
    """An id grants nothing."""
    person.excused.append("404")
    person.go(f"q/{'0' * 28}")
    expect(person.main.locator("h1")).to_have_text(person.t("query.gone"))
    expect(person.page).to_have_title(f"{person.t('query.gone')} · {person.t('app.name')}")
    expect(person.page.locator("#polite")).to_have_text(person.t("query.gone"))


CUT = """() => [...document.querySelectorAll('.steps li')].filter((one) => {
  const text = one.querySelector('span').getBoundingClientRect();
  const {left, right} = one.parentElement.getBoundingClientRect();
  return one.scrollWidth > one.clientWidth || text.left < left || text.right > right + 0.5;
}).map((one) => one.textContent)"""


@pytest.mark.parametrize("width", [1280, 1600, 900, 600])
def test_the_names_of_the_steps_are_read_whole(arrive: Arrive, museum: Museum, width: int) -> None:
    """In the language whose words are longer."""
    person = arrive("ru", viewport={"width": width, "height": 800})
    with held(museum.running, "search-interactive"):
        person.go()
        person.choose(("coin.jpg", "image/jpeg", things.photo(things.NEW_COIN)))
        person.find()
        expect(person.main.locator(".steps .now")).to_have_text(person.t("step.search"))
        assert person.page.evaluate(CUT) == []
    person.result()
