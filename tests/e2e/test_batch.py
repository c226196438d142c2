"""A morning's photos: grouped by name, worked through by keyboard alone, gone on with tomorrow, and out again."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path
from urllib.parse import quote

import openpyxl
import pytest
from playwright.sync_api import Route, expect

from tests.e2e import things
from tests.e2e.conftest import Arrive
from tests.e2e.person import WAIT, File, Person
from tests.fixtures.stack import wait_for

KEPT = "async (batch) => (await (await import('/outbox.js')).ofBatch(batch)).length === 3"
PRESSES = 8
"""An object may cost, where the draft is taken."""


def morning() -> list[File]:
    """Twelve photos of six objects, named as cameras and registrars do."""
    names = [
        ("КП-501_1", "КП-501_2"),
        ("КП-502 (1)", "КП-502 (2)"),
        ("КП-503-аверс", "КП-503-реверс"),
        ("504a", "504b"),
        ("чаша 505_1", "чаша 505_2"),
        ("IMG_0506_front", "IMG_0506_back"),
    ]
    return [
        (f"{name}.jpg", "image/jpeg", things.photo(stamp) if side == 0 else things.seen_again(stamp, 20))
        for stamp, sides in zip(things.MORNING, names, strict=True)
        for side, name in enumerate(sides)
    ]


def unique(name: str) -> str:
    """A batch that nobody had before."""
    return f"{name} {time.time_ns() % 10**6}"


def begin(person: Person, name: str, files: list[File]) -> None:
    """Drop the photos, name the batch, begin."""
    person.go("batch")
    person.drop(*files)
    person.page.get_by_label(person.t("batch.name")).fill(name)
    person.button("batch.start").click()


def test_photos_are_grouped_by_name_and_by_hand(registrar: Person) -> None:
    """Before anything is sent."""
    registrar.go("batch")
    registrar.drop(*morning(), ("notes.txt", "text/plain", b"..."))
    expect(registrar.main.locator(".plan-count")).to_have_text(
        f"{registrar.t('batch.objects', n=6)}, {registrar.t('batch.photos', n=12)}"
    )
    expect(registrar.page.locator("#toasts")).to_contain_text(registrar.t("batch.skipped", n=1, names="notes.txt"))
    names = [one.input_value() for one in registrar.main.locator(".group input").all()]
    assert sorted(names) == sorted(["КП-501", "КП-502", "КП-503", "504", "чаша 505", "IMG_0506"])
    groups = registrar.main.locator(".group")
    registrar.button("batch.split", within=groups.nth(1)).click()
    expect(groups).to_have_count(7)
    registrar.page.get_by_role("button", name=registrar.t.like("batch.join")).nth(1).click()
    expect(groups).to_have_count(6)
    registrar.button("batch.after", within=groups.nth(0)).first.click()
    expect(groups.nth(1).locator("img")).to_have_count(3)
    registrar.page.locator("#batch-mode").select_option("each")
    expect(groups).to_have_count(12)
    registrar.page.locator("#batch-mode").select_option("count")
    registrar.page.locator("#batch-size").fill("4")
    registrar.page.locator("#batch-size").press("Enter")
    expect(groups).to_have_count(3)
    assert registrar.sent() == []


def test_a_folder_is_chosen(registrar: Person, tmp_path: Path) -> None:
    """With its folders as objects, where they are."""
    for number, stamp in enumerate(things.MORNING[:2]):
        (tmp_path / "утро" / f"КП-60{number}").mkdir(parents=True)
        for side in "ab":
            (tmp_path / "утро" / f"КП-60{number}" / f"DSC{side}.jpg").write_bytes(things.photo(stamp))
    registrar.go("batch")
    with registrar.page.expect_file_chooser() as chooser:
        registrar.button("batch.folder").click()
    chooser.value.set_files(tmp_path / "утро")
    expect(registrar.main.locator(".group")).to_have_count(2)
    assert [one.input_value() for one in registrar.main.locator(".group input").all()] == ["КП-600", "КП-601"]


@pytest.mark.timeout(180)
def test_a_morning_is_worked_through_by_keyboard_and_gone_on_with_tomorrow(arrive: Arrive, lang: str) -> None:
    """At most eight presses an object; the window is closed in the middle; the table has everything."""
    name = unique(f"Утро {lang}")
    first = arrive(lang)
    begin(first, name, morning())
    items = first.main.locator(".worklist a")
    expect(items).to_have_count(6, timeout=60_000)
    expect(first.main.locator(".card .tag").first).to_be_visible()
    costs = [work(first, place) for place in range(3)]
    url = first.page.url.split("#")[0]
    query = first.museum.ask("GET", "/queries?limit=1")[1]["items"][0]["id"]
    assert query
    first.page.context.close()

    second = arrive(lang)
    second.page.goto(f"{url}#/batch")
    second.page.get_by_role("link", name=name).press("Enter")
    expect(second.main.locator(".worklist a")).to_have_count(6)
    expect(second.main.locator(".worklist .is-checked")).to_have_count(3)
    costs += [work(second, place) for place in range(3, 6)]
    assert max(costs) <= PRESSES, costs
    expect(second.page.locator("#toasts")).to_contain_text(second.t("batch.all_done"))
    wait_for(
        "all to be checked",
        lambda: (
            [one["draft"]["state"] for one in second.museum.drafts() if one["draft"]["batch"] == name] == ["checked"] * 6 or None
        ),
    )

    with second.page.expect_download() as given:
        second.page.keyboard.press("Enter")  # the table has the focus when all is done
    assert given.value.suggested_filename.endswith(".xlsx")
    check_table(second, Path(given.value.path()), name)
    with second.page.expect_download() as given:
        second.page.get_by_role("link", name="JSON").click()
    cards = json.loads(Path(given.value.path()).read_text())["cards"]
    assert len(cards) == 6
    assert all(card["sources"]["Name"]["number"].startswith("КП-") for card in cards)
    second.button("batch.mark_do").last.click()
    wait_for(
        "them to be marked",
        lambda: (
            [one["draft"]["state"] for one in second.museum.drafts() if one["draft"]["batch"] == name] == ["exported"] * 6 or None
        ),
    )


def work(person: Person, place: int) -> int:
    """Take and check the object that is open, by keys alone; how many they were."""
    expect(person.main.locator('.worklist a[aria-current="true"]')).to_have_count(1)
    before, current = person.presses, person.main.locator('.worklist a[aria-current="true"]').get_attribute("data-id")
    expect(person.button("card.take_all")).to_be_enabled()
    person.press("a")
    expect(person.value("Name")).not_to_have_value("")
    expect(person.button("card.check")).to_be_focused()
    person.saved()  # while she looks at it
    person.press("Enter")
    expect(person.button("review.yes")).to_be_focused()
    person.press("Enter")
    expect(person.page.locator("dialog.review")).to_have_count(0)
    expect(person.main.locator(f'.worklist a[data-id="{current}"] .is-checked')).to_have_count(1)
    return person.presses - before


def check_table(person: Person, file: Path, name: str) -> None:
    """Pictures, fields, and the numbers of the samples."""
    book = openpyxl.load_workbook(io.BytesIO(file.read_bytes()))
    cards, sources = book.worksheets
    rows = list(cards.iter_rows(values_only=True))
    assert len(rows) == 7, name
    label = {"ru": "Наименование", "en": "Name"}[person.t.lang]
    column = rows[0].index(label)
    assert all(row[column] for row in rows[1:])
    assert len(cards._images) == 6  # type: ignore[attr-defined]
    assert all(re.match(r"КП-\d+", str(row[2])) for row in list(sources.iter_rows(values_only=True))[1:])


def test_an_object_that_is_catalogued_already_is_answered_by_a_key(registrar: Person) -> None:
    """1: it is this one; 2: it is another."""
    begin(
        registrar,
        unique("Повторы"),
        [
            ("a1_1.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 31)),
            ("a2_1.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 32)),
        ],
    )
    expect(registrar.main.locator(".worklist a")).to_have_count(2, timeout=60_000)
    expect(registrar.main.locator(".same")).to_be_visible()
    registrar.press("1")
    expect(registrar.main.locator(".worklist").get_by_text(registrar.t("work.same"))).to_have_count(1)
    expect(registrar.main.locator(".same")).to_be_visible()
    registrar.press("2")
    expect(registrar.main.locator(".veil")).to_be_hidden()
    expect(registrar.button("card.take_all")).to_be_focused()


def test_no_key_too_many_answers_whether_it_is_catalogued(registrar: Person) -> None:
    """The focus is on the question itself: Enter says nothing, 1 does."""
    begin(
        registrar,
        unique("Вопрос"),
        [
            ("КП-701_1.jpg", "image/jpeg", things.photo(things.NEW_COIN)),
            ("КП-702_1.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 35)),
        ],
    )
    works = registrar.main.locator(".worklist a")
    expect(works).to_have_count(2, timeout=60_000)
    works.filter(has_text="КП-701").click()
    expect(registrar.button("card.take_all")).to_be_enabled()
    registrar.press("j")
    title = registrar.main.locator(".same-title")
    expect(title).to_be_focused()
    registrar.press("Enter")
    registrar.press("Enter")
    expect(registrar.main.locator(".same")).to_be_visible()
    expect(works.get_by_text(registrar.t("work.same"))).to_have_count(0)
    registrar.press("1")
    expect(works.get_by_text(registrar.t("work.same"))).to_have_count(1)


def test_without_anything_similar_the_keys_are_no_text(registrar: Person) -> None:
    """And an empty card is not checked: what it lacks is said, and has the focus."""
    name = unique("Ничего")
    begin(registrar, name, [(f"КП-{n}_1.jpg", "image/jpeg", things.seen_again(things.STRANGE, n)) for n in (41, 42)])
    works = registrar.main.locator(".worklist a")
    expect(works).to_have_count(2, timeout=60_000)
    expect(works.get_by_text(registrar.t("work.nothing"))).to_have_count(2)
    first = registrar.main.locator('.worklist a[aria-current="true"]')
    at = first.get_attribute("data-id")
    registrar.press("j" if works.first.get_attribute("data-id") == at else "k")
    expect(first).not_to_have_attribute("data-id", at or "")
    heading = registrar.main.locator(".card h2").first
    expect(heading).to_be_focused()
    for key in ("c", "1", "2", "a", "Enter"):
        registrar.press(key)
    expect(registrar.value("Name")).to_have_value("")
    registrar.press("Control+Enter")
    expect(registrar.page.locator("#toasts")).to_contain_text(registrar.t("code.incomplete"))
    expect(registrar.value("Name")).to_be_focused()
    for field in ("Name", "TypologyGK"):
        expect(registrar.field(field).locator(".field-note")).to_contain_text(registrar.t("card.needed"))
    expect(registrar.main.locator(".worklist .is-checked")).to_have_count(0)
    registrar.page.keyboard.type("Медведь")
    registrar.press("Enter")
    expect(registrar.value("Name")).to_have_value("Медведь")
    registrar.press("Escape")
    expect(heading).to_be_focused()
    registrar.value("TypologyGK").select_option("13")
    registrar.saved()
    registrar.press("Control+Enter")
    expect(registrar.main.locator(".worklist .is-checked")).to_have_count(1)


UNCOVERED = """(root) => [...document.querySelectorAll(root)].filter((one) => {
  if (!one.checkVisibility({visibilityProperty: true}) || one.disabled) return false;
  one.scrollIntoView({block: 'center', behavior: 'instant'});
  const box = one.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return !(top && (one.contains(top) || top.contains(one)));
}).map((one) => one.textContent || one.ariaLabel)"""


@pytest.mark.parametrize("width", [1280, 1440, 390])
def test_no_button_of_an_object_lies_under_another_part(arrive: Arrive, width: int) -> None:
    """The question whether it is catalogued, and what is said where nothing is similar: by the room that there is."""
    registrar = arrive("ru", viewport={"width": width, "height": 900})
    museum, name = registrar.museum, unique("Ширина")
    shots = [things.seen_again(things.KNOWN_TOOL, 36), things.photo(things.STRANGE)]
    same, nothing = (museum.upload(one, f"{at}.jpg", batch=name, wait=True) for at, one in enumerate(shots))
    for query in (same, nothing):
        museum.result(query)
    registrar.go(f"batch/{quote(name)}/{same}")
    for query, part in ((same, ".same"), (nothing, ".status .note")):
        registrar.main.locator(f'.worklist a[data-id="{query}"]').click(timeout=WAIT)
        box = registrar.main.locator(part)
        expect(box).to_be_visible()
        expect(registrar.main.locator(".card")).to_be_visible()
        assert registrar.page.evaluate(UNCOVERED, ".query-head :is(button, a.button), .card-top button, .card-foot button") == []
        room = box.bounding_box()
        assert room
        assert room["width"] >= 280
        text = box.locator("p").first.bounding_box()
        assert text
        assert text["width"] >= 180


def test_a_message_covers_no_button_of_the_card(registrar: Person) -> None:
    """Neither the one that she presses next."""
    registrar.found(things.photo(things.NEW_COIN))
    registrar.value("Name").fill("Монета")
    registrar.saved()
    registrar.button("card.check").click()  # it has no class
    expect(registrar.page.locator("#toasts .toast")).to_have_count(1)
    assert registrar.page.evaluate(UNCOVERED, ".card-foot button") == []


def test_what_was_refused_is_said_until_she_takes_it_away(registrar: Person) -> None:
    """Also when the batch is opened again."""
    begin(
        registrar,
        unique("Пустой"),
        [("КП-801_1.jpg", "image/jpeg", things.photo(things.NEW_COIN)), ("empty.jpg", "image/jpeg", b"")],
    )
    refused = registrar.main.locator(".worklist li.work").filter(has_text=registrar.t("file.empty"))
    expect(refused).to_have_count(1)
    expect(registrar.main.locator(".worklist a")).to_have_count(1, timeout=60_000)
    registrar.page.reload()
    expect(refused).to_have_count(1)
    registrar.button("work.forget", within=refused).click()
    expect(refused).to_have_count(0)
    registrar.page.reload()
    expect(registrar.main.locator(".worklist a")).to_have_count(1)
    expect(refused).to_have_count(0)


def test_what_was_not_sent_when_the_window_closed_is_sent_by_the_next(registrar: Person) -> None:
    """The photos lie in the browser until they are up."""
    registrar.excused.append("404")  # what was sent by half is begun anew
    line = registrar.page.context.new_cdp_session(registrar.page)
    slow = {"offline": False, "latency": 5, "downloadThroughput": -1, "uploadThroughput": 15_000}
    name = unique("Медленно")
    line.send("Network.emulateNetworkConditions", slow)
    begin(registrar, name, morning()[:6])
    expect(registrar.main.locator(".worklist li.work:not(.ghost)")).to_have_count(3)
    registrar.page.wait_for_function(KEPT, arg=name)  # until then the page asks before it lets her close it
    registrar.page.close(run_before_unload=False)
    registrar.page = registrar.page.context.new_page()
    registrar.listen()
    registrar.page.goto(f"{registrar.museum.base}/#/batch/{quote(name)}")
    expect(registrar.main.locator(".worklist a")).to_have_count(3, timeout=60_000)
    expect(registrar.main.locator(".worklist .ready")).to_have_count(3, timeout=60_000)


def test_a_batch_is_copied_as_a_table(registrar: Person) -> None:
    """For a system that takes a paste; own fields of the batch are in every card."""
    registrar.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    registrar.go("batch")
    registrar.drop(("b1.jpg", "image/jpeg", things.photo(things.NEW_COIN)))
    registrar.page.get_by_label(registrar.t("batch.name")).fill(unique("Таблица"))
    registrar.page.locator(".own-fields summary").click()
    registrar.page.locator("#own-FZK").fill("протокол 7")
    registrar.button("batch.start").click()
    expect(registrar.button("card.take_all")).to_be_enabled(timeout=60_000)
    registrar.press("a")
    registrar.saved()
    registrar.button("batch.copy").click()
    expect(registrar.page.locator("#toasts")).to_contain_text(registrar.t("copy.done", what=registrar.t("batch.cards", n=1)))
    head, *rows = registrar.page.evaluate("navigator.clipboard.readText()").splitlines()
    assert len(rows) == 1
    assert "протокол 7" in rows[0].split("\t")
    assert len(head.split("\t")) == len(rows[0].split("\t"))
    assert (head.split("\t")[0], rows[0].split("\t")[0]) == (registrar.t("batch.object"), "b1")


def test_a_batch_is_gone_on_with_on_another_machine(registrar: Person) -> None:
    """What she answered, the part that she searched last, the batch's own fields: nothing of it is in this browser."""
    museum, name = registrar.museum, unique("Другая машина")
    shots = [things.seen_again(things.KNOWN_TOOL, 33), things.photo(things.MORNING[0]), things.photo(things.MORNING[1])]
    tool, narrowed, new = (museum.upload(one, f"{at}.jpg", batch=name, wait=True) for at, one in enumerate([*shots]))
    found = [museum.result(one) for one in (tool, narrowed, new)]
    hit = found[0]["result"]["hits"][0]
    assert hit["duplicate"]
    assert museum.ask("POST", f"/queries/{tool}/feedback", {"object": hit["object"]["id"], "is": "same"})[0] == 204
    status, made = museum.ask("POST", f"/queries/{narrowed}/filter", {"scope": "mine"})
    assert status == 201, made
    museum.result(made["id"])
    card = {"query": narrowed, "fields": {"Name": "Монета"}, "own": {"FZK": "протокол 9", "ActNumberandDate": "№ 3"}}
    assert museum.ask("POST", "/drafts", card)[0] == 201

    registrar.go(f"batch/{quote(name)}/{new}")
    work = registrar.main.locator(".worklist a")
    expect(work).to_have_count(3)
    expect(registrar.value("FZK")).to_have_value("протокол 9")
    expect(registrar.value("ActNumberandDate")).to_have_value("№ 3")
    expect(work.filter(has_text=registrar.t("work.same"))).to_have_attribute("data-id", tool)
    expect(registrar.main.locator(".batch-sum")).to_contain_text(registrar.t("batch.finished", n=1))
    registrar.main.locator(f'.worklist a[data-id="{narrowed}"]').click()
    expect(registrar.main.locator(".chip")).to_have_text(registrar.t("scope.mine"))
    expect(registrar.value("Name")).to_have_value("Монета")


