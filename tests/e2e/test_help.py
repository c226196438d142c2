"""Help: the steps and the keys, in the page itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e import things
from tests.e2e.person import Person


@pytest.mark.parametrize("way", ["F1", "?", "press"])
def test_help_is_at_hand_in_every_view(person: Person, way: str) -> None:
    """Five steps and all keys; closed, she is where she was. A question mark that she writes is one."""
    person.go()
    if way == "press":
        person.button("help.title").click()
    else:
        person.page.keyboard.press(way)
    dialog = person.page.locator("dialog.help")
    expect(dialog.locator(".help-steps li")).to_have_count(5)
    for key in ("help.step.give", "help.how.answer", "keys.same", "keys.help"):
        expect(dialog).to_contain_text(person.t(key))
    person.page.keyboard.press("F1")
    expect(dialog).to_have_count(1)
    person.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    if way == "press":
        expect(person.button("help.title")).to_be_focused()


def test_a_question_mark_in_a_text_is_a_question_mark(registrar: Person) -> None:
    """Only F1 asks for help there."""
    registrar.found(things.photo(things.NEW_COIN))
    name = registrar.value("Name")
    name.press("?")
    expect(registrar.page.locator("dialog.help")).to_have_count(0)
    name.press("F1")
    expect(registrar.page.locator("dialog.help")).to_be_visible()
