"""Offline, a gateway killed, a broker restarted, all in the middle of a search: the page ends with the result by itself."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from infra.local.part import processes_of
from tests.e2e import things
from tests.e2e.museum import Museum
from tests.e2e.person import Person
from tests.fixtures.stack import Running, held, wait_for

TOOL = things.record_of(things.KNOWN_TOOL)["Name"]
TROUBLE = ("ERR_", "Failed to load resource", "503", "502")


def on_its_way(person: Person, seed: int) -> None:
    """A search that waits for its last step."""
    person.go()
    person.choose(("saw.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, seed)))
    person.find()
    expect(person.main.locator(".progress-now")).to_have_text(person.t("progress.search"))
    person.excused.extend(TROUBLE)


def kill(running: Running, name: str) -> None:
    """kill -9 of a part with all its processes; the supervisor starts it again."""
    mark = next(part.mark for part in running.stack.parts() if part.name == name)
    before = running.stack.supervisor.starts(name)
    for pid in processes_of(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for("it to be started again", lambda: running.stack.supervisor.starts(name) > before or None)


def test_offline_in_the_middle_of_a_search(registrar: Person, museum: Museum) -> None:
    """It is said; the result came meanwhile and is there when the line is."""
    with held(museum.running, "search-interactive"):
        on_its_way(registrar, 61)
        query = registrar.query
        registrar.page.context.set_offline(True)
        expect(registrar.main.locator(".progress-help")).to_contain_text(registrar.t("progress.offline"))
    museum.result(query)
    registrar.page.context.set_offline(False)
    registrar.result()
    assert registrar.names()[0] == TOOL


def test_offline_in_the_middle_of_an_upload(registrar: Person) -> None:
    """It goes on by itself."""
    registrar.go()
    registrar.choose(("coin.jpg", "image/jpeg", things.large(things.KNOWN_COIN, (1900, 1500))))
    line = registrar.page.context.new_cdp_session(registrar.page)
    slow = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": 60_000}
    line.send("Network.emulateNetworkConditions", slow)
    registrar.excused.extend(TROUBLE)
    registrar.find()
    expect(registrar.main.locator(".progress-more")).to_have_text(registrar.t.like("progress.bytes"))
    line.send("Network.emulateNetworkConditions", {**slow, "offline": True})
    expect(registrar.main.locator(".progress-now")).to_have_text(registrar.t("progress.upload_waits"))
    line.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    registrar.result()
    expect(registrar.hits).to_have_count(10)


@pytest.mark.timeout(240)
def test_the_line_is_cut_when_a_batch_has_just_begun(registrar: Person) -> None:
    """At whatever moment: no object is left as if it were being sent, and nobody reloads."""
    registrar.excused.extend(TROUBLE)
    photos = [(f"КП-{stamp}_1.jpg", "image/jpeg", things.seen_again(things.MORNING[stamp], 70)) for stamp in range(3)]
    for moment in (200, 450, 600, 750):
        registrar.go("batch")
        registrar.drop(*photos)
        registrar.page.get_by_label(registrar.t("batch.name")).fill(f"Обрыв {moment} {time.time_ns() % 10**6}")
        registrar.button("batch.start").click()
        registrar.page.wait_for_timeout(moment)
        registrar.page.context.set_offline(True)
        registrar.page.wait_for_timeout(3500)
        registrar.page.context.set_offline(False)
        works = registrar.main.locator(".worklist")
        expect(works.locator("a")).to_have_count(3, timeout=45_000)
        expect(works.locator(".ready")).to_have_count(3, timeout=45_000)


def test_the_gateway_is_killed_in_the_middle_of_a_search(registrar: Person, museum: Museum) -> None:
    """With kill -9; nobody presses anything."""
    with held(museum.running, "search-interactive"):
        on_its_way(registrar, 62)
        kill(museum.running, "gateway")
    end_of(registrar)


def test_the_broker_is_restarted_in_the_middle_of_a_search(registrar: Person, museum: Museum) -> None:
    """In good order."""
    supervisor = museum.running.stack.supervisor
    with held(museum.running, "search-interactive"):
        on_its_way(registrar, 63)
        supervisor.stop_part("rabbitmq")
        supervisor.start_part("rabbitmq")
        wait_for("RabbitMQ", lambda: True if ready(museum.running)() is None else None)
    end_of(registrar)


def ready(running: Running) -> Callable[[], str | None]:
    """Whether the broker serves."""
    return next(part.ready for part in running.stack.parts() if part.name == "rabbitmq")


def test_the_gateway_is_killed_before_the_photo_is_told_of(registrar: Person, museum: Museum) -> None:
    """Given while it is away: the page waits for it and goes on."""
    registrar.excused.extend(TROUBLE)
    registrar.go()
    registrar.choose(("saw.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 64)))
    with held(museum.running, "search-interactive"):
        registrar.find()
        expect(registrar.main.locator(".progressing")).to_be_visible()
        kill(museum.running, "gateway")
    end_of(registrar)


def test_an_open_page_fetches_no_part_of_itself_later(registrar: Person) -> None:
    """So a gateway that is away at the moment when a result is to be shown for the first time takes nothing from it."""
    registrar.go()
    registrar.page.route("**/*.js", lambda route: route.abort())
    registrar.choose(("saw.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 65)))
    registrar.find()
    registrar.result()
    assert registrar.names()[0] == TOOL
    for path in ("history", "drafts", "batch", "settings"):
        registrar.page.evaluate("(path) => { location.hash = `#/${path}`; }", path)
        expect(registrar.main).to_have_class(re.compile(rf"^view-{path.replace('batch', 'batches')}$"))


@pytest.mark.parametrize("part", ["card.js", "lang/*.json"])
def test_a_page_of_which_a_part_could_not_be_fetched_says_so_and_comes_when_it_can(registrar: Person, part: str) -> None:
    """In both languages, since neither is there; nobody presses anything."""
    registrar.excused.extend((*TROUBLE, "lang/"))
    registrar.page.route(f"**/{part}", lambda route: route.abort())
    registrar.page.goto(f"{registrar.museum.base}/#/history")
    absent = registrar.page.get_by_role("alert").filter(has_text="opens by itself")
    expect(absent).to_be_visible()
    registrar.page.unroute(f"**/{part}")
    expect(registrar.main.locator("h1")).to_have_text(registrar.t("history.title"))
    expect(absent).to_be_hidden()


def end_of(person: Person) -> None:
    """The result, by itself."""
    expect(person.main.locator(".hits")).to_have_attribute("aria-busy", "false", timeout=45_000)
    assert person.names()[0] == TOOL


def test_offline_before_a_search_says_where_the_photos_are(registrar: Person) -> None:
    """Here, as long as she stays; the next press sends them."""
    registrar.go()
    registrar.choose(("coin.jpg", "image/jpeg", things.photo(things.NEW_COIN)))
    registrar.excused.extend(TROUBLE)
    registrar.page.context.set_offline(True)
    registrar.button("search.go").click()
    expect(registrar.page.locator("#toasts")).to_have_text(registrar.t("search.offline"))
    expect(registrar.main.locator(".tray img")).to_have_count(1)
    registrar.page.context.set_offline(False)
    registrar.find()
    registrar.result()
