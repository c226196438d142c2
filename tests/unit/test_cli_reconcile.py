"""``museum reconcile`` over a world in memory: what it says it looked at, and what it did."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from click.testing import CliRunner, Result
from prometheus_client import REGISTRY

from functions import reconcile as sweeping
from functions.cli import reconcile as command
from functions.cli import sweeping as told
from functions.cli.main import museum
from functions.errors import Unavailable
from infra.local.part import free_port
from tests.unit.world import World


class Outbox:
    """Keeps what is published."""

    def __init__(self, _: str) -> None:
        self.sent: list[str] = []

    def publish(self, _type: str, event_id: str, _data: dict[str, Any], **_: Any) -> None:
        """See :class:`functions.ports.Publishes`."""
        self.sent.append(event_id)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """One object with its record, and a query; each has ended."""
    world = World()
    world.add("vase", 10, Name="Ваза")
    world.query(10)
    world.run()
    monkeypatch.setattr(command, "S3Store", lambda _: world.store)
    monkeypatch.setattr(command, "Outbox", Outbox)
    monkeypatch.setattr(sweeping, "MIN_AGE", -10.0)
    return world


def run(*words: str, **more: str) -> Result:
    """The command's answer, for servers that the environment names."""
    return CliRunner(env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1", **more}).invoke(museum, ["reconcile", *words])


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("words", [(), ("--fix",)])
def test_where_nothing_is_missing_it_is_said_what_was_looked_at(words: tuple[str, ...]) -> None:
    """Whether it would have been mended or not."""
    assert run(*words).stdout == "looked at 1 objects in queries and 2 objects in catalogue: nothing is missing\n"
    found = json.loads(run(*words, "--json").stdout)
    assert (found["missing"], found["looked_at"]) == ([], {"queries": 1, "catalogue": 2})


def test_what_was_raised_again_is_counted_after_it_is_named(world: World) -> None:
    """And what is only missing comes with the command that mends it."""
    world.query(20, "lost.jpg")
    assert run().stdout.splitlines()[-1].endswith("1 are missing, `museum reconcile --fix` raises them again")
    named, counted = run("--fix").stdout.splitlines()
    assert named.startswith("no outcome, raised again: queries/")
    assert counted == "looked at 2 objects in queries and 2 objects in catalogue: 1 were raised again"


@pytest.mark.usefixtures("world")
def test_a_long_look_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error, so that the output stays the answer."""
    monkeypatch.setattr(command, "SAY_EVERY", 0.0)
    found = run("--fix", "--json")
    assert json.loads(found.stdout)["missing"] == []
    assert "looked at 1 objects in queries and 1 objects in catalogue, …" in found.stderr


@pytest.mark.usefixtures("world")
def test_a_rebuild_counts_what_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record and photo."""
    monkeypatch.setattr(command, "renew", lambda _: None)
    assert run("--rebuild").stdout == "2 objects of the catalogue bucket are on their way to the index\n"


@pytest.mark.parametrize(
    ("fix", "said"), [(True, ""), (False, "looked at 0 objects in queries and 0 objects in catalogue: nothing is missing\n")]
)
def test_the_stacks_own_sweep_is_silent_while_nothing_is_lost(fix: bool, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its log would have a line a minute."""
    command.report([], command.Looked("queries", "catalogue", quiet=True), fix=fix, as_json=False, once=False)
    assert capsys.readouterr().out == said


class Ended(threading.Event):
    """Is set while the first pause lasts."""

    def wait(self, timeout: float | None = None) -> bool:
        """The end."""
        return True


def metric(name: str, **labels: str) -> float:
    """What the process has told."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_sweep_tells_when_it_last_looked_and_what_it_raised(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Prometheus asks for it; nothing else answers there."""
    monkeypatch.setattr(command.threading, "Event", Ended)
    world.query(20, "lost.jpg")
    port, before, began = free_port(), metric("museum_sweep_raised_total", kind="created"), time.time()
    assert run("--fix", "--every", "60", MUSEUM_STATUS_PORT=str(port)).exit_code == 0
    assert metric("museum_sweep_raised_total", kind="created") == before + 1
    assert began <= metric("museum_sweep_last_look_timestamp_seconds") <= time.time()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert b"museum_sweep_last_look_timestamp_seconds" in answer.read()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)


def test_a_look_that_failed_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With S3 or RabbitMQ away its time stays as it was, so that somebody is called."""

    def away(*_: object, **__: object) -> None:
        raise Unavailable("outbox", "it is away")

    monkeypatch.setattr(command.threading, "Event", Ended)
    monkeypatch.setattr(command, "publish", away)
    world.query(20, "lost.jpg")
    before = metric("museum_sweep_last_look_timestamp_seconds")
    assert "cannot look now" in run("--fix", "--every", "60").stderr
    assert metric("museum_sweep_last_look_timestamp_seconds") == before


def test_a_sweep_that_is_stuck_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its pause and half an hour without an object; a look of many objects moves all the time."""
    clock = 0.0
    monkeypatch.setattr(told.time, "monotonic", lambda: clock)
    status, said = told.Status(pause=60.0), []

    def asked() -> str:
        list(status.answer({"PATH_INFO": "/healthz"}, lambda line, _: said.append(line)))  # type: ignore[arg-type, func-returns-value, return-value]
        return said[-1]

    assert asked() == "200 OK"
    clock = 1800.0 + 60.0
    assert asked() == "503 Service Unavailable"
    command.Looked("queries", quiet=True, moved=status.moved)("queries")
    assert asked() == "200 OK"


def test_old_queries_are_erased_beside_the_looks_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a large catalogue that takes as long as a look, and no lost query waits for it; a run that failed is repeated."""
    begun, release, runs = threading.Event(), threading.Event(), []

    def work() -> None:
        runs.append(time.monotonic())
        begun.set()
        release.wait(10)
        if len(runs) == 1:
            raise Unavailable("s3", "away")

    hourly = command.Hourly(work)
    hourly.go_on()
    assert begun.wait(5)
    hourly.go_on()
    assert len(runs) == 1
    release.set()
    deadline = time.monotonic() + 5
    while len(runs) < 2:
        assert time.monotonic() < deadline
        hourly.go_on()
        time.sleep(0.01)
    assert hourly._running is not None
    hourly._running.join()
    hourly.go_on()
    assert len(runs) == 2
    monkeypatch.setattr(time, "monotonic", lambda: runs[1] + command.FORGET_EVERY + 60)
    hourly.go_on()
    hourly._running.join()
    assert len(runs) == 3
