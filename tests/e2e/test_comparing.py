"""Side by side with linked zoom; a part of the photo searched, chosen by dragging or by keys."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from tests.e2e import things
from tests.e2e.conftest import Arrive
from tests.e2e.person import Person
from tests.e2e.test_batch import begin, unique
from tests.fixtures.stack import wait_for


def opened(person: Person, place: int = 0) -> Locator:
    """The comparison of a hit, when both photos are there."""
    person.link("hit.compare", within=person.hits.nth(place)).click()
    dialog = person.page.locator("dialog.compare")
    expect(dialog.locator(".compare-record dl")).to_be_visible()
    expect(dialog.locator(".lens img")).to_have_count(2)
    for image in dialog.locator(".lens img").all():  # a record that comes late may have another view of it
        expect(image).to_have_js_property("complete", True)
        expect(image).not_to_have_js_property("naturalWidth", 0)
    return dialog


def picture_box(person: Person) -> FloatRect | None:
    """Where the picture is from which a part is chosen: it has its shape once it is loaded."""
    shaped = "() => document.querySelector('.crop-photo')?.style.getPropertyValue('--shape')"
    person.page.wait_for_function(shaped)
    return person.page.locator("dialog.cropper .crop").bounding_box()


def widths(dialog: Locator) -> list[float]:
    """How large both photos are drawn, by what they are when they are whole."""
    return list(
        dialog.locator(".stage").evaluate_all(
            """(stages) => stages.map((one) => {
              const image = one.querySelector('img');
              const lens = one.parentElement;
              const whole = Math.min(lens.clientWidth / image.naturalWidth, lens.clientHeight / image.naturalHeight);
              return one.offsetWidth / image.naturalWidth / whole;
            })"""
        )
    )


def whole(dialog: Locator) -> None:
    """Wait until both photos are drawn as they are: room is made for the record, once it is there."""
    wait_for("both photos to be whole", lambda: widths(dialog) == pytest.approx([1, 1], abs=0.02) or None)


def test_both_photos_are_enlarged_together(person: Person) -> None:
    """By key, wheel or button, until they are unlinked."""
    person.found(things.seen_again(things.KNOWN_TOOL))
    dialog = opened(person)
    lenses = dialog.locator(".lens")
    whole(dialog)
    lenses.first.press("+")
    assert widths(dialog) == pytest.approx([1.4, 1.4], abs=0.02)
    lenses.last.hover()
    person.page.mouse.wheel(0, -300)
    wait_for("both to be larger", lambda: min(widths(dialog)) > 1.6 or None)
    one, other = widths(dialog)
    assert one == pytest.approx(other, abs=0.05)
    person.button("compare.fit", within=dialog).click()
    whole(dialog)
    lenses.first.press("l")
    lenses.first.press("+")
    assert widths(dialog) == pytest.approx([1.4, 1], abs=0.02)


def test_both_are_moved_together(registrar: Person) -> None:
    """Where they are enlarged, by dragging and by arrows."""
    registrar.found(things.seen_again(things.KNOWN_TOOL))
    dialog = opened(registrar)
    lenses, stages = dialog.locator(".lens"), dialog.locator(".stage")
    for _ in range(4):
        lenses.first.press("+")
    places = "(stages) => stages.map((one) => one.style.transform)"
    before = stages.evaluate_all(places)
    lenses.first.press("ArrowRight")
    after = stages.evaluate_all(places)
    assert all(one != other for one, other in zip(before, after, strict=True))
    box = lenses.first.bounding_box()
    assert box
    registrar.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    registrar.page.mouse.down()
    registrar.page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2, steps=3)
    registrar.page.mouse.up()
    assert all(one != other for one, other in zip(after, stages.evaluate_all(places), strict=True))


def test_the_part_in_common_is_outlined_and_shown(registrar: Person) -> None:
    """Where local features agree."""
    query = registrar.found(things.seen_again(things.KNOWN_TOOL))
    assert registrar.museum.result(query)["result"]["hits"][0]["region"]
    dialog = opened(registrar)
    for outline in dialog.locator(".outline polygon").all():
        assert len((outline.get_attribute("points") or "").split()) == 4
    registrar.button("compare.common", within=dialog).click()
    assert all(one > 1.01 for one in widths(dialog)), widths(dialog)
    registrar.button("compare.outline", within=dialog).click()
    expect(dialog.locator(".outline").first).to_be_hidden()


def test_all_views_of_an_object_and_its_record_are_there(registrar: Person) -> None:
    """Escape closes, and the place in the list is kept."""
    registrar.found(things.seen_again(things.KNOWN_COIN))
    dialog = opened(registrar)
    expect(registrar.page).to_have_url(re.compile("/o/"))
    expect(dialog.locator(f'[aria-label="{registrar.t("compare.views")}"] button')).to_have_count(2)
    expect(dialog.locator(".compare-record")).to_contain_text(things.record_of(things.KNOWN_COIN)["ShortDescription"])
    registrar.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(registrar.hits.first.locator("a.cover")).to_be_focused()
    expect(registrar.page).not_to_have_url(re.compile("/o/"))


def classed(person: Person, query: str, code: int) -> None:
    """Let the result of a query say that all that was found is of a class."""
    said = person.museum.result(query)
    result = {**said["result"], "hits": [{**hit, "class_code": code} for hit in said["result"]["hits"]]}
    body = f"event: result\ndata: {json.dumps({**said, 'said': {}, 'result': result})}\n\n"
    pattern = f"**/api/queries/{query}/events"
    person.page.unroute(pattern)
    person.page.route(pattern, lambda route: route.fulfill(content_type="text/event-stream", body=body))


def test_a_copy_is_compared_in_the_words_of_copies(person: Person) -> None:
    """Coins, books, documents, prints, photographs: number, condition and inscriptions decide, here as in the list."""
    query = person.museum.searched(things.seen_again(things.KNOWN_COIN, 9))
    for code in (5, 14, 15, 16, 17):
        classed(person, query, code)
        person.page.goto("about:blank")
        person.go(f"q/{query}")
        person.result()
        said = person.t("same.copy_text", number=things.record_of(things.KNOWN_COIN)["KPNumber"])
        expect(person.main.locator(".same")).to_contain_text(said)
        dialog = opened(person)
        expect(dialog.locator(".compare-copy")).to_have_text(said)
        expect(person.button("same.same_copy", within=dialog)).to_be_visible()
        expect(person.button("same.different_copy", within=dialog)).to_be_visible()
        for key in ("same.same", "same.different"):
            expect(person.button(key, within=dialog)).to_have_count(0)
    person.button("same.same_copy", within=dialog).click()
    expect(person.main.locator(".note.good")).to_be_visible()
    hit = person.museum.result(query)["result"]["hits"][0]["object"]["id"]
    wait_for("the answer", lambda: person.museum.result(query)["said"].get(hit) == "same" or None)


def test_what_is_no_copy_is_compared_as_ever(registrar: Person) -> None:
    """It is this one, or another."""
    registrar.found(things.seen_again(things.KNOWN_TOOL))
    dialog = opened(registrar)
    expect(dialog.locator(".compare-copy")).to_have_count(0)
    expect(registrar.button("same.same", within=dialog)).to_be_visible()
    expect(registrar.button("same.different", within=dialog)).to_be_visible()


@pytest.mark.parametrize("by", ["key", "press"])
def test_an_answer_is_seen_where_it_is_given(person: Person, by: str) -> None:
    """In the dialog, which stays, and afterwards at the hit; both may be answered anew. At 1280 px both are in one line."""
    query = person.museum.upload(things.seen_again(things.KNOWN_TOOL, 61))
    person.museum.result(query)
    person.go(f"q/{query}")
    person.result()
    dialog = opened(person)
    buttons = {one: person.button(f"same.{one}", within=dialog) for one in ("same", "different")}
    boxes = [one.bounding_box() for one in buttons.values()]
    assert len({box["y"] for box in boxes if box}) == 1
    for key, answer, other in (("1", "same", "different"), ("2", "different", "same")):
        if by == "key":
            person.page.keyboard.press(key)
        else:
            buttons[answer].click()
        expect(dialog.locator(".compare-said")).to_have_text(person.t(f"same.said_{answer}"))
        expect(buttons[answer]).to_have_attribute("aria-pressed", "true")
        expect(buttons[other]).to_have_attribute("aria-pressed", "false")
    hit = person.museum.result(query)["result"]["hits"][0]["object"]["id"]
    wait_for("the answer", lambda: person.museum.result(query)["said"].get(hit) == "different" or None)
    person.page.keyboard.press("Escape")
    expect(person.hits.first.locator(".how")).to_have_text(person.t("same.said_different"))


def test_in_a_batch_the_answer_is_seen_before_it_goes_on(registrar: Person) -> None:
    """The next object comes when the comparison is closed."""
    photos = [(f"b{n}_1.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 70 + n)) for n in (1, 2)]
    begin(registrar, unique("Сравнение"), photos)
    expect(registrar.main.locator(".worklist a")).to_have_count(2, timeout=60_000)
    expect(registrar.main.locator(".same")).to_be_visible()
    first = registrar.main.locator(".worklist a[aria-current]").get_attribute("href")
    dialog = opened(registrar)
    registrar.page.keyboard.press("1")
    expect(dialog.locator(".compare-said")).to_have_text(registrar.t("same.said_same"))
    registrar.page.keyboard.press("Escape")
    expect(registrar.main.locator(".worklist").get_by_text(registrar.t("work.same"))).to_have_count(1)
    expect(registrar.main.locator(".worklist a[aria-current]")).not_to_have_attribute("href", first or "")
    expect(registrar.main.locator(".same")).to_be_visible()


def test_an_address_with_an_object_opens_the_comparison(registrar: Person) -> None:
    """Sent to a colleague, or reloaded."""
    registrar.found(things.seen_again(things.KNOWN_TOOL))
    opened(registrar)
    registrar.page.reload()
    expect(registrar.page.locator("dialog.compare")).to_be_visible()


def test_a_part_is_chosen_by_dragging(registrar: Person) -> None:
    """And searched without another upload."""
    query = registrar.found(things.seen_again(things.KNOWN_TOOL))
    uploads = len([one for one in registrar.sent() if registrar.museum.s3 in one])
    registrar.button("crop.start").click()
    box = picture_box(registrar)
    assert box

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    registrar.page.mouse.move(*at(0.05, 0.05))
    registrar.page.mouse.down()
    registrar.page.mouse.move(*at(0.6, 0.7), steps=4)
    registrar.page.mouse.up()
    registrar.button("crop.search").click()
    registrar.page.wait_for_function("(was) => !location.href.includes(was)", arg=query)
    registrar.result()
    region = registrar.museum.result(registrar.query)["region"]
    assert [region["left"], region["top"], region["width"], region["height"]] == pytest.approx([0.05, 0.05, 0.55, 0.65], abs=0.02)
    assert len([one for one in registrar.sent() if registrar.museum.s3 in one]) == uploads
    expect(registrar.main.locator(".chip").first).to_have_text(registrar.t("chip.region"))
    expect(registrar.main.locator(".query-photo .marked")).to_be_visible()


def test_a_drag_inside_the_ready_box_draws_hers(registrar: Person) -> None:
    """Which a drag moves then, as a press alone does nothing; its handles are whole at the picture's edge."""
    registrar.found(things.seen_again(things.KNOWN_TOOL))
    registrar.button("crop.start").click()
    box = picture_box(registrar)
    assert box

    def drag(start: tuple[float, float], end: tuple[float, float]) -> list[float]:
        for place, (x, y) in enumerate((start, end)):
            registrar.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
            registrar.page.mouse.up() if place else registrar.page.mouse.down()
        style = registrar.page.locator(".crop-box").evaluate(
            "(one) => ['left', 'top', 'width', 'height'].map((s) => one.style[s])"
        )
        return [float(side.rstrip("%")) / 100 for side in style]

    assert drag((0.5, 0.5), (0.5, 0.5)) == pytest.approx([0.15, 0.15, 0.7, 0.7])
    assert drag((0.3, 0.4), (0.6, 0.8)) == pytest.approx([0.3, 0.4, 0.3, 0.4], abs=0.01)
    assert drag((0.4, 0.5), (0.1, 0.1)) == pytest.approx([0, 0, 0.3, 0.4], abs=0.01)
    corner = "([x, y]) => document.elementFromPoint(x, y)?.dataset.corner"
    assert registrar.page.evaluate(corner, [box["x"] - 6, box["y"] - 6]) == "nw"


