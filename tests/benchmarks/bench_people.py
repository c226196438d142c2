"""What people feel: ``python -m tests.benchmarks.bench_people`` (about 6 minutes; 2 cores, nothing else running).

Ratios and times of one run on one machine: another owner's wait beside a batch of photos, a saved draft until it is found, and
the way from the result's announcement to the page in a real browser.
"""

from __future__ import annotations

import os
import queue
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from functions import outcome
from functions.adapters.s3 import S3Store
from functions.catalogue.keys import IMAGES
from functions.cli.announcements import Announcements
from functions.cli.common import page_address
from functions.cli.importing import run as import_table
from functions.events import upload_id
from functions.gateway import tokens
from infra.engine.wheels import cache_folder
from infra.local import stamps
from infra.local.stack import Stack
from tests.benchmarks.measure import stack
from tests.people import Client
from tests.pictures import jpeg

SEARCHES = 100
BATCH = int(os.environ.get("MUSEUM_BENCH_BATCH", "500"))
"""Photos of the museum that searches a morning's work."""
PACE = 0.25
"""Seconds between two photos of the batch: half a megabyte each, by a line of 16 Mbit/s."""
SAVED = 20
PAGES = 20
CHROMIUM = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured number, and what it must not be above."""

    what: str
    value: float
    unit: str = ""
    must: float | None = None

    def __str__(self) -> str:
        """A line of the README's table."""
        unit = f" {self.unit}" if self.unit else ""
        return f"| {self.what} | {self.value:.3g}{unit} | {'' if self.must is None else f'{self.must:g}{unit}'} |"


def p(values: Sequence[float], share: float) -> float:
    """A quantile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def person(up: Stack, owner: str) -> Client:
    """Somebody with a token of their own, and no daily limit that the batch would reach."""
    token = f"bench-{owner}"
    tokens.keep(up.folder / "tokens.json", token, museum="local", owner=owner, roles=("registrar",))
    return Client(up.environment()["MUSEUM_URL"], token)


def waits(client: Client, count: int, start: int) -> list[float]:
    """Seconds from the end of the upload to the result in the stream, one after another."""
    taken = []
    for number in range(count):
        query = client.upload(jpeg(start + number))
        begun = time.monotonic()
        client.follow(query)
        taken.append(time.monotonic() - begun)
    return taken


def fairness(up: Stack) -> Iterator[Row]:
    """One person's wait alone, and while another owner's batch is on its way: from its eleventh photo until all are given."""
    anna, museum = person(up, "anna"), person(up, "batch")
    waits(anna, 5, 0)
    alone = waits(anna, SEARCHES, 100)
    begun = threading.Event()

    def batch() -> None:
        for number in range(BATCH):
            time.sleep(PACE)
            museum.upload(jpeg(1000 + number), wait=True, batch="morning")
            if number == 10:
                begun.set()

    sending = threading.Thread(target=batch)
    sending.start()
    begun.wait(60)
    beside: list[float] = []
    while sending.is_alive():
        beside += waits(anna, 1, 10_000 + len(beside))
    sending.join()
    for name, share, must in (("p50", 0.5, None), ("p95", 0.95, 2.0)):
        yield Row(what=f"a search alone, {name} of {len(alone)}", value=p(alone, share) * 1000, unit="ms")
        what = f"{name} of {len(beside)} searches beside another owner's batch of {BATCH} ÷ alone"
        yield Row(what=what, value=p(beside, share) / p(alone, share), must=must)


def saved(up: Stack, store: S3Store) -> Iterator[Row]:
    """From the answer to "save" until the photo's outcome is stored: then a search finds it."""
    anna = person(up, "saver")
    taken = []
    for number in range(SAVED):
        query = anna.upload(jpeg(5000 + number))
        anna.follow(query)
        status, draft = anna.ask("POST", "/api/drafts", {"query": query, "fields": {"Name": f"Предмет {number}"}})
        begun = time.monotonic()
        assert status == 201, draft
        prefix = f"local/{draft['object_id']}/{IMAGES}"
        infos = list(store.list("catalogue", prefix))
        assert infos, draft
        waited = [upload_id("catalogue", info.key, info.version) for info in infos]
        while any(outcome.read(store, "state", one) is None for one in waited):
            time.sleep(0.005)
        taken.append(time.monotonic() - begun)
    yield Row(what="saved → findable, p50", value=p(taken, 0.5) * 1000, unit="ms")
    yield Row(what="saved → findable, p95", value=p(taken, 0.95) * 1000, unit="ms", must=2000)


