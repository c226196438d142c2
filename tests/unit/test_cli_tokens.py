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
from infra.local import state


def run(*words: str) -> Result:
    """The command's answer."""
    return CliRunner(env={"MUSEUM_URL": None}).invoke(museum, ["tokens", *words])


def test_a_token_is_made_listed_and_taken_away(tmp_path: Path) -> None:
    """At each step the gateway agrees."""
    file = tmp_path / "tokens.json"
    door = Door([TokenFile(file)], Sessions("key"))
    where = ["--file", str(file)]
    made = run("add", "--owner", "anna", "--museum", "north", "--days", "7", *where)
    assert made.exit_code == 0
    token = made.stdout.split()[0]
    assert token not in made.stderr
    who = door.identity(f"Bearer {token}", "", reading=False)
    assert (who.museum, who.owner, who.roles) == ("north", "anna", ("registrar",))
    assert 6 * 86_400 < who.expires - time.time() < 8 * 86_400
    listed = json.loads(run("list", "--json", *where).output)
    assert token not in json.dumps(listed)
    assert run("remove", listed[0]["name"], *where).exit_code == 0
    with pytest.raises(Problem, match="not known"):
        door.identity(f"Bearer {token}", "", reading=False)


def test_the_pages_address_is_printed_with_the_token(tmp_path: Path) -> None:
    """In the fragment, as the page takes it; of a gateway whose address is not known the token alone."""
    where = ["--file", str(tmp_path / "tokens.json"), "--owner", "anna"]
    token, page = run("add", *where, "--url", "https://museum.example/").stdout.split()
    assert page == f"https://museum.example/#token={token}"
    made = CliRunner().invoke(museum, ["tokens", "add", "--json", *where], env={"MUSEUM_URL": "http://here:8080"})
    found = json.loads(made.stdout)
    assert found["page"] == f"http://here:8080/#token={found['token']}"
    assert json.loads(run("add", "--json", *where).stdout)["page"] is None


def test_the_address_is_the_stacks_own_where_no_file_is_named(tmp_path: Path) -> None:
    """Once it has chosen its ports; a folder without a stack has none."""
    assert len(run("add", "--owner", "anna", "--state", str(tmp_path / "none")).stdout.split()) == 1
    there = tmp_path / "there"
    state.write(there, state.State(ports=state.DEFAULT_PORTS))
    token, page = run("add", "--owner", "anna", "--state", str(there)).stdout.split()
    assert page == f"http://127.0.0.1:{state.DEFAULT_PORTS['gateway']}/#token={token}"


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    """A name that is no part of a key; a token that is not there, or not one alone."""
    where = ["--file", str(tmp_path / "tokens.json")]
    assert "expected as owner" in run("add", "--owner", "a/b", *where).output
    assert "found 0" in run("remove", "abc", *where).output
    for owner in ("anna", "boris"):
        run("add", "--owner", owner, *where)
    assert "found 2" in run("remove", "", *where).output