def test_a_part_is_chosen_by_keys(registrar: Person) -> None:
    """Arrows move, with Shift they resize, Enter searches; each step is said."""
    query = registrar.found(things.seen_again(things.KNOWN_TOOL))
    registrar.button("crop.start").press("Enter")
    frame = registrar.page.locator("dialog.cropper .crop-box")
    expect(frame).to_be_focused()
    for key in ("ArrowLeft", "ArrowUp", "Shift+ArrowLeft", "Control+Shift+ArrowUp"):
        registrar.page.keyboard.press(key)
    expect(registrar.page.locator("#polite")).to_have_text(registrar.t.like("crop.place"))
    registrar.page.keyboard.press("Enter")
    registrar.page.wait_for_function("(was) => !location.href.includes(was)", arg=query)
    registrar.result()
    region = registrar.museum.result(registrar.query)["region"]
    assert [region["left"], region["top"], region["width"], region["height"]] == pytest.approx([0.13, 0.13, 0.68, 0.6], abs=0.005)


def test_a_part_may_be_left_alone(registrar: Person) -> None:
    """Escape; the button has the focus again."""
    query = registrar.found(things.photo(things.NEW_COIN))
    registrar.button("crop.start").click()
    registrar.page.keyboard.press("Escape")
    expect(registrar.page.locator("dialog.cropper")).to_have_count(0)
    expect(registrar.button("crop.start")).to_be_focused()
    assert registrar.query == query


