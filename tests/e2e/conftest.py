"""Chromium before the page of the running stack, one fresh context a person."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from infra.local.setup import BROWSER
from tests.e2e.museum import Museum, furnished
from tests.e2e.person import WAIT, Person
from tests.e2e.views import Scene, scene
from tests.e2e.words import LANGUAGES, LOCALES, Words
from tests.fixtures.stack import Running
from tests.servers import missing

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
Arrive = Callable[..., Person]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window. Of these tests alone: while Playwright is open, no other loop of asyncio runs."""
    if not BROWSER.exists():
        missing(f"{BROWSER} is missing: run `python3 -m infra.local.setup --dev` as root, or `apt-get install chromium`")
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT)
        started = playwright.chromium.launch(executable_path=str(BROWSER), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="package")
def museum(browser: Browser, running: Running) -> Iterator[Museum]:
    """A museum with a catalogue. After a browser was found: without one there is nothing to furnish it for."""
    with furnished(running) as made:
        yield made


@pytest.fixture(scope="package")
def there(museum: Museum) -> Scene:
    """Searches and cards to look at."""
    return scene(museum)


@pytest.fixture(params=LANGUAGES)
def lang(request: pytest.FixtureRequest) -> str:
    """Either language."""
    return str(request.param)


class Windows:
    """Windows with nothing stored behind them. Their contexts are kept for the next: they cost Chromium most of the work."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[str, list[BrowserContext]] = {}

    def open(self, lang: str, origin: str, **stored: Any) -> Page:
        """A window of its own for somebody who reads this language, and what their browser has stored."""
        free = self._free.setdefault(lang, [])
        context = free.pop() if free else self.fresh(lang)
        page = context.new_page()
        line = context.new_cdp_session(page)
        line.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        line.detach()
        if stored:
            page.goto(f"{origin}/icon.svg")
            page.evaluate("(all) => Object.entries(all).forEach(([name, one]) => localStorage.setItem(name, one))", stored)
        page.goto("about:blank")
        return page

    def fresh(self, lang: str, **options: Any) -> BrowserContext:
        """A context that no test had before."""
        return self._browser.new_context(**{"locale": LOCALES[lang], "viewport": {"width": 1280, "height": 900}, **options})

    def close(self, lang: str, context: BrowserContext) -> None:
        """Nobody sits there any more."""
        if context not in self._browser.contexts:
            return  # closed by the test itself
        for page in context.pages:
            page.close()
        context.clear_cookies()
        context.clear_permissions()
        context.set_offline(False)
        self._free[lang].append(context)


@pytest.fixture(scope="package")
def windows(browser: Browser) -> Windows:
    """Of all tests."""
    return Windows(browser)


@contextlib.contextmanager
def arriving(windows: Windows, museum: Museum) -> Iterator[Arrive]:
    """People with a browser of their own each: ``arrive("ru", signed_in=True, **options of the context)``.

    In the end the browser may have complained of nothing and asked nobody but the page's own origin and S3.
    """
    there: list[Person] = []
    ends = contextlib.ExitStack()

    def come(lang: str = "ru", *, signed_in: bool = True, **options: Any) -> Person:
        stored = {"museum.token": json.dumps(museum.token)} if signed_in else {}
        if options:
            kept = [{"name": name, "value": value} for name, value in stored.items()]
            state = {"cookies": [], "origins": [{"origin": museum.base, "localStorage": kept}]}
            context = windows.fresh(lang, storage_state=state, **options)
            ends.callback(context.close)
            page = context.new_page()
        else:
            page = windows.open(lang, museum.base, **stored)
            ends.callback(windows.close, lang, page.context)
        page.context.set_default_timeout(10_000)
        person = Person(page, museum, Words(lang))
        person.listen()
        there.append(person)
        return person

    with museum.tidied(), ends:
        yield come
    assert [one for person in there for one in person.unexcused()] == []
    assert [one for person in there for one in person.strange_requests()] == []


@pytest.fixture
def arrive(windows: Windows, museum: Museum) -> Iterator[Arrive]:
    """How somebody comes."""
    with arriving(windows, museum) as come:
        yield come


@pytest.fixture
def person(arrive: Arrive, lang: str) -> Person:
    """A registrar before the page, in either language."""
    return arrive(lang)


@pytest.fixture
def registrar(arrive: Arrive, request: pytest.FixtureRequest) -> Person:
    """The same in one language, half of the tests in each, by their names."""
    return arrive(LANGUAGES[len(request.node.originalname) % 2])
