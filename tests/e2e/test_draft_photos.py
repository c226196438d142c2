"""Photos of a draft: they go up as they are, and how each ends is shown by itself."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.e2e import things
from tests.e2e.museum import Museum
from tests.e2e.person import Person
from tests.fixtures.stack import held


@pytest.fixture
def draft(museum: Museum) -> dict[str, Any]:
    """A card with one photo."""
    query = museum.upload(things.photo(things.NEW_COIN))
    museum.result(query)
    status, made = museum.ask("POST", "/drafts", {"query": query, "fields": {"Name": "Монета"}})
    assert status == 201
    return dict(made)


def opened(person: Person, draft: dict[str, Any]) -> Locator:
    """The draft on the page; its photos."""
    person.go(f"d/{draft['id']}")
    photos = person.main.locator(".draft-photos li")
    expect(photos).to_have_count(1)
    return photos


def kept(museum: Museum, draft: dict[str, Any]) -> list[bytes]:
    """The photos of a draft as they are stored."""
    store = museum.running.store
    keys = [info.key for info in store.list("catalogue", f"local/{draft['object_id']}/images/")]
    return [found.body for key in keys if (found := store.get("catalogue", key))]


def test_a_photo_is_kept_as_it_was_taken(registrar: Person, museum: Museum, draft: dict[str, Any]) -> None:
    """Not a pixel less, and with its EXIF, though the reduction of searched photos is on."""
    photos = opened(registrar, draft)
    original = things.jpeg(Image.open(io.BytesIO(things.large(things.NEW_COIN))), quality=95, orientation=6)
    registrar.choose(("side.jpg", "image/jpeg", original), key="draft.add")
    expect(photos).to_have_count(2)
    assert original in kept(museum, draft)


def test_an_original_that_is_too_large_is_said_before_a_byte_is_sent(
    registrar: Person, draft: dict[str, Any], tmp_path: Path
) -> None:
    """A photo that a search would take reduced; nothing is offered that does not help here."""
    file = tmp_path / "side.jpg"
    file.write_bytes(things.photo(things.NEW_COIN))
    with file.open("r+b") as out:
        out.truncate(41_000_000)
    opened(registrar, draft)
    with registrar.page.expect_file_chooser() as chooser:
        registrar.button("draft.add").click()
    chooser.value.set_files(file)
    expect(registrar.page.locator("#toasts")).to_contain_text(registrar.t.like("file.too-large-original"))
    assert [one for one in registrar.asked if one[0] == "POST" and not one[1].endswith("/session")] == []


def test_a_photo_that_no_browser_shows_has_its_picture_once_it_is_read(
    person: Person, museum: Museum, draft: dict[str, Any]
) -> None:
    """HEIC, as a phone takes it, and one more while the first is read: without a reload."""
    photos = opened(person, draft)
    with held(museum.running, "preprocess-interactive"):
        for place, name in enumerate(("IMG_1.HEIC", "IMG_2.HEIC")):
            person.choose((name, "image/heic", things.heic(things.MORNING[place])), key="draft.add")
            expect(photos).to_have_count(2 + place)
        expect(photos.get_by_text(person.t("draft.reading"))).to_have_count(2)
        expect(photos.get_by_label(person.t("photo.coming"))).to_have_count(2)
    for photo in (photos.nth(1), photos.nth(2)):
        image = photo.locator("img")
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("(one) => one.naturalWidth > 100")
    expect(photos.get_by_text(person.t("draft.reading"))).to_have_count(0)


def broken_heic() -> bytes:
    """The header of a HEIC, and nothing that can be read."""
    return things.heic(things.NEW_COIN)[:400] + b"\0" * 4000


def endless_jpeg() -> bytes:
    """A JPEG with as many scans as no camera makes, which are a comment here: a browser shows it."""
    comment = b"\xff\xda" * 100
    photo = things.photo(things.NEW_COIN)
    return photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]


def animation() -> bytes:
    """A GIF that moves: a browser shows it, and no search takes it."""
    frames = [things.picture(stamp).resize((200, 200)) for stamp in things.MORNING[:2]]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("photo", "key"),
    [
        (("broken.heic", "image/heic", broken_heic), "reject.broken"),
        (("endless.jpg", "image/jpeg", endless_jpeg), "reject.broken"),
        (("moving.gif", "image/gif", animation), "reject.animated"),
    ],
    ids=["heic", "jpeg", "gif"],
)
def test_a_photo_that_was_refused_says_why(
    person: Person, draft: dict[str, Any], photo: tuple[str, str, Callable[[], bytes]], key: str
) -> None:
    """In her language, to a screen reader too, without a reload."""
    photos = opened(person, draft)
    name, kind, body = photo
    person.choose((name, kind, body()), key="draft.add")
    expect(photos.nth(1).locator(".bad")).to_have_text(person.t(key))
    expect(person.page.locator("#assertive")).to_have_text(person.t(key))
    expect(photos.get_by_text(person.t("draft.reading"))).to_have_count(0)


def test_a_broken_jpeg_is_said_before_a_byte_is_sent(person: Person, draft: dict[str, Any]) -> None:
    """The browser cannot read it either."""
    photos = opened(person, draft)
    whole = things.photo(things.NEW_COIN)
    person.choose(("cut.jpg", "image/jpeg", whole[: len(whole) // 2]), key="draft.add")
    expect(person.page.locator("#toasts")).to_contain_text(f"cut.jpg: {person.t('file.broken')}")
    expect(photos).to_have_count(1)
    assert [url for _, url in person.asked if url.endswith("/images")] == []


def test_how_a_photo_ended_is_told_to_a_page_that_is_opened_meanwhile(
    registrar: Person, museum: Museum, draft: dict[str, Any]
) -> None:
    """After a reload, too."""
    photos = opened(registrar, draft)
    with held(museum.running, "preprocess-interactive"):
        registrar.choose(("IMG_3.HEIC", "image/heic", things.heic(things.MORNING[2])), key="draft.add")
        expect(photos).to_have_count(2)
        registrar.page.reload()
        expect(photos.nth(1)).to_contain_text(registrar.t("draft.reading"))
    expect(photos.nth(1).locator("img")).to_have_count(1)


@pytest.mark.parametrize("reduced", [True, False])
def test_that_a_card_has_the_photo_that_was_searched_is_said(registrar: Person, reduced: bool) -> None:
    """Where large ones are reduced before a search, with the way to add the original."""
    registrar.go()
    if not reduced:
        registrar.page.get_by_label(registrar.t.like("search.reduce")).uncheck()
    registrar.found(things.photo(things.NEW_COIN))
    note = registrar.main.locator(".photo-note")
    if not reduced:
        expect(note).to_be_hidden()
        return
    expect(note).to_have_text(registrar.t("card.photo_reduced"))
    registrar.value("Name").fill("Монета 25 центов")
    registrar.saved()
    registrar.link("object.edit", within=note).click()
    expect(registrar.main.locator("h1")).to_have_text("Монета 25 центов")
