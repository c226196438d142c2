"""What the commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from functions.runtime.settings import Settings, load

if TYPE_CHECKING:
    from infra.local.stack import Stack

DEFAULT_STATE = Path(".museum")
INTERRUPTED = 130
"""Exit code of what Ctrl-C ended, as shells have it."""

F = TypeVar("F", bound=Callable[..., object])


def state_option(command: F) -> F:
    """``--state DIR`` on a command."""
    return click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_STATE,
        envvar="MUSEUM_STATE",
        show_default=True,
        show_envvar=True,
        help="Folder of the stack: its data, ports, passwords and logs.",
    )(command)


def json_option(command: F) -> F:
    """``--json`` on a command that prints data."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def bind_option(command: F) -> F:
    """``--bind ADDR`` on a command that starts a stack."""
    return click.option(
        "--bind",
        default="127.0.0.1",
        show_default=True,
        metavar="ADDR",
        help="Address that S3 and AMQP listen on, which ask for passwords; everything else stays on the loopback.",
    )(command)


def stack_of(state: Path) -> Stack:
    """The stack in a folder, running or not."""
    from infra.local.stack import Stack

    return Stack(state)


def running_stack(state: Path) -> Stack:
    """The stack in a folder, which must be up."""
    stack = stack_of(state)
    if not stack.supervisor.is_up():
        raise click.ClickException(
            f"no stack is up in {state.resolve()}: name the folder of yours with --state or MUSEUM_STATE, or start one here with "
            "`museum up --detach`"
        )
    return stack


def settings_of(context: click.Context, state: Path) -> Settings:
    """Of the servers that the environment names, as in a pod, unless ``--state`` is given; else of the stack that is up there."""
    asked = context.get_parameter_source("state") is ParameterSource.COMMANDLINE
    return load(Settings) if "AWS_ENDPOINT_URL" in os.environ and not asked else running_stack(state).settings()


def page_address(environment: Mapping[str, str]) -> str:
    """Where the page is, with the token of the stack's own registrar."""
    return address_with(environment["MUSEUM_URL"], environment["MUSEUM_TOKEN"])


def address_with(url: str, token: str) -> str:
    """The page's address with a token in the fragment, which no server sees; the page takes it out of the address bar."""
    return f"{url.rstrip('/')}/#token={token}"


def printable(text: str) -> str:
    """Text without control characters: a key or a reason of somebody else's must not steer the terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def plain(text: str) -> str:
    """The same for where rich would read markup."""
    from rich.markup import escape

    return escape(printable(text))
