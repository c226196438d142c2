"""What people feel: ``python -m tests.benchmarks.bench_people`` (about 4 minutes; 2 cores, nothing else running).

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
from typing import Any

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

SEARCHES = 25
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


def fairness(up: Stack) -> Iterator[str]:
    """One person's wait alone, and while another owner's batch is on its way."""
    anna, museum = person(up, "anna"), person(up, "batch")
    waits(anna, 5, 0)
    alone = waits(anna, SEARCHES, 100)
    sent = threading.Event()
    ended = threading.Event()

    def batch() -> None:
        for number in range(BATCH):
            if ended.wait(PACE):
                return
            museum.upload(jpeg(1000 + number), wait=True, batch="morning")
            if number == 10:
                sent.set()

    sending = threading.Thread(target=batch)
    sending.start()
    sent.wait(60)
    beside = waits(anna, SEARCHES, 200)
    ended.set()
    sending.join()
    for name, share, must in (("p50", 0.5, ""), ("p95", 0.95, "2")):
        alone_ms, ratio = p(alone, share) * 1000, p(beside, share) / p(alone, share)
        yield f"| another owner's {name} beside a batch of {BATCH} ÷ alone | {ratio:.2f} ({alone_ms:.0f} ms alone) | {must} |"


def saved(up: Stack, store: S3Store) -> Iterator[str]:
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
    yield f"| saved → findable, p50 | {p(taken, 0.5) * 1000:.0f} ms | |"
    yield f"| saved → findable, p95 | {p(taken, 0.95) * 1000:.0f} ms | 2000 ms |"


WATCH = """() => { window.shownAt = null; new MutationObserver(() => {
  if (!window.shownAt && document.querySelector('.hit h3 a')) window.shownAt = Date.now() / 1000;
}).observe(document.body, {childList: true, subtree: true}); }"""


def page(up: Stack) -> Iterator[str]:
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
        view.goto(page_address(environment), wait_until="networkidle")
        interactive = view.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
        first = sum(sizes)
        late, shifts = [], []
        for number in range(PAGES):
            shown, shift = one_search(view, jpeg(7000 + number), environment["MUSEUM_URL"])
            announced = next(at for key, at in iter(heard.get, None) if key)
            late.append((shown - announced) * 1000)
            shifts.append(shift)
        browser.close()
    yield f"| first load, compressed | {first / 1000:.0f} KB | 150 KB |"
    yield f"| first load, interactive | {interactive:.0f} ms | 1000 ms |"
    yield f"| result's announcement → first hit on the page, p50 | {statistics.median(late):.0f} ms | 30 ms |"
    yield f"| layout shift when results arrive, the largest | {max(shifts):.3f} | 0 |"


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


def main() -> None:
    """Measure and print."""
    with stack() as up:
        store = S3Store(up.settings())
        demo = stamps.build(stamps.fetch(cache_folder()), cache_folder() / "demo")
        import_table(up.environment(), demo.table, demo.images, museum=None, timeout=300)
        print("| what | measured | must |\n| --- | --- | --- |", flush=True)
        for part in (lambda: page(up), lambda: saved(up, store), lambda: fairness(up)):
            for line in part():
                print(line, flush=True)


if __name__ == "__main__":
    main()
