"""The steps of set-up: their order, their end, their interruption."""

from __future__ import annotations

import re
import sys
import threading
import time
from pathlib import Path

import pytest

from infra.local.steps import Commands, SetupError, Step, alone, perform


def never() -> bool:
    """A step that is not done yet."""
    return False


def test_a_step_waits_for_those_before_it_and_not_for_others() -> None:
    """Two that are free meet at a barrier, so they ran at the same time; the third comes after both."""
    barrier, order = threading.Barrier(2, timeout=10), list[str]()

    def meet(name: str) -> None:
        barrier.wait()
        order.append(name)

    steps = [
        Step("last", lambda: order.append("last"), never, after=("left", "right")),
        Step("left", lambda: meet("left"), never),
        Step("right", lambda: meet("right"), never),
    ]
    perform(steps, lambda line: None)
    assert sorted(order[:2]) == ["left", "right"]
    assert order[2:] == ["last"]


def test_what_is_done_is_not_done_again() -> None:
    """And counts as done for the steps after it."""
    ran: list[str] = []
    steps = [
        Step("done", lambda: ran.append("done"), lambda: True),
        Step("next", lambda: ran.append("next"), never, after=("done",)),
    ]
    perform(steps, lambda line: None)
    assert ran == ["next"]


def test_a_step_that_fails_is_named_with_its_reason() -> None:
    """What depends on it is not tried."""

    def fail() -> None:
        raise RuntimeError("no route to the mirror")

    with pytest.raises(SetupError, match="the model: no route to the mirror"):
        perform(
            [Step("the model", fail, never), Step("after", lambda: pytest.fail("ran"), never, after=("the model",))],
            lambda line: None,
        )


def test_a_long_step_is_reported_while_it_is_at_work() -> None:
    """With the seconds, the megabytes and what is at work."""
    heard, said = threading.Event(), list[str]()

    def say(line: str) -> None:
        said.append(line)
        heard.set()

    perform([Step("photos", lambda: heard.wait(10) or None, never)], say, beat=0.01)  # type: ignore[arg-type]
    assert re.fullmatch(r"  … \d+ s, \d+ MB received; at work: photos", said[0])
    assert re.fullmatch(r"  ✓ photos \(\d+ s\)", said[-1])


def test_a_command_that_fails_shows_the_end_of_its_output() -> None:
    """Six lines: the cause is at the end."""
    with pytest.raises(SetupError, match=r"ended with 3:\nline 14\n(line \d+\n){4}line 19$") as caught:
        Commands().run([sys.executable, "-c", "import sys; [print('line', n) for n in range(20)]; sys.exit(3)"])
    assert "line 13" not in str(caught.value)


def test_an_interruption_ends_commands_but_waits_for_those_that_must_not_be_ended(tmp_path: Path) -> None:
    """dpkg killed half-way would leave the machine for a person to repair."""
    commands, begun, finished = Commands(), tmp_path / "begun", tmp_path / "finished"
    waiting = f"import pathlib, time; pathlib.Path({str(begun)!r} + '%s').touch(); time.sleep(%s)"
    ended: dict[str, bool] = {}

    def run(name: str, script: str, protected: bool) -> None:
        try:
            commands.run([sys.executable, "-c", script], protected=protected)
            ended[name] = True
        except SetupError:
            ended[name] = False

    threads = [
        threading.Thread(target=run, args=("download", waiting % ("1", 600), False)),
        threading.Thread(target=run, args=("dpkg", waiting % ("2", 0.5) + f"; pathlib.Path({str(finished)!r}).touch()", True)),
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 20
    while len(list(tmp_path.glob("begun*"))) < 2:
        assert time.monotonic() < until
    commands.stop()
    assert finished.exists()
    for thread in threads:
        thread.join(10)
    assert ended == {"download": False, "dpkg": True}
    with pytest.raises(SetupError, match="interrupted"):
        commands.run(["true"])


def test_one_set_up_at_a_time_works_on_a_cache(tmp_path: Path) -> None:
    """The second says that it waits, and goes on when the first has ended."""
    said: list[str] = []
    second_in = threading.Event()

    def second() -> None:
        with alone(tmp_path, said.append):
            second_in.set()

    with alone(tmp_path, said.append):
        thread = threading.Thread(target=second)
        thread.start()
        until = time.monotonic() + 10
        while not said:
            assert time.monotonic() < until
        assert not second_in.is_set()
    thread.join(10)
    assert second_in.is_set()
    assert said == ["another set-up is at work on this machine: waiting for it"]
