"""``museum reconcile``."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import click

from functions import live
from functions.adapters.outbox import Outbox
from functions.adapters.s3 import S3Store
from functions.bucket_events import notification
from functions.cli.common import json_option, printable, settings_of, state_option
from functions.cli.sweeping import Status
from functions.errors import MuseumError, Unavailable
from functions.events import BucketNotified, notification_id
from functions.reconcile import Missing, Sweep, everything
from functions.retention import forget
from functions.runtime import tracing
from functions.runtime.settings import Settings
from functions.uploads import known_of, lane_of

FORGET_EVERY = 3600.0
"""Seconds between looks for queries that have been kept long enough."""
AFTER_TROUBLE = 5.0
"""Seconds until the next look when S3 or RabbitMQ was away at the last. With a whole minute each time an upload waited
170 s, in a run that killed a part every 3 s."""

SAY_EVERY = 10.0
"""Seconds between the lines that tell how far a long look is."""


class Looked:
    """What was looked at, by bucket; says how far it is from time to time, unless nobody waits for it."""

    def __init__(self, *buckets: str, quiet: bool, moved: Callable[[], None] = lambda: None) -> None:
        self.counts = dict.fromkeys(buckets, 0)
        self._quiet = quiet
        self._moved = moved
        self._said = time.monotonic()

    def __call__(self, bucket: str) -> None:
        """One object more; results and outcomes are not counted."""
        if bucket in self.counts:
            self.counts[bucket] += 1
        self._moved()
        if not self._quiet and time.monotonic() - self._said >= SAY_EVERY:
            self._said = time.monotonic()
            click.echo(f"{self}, …", err=True)

    def __str__(self) -> str:
        """In words."""
        return "looked at " + " and ".join(f"{count} objects in {bucket}" for bucket, count in self.counts.items())

    def anew(self) -> None:
        """Another look."""
        self.counts = dict.fromkeys(self.counts, 0)


class Hourly:
    """Work that is done each hour beside the looks, since it may take as long as they: one run at a time."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._due = -math.inf
        self._running: threading.Thread | None = None

    def go_on(self) -> None:
        """Begin, where it is due. What S3 breaks off is begun again with the next call, or by the next process."""
        if time.monotonic() >= self._due and not (self._running and self._running.is_alive()):
            self._running = threading.Thread(target=self._run, name="hourly", daemon=True)
            self._running.start()

    def _run(self) -> None:
        try:
            self._work()
        except MuseumError as error:
            click.echo(printable(f"old queries are erased later: {error}"), err=True)
        else:
            self._due = time.monotonic() + FORGET_EVERY


@click.command("reconcile")
@state_option
@json_option
@click.option("--fix", is_flag=True, help="Raise the lost events again.")
@click.option(
    "--rebuild", is_flag=True, help="Raise the whole catalogue: makes a lost index anew, and embeds what the live model has not."
)
@click.option("--every", type=float, metavar="SECONDS", help="Go on, once in so many seconds.")
@click.pass_context
def reconcile_command(context: click.Context, state: Path, as_json: bool, fix: bool, rebuild: bool, every: float | None) -> None:
    """Find uploads without result or outcome after ten seconds, and removals that were lost; raise their events again.

    \b
    Examples:
      museum reconcile                     say what is missing
      museum reconcile --fix               and mend it
      museum reconcile --fix --every 60    as the stack itself runs it
      museum reconcile --rebuild           after Milvus was lost, or another model was made live
    """
    tracing.prepare("museum-sweep")
    settings = settings_of(context, state)
    store = S3Store(settings)
    status = Status(pause=every or 0.0)
    if every is not None and settings.museum_status_port:
        status.serve(settings.museum_status_port)
    buckets = (settings.museum_bucket_queries, settings.museum_bucket_catalogue)
    looked = Looked(*buckets, quiet=every is not None, moved=status.moved)
    sweep = Sweep(store, settings.buckets, looked)
    outbox = Outbox(settings.museum_outbox_url)
    if rebuild:
        renew(settings)
        live.settle(store, settings.museum_bucket_state)
        for one in everything(S3Store(settings), settings.buckets):
            publish(one, outbox, settings)
            looked(one.change.bucket)
        click.echo(f"{sum(looked.counts.values())} objects of the catalogue bucket are on their way to the index")
        return
    ended = threading.Event()
    days = settings.museum_keep_days or math.inf
    forgetting = Hourly(lambda: forget(store, settings.buckets, now=time.time(), days=days))
    for number in (signal.SIGINT, signal.SIGTERM) if every is not None else ():
        signal.signal(number, lambda *_: ended.set())
    while True:
        pause = every
        try:
            found = []
            status.moved()
            looked.anew()
            for one in sweep.due(patient=every is not None):
                if fix:
                    publish(one, outbox, settings)
                    sweep.raised(one)
                    status.raised(one.change.kind)
                found.append(one)
            status.looked()
            report(found, looked, fix=fix, as_json=as_json, once=every is None)
            if every is not None and fix:
                forgetting.go_on()
        except MuseumError as error:
            click.echo(printable(f"cannot look now: {error}"), err=True)
            if every is None:
                raise SystemExit(1) from None
            pause = min(every, AFTER_TROUBLE)
        if pause is None or ended.wait(pause):
            return


def renew(settings: Settings) -> None:
    """Drop the live model's collection where it was made before rows had years: the rebuild makes it with them."""
    from functions.adapters.milvus import MilvusIndex  # the sweep, which is always up, does without

    try:
        fingerprint = live.read(S3Store(settings), settings.museum_bucket_state).fingerprint
        dropped = MilvusIndex(settings.museum_milvus_uri, token=settings.museum_milvus_token).drop_older(fingerprint)
    except Unavailable as error:  # events wait for a server that is away, as they always did
        click.echo(printable(f"whether the index has its years is not known: {error}"), err=True)
        return
    if dropped:
        click.echo("the index was made before objects had years: it is made anew, and objects are found again as they come back")


def publish(one: Missing, outbox: Outbox, settings: Settings) -> None:
    """Raise the event that the bucket would have sent."""
    body = notification(one.change)
    raw = json.dumps(body).encode()
    lane = lane_of(one.change.bucket == settings.museum_bucket_queries, one.change.metadata)
    known = known_of([one.change], settings.buckets, settings.museum_default_museum, settings.museum_default_owner)
    outbox.publish(BucketNotified.TYPE, notification_id(raw), {"body": body}, lane=lane, known=known)


def report(found: list[Missing], looked: Looked, *, fix: bool, as_json: bool, once: bool) -> None:
    """Say what was found, and where it was looked for. The stack's own sweep has nothing to say where nothing was lost."""
    if as_json:
        listed = [
            {"bucket": one.change.bucket, "key": one.change.key, "upload_id": one.upload_id, "kind": one.change.kind}
            for one in found
        ]
        click.echo(json.dumps({"missing": listed, "fixed": fix, "looked_at": looked.counts}, ensure_ascii=False))
        return
    for one in found:
        what = "no outcome" if one.change.kind == "created" else "removed, but still indexed"
        click.echo(printable(f"{what}{', raised again' if fix else ''}: {one.change.bucket}/{one.change.key}"))
    if found and once:
        click.echo(
            f"{looked}: {len(found)} {'were raised again' if fix else 'are missing, `museum reconcile --fix` raises them again'}"
        )
    elif once or not (found or fix):
        click.echo(f"{looked}: nothing is missing")