def test_a_small_photo_is_enlarged_to_choose_a_part(registrar: Person) -> None:
    """It fills the dialog, and the box stays on it when the window changes."""
    registrar.found(things.seen_again(things.KNOWN_TOOL))
    registrar.button("crop.start").click()
    photo, frame = registrar.page.locator(".crop-photo img"), registrar.page.locator(".crop-box")
    picture_box(registrar)
    for width, least in ((1280, 500), (360, 300)):
        registrar.page.set_viewport_size({"width": width, "height": 900})
        seen, box = photo.bounding_box(), frame.bounding_box()
        assert seen
        assert box
        assert max(seen["width"], seen["height"]) >= least
        assert [(box["x"] - seen["x"]) / seen["width"], box["width"] / seen["width"]] == pytest.approx([0.15, 0.7], abs=0.01)
        assert [(box["y"] - seen["y"]) / seen["height"], box["height"] / seen["height"]] == pytest.approx([0.15, 0.7], abs=0.01)


def test_both_photos_have_the_same_room(registrar: Person) -> None:
    """Also where only one side has other views to choose from."""
    registrar.found(things.seen_again(things.KNOWN_COIN))
    registrar.link("hit.compare", within=registrar.hits.first).click()
    expect(registrar.page.locator("figure:last-child .view")).to_have_count(2)
    left, right = (lens.bounding_box() for lens in registrar.page.locator(".lens").all())
    assert left
    assert right
    assert (left["width"], left["height"]) == (right["width"], right["height"])


