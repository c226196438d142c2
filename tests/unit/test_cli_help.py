"""What the command says of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from functions.cli import stack as commands
from functions.cli.main import COMMANDS, museum
from functions.cli.stack import logs_command
from infra.local.stack import Stack


def command(name: str) -> click.Command:
    """One command, or one of a group: ``models list``."""
    found: click.Command | None = museum
    for word in name.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), word)
    assert found is not None
    return found


GROUPS = {name: found for name in COMMANDS if isinstance(found := command(name), click.Group)}
NAMES = [
    *(name for name in COMMANDS if name not in GROUPS),
    *(f"{name} {word}" for name, group in GROUPS.items() for word in group.commands),
]
PRINTS_DATA = sorted(set(NAMES) - {"up", "down", "models whiten", "models activate"})


def options(name: str) -> set[str]:
    """A command's options."""
    return {option for parameter in command(name).params for option in parameter.opts}


WITHOUT_STACK = {"evaluate", "models whiten", "models build"}
"""Commands that work on files alone."""


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_examples_and_takes_a_state_folder(name: str) -> None:
    """Each example is a line that begins with the command itself."""
    answer = CliRunner().invoke(museum, [*name.split(), "--help"])
    assert answer.exit_code == 0
    assert "Examples:" in answer.output
    assert f"\n    museum {name}" in answer.output or f"$(museum {name})" in answer.output
    assert ("--state" in options(name)) is (name not in WITHOUT_STACK)


@pytest.mark.parametrize("name", PRINTS_DATA)
def test_everything_that_prints_data_prints_json(name: str) -> None:
    """For programs."""
    assert "--json" in options(name)


@pytest.mark.parametrize("name", ["up", "demo"])
def test_what_starts_a_stack_takes_an_address(name: str) -> None:
    """The default is the loopback."""
    (bind,) = [parameter for parameter in command(name).params if parameter.name == "bind"]
    assert bind.default == "127.0.0.1"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes(shell: str) -> None:
    """The script that --help names, of the command that set-up installs."""
    program = Path(sys.executable).parent / "museum"
    environment = {**os.environ, "_MUSEUM_COMPLETE": f"{shell}_source"}
    answer = subprocess.run([program], check=True, capture_output=True, text=True, env=environment, timeout=30)
    assert "_MUSEUM_COMPLETE" in answer.stdout
    assert "museum" in answer.stdout
    words = {**os.environ, "_MUSEUM_COMPLETE": "bash_complete", "COMP_WORDS": "museum st", "COMP_CWORD": "1"}
    answer = subprocess.run([program], check=True, capture_output=True, text=True, env=words, timeout=30)
    assert answer.stdout.split() == ["plain,status"]


def test_logs_prints_the_json_lines_alone_where_it_is_asked_to(tmp_path: Path) -> None:
    """Of our own parts; what servers write is text, which cannot steer the terminal."""
    logs = tmp_path / "logs"
    logs.mkdir()
    line = json.dumps({"message": "event", "outcome": "done"})
    (logs / "embed-bulk.log").write_text(f"starting\n{line}\n")
    (logs / "s3.log").write_text("\x1b[31mslow disk\n7\n")
    runner = CliRunner()
    assert runner.invoke(logs_command, ["--state", str(tmp_path), "--json"]).stdout == f"{line}\n"
    shown = runner.invoke(logs_command, ["--state", str(tmp_path)]).stdout
    assert " [31mslow disk" in shown
    assert "embed-bulk.log" in shown
    assert runner.invoke(logs_command, ["--state", str(tmp_path), "embed-bulk", "-n", "1"]).stdout == f"{line}\n"
    unknown = runner.invoke(logs_command, ["--state", str(tmp_path), "nobody"])
    assert unknown.exit_code == 1
    assert "there are: embed-bulk, s3" in unknown.stderr


def test_env_prints_one_object_for_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same names and values as for a shell."""
    stack = Stack(tmp_path)
    stack.state.ports = {name: 20_000 + number for number, name in enumerate(stack.port_names())}
    monkeypatch.setattr(commands, "running_stack", lambda _: stack)
    answer = CliRunner().invoke(commands.env_command, ["--json"])
    assert json.loads(answer.stdout) == stack.environment()
