"""``museum import``."""

from __future__ import annotations

import json
import mimetypes
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from functions import outcome
from functions.adapters.s3 import S3Store
from functions.catalogue.keys import photo_key, record_key
from functions.catalogue.table import TableObject, TableRowError, read_table
from functions.cli.announcements import Announcements
from functions.cli.common import json_option, running_stack, state_option
from functions.errors import MuseumError
from functions.events import upload_id
from functions.runtime.settings import Settings, load

UPLOADS = 4
"""Uploads side by side: more only wait for the store's disk."""
LOOK_AFTER = 10.0
"""Seconds without an announcement after which the outcomes themselves are read."""
ENDS = ("image.indexed.v1", "image.rejected.v1", "query.failed.v1")

console = Console(stderr=True, highlight=False)


@dataclass(slots=True)
class Report:
    """What became of an import."""

    photos: int = 0
    findable: int = 0
    unchanged: int = 0
    seconds: float = 0.0
    failures: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def fail(self, what: str, reason: str) -> None:
        """Something was not imported."""
        self.failures.append({"what": what, "reason": reason})


@click.command("import")
@state_option
@json_option
@click.option(
    "--images", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the photos."
)
@click.option("--museum", default=None, help="Museum that the objects belong to.  [default: local]")
@click.option("--timeout", default=120.0, show_default=True, help="Seconds without any progress before giving up.")
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_command(state: Path, as_json: bool, images: Path, museum: str | None, timeout: float, table: Path) -> None:
    """Put the objects of TABLE (CSV) with their photos into the catalogue, and wait until they are findable.

    \b
    The table is `;`-separated: object_id;name;description;group;img_name
    and any further fields by their names in the State Catalogue (Authors, MaterialandTechnique, …).
    `group` is a class by code, name or label (Археология, ДПИ, Нумизматика …).
    Several rows with one object_id are several views of one object.
    Safe to interrupt and to repeat: what is findable already is not sent again.

    \b
    Example:
      museum import catalogue.csv --images photos/
    """
    stack = running_stack(state)
    report = run(stack.environment(), table, images, museum=museum, timeout=timeout, quiet=as_json)
    if as_json:
        click.echo(json.dumps(as_data(report), ensure_ascii=False, indent=2))
    else:
        show(report)
    raise SystemExit(1 if report.failures else 0)


def as_data(report: Report) -> dict[str, Any]:
    """A report as JSON values."""
    return {name: getattr(report, name) for name in ("photos", "findable", "unchanged", "seconds", "failures", "warnings")}


def show(report: Report) -> None:
    """A report for people."""
    rate = report.findable / report.seconds if report.seconds else 0.0
    click.echo(
        f"{report.findable} of {report.photos} photos are findable ({report.unchanged} were before), "
        f"{report.seconds:.1f} s, {rate:.1f} photos/s"
    )
    for warning in report.warnings:
        click.echo(f"note: {warning}", err=True)
    for reason, count in Counter(failure["reason"] for failure in report.failures).most_common(20):
        click.echo(f"{count} × {reason}", err=True)
        for failure in [one for one in report.failures if one["reason"] == reason][:3]:
            click.echo(f"    {failure['what']}", err=True)


