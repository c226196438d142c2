"""``museum demo``."""

from __future__ import annotations

import functools
import json
import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from functions.cli import importing, searching
from functions.cli.calibrate import calibrate, lines
from functions.cli.client import Found, Searcher
from functions.cli.common import DEFAULT_STATE, bind_option, json_option, page_address, state_option
from functions.cli.stack import interruptible, starting, stop, wait_for_end
from functions.cli.stack import say as tell


@click.command("demo")
@state_option
@json_option
@bind_option
@click.option("--once", is_flag=True, help="Stop everything after the searches, also in a terminal.")
def demo_command(state: Path, as_json: bool, bind: str, once: bool) -> None:
    """Start everything, import about 330 real photographs, and search twice.

    First a changed copy of a catalogued object, which must come first; then a thing whose whole category is not in the
    catalogue, which must be refused. In a terminal everything stays up until Ctrl-C.

    \b
    Examples:
      museum demo
      museum demo --once --json > demo.json    the import's report and both results
      museum demo --state /data/demo           beside a stack that is up
    """
    from infra.engine.wheels import cache_folder
    from infra.local import stamps

    say = functools.partial(tell, err=as_json)
    started = time.monotonic()
    interruptible()
    with starting(state) as stack:
        if stack.supervisor.is_up():
            raise click.ClickException(
                f"a stack is up in {state}, and the demo would import into it and stop it: stop it with `museum down`, or give "
                "the demo a folder of its own with --state"
            )
        if owned := [line for line in stack.borrowed() if "of the stack in" in line]:
            raise click.ClickException(
                "the demo would import into the servers of another stack, which this shell's environment names (`museum env`): "
                "run it in a new shell. " + "; ".join(owned)
            )
        say("[1/5] the photographs of the demo")
        demo = stamps.build(stamps.fetch(cache_folder()), cache_folder() / "demo")
        say("[2/5] RabbitMQ, S3, Milvus, Triton, functions and triggers")
        stack.up(bind=bind, asked={}, say=say)
    try:
        environment = stack.environment()
        say(f"[3/5] {len(demo.categories)} objects with photos into the catalogue bucket, until they are findable")
        report = importing.run(environment, demo.table, demo.images, museum=None, timeout=120)
        if not as_json:
            importing.show(report)
        say("[4/5] what scores mean in this collection")
        made = calibrate(environment, lambda record: demo.categories.get(record.object_id, ""))
        for what, found, ground in lines(made):
            say(f"{what}: {found} ({ground})")
        say("[5/5] two photos into the queries bucket")
        with Searcher(environment) as searcher:
            known, stranger = searcher.search(demo.query), searcher.search(demo.stranger)
        problems = [*report_problems(report), *problems_of(known, stranger, demo.query_object)]
        if as_json:
            click.echo(json.dumps(as_data(report, known, stranger, problems), ensure_ascii=False, indent=2))
        else:
            searching.show(known, 10)
            searching.show(stranger, 3)
        for problem in problems:
            say(problem)
        say(f"{'not ' if problems else ''}as expected, {time.monotonic() - started:.0f} s after the start")
        if sys.stdout.isatty() and not once and not problems:
            where = f" --state {shlex.quote(str(state))}" if state != DEFAULT_STATE else ""
            say(f"the page: {page_address(environment)}")
            say(f"everything is up: `museum search PHOTO{where}`, `museum status{where}`. Ctrl-C stops it.")
            wait_for_end(stack)
    finally:
        stop(stack)
    raise SystemExit(1 if problems else 0)


def as_data(report: importing.Report, known: Found, stranger: Found, problems: list[str]) -> dict[str, Any]:
    """What the demo found, as JSON values."""
    results = {"known": searching.as_data(known, 10), "stranger": searching.as_data(stranger, 10)}
    return {"import": asdict(report), **results, "problems": problems}


def report_problems(report: importing.Report) -> list[str]:
    """What should have been imported and was not."""
    return [f"not imported: {failure['what']}: {failure['reason']}" for failure in report.failures]


def problems_of(known: Found, stranger: Found, expected: str) -> list[str]:
    """What differs from what the demo promises."""
    problems = []
    first = known.result.hits[0].object_id if known.result.hits else "nothing"
    if first != expected:
        problems.append(f"expected {expected} first, found {first}")
    if known.result.verdict is None or known.result.verdict.similar is not True:
        problems.append("expected the changed copy to be called similar")
    if stranger.result.verdict is None or stranger.result.verdict.similar is not False:
        problems.append("expected the stranger to be refused")
    return problems
