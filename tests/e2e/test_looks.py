"""Every view at three widths, in both languages and both themes: no serious fault that axe finds, nothing wider than the window.

The pictures are in ``tests/e2e/screenshots`` for people to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from tests.e2e import things
from tests.e2e.conftest import Arrive, Windows, arriving
from tests.e2e.museum import Museum
from tests.e2e.person import Person
from tests.e2e.views import VIEWS, Scene
from tests.e2e.words import LANGUAGES
from tests.fixtures.stack import held

PICTURES = Path(__file__).with_name("screenshots")
SIZES = {360: 1500, 900: 1500, 1600: 1200}
"""Width → height: of a phone, of half a screen, of a desk; high enough to see what must be scrolled to."""
LOOKED_AT = {"ru": {(360, "dark"), (1600, "light")}, "en": {(900, "light")}}
"""What axe looks at: each width, each theme, each language."""
SERIOUS = """() => axe.run({resultTypes: ['violations']}).then(({violations}) => violations
  .filter((one) => ['serious', 'critical'].includes(one.impact))
  .map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.target)}`))"""


@pytest.fixture(scope="module", params=LANGUAGES)
def looking(windows: Windows, museum: Museum, there: Scene, request: pytest.FixtureRequest) -> Iterator[Person]:
    """Somebody who goes through all views in one window, once there is something to be seen in them."""
    with arriving(windows, museum) as arrive:
        yield arrive(request.param)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_can_be_used_by_everybody_at_every_width(looking: Person, there: Scene, view: str) -> None:
    """Light and dark."""
    page, lang = looking.page, looking.t.lang
    page.set_viewport_size({"width": 1600, "height": 1000})
    VIEWS[view](looking, there)
    faults: list[str] = []
    PICTURES.mkdir(exist_ok=True)
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            page.screenshot(path=PICTURES / f"{view}-{width}-{lang}-{theme}.jpg", type="jpeg", quality=85, timeout=30_000)
            if (width, theme) in LOOKED_AT[lang]:
                faults += [f"{width} {theme}: {one}" for one in axe(page)]
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            faults.append(f"{width}: {wide} pixels wider than the window")
    for _ in range(2):
        page.keyboard.press("Escape")  # a dialog stays over the next view
    assert faults == []


def axe(page: Page) -> list[str]:
    """Serious and critical faults, each with where it is."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE_SCRIPT)
    return list(page.evaluate(SERIOUS))


MOVING = """() => { window.moving = new Set();
  const look = () => { document.getAnimations().forEach((one) => window.moving.add(one.animationName || one.transitionProperty));
    requestAnimationFrame(look); };
  look(); }"""


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_nothing_moves_for_who_wants_no_motion(arrive: Arrive, museum: Museum, motion: str) -> None:
    """While a search runs, when its results come, under the pointer, and when something is said; else some things do."""
    person = arrive("ru", reduced_motion=motion)
    person.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    person.go()
    person.page.evaluate(MOVING)
    person.choose(("coin.jpg", "image/jpeg", things.photo(things.NEW_COIN)))
    with held(museum.running, "search-interactive"):
        person.find()
        expect(person.main.locator(".progress-now")).to_have_text(person.t("progress.search"))
    person.result()
    person.hits.first.hover()
    person.button("card.copy").hover()
    person.button("card.copy").click()
    expect(person.page.locator("#toasts .toast").first).to_be_visible()
    moved = person.page.evaluate("[...window.moving]")
    assert (moved == []) == (motion == "reduce"), moved