class Import:
    """One run: uploads, then waits for each photo's end."""

    def __init__(self, environment: Mapping[str, str], museum: str | None) -> None:
        self.settings = load(Settings, environment)
        self.museum = museum or self.settings.museum_default_museum
        self.store = S3Store(self.settings)
        self.report = Report()
        self._environment = environment
        self._changed = threading.Condition()
        self._waiting: dict[str, str] = {}
        self._early: dict[str, tuple[str, str]] = {}

    def heard(self, _key: str, data: dict[str, Any]) -> None:
        """An announcement of some upload's end."""
        identity, status = data.get("upload_id"), data.get("status")
        if isinstance(identity, str) and isinstance(status, str) and data.get("purpose") == "catalogue":
            self._ended(identity, status, str(data.get("reason", "")))

    def _ended(self, identity: str, status: str, reason: str) -> None:
        with self._changed:
            what = self._waiting.pop(identity, None)
            if what is None:
                self._early[identity] = (status, reason)
                return
            self._count(what, status, reason)
            self._changed.notify_all()

    def _count(self, what: str, status: str, reason: str) -> None:
        if status == "indexed":
            self.report.findable += 1
        else:
            self.report.fail(what, reason or status)

    def await_end(self, identity: str, what: str) -> None:
        """Wait for this upload, which may have ended before its PUT returned."""
        with self._changed:
            early = self._early.pop(identity, None)
            if early is None:
                self._waiting[identity] = what
            else:
                self._count(what, *early)

    def upload(self, entry: TableObject, images: Path) -> None:
        """An object's record, then its photos; what the store has already is not sent again."""
        settings = self.settings
        try:
            body = json.dumps(dict(entry.fields), ensure_ascii=False, sort_keys=True).encode()
            key = record_key(self.museum, entry.object_id)
            self._put_if_changed(settings.museum_bucket_catalogue, key, body, "application/json")
        except MuseumError as error:
            self.report.photos += len(entry.images)
            self.report.fail(entry.object_id, str(error))
            return
        for name in entry.images:
            self.report.photos += 1
            try:
                self._photo(entry.object_id, images / name, name)
            except OSError as error:
                self.report.fail(f"{entry.object_id}: {name}", f"the photo cannot be read: {error.strerror}")
            except MuseumError as error:
                self.report.fail(f"{entry.object_id}: {name}", str(error))

    def _photo(self, object_id: str, file: Path, name: str) -> None:
        bucket = self.settings.museum_bucket_catalogue
        key = photo_key(self.museum, object_id, Path(name).name)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        version, sent = self._put_if_changed(bucket, key, file.read_bytes(), kind)
        identity = upload_id(bucket, key, version)
        known = None if sent else outcome.read(self.store, self.settings.museum_bucket_state, identity)
        if known is not None and known.status == "indexed":
            self.report.unchanged += 1
            self.report.findable += 1
        elif known is not None and known.status == "rejected":
            self.report.fail(f"{object_id}: {name}", known.reason)
        else:
            self.await_end(identity, f"{object_id}: {name}")

    def _put_if_changed(self, bucket: str, key: str, body: bytes, kind: str) -> tuple[str, bool]:
        import hashlib

        there = self.store.head(bucket, key)
        if there is not None and there.version == hashlib.md5(body, usedforsecurity=False).hexdigest():
            return there.version, False
        return self.store.put(bucket, key, body, content_type=kind), True

    def wait(self, timeout: float, tick: Any) -> None:
        """Until every upload has ended; gives up when nothing moves for ``timeout`` seconds."""
        moved = looked = time.monotonic()
        left = -1
        while self._waiting:
            with self._changed:
                self._changed.wait(0.2)
            tick()
            now = time.monotonic()
            if len(self._waiting) != left:
                left, moved = len(self._waiting), now
            elif now - max(moved, looked) > LOOK_AFTER:
                looked = now
                self._look()
            if now - moved > timeout:
                for what in list(self._waiting.values()):
                    self.report.fail(what, f"no outcome after {timeout:.0f} s: see `museum status`; the import can be repeated")
                return

    def _look(self) -> None:
        for identity in list(self._waiting)[:200]:
            found = outcome.read(self.store, self.settings.museum_bucket_state, identity)
            if found is not None:
                self._ended(identity, found.status, found.reason)


def run(
    environment: Mapping[str, str], table: Path, images: Path, *, museum: str | None, timeout: float, quiet: bool = False
) -> Report:
    """Import a table; progress goes to standard error."""
    started = time.monotonic()
    job = Import(environment, museum)
    objects: list[TableObject] = []
    with table.open("rb") as file:
        for entry in read_table(file.read()):
            if isinstance(entry, TableRowError) and entry.warning:
                job.report.warnings.append(entry.reason)
            elif isinstance(entry, TableRowError):
                job.report.fail(f"row {entry.row}", entry.reason)
            else:
                objects.append(entry)
    total = sum(len(entry.images) for entry in objects)
    exchange = environment["MUSEUM_EVENTS_EXCHANGE"]
    with Announcements(environment["MUSEUM_AMQP_URL"], exchange, ENDS, job.heard), bar(total, quiet=quiet) as tick_to:
        with ThreadPoolExecutor(UPLOADS) as pool:
            sent = [pool.submit(job.upload, entry, images) for entry in objects]
            for one in sent:
                while not one.done():
                    time.sleep(0.05)
                    tick_to(job.report)
                one.result()
        job.wait(timeout, lambda: tick_to(job.report))
    job.report.seconds = round(time.monotonic() - started, 1)
    return job.report


@contextmanager
def bar(total: int, *, quiet: bool) -> Iterator[Any]:
    """A progress bar of findable and failed photos."""
    columns = (
        TextColumn("findable"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]:.1f}/s"),
        TimeRemainingColumn(), TextColumn("{task.fields[failed]} failed"),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task("import", total=total, rate=0.0, failed=0)
        started = time.monotonic()
        said = [started]

        def tick(report: Report) -> None:
            done = report.findable + len(report.failures)
            rate = done / max(time.monotonic() - started, 0.1)
            progress.update(task, completed=done, rate=rate, failed=len(report.failures))
            if not console.is_terminal and not quiet and time.monotonic() - said[0] > 10:
                said[0] = time.monotonic()
                console.print(f"{done} of {total} photos, {rate:.1f}/s")

        yield tick