def test_a_large_batch_does_not_hide_those_before_it(registrar: Person) -> None:
    """The history is gone through until there are enough."""

    def page(route: Route) -> None:
        at = 2 if "cursor=second" in route.request.url else 1
        items = [{"id": f"{at}{n:027}", "batch": f"Пакет {at}", "uploaded_at": 1e9, "status": "completed"} for n in range(100)]
        route.fulfill(json={"items": items, "next": "second" if at == 1 else None})

    registrar.page.route(re.compile(r"/api/queries\?"), page)
    registrar.go("batch")
    expect(registrar.main.locator(".known a")).to_have_text(["Пакет 1", "Пакет 2"])


@pytest.mark.parametrize("kind", ["xlsx", "json"])
def test_a_batch_that_one_file_does_not_take_is_saved_in_several(registrar: Person, kind: str) -> None:
    """All of its cards; it is said how many files they are."""
    page = registrar.page

    def cards(route: Route) -> None:
        draft = {"state": "draft", "batch": "Большой", "query": "", "sources": {}, "confirmed": []}
        items = [
            {"id": f"d{n}", "fields": {"Name": str(n)}, "images": [], "draft": {**draft, "query": f"q{n}"}} for n in range(501)
        ]
        route.fulfill(json={"items": items, "next": None})

    def part(route: Route) -> None:
        last = "cursor=half" in route.request.url
        if kind == "json":
            route.fulfill(json={"cards": [], "next": None if last else "half"})
        else:
            link = {} if last else {"link": '</api/drafts/export?batch=%D0%91&format=xlsx&lang=ru&cursor=half>; rel="next"'}
            route.fulfill(body=b"PK", content_type="application/vnd.openxmlformats", headers=link)

    page.route(re.compile(r"/api/objects\?kind=drafts&batch"), cards)
    page.route(re.compile(r"/api/drafts/export\?"), part)
    registrar.go(f"batch/{quote('Большой')}")
    expect(registrar.main.locator(".batch-sum")).to_have_text(registrar.t.like("batch.objects"))
    files: list[str] = []
    page.on("download", lambda one: files.append(one.suggested_filename))
    last = re.compile(rf"Большой 2\.{kind}")
    with page.expect_event("download", lambda one: bool(last.match(one.suggested_filename))):
        page.get_by_role("link", name=kind.upper()).click()
    expect(page.locator("#toasts")).to_contain_text(registrar.t("batch.in_files", n=500))
    expect(page.locator("#toasts")).to_contain_text(registrar.t("batch.files_saved", n=2))
    assert sorted(files) == [f"Большой {n}.{kind}" for n in (1, 2)]


