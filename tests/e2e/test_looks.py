"""Every view at three widths, in both languages and both themes: no serious fault that axe finds, nothing wider than the window.

The pictures are in ``tests/e2e/screenshots`` for people to look at.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.conftest import Arrive
from tests.e2e.views import VIEWS, Scene

PICTURES = Path(__file__).with_name("screenshots")
WIDTHS = {360: 740, 900: 900, 1600: 1000}
"""Width → height of a phone, a tablet or half a screen, a desk."""
SERIOUS = ("serious", "critical")


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_can_be_used_by_everybody_at_every_width(arrive: Arrive, there: Scene, view: str, lang: str) -> None:
    """Light and dark."""
    person = arrive(lang)
    VIEWS[view](person, there)
    faults: list[str] = []
    PICTURES.mkdir(exist_ok=True)
    for width, height in WIDTHS.items():
        person.page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            person.page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            person.page.screenshot(
                path=PICTURES / f"{view}-{width}-{lang}-{theme}.jpg", type="jpeg", quality=80, full_page=not modal(person.page)
            )
            if width != 900 and lang == "ru":
                faults += [f"{width} {theme}: {one}" for one in axe(person.page)]
        wide = person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            faults.append(f"{width}: {wide} pixels wider than the window")
    assert faults == []


def modal(page: object) -> bool:
    """Whether a dialog lies over the page, whose rest is not looked at then."""
    return bool(page.locator("dialog[open]").count())  # type: ignore[attr-defined]


def axe(page: object) -> list[str]:
    """Serious and critical faults, each with where it is."""
    found = Axe().run(page)  # type: ignore[arg-type]
    return [
        f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes'][:3]]}"
        for one in found.response["violations"]
        if one["impact"] in SERIOUS
    ]