WATCH = """() => { window.shownAt = null; new MutationObserver(() => {
  if (!window.shownAt && document.querySelector('.hit h3 a')) window.shownAt = Date.now() / 1000;
}).observe(document.body, {childList: true, subtree: true}); }"""


USABLE = """new MutationObserver((_, watching) => {
  if (document.querySelector('input[type=file]')) { window.usableAt = performance.now(); watching.disconnect(); }
}).observe(document, {childList: true, subtree: true});"""
"""When a photo can be given: the modules have run and drawn the first view."""


def page(up: Stack) -> Iterator[Row]:
    """In Chromium: the first load, and from the announcement of a result to the first hit in the document."""
    heard: queue.Queue[tuple[str, float]] = queue.Queue()

    def hear(_key: str, data: dict[str, Any]) -> None:
        heard.put((str(data.get("key")), time.time()))

    environment = up.environment()
    with (
        Announcements(environment["MUSEUM_AMQP_URL"], environment["MUSEUM_EVENTS_EXCHANGE"], ["search.completed.v1.#"], hear),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM))
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        view = context.new_page()
        sizes: list[int] = []
        view.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
        view.add_init_script(USABLE)
        view.goto(page_address(environment), wait_until="networkidle")
        interactive = view.evaluate("window.usableAt")
        first = sum(sizes)
        late, shifts = [], []
        for number in range(PAGES):
            shown, shift = one_search(view, jpeg(7000 + number), environment["MUSEUM_URL"])
            announced = next(at for key, at in iter(heard.get, None) if key)
            late.append((shown - announced) * 1000)
            shifts.append(shift)
        browser.close()
    yield Row(what="first load, compressed", value=first / 1000, unit="KB", must=150)
    yield Row(what="first load until a photo can be given", value=interactive, unit="ms", must=1000)
    yield Row(what="result's announcement → first hit on the page, p50", value=statistics.median(late), unit="ms", must=30)
    yield Row(what="layout shift when results arrive, the largest", value=max(shifts), must=0)


def one_search(view: Page, photo: bytes, base: str) -> tuple[float, float]:
    """When the first hit was in the document (seconds since the epoch), and how much the layout shifted meanwhile."""
    view.goto(f"{base}/#/")
    view.set_input_files("input[type=file] >> nth=0", {"name": "q.jpg", "mimeType": "image/jpeg", "buffer": photo})
    view.evaluate(WATCH)
    view.evaluate(
        """() => { window.shift = 0; new PerformanceObserver(list => { for (const one of list.getEntries())
        if (!one.hadRecentInput) window.shift += one.value; }).observe({type: 'layout-shift', buffered: false}); }"""
    )
    view.locator("button.primary.large:visible").first.click()
    view.locator(".hit h3 a").first.wait_for(timeout=60_000)
    return float(view.evaluate("window.shownAt")), float(view.evaluate("window.shift"))


def measured() -> Iterator[Row]:
    """All of it, on a stack of its own with the demo's catalogue."""
    with stack() as up:
        store = S3Store(up.settings())
        demo = stamps.build(stamps.fetch(cache_folder()), cache_folder() / "demo")
        import_table(up.environment(), demo.table, demo.images, museum=None, timeout=300)
        yield from page(up)
        yield from saved(up, store)
        yield from fairness(up)


@pytest.mark.timeout(1200)
def test_people_do_not_wait() -> None:
    """Each number is at most what it must be."""
    missed = []
    for row in measured():
        print(row, flush=True)
        if row.must is not None and row.value > row.must:
            missed.append(str(row))
    assert missed == []


def main() -> None:
    """Measure and print."""
    print("| what | measured | must |\n| --- | --- | --- |", flush=True)
    for row in measured():
        print(row, flush=True)


if __name__ == "__main__":
    main()
