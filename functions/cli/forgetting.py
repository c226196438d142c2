"""``museum forget``."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from functions.adapters.s3 import S3Store
from functions.cli.common import json_option, running_stack, state_option
from functions.retention import expired, forget


@click.command("forget")
@state_option
@json_option
@click.option("--days", default=30, show_default=True, type=click.IntRange(0), help="Erase queries that are older.")
@click.option("--dry-run", is_flag=True, help="Say how many, and erase none.")
def forget_command(state: Path, as_json: bool, days: int, dry_run: bool) -> None:
    """Erase old queries: their photos, results, and all that was made of them. Drafts and the catalogue stay.

    A stack that is up does so by itself, once an hour, after 30 days (MUSEUM_KEEP_DAYS; 0: never).

    \b
    Examples:
      museum forget --dry-run
      museum forget --days 7
    """
    settings = running_stack(state).settings()
    store = S3Store(settings)
    if dry_run:
        count = sum(1 for _ in expired(store, settings.buckets, now=time.time(), days=days))
    else:
        count = forget(store, settings.buckets, now=time.time(), days=days)
    if as_json:
        click.echo(json.dumps({"queries": count, "erased": not dry_run}))
        return
    click.echo(f"{count} queries older than {days} days {'would be' if dry_run else 'were'} erased")