MANY = 60
"""It was tried with 200, which takes a minute here: each request of the page is answered by this test."""
LATE = """() => { window.late = 0; new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.late = Math.max(window.late, one.duration);
}).observe({type: 'longtask'}); }"""


class Store:
    """A gateway and a store that take all photos and search none, and refuse now and then, because it is too often."""

    def __init__(self, person: Person) -> None:
        self.person, self.made, self.refused, self.sent = person, 0, 0, 0
        for path, answer in (
            (r"/api/uploads$", self.begin),
            (r"/api/queries\?", self.listed),
            (r"/api/queries/\w+(\?hits=1)?$", self.waits),
            (r"/api/queries/\w+/uploaded$", lambda route: route.fulfill(status=202, json={})),
            (r"/api/queries/\w+/events$", self.stream),
            (rf"{re.escape(person.museum.s3)}/fake", self.take),
        ):
            person.page.route(re.compile(path), answer)

    def begin(self, route: Route) -> None:
        """A form; each fiftieth photo has to be asked for three times."""
        if self.made % 50 == 10 and self.refused < 2 * (self.made // 50 + 1):
            self.refused += 1
            route.fulfill(status=429, headers={"retry-after": "1"}, json={"code": "too-many", "detail": "too many"})
            return
        self.made += 1
        form = {"url": f"{self.person.museum.s3}/fake", "fields": {"key": str(self.made)}}
        made = {"id": f"{2**48 - 1 - self.made:012x}{self.made:016}", "upload": form, "parts": []}
        route.fulfill(status=201, json=made)

    def take(self, route: Route) -> None:
        """A photo."""
        self.sent += route.request.method == "POST"
        route.fulfill(status=204, headers={"access-control-allow-origin": "*"})

    def listed(self, route: Route) -> None:
        """None before."""
        route.fulfill(json={"items": [], "next": None})

    def snapshot(self, route: Route) -> dict[str, object]:
        """Of any query: it waits."""
        found = re.search(r"/queries/(\w+)", route.request.url)
        assert found
        return {
            "id": found[1], "status": "waiting", "stage": "waiting", "uploaded_at": time.time(), "now": time.time(), "photos": [],
            "filename": "a.jpg", "batch": "", "of": None, "said": {}, "scope": "all", "result": None, "ahead": 0,
        }  # fmt: skip

    def waits(self, route: Route) -> None:
        """The same."""
        route.fulfill(json=self.snapshot(route))

    def stream(self, route: Route) -> None:
        """A stream that says it and is opened again much later."""
        body = f"retry: 600000\n\nevent: state\ndata: {json.dumps(self.snapshot(route))}\n\n"
        route.fulfill(content_type="text/event-stream", body=body)


def test_a_folder_of_many_photos_is_given_at_once(registrar: Person) -> None:
    """All are in the list, none is lost where the gateway asks to wait, and the page answers its keys meanwhile."""
    registrar.excused.append("429")
    store = Store(registrar)
    small = things.jpeg(things.picture(things.NEW_COIN).resize((240, 240)), quality=60)
    registrar.go("batch")
    registrar.drop(*((f"КП-{number:04}.jpg", "image/jpeg", small) for number in range(MANY)))
    expect(registrar.main.locator(".group")).to_have_count(MANY)
    registrar.page.get_by_label(registrar.t("batch.name")).fill(unique("Много"))
    registrar.page.evaluate(LATE)
    registrar.button("batch.start").click()
    expect(registrar.main.locator(".worklist li.work:not(.ghost)")).to_have_count(MANY)
    registrar.button("batch.keys").click()
    expect(registrar.page.locator("dialog[open]")).to_have_count(1)
    registrar.page.keyboard.press("Escape")
    expect(registrar.main.locator(".worklist a")).to_have_count(MANY, timeout=100_000)
    assert (store.made, store.sent) == (MANY, MANY)
    assert store.refused == 2 * MANY // 50
    assert [one.text_content() for one in registrar.main.locator(".worklist .dot.failed").all()] == []
    names = registrar.main.locator(".worklist .work-name").all_text_contents()
    assert sorted(names) == [f"КП-{number:04}" for number in range(MANY)]
    assert registrar.page.evaluate("window.late") < 5000


def test_an_object_that_is_done_has_the_focus_when_it_is_gone_back_to(registrar: Person) -> None:
    """On its card's heading: no further Enter takes or checks anything there."""
    museum, name = registrar.museum, unique("Назад")
    done, new = (
        museum.upload(things.photo(one), f"{at}.jpg", batch=name, wait=True) for at, one in enumerate(things.MORNING[:2])
    )
    for query in (done, new):
        museum.result(query)
    status, card = museum.ask("POST", "/drafts", {"query": done, "fields": {"Name": "Монета", "TypologyGK": "5"}})
    assert status == 201, card
    kind = {"content-type": "application/merge-patch+json", "if-match": "*"}
    assert museum.ask("PATCH", f"/objects/{card['id']}", {"draft": {"state": "checked"}}, **kind)[0] == 200
    registrar.go(f"batch/{quote(name)}/{new}")
    expect(registrar.button("card.take_all")).to_be_enabled()
    registrar.press("k")
    expect(registrar.main.locator(".card .tag").first).to_have_text(registrar.t("state.checked"))
    expect(registrar.main.locator(".card h2").first).to_be_focused()
    registrar.press("Enter")
    registrar.saved()
    expect(registrar.main.locator(".card .tag").first).to_have_text(registrar.t("state.checked"))
    registrar.press("j")
    expect(registrar.button("card.take_all")).to_be_focused()


FIRST_LATE = """(part) => {
  let first = true;
  const late = (url) => {
    const held = first && String(url).includes(part);
    if (held) first = false;
    return held;
  };
  const {fetch} = window;
  window.fetch = async (url, more) => {
    if (late(url)) await new Promise((done) => setTimeout(done, 2500));
    return fetch(url, more);
  };
  const {open, send} = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, url) { this.late = late(url); open.call(this, method, url); };
  XMLHttpRequest.prototype.send = function (body) { setTimeout(() => send.call(this, body), this.late ? 2500 : 0); };
}"""
"""The first call of an address that has ``part`` in it comes last."""


@pytest.mark.parametrize("slow", ["/api/uploads", "s3", "hits=1"])
def test_a_new_batch_opens_at_its_first_object(registrar: Person, slow: str) -> None:
    """Also where the others are there before it: its form, its photo, or what is known of it comes late."""
    registrar.go("batch")
    registrar.page.evaluate(FIRST_LATE, registrar.museum.s3 if slow == "s3" else slow)
    registrar.drop(*((f"КП-90{n}_1.jpg", "image/jpeg", things.photo(things.MORNING[n])) for n in range(3)))
    registrar.page.get_by_label(registrar.t("batch.name")).fill(unique("Первый"))
    registrar.button("batch.start").click()
    works = registrar.main.locator(".worklist a")
    expect(works).to_have_count(3, timeout=60_000)
    expect(works.first).to_have_attribute("aria-current", "true")
    expect(registrar.main.locator("#batch-at")).to_have_text(registrar.t("card.of", i=1, n=3))
