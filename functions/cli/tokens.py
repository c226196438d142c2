"""``museum tokens add | list | remove``."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from functions.cli.common import address_with, json_option, plain, stack_of, state_option
from functions.gateway import tokens
from functions.gateway.identity import ROLES, Entry, Role, fingerprint
from functions.gateway.problems import Problem

console = Console(highlight=False)
SHOWN = 12
"""Characters of a hash that name it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One token, as it is listed: its hash's beginning is its name."""

    name: str
    museum: str
    owner: str
    roles: tuple[Role, ...]
    expires: float


def file_of(state: Path, file: Path | None) -> Path:
    """The token file that is meant."""
    return file or stack_of(state).folder / "tokens.json"


def url_of(state: Path, file: Path | None) -> str:
    """Where the page is that the token file is of: the stack's; empty where that is not known."""
    stack = stack_of(state)
    return stack.own_environment()["MUSEUM_URL"] if file is None and stack.state.ports else ""


file_option = click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), help="Token file of another gateway.  [default: the stack's]"
)


@click.group("tokens")
def tokens_command() -> None:
    """Who may use the page and the API: bearer tokens, of which a file keeps the hashes.

    \b
    Examples:
      museum tokens add --owner anna --role registrar
      museum tokens list
      museum tokens remove 1f2e3d
    """


@tokens_command.command("add")
@state_option
@json_option
@file_option
@click.option("--museum", default="local", show_default=True, help="Whose objects the token's bearer works with.")
@click.option("--owner", required=True, help="Who it is for: a part of keys, so letters, digits and ._@- alone.")
@click.option("--role", type=click.Choice(ROLES), default="registrar", show_default=True, help="visitor: search alone.")
@click.option("--days", default=0, show_default=True, type=click.IntRange(0), help="Days until it expires; 0: never.")
@click.option("--url", envvar="MUSEUM_URL", show_envvar=True, help="Where the page is.  [default: the stack's]")
def add_command(
    state: Path, as_json: bool, file: Path | None, museum: str, owner: str, role: Role, days: int, url: str | None
) -> None:
    """Make a token and print it, and the page's address with it: this is the only time that it is shown.

    \b
    Examples:
      museum tokens add --owner anna
      museum tokens add --owner guest --role visitor --days 7
      museum tokens add --museum north --owner boris --file /etc/museum/tokens.json
    """
    token = secrets.token_urlsafe(24)
    where = url or url_of(state, file)
    try:
        tokens.keep(file_of(state, file), token, museum=museum, owner=owner, roles=(role,), days=days)
    except Problem as problem:
        raise click.ClickException(problem.detail) from None
    name = fingerprint(token)[:SHOWN]
    page = address_with(where, token) if where else None
    if as_json:
        click.echo(json.dumps({"token": token, "name": name, "page": page}))
        return
    click.echo(token)
    if page is not None:
        click.echo(page)
    hint = "" if page else "; on the page it stands behind #token= in the address"
    click.echo(f"named {name} in `museum tokens list`{hint}", err=True)


@tokens_command.command("list")
@state_option
@json_option
@file_option
def list_command(state: Path, as_json: bool, file: Path | None) -> None:
    """Show whose tokens there are, never the tokens.

    \b
    Examples:
      museum tokens list
      museum tokens list --json | jq '.[] | select(.owner == "anna")'
    """
    entries = tokens.read(file_of(state, file))
    lines = [Line(digest[:SHOWN], one.museum, one.owner, one.roles, one.expires) for digest, one in entries.items()]
    if as_json:
        click.echo(json.dumps([{name: getattr(line, name) for name in Line.__slots__} for line in lines]))
        return
    table = Table("name", "museum", "owner", "roles", "until", box=None)
    for line in lines:
        until = time.strftime("%Y-%m-%d", time.localtime(line.expires)) if line.expires else "–"
        table.add_row(line.name, plain(line.museum), plain(line.owner), ", ".join(line.roles), until)
    console.print(table)


@tokens_command.command("remove")
@state_option
@json_option
@file_option
@click.argument("name")
def remove_command(state: Path, as_json: bool, file: Path | None, name: str) -> None:
    """Let the token that `list` calls NAME in no more, at once.

    \b
    Examples:
      museum tokens remove 1f2e3d4c5b6a
    """
    path = file_of(state, file)
    entries = tokens.read(path)
    found = {digest: one for digest, one in entries.items() if digest.startswith(name.lower())}
    if len(found) != 1:
        raise click.ClickException(f"expected the name of one token, found {len(found)} that begin so: `museum tokens list`")
    tokens.write(path, {digest: one for digest, one in entries.items() if digest not in found})
    gone: Entry = next(iter(found.values()))
    said = {"museum": gone.museum, "owner": gone.owner}
    click.echo(json.dumps({"removed": said}) if as_json else f"{gone.owner} of {gone.museum} is let in no more by that token")
