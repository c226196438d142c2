"""``museum up | down | status | logs | env``."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from functions.cli.common import bind_option, json_option, page_address, plain, printable, running_stack, stack_of, state_option
from functions.errors import Unavailable

if TYPE_CHECKING:
    from infra.local.stack import Stack

console = Console(highlight=False)
MAX_PORT = 65535
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a polite kill, and a closed terminal."""


def asked_ports(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    """``--port s3=9100`` as a mapping."""
    asked = {}
    for value in values:
        name, _, number = value.partition("=")
        if not number.isdecimal() or not 1 <= int(number) <= MAX_PORT:
            raise click.BadParameter(f"expected NAME=NUMBER such as s3=9100, with a number up to {MAX_PORT}, found {value!r}")
        asked[name] = int(number)
    return asked


@click.command("up")
@state_option
@click.option("--detach", "-d", is_flag=True, help="Return when everything is ready, and leave it running.")
@bind_option
@click.option(
    "--model",
    envvar="MUSEUM_MODEL",
    show_envvar=True,
    metavar="NAME|TIER",
    help="Model: quality, fast or a name.  [default: the live one, at first quality]",
)
@click.option("--activate", is_flag=True, help="Make the built model the live one, though another one has a catalogue.")
@click.option("--port", "ports", multiple=True, callback=asked_ports, metavar="NAME=NUMBER", help="Ask for a port, e.g. s3=9100.")
def up_command(state: Path, detach: bool, bind: str, ports: Mapping[str, int], activate: bool, model: str | None) -> None:
    """Start the local stack: RabbitMQ, S3, Milvus, Triton, functions and triggers.

    A server whose address is in the environment (MUSEUM_AMQP_URL, AWS_ENDPOINT_URL, MUSEUM_MILVUS_URI,
    MUSEUM_TRITON_URL) is used and not started.

    \b
    Examples:
      museum up                           until Ctrl-C
      museum up --detach --state /data/m  in the background
      museum up --port s3=9100            S3 on a port of your choice
      museum up --model fast              a new stack with the quick model
      museum up --bind 0.0.0.0            S3 and AMQP also for other machines
    """
    interruptible()
    with starting(state) as stack:
        stack.up(bind=bind, asked=ports, say=say, activate=activate, model=model)
    try:
        say(f"the page {page_address(stack.environment())}")
        say(f"S3 {stack.environment()['AWS_ENDPOINT_URL']}  ·  addresses and keys: museum env --state {shlex.quote(str(state))}")
        if not detach:
            say("Ctrl-C stops everything.")
            wait_for_end(stack)
    finally:
        if not detach:
            stop(stack)


@contextlib.contextmanager
def starting(state: Path) -> Iterator[Stack]:
    """The stack of a folder while nobody else starts it. Where the block fails, what it started is stopped again."""
    from infra.local.state import alone

    with alone(state, say):
        stack = stack_of(state)
        was_up = stack.supervisor.is_up()
        try:
            yield stack
        except BaseException:
            if not was_up:
                stop(stack)
            raise


def say(line: str, *, err: bool = False) -> None:
    """A line for people; beside the data, where there is some."""
    click.echo(printable(line), err=err)


def interruptible() -> None:
    """From here on each of ``ENDS`` does what Ctrl-C does: a closed terminal does not leave 20 processes behind."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for number in ENDS:
        signal.signal(number, interrupt)


def wait_for_end(stack: Stack, look_every: float = 2.0) -> None:
    """Sleep until one of ``ENDS``, or until somebody else stopped the stack."""
    ended = threading.Event()
    for number in ENDS:
        signal.signal(number, lambda *_: ended.set())
    while not ended.wait(look_every):
        if not stack.supervisor.is_up():
            say("the stack was stopped by another command", err=True)
            return


def stop(stack: Stack) -> None:
    """Stop everything; a second Ctrl-C does not leave half of it running."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # the terminal may be closed
        say("stopping …", err=True)
    stack.down()


@click.command("down")
@state_option
def down_command(state: Path) -> None:
    """Stop the local stack; what was stored stays.

    \b
    Examples:
      museum down
      museum down --state /data/m
    """
    stack = stack_of(state)
    was_up = stack.supervisor.is_up()
    stack.down()  # also what a stack that was killed left
    say("stopped" if was_up else f"no stack is up in {state.resolve()}")


@click.command("status")
@state_option
@json_option
def status_command(state: Path, as_json: bool) -> None:
    """Show each part, the queues that are not empty, and the ports.

    \b
    Examples:
      museum status
      museum status --json | jq '.parts[] | select(.ready | not)'
    """
    stack = stack_of(state)
    parts = stack.status()
    queues = queues_of(stack) if parts else []
    if as_json:
        click.echo(json.dumps({"parts": [asdict(part) for part in parts], "queues": queues, "ports": stack.state.ports}))
        return
    if not parts:
        say(f"no stack is up in {state}")
        return
    table = Table("part", "pid", "ready", "restarts", box=None)
    for part in parts:
        table.add_row(plain(part.name), str(part.pid or "–"), "yes" if part.ready else "[red]no[/red]", str(part.restarts))
    console.print(table)
    waiting = Table("queue", "ready", "unacked", box=None)
    for queue in queues:
        if queue["ready"] or queue["unacked"]:
            waiting.add_row(plain(queue["name"]), str(queue["ready"]), str(queue["unacked"]))
    if waiting.row_count or queues:
        console.print(waiting if waiting.row_count else "all queues are empty")
    if any(part.name == "triton" for part in parts):
        console.print(f"Triton's metrics for Prometheus: http://127.0.0.1:{stack.state.ports['triton_metrics']}/metrics")
    console.print("ports: " + ", ".join(f"{name} {port}" for name, port in list(stack.state.ports.items())[:12]))


def queues_of(stack: Stack) -> list[dict[str, Any]]:
    """The queues; none, with a note, while RabbitMQ is down: that is when people look."""
    try:
        return stack.queues()
    except Unavailable as error:
        click.echo(printable(f"RabbitMQ does not answer: {error.detail}"), err=True)
        return []


@click.command("logs")
@state_option
@json_option
@click.argument("part", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on as lines come.")
@click.option("--lines", "-n", default=50, show_default=True, type=click.IntRange(0), help="How many of the last lines of each.")
def logs_command(state: Path, as_json: bool, part: str | None, follow: bool, lines: int) -> None:
    """Show the log of PART, or the last lines of all.

    Functions and triggers write a JSON object a line. With --json these alone are printed, as they are.

    \b
    Examples:
      museum logs                                  the end of each log
      museum logs embed-bulk --follow
      museum logs search-interactive -n 1000 --json | jq 'select(.outcome != "done")'
    """
    folder = state / "logs"
    files = [folder / f"{part}.log"] if part else sorted(folder.glob("*.log"))
    missing = [file for file in files if not file.exists()]
    if missing or not files:
        names = ", ".join(sorted(file.stem for file in folder.glob("*.log"))) or "none yet"
        raise click.ClickException(f"no log of {part or 'any part'} in {folder}; there are: {names}")
    files += [died for file in files if (died := file.with_suffix(".err")).exists() and died.stat().st_size]
    argv = ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, files)]  # -F: a log is moved away when it is full
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tail:
        try:
            for line in tail.stdout or ():
                text = line.decode(errors="replace").rstrip("\n")
                if not as_json:
                    click.echo(printable(text))
                elif is_json(text):
                    click.echo(text)
        finally:
            tail.terminate()


def is_json(text: str) -> bool:
    """Whether a line is an object for programs."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@click.command("env")
@state_option
@json_option
def env_command(state: Path, as_json: bool) -> None:
    """Print the addresses and keys for a shell.

    \b
    Examples:
      eval "$(museum env)" && aws s3 cp vase.jpg s3://$MUSEUM_BUCKET_QUERIES/
      museum env --json | jq -r .MUSEUM_AMQP_URL
    """
    environment = running_stack(state).environment()
    if as_json:
        click.echo(json.dumps(environment))
        return
    for name, value in environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")
