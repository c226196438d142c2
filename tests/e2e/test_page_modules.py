"""The page's pure modules, in the browser that runs them."""

from __future__ import annotations

import ast
import functools
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Browser

from functions.catalogue.fields import Form, fits

WEB = Path(__file__).resolve().parents[2] / "infra" / "web"
FUNCTIONS = WEB.parents[1] / "functions"
Run = Callable[..., Any]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the page's files and tells nobody."""

    def log_message(self, *_args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def run(browser: Browser) -> Iterator[Run]:
    """Call ``run(module, expression, value)``: the expression sees the module as ``m`` and the value as ``v``."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(WEB)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page(locale="en-GB", timezone_id="Europe/Moscow")
    page.goto(f"http://127.0.0.1:{server.server_port}/icon.svg")

    def call(module: str, expression: str, value: Any = None) -> Any:
        return page.evaluate(f"async (v) => {{ const m = await import('/{module}.js'); return {expression}; }}", value)

    yield call
    page.close()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Монета медная, 2 копейки", {"2": "number"}),
        ("Диаметр 30 мм, надпись «За усердие»", {"30 мм": "number", "надпись": "inscription", "«За усердие»": "inscription"}),
        ("Кувшин конца XIX в., утрачена ручка", {"XIX в.": "date", "утрачена": "damage"}),
        ("Портрет работы И. И. Иванова, 1812 г.", {"И. И. Иванова": "name", "1812 г.": "date"}),
        ("Column-krater, 6th century, chip on the rim", {"6th century": "date", "chip": "damage"}),
        ("кувшин глиняный", {}),
        ("a tear in the canvas, rusty hinges", {"tear": "damage", "rusty": "damage"}),
        ("tear duct cannula, teardrop, dental forceps, rustic, stainless steel", {}),
    ],
)
def test_numbers_dates_names_inscriptions_and_damage_are_marked(run: Run, text: str, kinds: dict[str, str]) -> None:
    """They may be true of the sample alone."""
    found = {one["text"]: one["kind"] for one in run("marks", "m.marks(v)", text)}
    assert kinds.items() <= found.items()
    assert kinds or not found


def test_pieces_of_a_text_are_the_text(run: Run) -> None:
    """Marks neither lose nor double a sign, whatever is written."""
    text = '<img src=x onerror=alert(1)> «а» 12 мм, 1812–1815 гг. до н. э. А. С. Пушкин; "b" № 7/а'
    assert "".join(piece["text"] for piece in run("marks", "m.pieces(v)", text)) == text


def test_what_was_changed_by_hand_needs_no_confirming(run: Run) -> None:
    """Only what stands in the sample too is still the sample's."""
    found = run("marks", "m.taken(v[0], v[1]).map((one) => one.text)", ["Ваза, 45 см, скол", "Ваза, 30 см, скол"])
    assert found == ["скол"]


def test_a_text_that_differs_in_spaces_and_case_alone_is_unchanged(run: Run) -> None:
    """It says nothing that its sample does not."""
    assert run("marks", "m.unchanged(v[0], v[1])", ["Ваза  белая", "ваза белая"])
    assert not run("marks", "m.unchanged(v[0], v[1])", ["Ваза белая; на дне клеймо", "ваза белая"])


def test_a_score_below_0_is_shown_as_0(run: Run) -> None:
    """A cosine has no other side for a person: no minus, and none before a rounded 0."""
    assert [run("i18n", "m.score(v).replace(',', '.')", score) for score in (0.0312, -0.0001, -0.2)] == [
        "0.031",
        "0.000",
        "0.000",
    ]


NOON = 1709640000
"""5 March 2024, 15:00 in Moscow."""


@pytest.mark.parametrize(
    ("lang", "written"),
    [
        ("ru", ["5 марта 2024 г.", "5 марта 2024 г. в 15:00", "0,5 с", "14 с", "2 мин", "а, б и в", "1 234,5"]),
        ("en", ["5 March 2024", "5 March 2024 at 15:00", "0.5 s", "14 s", "2 min", "а, б and в", "1,234.5"]),
    ],
)
def test_dates_times_and_lists_are_written_as_the_language_does(run: Run, lang: str, written: list[str]) -> None:
    """A day, a moment, durations, names as one phrase, a number."""
    call = (
        "(await m.load(v[0]), [m.day(v[1]), m.moment(v[1]), m.duration(480), m.duration(14200), m.duration(120000),"
        " m.listed(['а', 'б', 'в']), m.number(1234.5, 1)])"
    )
    assert [one.replace("\xa0", " ").replace("\u202f", " ") for one in run("i18n", call, [lang, NOON])] == written


@pytest.mark.parametrize(("lang", "day"), [("ru", "2 января"), ("en", "2 January")])
def test_a_moment_says_no_more_than_is_needed(run: Run, lang: str, day: str) -> None:
    """Of today the time alone, of this year no year."""
    now = run("i18n", "(await m.load(v), m.moment(Date.now() / 1000))", lang)
    assert re.fullmatch(r"\d\d:\d\d", now)
    year = "new Date(new Date().getFullYear(), 0, 2, 9, 30)"
    if run("i18n", f"{year}.toDateString() !== new Date().toDateString()"):
        assert re.fullmatch(rf"{day}\D+09:30", run("i18n", f"m.moment({year} / 1000)"))


def said_of_photos() -> list[tuple[str, str]]:
    """(code, sentence) of all that a photo is refused with, its values filled in with a 7."""
    found = []
    for path in (FUNCTIONS / "preprocess").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Reject":
                code, reason = node.args
                assert isinstance(code, ast.Constant)
                parts = reason.values if isinstance(reason, ast.JoinedStr) else [reason]
                found.append((code.value, "".join(one.value if isinstance(one, ast.Constant) else "7" for one in parts)))
    return found


def test_a_refusal_that_is_told_as_a_sentence_is_known_by_its_words(run: Run) -> None:
    """A draft's photo is told of without a code. A sentence that is worded anew must be known anew."""
    assert len(said_of_photos()) > 10
    for code, reason in said_of_photos():
        assert run("refusal", "m.refusal(v)", reason) == f"reject.{code}", reason
    assert run("refusal", "m.refusal(v)", "failed 4 times") == "draft.refused"


def names(groups: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Groups by name."""
    return {group["name"]: group["files"] for group in groups}


def test_photos_are_grouped_by_what_their_names_share(run: Run) -> None:
    """A number or a word at the end tells views apart; a camera's counter does not."""
    paths = ["КП-12_2.jpg", "КП-12_1.jpg", "КП-13.jpg", "IMG_0001.jpg", "IMG_0002.jpg", "ваза аверс.jpg", "ваза реверс.jpg"]
    found = names(run("grouping", "m.grouped(v, 'name')", paths))
    assert found == {"КП-12": [1, 0], "КП-13": [2], "IMG_0001": [3], "IMG_0002": [4], "ваза": [5, 6]}


@pytest.mark.parametrize(
    ("alone", "name"),
    [
        ("КП-601_1.jpg", "КП-601"),
        ("КП-13.jpg", "КП-13"),
        ("ваза аверс.jpg", "ваза"),
        ("504a.jpg", "504"),
        ("лист 5.jpg", "лист 5"),
    ],
)
def test_a_photo_that_is_alone_is_named_as_one_of_several(run: Run, alone: str, name: str) -> None:
    """A number that may be the object's own stays."""
    assert names(run("grouping", "m.grouped(v, 'name')", [alone])) == {name: [0]}


def test_folders_of_few_photos_are_objects(run: Run) -> None:
    """Each folder is one object."""
    paths = ["день/12/a.jpg", "день/12/b.jpg", "день/13/a.jpg"]
    assert run("grouping", "m.best(v)", paths) == "folder"
    assert names(run("grouping", "m.grouped(v, 'folder')", paths)) == {"12": [0, 1], "13": [2]}


def test_more_than_eight_photos_are_no_views(run: Run) -> None:
    """A query has at most eight photos."""
    paths = [f"лист {number}.jpg" for number in range(1, 13)]
    assert len(run("grouping", "m.grouped(v, 'name')", paths)) == 12
    assert [len(group["files"]) for group in run("grouping", "m.grouped(v, 'count', 5)", paths)] == [5, 5, 2]


def test_groups_are_mended_by_hand_without_losing_a_photo(run: Run) -> None:
    """Join, cut and move."""
    groups = [{"name": "a", "files": [0, 1]}, {"name": "b", "files": [2]}]
    assert run("grouping", "m.joined(v, 1)", groups) == [{"name": "a", "files": [0, 1, 2]}]
    cut = run("grouping", "m.split(v, 0, 1, 'c')", groups)
    assert names(cut) == {"a": [0], "c": [1], "b": [2]}
    assert names(run("grouping", "m.moved(v, 1, 0, -1)", groups)) == {"a": [0, 1, 2]}


def test_two_windows_changes_are_joined(run: Run) -> None:
    """What one alone changed is taken; where both did, mine stays and theirs is told."""
    base = {"Name": "Ваза", "Weight": "1", "Fund": "основной"}
    mine = {"Name": "Ваза белая", "Weight": "1"}
    theirs = {"Name": "Вазочка", "Weight": "2", "Fund": "основной"}
    found = run("merge", "m.merged(...v)", [base, mine, theirs])
    assert found == {"values": {"Name": "Ваза белая", "Weight": "2"}, "clashes": {"Name": "Вазочка"}}


def test_a_patch_has_what_changed_and_nothing_else(run: Run) -> None:
    """``null`` takes away."""
    found = run("merge", "m.changes(...v)", [{"Name": "a", "Weight": "1", "Fund": "x"}, {"Name": "b", "Weight": "1"}])
    assert found == {"Name": "b", "Fund": None}


@pytest.mark.parametrize(
    ("start", "end", "passed"),
    [
        ("draft", "checked", ["checked"]),
        ("draft", "linked", ["checked", "exported", "linked"]),
        ("exported", "draft", ["draft"]),
        ("linked", "draft", ["exported", "draft"]),
        ("checked", "checked", []),
    ],
)
def test_a_card_passes_the_states_between(run: Run, start: str, end: str, passed: list[str]) -> None:
    """The gateway takes one step at a time."""
    assert run("merge", "m.way(...v)", [start, end]) == passed


def hit(**more: Any) -> dict[str, Any]:
    """A hit with what its wording depends on."""
    return {"score": 0.9, "relation": None, "duplicate": None, "class_code": 13, "object": {"own": True}, **more}


COPIES = (5, 14, 15, 16, 17)
"""Coins, books, documents, prints, photographs."""


@pytest.mark.parametrize(
    ("one", "key"),
    [
        (hit(), "like.above"),
        (hit(score=0.1), "like.below"),
        (hit(relation={"kind": "same_object", "probability": 0.97}), "like.same_object.sure"),
        (hit(relation={"kind": "same_object", "probability": 0.6}), "like.same_object.maybe"),
        *((hit(relation={"kind": "same_object", "probability": 0.99}, class_code=code), "like.same_copy") for code in COPIES),
        (hit(relation={"kind": "looks_alike", "probability": 0.9}), "like.above"),
        (hit(score=0.4, relation={"kind": "looks_alike", "probability": 0.9}), "like.looks_alike"),
    ],
)
def test_wording_promises_no_more_than_the_score_supports(run: Run, one: dict[str, Any], key: str) -> None:
    """Copies are never called the same object, and nothing uncalibrated is more than similar."""
    assert run("likeness", "m.likeness(v, 0.5).key", one) == key


def test_what_looks_catalogued_is_said_of_own_objects_alone(run: Run) -> None:
    """Another museum's object is not hers, however alike; a coin is a copy, and only a look decides."""
    same = {"kind": "same_object", "probability": 0.97}
    kind = "(m.catalogued({hits: v}) || {}).kind || ''"
    assert run("likeness", kind, [hit(relation=same, object={"own": False})]) == ""
    assert run("likeness", kind, [hit(relation=same, duplicate=True)]) == "same"
    for code in COPIES:
        assert run("likeness", kind, [hit(relation=same, duplicate=True, class_code=code)]) == "copy"
    assert run("likeness", kind, [hit(relation={"kind": "same_kind", "probability": 0.9})]) == ""


def test_a_photo_all_but_the_same_is_asked_about_where_nothing_is_calibrated(run: Run) -> None:
    """Of copies in their own words. A calibration that says no is believed; another museum's object is none of hers."""
    kind = "(m.catalogued({hits: v}) || {}).kind || ''"
    assert run("likeness", kind, [hit(score=0.8), hit(score=0.95)]) == "near"
    assert run("likeness", kind, [hit(score=0.949)]) == ""
    assert run("likeness", kind, [hit(score=1.0, duplicate=False)]) == ""
    assert run("likeness", kind, [hit(score=1.0, object={"own": False})]) == ""
    assert run("likeness", kind, [hit(score=1.0, gone=True)]) == ""
    for code in COPIES:
        assert run("likeness", kind, [hit(score=0.96, class_code=code)]) == "copy"
        assert run("likeness", "m.closeCopy(v)", hit(score=0.96, class_code=code))


def test_it_is_said_where_nothing_can_tell_what_is_catalogued(run: Run) -> None:
    """Only of own objects, and only where nothing was asked."""
    unchecked = "m.unchecked({hits: v})"
    assert run("likeness", unchecked, [hit(), hit(score=0.5)])
    assert not run("likeness", unchecked, [hit(), hit(score=0.96)])
    assert not run("likeness", unchecked, [hit(), hit(duplicate=False)])
    assert not run("likeness", unchecked, [hit(object={"own": False})])


def test_a_draft_is_always_called_one(run: Run) -> None:
    """With its number, where it has one."""
    draft, record = {"object_id": "draft-1"}, {"KPNumber": "КП-501"}
    assert (
        run("records", "(await (await import('/i18n.js')).load('ru'), m.numberOf(...v))", [record, draft]) == "черновик · КП-501"
    )
    assert run("records", "m.numberOf(...v)", [{}, draft]) == "черновик"
    assert run("records", "m.numberOf(...v)", [record, {**draft, "draft": {"state": "draft"}}]) == "КП-501"  # in a list of drafts
    assert run("records", "m.numberOf(...v)", [record, {"object_id": "7"}]) == "КП-501"


def test_what_may_be_the_very_copy_is_close_and_of_a_class_of_copies(run: Run) -> None:
    """A coin that merely looks alike is no copy of it, and neither is a jug that is the same."""
    same, edition = ({"kind": kind, "probability": 0.9} for kind in ("same_object", "same_edition"))
    for code in COPIES:
        for one in (hit(relation=same), hit(relation=edition), hit(duplicate=True)):
            assert run("likeness", "m.closeCopy(v)", {**one, "class_code": code})
        for one in (hit(), hit(relation={"kind": "looks_alike", "probability": 0.9})):
            assert not run("likeness", "m.closeCopy(v)", {**one, "class_code": code})
    assert not run("likeness", "m.closeCopy(v)", hit(relation=same, duplicate=True))


def test_a_card_is_copied_in_the_order_asked_for(run: Run) -> None:
    """As lines, without what is empty; as cells, with it."""
    order = run("copytext", "m.ordered(v[0], v[1])", [["Name", "Weight", "KPNumber"], ["KPNumber"]])
    assert order == ["KPNumber", "Name", "Weight"]
    how = "{label: (name) => name, shown: (name, value) => value, form: v[2]}"
    values = {"Name": "Ваза\nбелая", "KPNumber": "12"}
    assert run("copytext", f"m.asText(v[0], v[1], {how})", [values, order, "lines"]) == "KPNumber: 12\nName: Ваза\nбелая"
    assert run("copytext", f"m.asText(v[0], v[1], {how})", [values, order, "cells"]) == "12\tВаза белая\t"


@pytest.mark.parametrize(
    ("begin", "found"),
    [
        ([0xFF, 0xD8, 0xFF, 0xE0], {"type": "image/jpeg"}),
        ([0, 0, 0, 24, *b"ftypheic"], {"type": "image/heic"}),
        ([0, 0, 0, 24, *b"ftypisom"], {"other": "video"}),
        ([*b"II*\0", 0, 0, 0, 0, *b"CR\x02"], {"other": "raw"}),
        ([*b"%PDF-1.7"], {"other": "pdf"}),
        ([], {"other": "empty"}),
    ],
)
def test_a_file_is_known_by_its_first_bytes(run: Run, begin: list[int], found: dict[str, str]) -> None:
    """Its name says nothing."""
    assert run("kinds", "m.kindOf(new Uint8Array(v))", begin) == found


def test_a_box_stays_in_the_picture(run: Run) -> None:
    """However it is moved and resized."""
    box = {"left": 0.9, "top": 0, "width": 0.1, "height": 0.5}
    moved = run("crop", "m.nudged(v, 'ArrowRight', {far: true})", box)
    assert moved["left"] + moved["width"] == pytest.approx(1)
    grown = run("crop", "m.nudged(v, 'ArrowDown', {grow: true})", box)
    assert grown["height"] == pytest.approx(0.52)


def test_magnifiers_are_linked_by_the_shared_part(run: Run) -> None:
    """A corner of the outline in one photo is the same corner in the other."""
    query = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]]
    other = [[0.8, 0.1], [0.8, 0.9], [0.2, 0.9], [0.2, 0.1]]  # turned by a quarter
    found = run("compare", "v[2].map((point) => m.mapped(v[0], v[1])(point))", [query, other, [[0.2, 0.2], [0.5, 0.5]]])
    assert [value for point in found for value in point] == pytest.approx([0.8, 0.1, 0.5, 0.5])


