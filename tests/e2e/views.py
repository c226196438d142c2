"""Every view of the page, in a state worth looking at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from playwright.sync_api import expect

from tests.e2e import things
from tests.e2e.museum import Museum
from tests.e2e.person import Person
from tests.fixtures.stack import wait_for

BATCH = "27 ноября, утро"


@dataclass(frozen=True)
class Scene:
    """What the views need: searches and cards that are there already."""

    found: str
    same: str
    copy: str
    nothing: str
    rejected: str
    draft: str
    known: str


def scene(museum: Museum) -> Scene:
    """Made once."""
    found = museum.upload(things.photo(things.MORNING[2]), "КП-501_1.jpg", batch=BATCH, wait=True)
    for stamp in (*things.MORNING[:2], things.MORNING[3]):
        museum.upload(things.photo(stamp), f"{stamp[-8:]}_1.jpg", batch=BATCH, wait=True)
    same = museum.upload(things.seen_again(things.KNOWN_TOOL, 51), "пила.jpg")
    copy = museum.upload(things.seen_again(things.KNOWN_COIN, 52), "дайм.jpg")
    nothing = museum.upload(things.photo(things.STRANGE), "медведь.jpg")
    rejected = museum.upload(b"\xff\xd8\xff no photo", "битый.jpg")
    offers = museum.result(found)["result"]["draft"]
    taken = ("Name", "MainWord", "ShortDescription", "Authors", "TypologyGK")
    fields = {name: values[0]["value"] for name, values in offers.items() if name in taken}
    sources = {name: {"object": offers[name][0]["sources"][0]["id"], "value": value} for name, value in fields.items()}
    status, card = museum.ask("POST", "/drafts", {"query": found, "batch": BATCH, "fields": fields, "sources": sources})
    assert status == 201, card
    for query in (same, copy, nothing, rejected):
        museum.result(query)
    wait_for("the card's photo", lambda: museum.ask("GET", f"/objects/{card['id']}")[1]["images"][0]["320"])
    known = museum.ask("GET", "/objects?number=КП-1103")[1]["items"][0]["id"]
    return Scene(found, same, copy, nothing, rejected, card["id"], known)


Open = Callable[[Person, Scene], None]


def _result(path: Callable[[Scene], str]) -> Open:
    def opened(person: Person, there: Scene) -> None:
        person.go(path(there))
        person.result()
        expect(person.main.locator(".card .tag").first).to_be_visible()

    return opened


def _listing(path: str) -> Open:
    def opened(person: Person, _: Scene) -> None:
        person.go(path)
        expect(person.main.locator(".rowline:not(.ghost)").first).to_be_visible()

    return opened


def _search(person: Person, _: Scene) -> None:
    person.go()
    expect(person.main.locator(".recent a").first).to_be_visible()


def _given(person: Person, _: Scene) -> None:
    person.go()
    person.choose(("монета.jpg", "image/jpeg", things.photo(things.NEW_COIN)), ("акт.pdf", "application/pdf", b"%PDF-1.7 ..."))
    expect(person.main.locator(".tray img")).to_have_count(1)


def _rejected(person: Person, there: Scene) -> None:
    person.go(f"q/{there.rejected}")
    expect(person.main.locator("h1")).to_have_text(person.t("query.rejected"))


def _compare(person: Person, there: Scene) -> None:
    person.go(f"q/{there.same}")
    person.result()
    person.link("hit.compare", within=person.hits.first).click()
    expect(person.page.locator(".compare-record dl")).to_be_visible()


def _crop(person: Person, there: Scene) -> None:
    person.go(f"q/{there.found}")
    person.result()
    person.button("crop.start").click()
    expect(person.page.locator("dialog.cropper")).to_be_visible()


def _help(person: Person, _: Scene) -> None:
    person.go("history")
    person.page.keyboard.press("F1")
    expect(person.page.locator("dialog.help")).to_be_visible()


def _review(person: Person, there: Scene) -> None:
    person.go(f"q/{there.found}")
    person.result()
    person.button("card.check").click()
    expect(person.page.locator("dialog.review")).to_be_visible()


def _object(person: Person, there: Scene) -> None:
    person.go(f"o/{there.known}")
    expect(person.main.locator(".object-record dl")).to_be_visible()


def _draft(person: Person, there: Scene) -> None:
    person.go(f"d/{there.draft}")
    expect(person.main.locator(".card .tag").first).to_be_visible()


def _plan(person: Person, _: Scene) -> None:
    person.go("batch")
    person.drop(
        *(
            (f"КП-50{number}_{side}.jpg", "image/jpeg", things.photo(stamp))
            for number, stamp in enumerate(things.MORNING[:4])
            for side in (1, 2)
        )
    )
    expect(person.main.locator(".group")).to_have_count(4)


def _batch(person: Person, _: Scene) -> None:
    person.go(f"batch/{quote(BATCH, safe='')}")
    expect(person.main.locator(".worklist a")).to_have_count(4)
    expect(person.main.locator(".card .tag").first).to_be_visible()


def _settings(person: Person, _: Scene) -> None:
    person.go("settings")
    expect(person.page.locator(".order li").first).to_be_visible()


def _sign(person: Person, _: Scene) -> None:
    person.go("settings")
    person.button("settings.out").click()
    expect(person.main.locator("form.sign")).to_be_visible()


VIEWS: dict[str, Open] = {
    "search": _search,
    "given": _given,
    "result": _result(lambda there: f"q/{there.found}"),
    "catalogued": _result(lambda there: f"q/{there.same}"),
    "copy": _result(lambda there: f"q/{there.copy}"),
    "nothing": _result(lambda there: f"q/{there.nothing}"),
    "rejected": _rejected,
    "compare": _compare,
    "crop": _crop,
    "review": _review,
    "help": _help,
    "object": _object,
    "draft": _draft,
    "plan": _plan,
    "batch": _batch,
    "history": _listing("history"),
    "drafts": _listing("drafts"),
    "settings": _settings,
    "sign": _sign,
}
