"""``museum tokens``: shown once, kept as a hash."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from functions.cli.main import museum
from functions.gateway.identity import Door, Sessions, TokenFile
from functions.gateway.problems import Problem


def run(*words: str) -> Result:
    """The command's answer."""
    return CliRunner().invoke(museum, ["tokens", *words])


def test_a_token_is_made_listed_and_taken_away(tmp_path: Path) -> None:
    """At each step the gateway agrees."""
    file = tmp_path / "tokens.json"
    door = Door([TokenFile(file)], Sessions("key"))
    where = ["--file", str(file)]
    made = run("add", "--owner", "anna", "--museum", "north", "--days", "7", *where)
    assert made.exit_code == 0
    token = made.stdout.strip()
    assert token not in made.stderr
    who = door.identity(f"Bearer {token}", "", reading=False)
    assert (who.museum, who.owner, who.roles) == ("north", "anna", ("registrar",))
    assert 6 * 86_400 < who.expires - time.time() < 8 * 86_400
    listed = json.loads(run("list", "--json", *where).output)
    assert token not in json.dumps(listed)
    assert run("remove", listed[0]["name"], *where).exit_code == 0
    with pytest.raises(Problem, match="not known"):
        door.identity(f"Bearer {token}", "", reading=False)


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    """A name that is no part of a key; a token that is not there, or not one alone."""
    where = ["--file", str(tmp_path / "tokens.json")]
    assert "expected as owner" in run("add", "--owner", "a/b", *where).output
    assert "found 0" in run("remove", "abc", *where).output
    for owner in ("anna", "boris"):
        run("add", "--owner", owner, *where)
    assert "found 2" in run("remove", "", *where).output
