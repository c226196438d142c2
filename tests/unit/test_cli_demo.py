"""What the demo demands of what it found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Answer

from functions.catalogue.calibration import Calibration, Verdict
from functions.cli import demo
from functions.cli import stack as commands
from functions.cli.client import Found
from functions.cli.demo import as_data, problems_of, report_problems
from functions.cli.importing import Report
from functions.results import Hit, Result
from infra.local import stamps


def found(*objects: str, similar: bool | None) -> Found:
    """A search that found objects, and says whether they are similar."""
    hits = [
        Hit(
            rank=rank, museum="local", object_id=name, score=0.9, image="", display="", query_image=0, view="whole", class_code=1
        )
        for rank, name in enumerate(objects, 1)
    ]  # fmt: skip
    verdict = None if similar is None else Verdict(similar=similar, threshold=0.5, collection_size=330)
    result = Result(
        query_id="q", museum="local", owner="local", status="completed", bucket="queries", key="k", version="1", hits=hits,
        verdict=verdict,
    )  # fmt: skip
    return Found("photo.jpg", 0.5, result)


GOOD = found("coin", "medal", similar=True)
STRANGER = found("medal", similar=False)


def test_the_object_first_and_the_stranger_refused_is_as_expected() -> None:
    """Exit code 0."""
    assert problems_of(GOOD, STRANGER, "coin") == []


@pytest.mark.parametrize(
    ("known", "stranger", "problem"),
    [
        (found("medal", "coin", similar=True), STRANGER, "expected coin first, found medal"),
        (found(similar=True), STRANGER, "expected coin first, found nothing"),
        (found("coin", similar=False), STRANGER, "expected the changed copy to be called similar"),
        (found("coin", similar=None), STRANGER, "expected the changed copy to be called similar"),
        (GOOD, found("coin", similar=True), "expected the stranger to be refused"),
        (GOOD, found(similar=None), "expected the stranger to be refused"),
    ],
)
def test_anything_else_is_a_problem(known: Found, stranger: Found, problem: str) -> None:
    """Exit code 1, and it is said what differs."""
    assert problems_of(known, stranger, "coin") == [problem]


def test_what_was_not_imported_is_a_problem() -> None:
    """Each with its reason."""
    report = Report(photos=2, findable=1, failures=[{"what": "coin: a.jpg", "reason": "expected a photo"}])
    assert report_problems(report) == ["not imported: coin: a.jpg: expected a photo"]
    assert report_problems(Report(photos=1, findable=1)) == []


def test_for_programs_it_prints_the_import_and_both_results() -> None:
    """And the problems, of which there are none."""
    data = as_data(Report(photos=2, findable=2), GOOD, STRANGER, [])
    assert data["import"]["findable"] == 2
    assert data["known"]["hits"][0]["object_id"] == "coin"
    assert data["stranger"]["verdict"]["similar"] is False
    assert data["problems"] == []


class FakeStack:
    """A stack that starts at once, or fails to."""

    def __init__(self, *, up: bool = False, fails: bool = False) -> None:
        self.supervisor = self
        self.running = up
        self.fails = fails
        self.stops = 0
        self.named: list[str] = []

    def borrowed(self) -> list[str]:
        """What the environment names."""
        return self.named

    def is_up(self) -> bool:
        """Whether it runs."""
        return self.running

    def up(self, **_: object) -> None:
        """Start."""
        self.running = True
        if self.fails:
            raise SystemExit("triton does not get ready")

    def environment(self) -> dict[str, str]:
        """Nothing is asked of it."""
        return {}

    def down(self) -> None:
        """Stop."""
        self.running, self.stops = False, self.stops + 1


class FakeSearcher:
    """Finds what the test says, by the photo's name."""

    found: Mapping[str, Found] = {}

    def __init__(self, _environment: Mapping[str, str]) -> None:
        pass

    def __enter__(self) -> FakeSearcher:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def search(self, photo: Path) -> Found:
        """One search."""
        return self.found[photo.name]


CATALOGUE = stamps.DemoCatalogue(
    table=Path("t.csv"), images=Path("i"), categories={"coin": "coins"}, query=Path("query"), query_object="coin",
    stranger=Path("stranger"), strangers=(),
)  # fmt: skip
FITTED = Calibration(version=2, fingerprint="f", size=330, photos=330, objects=330, made_at=0.0)


def run_demo(monkeypatch: pytest.MonkeyPatch, folder: Path, stack: FakeStack, known: Found, *arguments: str) -> Answer:
    """The command, with servers that answer at once."""
    FakeSearcher.found = {"query": known, "stranger": STRANGER}
    for where, name, value in (
        (commands, "ENDS", ()),
        (commands, "stack_of", lambda _: stack),
        (demo, "Searcher", FakeSearcher),
        (demo, "calibrate", lambda *_: FITTED),
        (demo.importing, "run", lambda *_, **__: Report(photos=1, findable=1)),
        (stamps, "fetch", lambda *_: Path()),
        (stamps, "build", lambda *_: CATALOGUE),
    ):
        monkeypatch.setattr(where, name, value)
    return CliRunner().invoke(demo.demo_command, ["--state", str(folder), *arguments])


@pytest.mark.parametrize(("known", "code"), [(GOOD, 0), (found("medal", similar=True), 1)])
def test_the_exit_code_says_whether_it_is_as_expected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: Found, code: int
) -> None:
    """Without a terminal everything is stopped again in either case, and JSON stands alone on standard output."""
    stack = FakeStack()
    answer = run_demo(monkeypatch, tmp_path, stack, known, "--json")
    assert answer.exit_code == code
    assert json.loads(answer.stdout)["problems"] == ([] if code == 0 else ["expected coin first, found medal"])
    assert (stack.running, stack.stops) == (False, 1)
    shown = run_demo(monkeypatch, tmp_path, FakeStack(), known)
    assert ("not as expected" in shown.output) == bool(code)


def test_the_demo_leaves_a_stack_that_is_up_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It would import into somebody's catalogue."""
    stack = FakeStack(up=True)
    answer = run_demo(monkeypatch, tmp_path, stack, GOOD)
    assert answer.exit_code == 1
    assert "give the demo a folder of its own with --state" in answer.stderr
    assert (stack.running, stack.stops) == (True, 0)


def test_a_demo_that_cannot_start_stops_what_it_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And fails."""
    stack = FakeStack(fails=True)
    answer = run_demo(monkeypatch, tmp_path, stack, GOOD)
    assert answer.exit_code == 1
    assert (stack.running, stack.stops) == (False, 1)


def test_the_demo_does_not_import_into_the_servers_of_another_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After ``eval "$(museum env)"`` they are in the environment; an S3 server of one's own is used."""
    stack = FakeStack()
    stack.named = ["not started: S3, since AWS_ENDPOINT_URL names another (port 9000, of the stack in /data/mine)"]
    answer = run_demo(monkeypatch, tmp_path, stack, GOOD)
    assert answer.exit_code == 1
    assert "of the stack in /data/mine" in answer.output
    assert "new shell" in answer.output
    assert not stack.running
    stack.named = ["not started: S3, since AWS_ENDPOINT_URL names another (port 9000)"]
    assert run_demo(monkeypatch, tmp_path, stack, GOOD).exit_code == 0
