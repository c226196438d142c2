"""``museum reconcile`` over a world in memory: what it says it looked at, and what it did."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from functions import reconcile as sweeping
from functions.cli import reconcile as command
from functions.cli.main import museum
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


def run(*words: str) -> Result:
    """The command's answer, for servers that the environment names."""
    return CliRunner(env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).invoke(museum, ["reconcile", *words])


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