@pytest.mark.parametrize(("wait", "asked"), [("0.01", 2), ("3600", 1)])
def test_a_call_is_repeated_where_it_is_a_matter_of_seconds(run: Run, wait: str, asked: int) -> None:
    """What is counted by the day is said at once, and not after minutes of waiting."""
    said = run(
        "api",
        """await (async () => {
          const real = window.fetch; let asked = 0;
          const body = JSON.stringify({code: 'museum-quota', detail: 'at most 3 photos a day'});
          window.fetch = async () => { asked += 1; return new Response(body, {status: 429, headers: {'retry-after': v}}); };
          try { await m.call('GET', '/me', {repeats: 1}); } catch (error) { return [asked, error.status, error.code]; }
          finally { window.fetch = real; }
        })()""",
        wait,
    )
    assert said == [asked, 429, "museum-quota"]


@pytest.mark.parametrize(
    ("size", "written"), [(40_020_000, "40.02 MB"), (40_000_300, "40.0003 MB"), (41_000_000, "41 MB"), (400_000, "400 KB")]
)
def test_a_size_that_is_too_large_is_seen_to_be(run: Run, size: int, written: str) -> None:
    """With as many digits as it takes to differ from the limit."""
    assert run("i18n", "(await m.load('en'), m.bytesBeside(v, 40e6))", size) == written


def test_a_value_has_a_form_here_where_the_gateway_says_so(run: Run) -> None:
    """What is marked while she writes is what would refuse the checked card."""
    counts = [
        "1",
        "0",
        "-1",
        "007",
        "1,5",
        "один",
        "2 предмета",
        "10 (десять)",
        "—",
        "-480",
        "1850",
        "12345",
        "https://example.org",
    ]
    days = ["29.02.1956", "29.02.1957", "31.02", "1.1.1", "01.01.0099", "1956-02-30", "1956-03-12", "12/03/1956", "март 1956 г."]
    months = ["1956", "0000", "3.1956", "13.1956", "1956-03", "1956-13"]
    values = [*counts, *days, *months]
    given = [[form, value] for form in get_args(Form) for value in values]
    assert run("records", "v.map((one) => m.fits(...one))", given) == [fits(form, value) for form, value in given]