def test_a_sample_leaves_what_she_wrote(person: Person) -> None:
    """Written or edited by her; how many were taken and left is said. Undone at once."""
    person.search(things.seen_again(things.KNOWN_TOOL, 71))  # of which nobody has said what it is
    person.page.get_by_role("button", name=person.t("card.anyway")).click()
    person.value("Name").fill("Ножовка по металлу")
    said = person.museum.result(person.query)["result"]["hits"][0]["record"]
    row = person.field("MaterialandTechnique")
    row.get_by_role("button", name=person.t.like("card.take_named")).click()
    expect(person.value("MaterialandTechnique")).not_to_have_value("")
    person.value("MaterialandTechnique").press("End")
    person.value("MaterialandTechnique").press_sequentially(", ржавчина")
    edited = person.value("MaterialandTechnique").input_value()
    dialog = opened(person)
    person.button("compare.use", within=dialog).click()
    expect(person.value("ShortDescription")).to_have_value(said["ShortDescription"])
    expect(person.value("Name")).to_have_value("Ножовка по металлу")
    expect(person.value("MaterialandTechnique")).to_have_value(edited)
    toast = person.page.locator("#toasts .toast")
    expect(toast).to_contain_text(person.t("card.left", n=2))
    expect(toast).to_contain_text(person.t.like("card.took"))
    person.button("card.undo", within=toast).click()
    expect(person.value("ShortDescription")).to_have_value("")
    expect(person.value("Name")).to_have_value("Ножовка по металлу")


@pytest.mark.parametrize("touch", [True, False])
def test_help_is_of_what_she_has_in_hand(arrive: Arrive, touch: bool) -> None:
    """Fingers, or a mouse and keys."""
    person = arrive("ru", has_touch=touch, is_mobile=touch, viewport={"width": 390, "height": 844})
    person.found(things.seen_again(things.KNOWN_TOOL))
    kinds = {"touch": touch, "help": not touch}
    person.button("crop.start").click()
    for kind, shown in kinds.items():
        expect(person.page.get_by_text(person.t(f"crop.{kind}"))).to_be_visible(visible=shown)
    person.button("crop.cancel").click()
    dialog = opened(person)
    for kind, shown in kinds.items():
        expect(dialog.get_by_text(person.t(f"compare.{kind}"))).to_be_visible(visible=shown)
