"""The page for registrars: its pictures are made here, and what it says is written on buttons is written there."""

from __future__ import annotations

import re

import pytest

from infra.local.setup import ROOT
from tests.e2e.conftest import Arrive
from tests.e2e.views import VIEWS, Scene
from tests.e2e.words import Words

GUIDE = ROOT / "docs" / "registrar.ru.md"
PICTURES = {"card": "draft"}
"""Picture → view, where they are not called the same."""
NO_TEXTS = {"XLSX", "JSON", "Настройках", "Сверено", "Показать ещё", "Уменьшать до 2048 пикселей перед отправкой"}
"""What is written so, or nearly so, and is no text by itself."""


def pictures() -> list[str]:
    """The pictures that the guide shows."""
    return re.findall(r"\(pictures/(\w+)\.jpg\)", GUIDE.read_text())


@pytest.mark.parametrize("picture", pictures())
def test_the_guide_has_its_pictures(arrive: Arrive, there: Scene, picture: str) -> None:
    """As a registrar sees the page, in Russian."""
    person = arrive("ru", viewport={"width": 1280, "height": 860}, device_scale_factor=1)
    VIEWS[PICTURES.get(picture, picture)](person, there)
    folder = GUIDE.with_name("pictures")
    folder.mkdir(exist_ok=True)
    person.page.wait_for_timeout(300)  # pictures that are still being decoded
    person.page.screenshot(
        path=folder / f"{picture}.jpg", type="jpeg", quality=85, full_page=not person.page.locator("dialog[open]").count()
    )
    assert (folder / f"{picture}.jpg").stat().st_size > 10_000


def test_what_the_guide_says_is_written_on_a_button_is_written_there() -> None:
    """A text that was changed must be changed in the guide."""
    texts = {text for text in Words("ru").texts.values() if isinstance(text, str)}
    bold = set(re.findall(r"\*\*([^*]+)\*\*", GUIDE.read_text()))
    assert bold - texts - NO_TEXTS == set()
