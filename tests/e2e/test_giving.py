"""Give a photo: dropped, chosen, pasted, several as views; what cannot be searched is said before a byte is sent."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.e2e import things
from tests.e2e.conftest import Arrive
from tests.e2e.person import WAIT, File, Person

COIN = ("coin.jpg", "image/jpeg")


@pytest.mark.parametrize(("way", "lang"), [("choose", "ru"), ("drop", "en"), ("paste", "ru")])
def test_a_photo_is_given_in_any_way(arrive: Arrive, way: str, lang: str) -> None:
    """And found with one press more."""
    person = arrive(lang)
    person.go()
    photo = (*COIN, things.seen_again(things.KNOWN_TOOL))
    if way == "choose":
        person.choose(photo)
    else:
        person.drop(photo, kind=way)
    expect(person.main.locator(".tray img")).to_have_count(1)
    person.find()
    person.result()
    assert person.names()[0] == things.record_of(things.KNOWN_TOOL)["Name"]


def test_a_picture_on_the_clipboard_is_pasted_by_its_keys(registrar: Person) -> None:
    """Ctrl+V, as after a screenshot."""
    registrar.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    registrar.go()
    registrar.page.evaluate(
        """async () => {
          const canvas = document.createElement('canvas');
          canvas.width = canvas.height = 200;
          canvas.getContext('2d').fillRect(20, 20, 100, 100);
          const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
          await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
        }"""
    )
    registrar.page.keyboard.press("Control+V")
    expect(registrar.main.locator(".tray img")).to_have_count(1)


def test_a_photo_dropped_on_another_view_is_taken_too(registrar: Person) -> None:
    """Nobody aims."""
    registrar.go("history")
    registrar.drop((*COIN, things.photo(things.NEW_COIN)), on="#main")
    expect(registrar.main.locator(".tray img")).to_have_count(1)


def test_several_photos_are_views_of_one_object(registrar: Person) -> None:
    """One search; the query shows them all."""
    registrar.go()
    registrar.choose(
        ("a.jpg", "image/jpeg", things.seen_again(things.KNOWN_COIN, 1)),
        ("b.jpg", "image/jpeg", things.seen_again(things.KNOWN_COIN, 2)),
    )
    expect(registrar.main.locator(".tray img")).to_have_count(2)
    query = registrar.find()
    registrar.result()
    assert len(registrar.museum.result(query)["photos"]) == 2
    expect(registrar.main.locator(".query-side .views button")).to_have_count(2)


def test_a_ninth_view_is_not_taken_and_the_batch_is_named(registrar: Person) -> None:
    """Forty photos are forty objects, perhaps."""
    registrar.go()
    photo = things.photo(things.NEW_COIN)
    registrar.choose(*((f"{number}.jpg", "image/jpeg", photo) for number in range(9)))
    expect(registrar.main.locator(".refused")).to_contain_text(registrar.t("search.too_many", n=8))
    expect(registrar.link("search.to_batch")).to_be_visible()
    expect(registrar.main.locator(".tray img")).to_have_count(8)


def test_a_view_can_be_taken_back(registrar: Person) -> None:
    """Before it is sent."""
    registrar.go()
    registrar.choose((*COIN, things.photo(things.NEW_COIN)))
    registrar.button("search.remove", name="coin.jpg").click()
    expect(registrar.main.locator(".tray")).to_be_hidden()


def test_a_photo_of_an_upright_phone_stands_upright(registrar: Person) -> None:
    """Whatever its pixels say."""
    registrar.go()
    lying = things.picture(things.NEW_COIN).resize((600, 400))
    registrar.choose((*COIN, things.jpeg(lying, orientation=6)))
    image = registrar.main.locator(".tray img")
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("(one) => one.naturalHeight > one.naturalWidth")


@pytest.mark.parametrize(
    ("name", "body", "key"),
    [
        ("notes.jpg", b"these are notes, whatever the name says", "file.not-image.unknown"),
        ("act.pdf", b"%PDF-1.7 and so on and so forth", "file.not-image.pdf"),
        ("empty.jpg", b"", "file.empty"),
        ("broken.jpg", b"\xff\xd8\xff\xe0 and nothing of a picture follows", "file.broken"),
    ],
)
def test_what_is_no_photo_is_said_before_a_byte_is_sent(person: Person, name: str, body: bytes, key: str) -> None:
    """By its content, with what to do."""
    person.go()
    person.choose((name, "image/jpeg", body))
    expect(person.main.locator(".refused")).to_have_text(f"{name} — {person.t(key)}")
    assert person.sent() == []


def test_a_file_that_is_too_large_is_said_before_a_byte_is_sent(registrar: Person, tmp_path: Path) -> None:
    """One that the browser cannot reduce: how large it is, and what is taken."""
    file = tmp_path / "scan.tif"
    file.write_bytes(b"II*\0")
    with file.open("r+b") as out:
        out.truncate(41_000_000)
    registrar.go()
    with registrar.page.expect_file_chooser() as chooser:
        registrar.button("search.choose").click()
    chooser.value.set_files(file)
    expect(registrar.main.locator(".refused")).to_have_text(registrar.t.like("file.too-large-as-is"))
    expect(registrar.main.locator(".refused")).to_contain_text("41")
    assert registrar.sent() == []


def test_a_large_photo_that_may_not_be_reduced_is_too_large(registrar: Person, tmp_path: Path) -> None:
    """With the switch off; on again, it goes."""
    file = tmp_path / "large.png"
    Image.effect_noise((3700, 3700), 90).convert("RGB").save(file, compress_level=0)
    assert file.stat().st_size > 40_000_000
    registrar.go()
    switch = registrar.page.get_by_label(registrar.t.like("search.reduce"))
    switch.uncheck()
    with registrar.page.expect_file_chooser() as chooser:
        registrar.button("search.choose").click()
    chooser.value.set_files(file)
    expect(registrar.main.locator(".refused")).to_have_text(registrar.t.like("file.too-large"), timeout=30_000)
    assert registrar.sent() == []


@pytest.mark.parametrize("reduced", [True, False])
def test_a_large_photo_is_reduced_unless_that_is_switched_off(registrar: Person, reduced: bool) -> None:
    """To 2048 pixels, and what that saves is said."""
    registrar.go()
    if not reduced:
        registrar.page.get_by_label(registrar.t.like("search.reduce")).uncheck()
    photo = things.large(things.NEW_COIN)
    registrar.choose((*COIN, photo))
    said = registrar.main.locator(".tray li p .soft")
    expect(said).to_have_text(registrar.t.like("search.reduced") if reduced else registrar.t.like("unit.mb"))
    query = registrar.find()
    registrar.result()
    arrived = registrar.museum.photo_of(query)
    assert max(Image.open(io.BytesIO(arrived)).size) == (2048 if reduced else 3000)
    assert (len(arrived) < len(photo)) is reduced


def test_a_tiff_goes_up_as_it_is(registrar: Person) -> None:
    """Browsers cannot show it; the pipeline can read it."""
    buffer = io.BytesIO()
    things.picture(things.KNOWN_TOOL).save(buffer, "TIFF")
    registrar.go()
    registrar.choose(("scan.tif", "image/tiff", buffer.getvalue()))
    expect(registrar.main.locator(".tray")).to_contain_text(registrar.t("search.unshown", format="TIFF"))
    query = registrar.find()
    registrar.result()
    assert registrar.museum.photo_of(query) == buffer.getvalue()
    assert registrar.names()[0] == things.record_of(things.KNOWN_TOOL)["Name"]


def many() -> list[File]:
    """Photos that are made smaller, so that each is read."""
    return [(f"{number}.jpg", "image/jpeg", things.large(things.NEW_COIN)) for number in range(4)]


HELD = """(() => {
  const ended = new Promise(readOn => { window.readOn = readOn; }), real = window.createImageBitmap;
  let begun = 0;
  window.createImageBitmap = async (...given) => { if (begun++) await ended; return real(...given); };
})()"""


def held(person: Person) -> Person:
    """Before the empty page, where photos beside the first are read once ``readOn()`` is called, however quick the machine is."""
    person.page.add_init_script(HELD)
    return person.go()


def read_on(person: Person) -> None:
    """Let the photos be read."""
    person.page.evaluate("readOn()")


def test_a_press_while_a_further_photo_is_read_is_not_lost(person: Person) -> None:
    """It is said that it waits, to a screen reader too; then it is done, with all photos."""
    held(person)
    person.choose(*many())
    go = person.page.get_by_role("button", name=person.t("search.go"))
    go.focus()
    person.page.keyboard.press("Enter")
    expect(person.main.locator("#ready-wait")).to_have_text(person.t.like("search.awaited"))
    expect(go).to_have_accessible_description(person.t.like("search.awaited"))
    expect(person.page.locator("#polite")).to_have_text(person.t.like("search.awaited"))
    read_on(person)
    person.page.wait_for_url("**/#/q/**", timeout=WAIT)
    person.result()
    assert len(person.museum.result(person.query)["photos"]) == 4


def test_a_press_before_a_refused_photo_was_read_sends_nothing(registrar: Person) -> None:
    """She sees first what will not go, and presses again."""
    held(registrar)
    registrar.choose(*many()[:2], ("notes.jpg", "image/jpeg", b"these are notes, whatever the name says"))
    go = registrar.page.get_by_role("button", name=registrar.t("search.go"))
    go.click()
    expect(registrar.main.locator("#ready-wait")).to_have_text(registrar.t.like("search.awaited"))
    read_on(registrar)
    expect(registrar.main.locator(".refused")).to_contain_text(registrar.t("file.not-image.unknown"))
    expect(registrar.main.locator("#ready-wait")).to_be_hidden()
    expect(go).to_be_focused()
    assert registrar.sent() == []


def test_a_photo_given_while_others_are_read_is_taken_too(registrar: Person) -> None:
    """And a switch that is turned meanwhile holds for all."""
    held(registrar)
    registrar.choose(*many()[:2])
    registrar.drop((*COIN, things.large(things.KNOWN_COIN)))
    registrar.page.get_by_label(registrar.t.like("search.reduce")).uncheck()
    read_on(registrar)
    expect(registrar.main.locator(".tray img")).to_have_count(3)
    expect(registrar.main.locator(".drop.reading")).to_have_count(0)
    assert "→" not in "".join(registrar.main.locator(".tray li p .soft").all_text_contents())


def test_a_registrars_phone_takes_a_photo_as_heic_and_it_is_found(arrive: Arrive) -> None:
    """The camera is offered, by touch; the photo goes up as it is, and the result shows it in a format that browsers show."""
    phone = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
    person = arrive("ru", **phone)
    person.go()
    photo = things.heic(things.KNOWN_TOOL)
    with person.page.expect_file_chooser() as chooser:
        person.button("search.camera").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    assert not chooser.value.is_multiple()
    chooser.value.set_files({"name": "IMG_0001.HEIC", "mimeType": "image/heic", "buffer": photo})
    expect(person.main.locator(".tray")).to_contain_text(person.t("search.unshown", format="HEIC"))
    person.page.get_by_role("button", name=person.t("search.go")).tap()
    person.page.wait_for_url("**/#/q/**")
    person.result()
    assert person.museum.photo_of(person.query) == photo
    assert person.names()[0] == things.record_of(things.KNOWN_TOOL)["Name"]
    shown = person.main.locator(".query-photo img")
    expect(shown).to_have_js_property("complete", True)
    assert shown.evaluate("(one) => one.naturalWidth > 100")


def test_the_camera_is_not_offered_where_there_is_a_mouse(registrar: Person) -> None:
    """It would open the same dialog again."""
    registrar.go()
    expect(registrar.button("search.choose")).to_be_visible()
    expect(registrar.button("search.camera")).to_have_count(0)
