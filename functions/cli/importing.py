"""``museum import``."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from functions import outcome
from functions.adapters.s3 import S3Store
from functions.catalogue.keys import photo_key, record_key
from functions.catalogue.table import BadTable, TableObject, TableRowError, read_table
from functions.cli.announcements import Announcements
from functions.cli.common import INTERRUPTED, json_option, printable, running_stack, state_option
from functions.errors import MOMENTARY, MuseumError
from functions.events import upload_id
from functions.outcome import Outcome
from functions.ports import ObjectInfo
from functions.runtime.settings import Settings, load

UPLOADS = 4
"""Uploads side by side: more only wait for the store's disk."""
ONE_PAGE = 1000
"""Objects in one page of a listing. It costs what one question costs; 2 ms of CPU a photo, here and in the store, are saved."""
LOOK_AFTER = 10.0
"""Seconds without an announcement after which the outcomes themselves are read."""
SAY_EVERY = 10.0
"""Seconds between the lines that stand for the bar where there is no terminal."""
PHOTOS = frozenset({".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Endings of what may be a photo in the folder of photos."""
NAMED = 3
"""Photos and rows that a line names; the report has them all."""
REPORT = "import.json"
"""In the stack's folder: the report of the last import."""
ENDS = ("image.indexed.v1.#", "image.rejected.v1.#", "query.failed.v1.#")

console = Console(stderr=True, highlight=False)


@dataclass(slots=True)
class Report:
    """What became of an import."""

    photos: int = 0
    """Of the rows that were taken."""
    findable: int = 0
    photos_unchanged: int = 0
    """Findable before."""
    records: int = 0
    """Objects of the table."""
    records_unchanged: int = 0
    rows_dropped: int = 0
    photos_not_there: int = 0
    """Named by a row, and not in the folder of photos."""
    photos_without_row: list[str] = field(default_factory=list)
    """In the folder of photos, and named by no row, or by dropped ones alone."""
    on_their_way: int = 0
    """Uploaded and not ended when the import did, interrupted or tired of waiting."""
    seconds: float = 0.0
    failures: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def fail(self, what: str, reason: str) -> None:
        """Something was not imported."""
        self.failures.append({"what": what, "reason": reason})


@dataclass(frozen=True, slots=True)
class Awaited:
    """An upload whose end is waited for."""

    what: str
    photo: bool
    before: Outcome | None = None
    """How the same bytes ended before they were sent again: that is not their end now."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with how far the import came."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


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
    The table has the columns object_id;name;description;group;img_name
    and any further fields by their names in the State Catalogue (Authors, MaterialandTechnique, …),
    separated by `;`, `,` or tabs, in UTF-8 or Windows-1251.
    `group` is a class by code, name or label (Археология, ДПИ, Нумизматика …).
    Several rows with one object_id are several views of one object.
    Safe to interrupt and to repeat: what is findable already is not sent again, what failed is.

    \b
    Examples:
      museum import catalogue.csv --images photos/
      museum import catalogue.csv --images photos/ --json > report.json
    """
    stack = running_stack(state)
    interrupted = False
    try:
        report = run(stack.environment(), table, images, museum=museum, timeout=timeout, quiet=as_json)
    except BadTable as error:
        raise click.ClickException(printable(f"{table}: {error}")) from None
    except Interrupted as ended:
        report, interrupted = ended.report, True
    told = json.dumps(asdict(report), ensure_ascii=False, indent=2)
    (stack.folder / REPORT).write_text(told, encoding="utf-8")
    if as_json:
        click.echo(told)
    else:
        show(report)
        if left_out(report):
            click.echo(f"all that was left out is listed in {stack.folder / REPORT}", err=True)
    if interrupted:
        click.echo(f"interrupted: {report.on_their_way} more are uploaded; the same command goes on from here", err=True)
        raise SystemExit(INTERRUPTED)
    raise SystemExit(1 if report.failures else 0)


def show(report: Report) -> None:
    """A report for people."""
    rate = report.findable / report.seconds if report.seconds else 0.0
    click.echo(
        f"{report.findable} of {report.photos} photos are findable ({report.photos_unchanged} were before), of {report.records} "
        f"objects ({report.records_unchanged} records were unchanged), {report.seconds:.1f} s, {rate:.1f} photos/s"
    )
    for line in (*left_out(report), *(f"note: {warning}" for warning in report.warnings)):
        click.echo(printable(line), err=True)
    for reason, count in Counter(failure["reason"] for failure in report.failures).most_common(20):
        click.echo(printable(f"{count} × {reason}"), err=True)
        for failure in [one for one in report.failures if one["reason"] == reason][:NAMED]:
            click.echo(printable(f"    {failure['what']}"), err=True)


def left_out(report: Report) -> list[str]:
    """What the count of findable photos does not tell, line by line."""
    alone = report.photos_without_row
    counted = [
        (report.rows_dropped, "dropped rows of the table"),
        (report.photos_not_there, "rows whose photo is not in the folder of photos"),
        (len(report.failures) - report.rows_dropped - report.photos_not_there, "photos or records that failed"),
        (len(alone), f"photos in the folder that no row names: {', '.join(alone[:NAMED])}{', …' if len(alone) > NAMED else ''}"),
    ]
    return [f"left out: {count} × {what}" for count, what in counted if count]


def without_row(images: Path, objects: Iterable[TableObject]) -> list[str]:
    """Photos in a folder, and in those within it, that no object has."""
    named = {name for entry in objects for name in entry.images}
    found = (path.relative_to(images).as_posix() for path in images.rglob("*") if path.suffix.lower() in PHOTOS)
    return sorted(name for name in found if name not in named)


class Import:
    """One run: uploads, then waits for each photo's end."""

    def __init__(self, environment: Mapping[str, str], museum: str | None) -> None:
        self.settings = load(Settings, environment)
        self.museum = museum or self.settings.museum_default_museum
        self.store = S3Store(self.settings)
        self.report = Report()
        self.stopped = threading.Event()
        self._changed = threading.Condition()
        self._waiting: dict[str, Awaited] = {}
        self._early: dict[str, tuple[str, str]] = {}
        self._there: dict[str, ObjectInfo] | None = None

    def look(self) -> None:
        """What the museum has already, if that is one page of a listing: else each key is asked for when its turn comes."""
        listed = list(islice(self.store.list(self.settings.museum_bucket_catalogue, f"{self.museum}/"), ONE_PAGE + 1))
        self._there = {info.key: info for info in listed} if len(listed) <= ONE_PAGE else None

    def _info(self, key: str) -> ObjectInfo | None:
        if self._there is not None:
            return self._there.get(key)
        return self.store.head(self.settings.museum_bucket_catalogue, key)

    def heard(self, _key: str, data: dict[str, Any]) -> None:
        """An announcement of some upload's end."""
        identity, status = data.get("upload_id"), data.get("status")
        if isinstance(identity, str) and isinstance(status, str) and data.get("purpose") == "catalogue":
            self._ended(identity, status, str(data.get("reason", "")))

    def _ended(self, identity: str, status: str, reason: str) -> None:
        with self._changed:
            awaited = self._waiting.pop(identity, None)
            if awaited is None:
                self._early[identity] = (status, reason)
                return
            self._count(awaited, status, reason)
            self._changed.notify_all()

    def _count(self, awaited: Awaited, status: str, reason: str) -> None:
        if status == "superseded":
            reason = "it was changed or removed meanwhile: repeat the import if this table is right"
        if status != "indexed":
            self.report.fail(awaited.what, reason or status)
        elif awaited.photo:
            self.report.findable += 1

    def await_end(self, identity: str, awaited: Awaited) -> None:
        """Wait for this upload, which may have ended before its PUT returned."""
        with self._changed:
            early = self._early.pop(identity, None)
            if early is None:
                self._waiting[identity] = awaited
            else:
                self._count(awaited, *early)

    def on_their_way(self) -> int:
        """Photos that are uploaded and have not ended."""
        with self._changed:
            return sum(awaited.photo for awaited in self._waiting.values())

    def upload(self, entry: TableObject, images: Path) -> None:
        """An object's record, then its photos; what the store has already is not sent again."""
        try:
            body = json.dumps(dict(entry.fields), ensure_ascii=False, sort_keys=True).encode()
            self._send(record_key(self.museum, entry.object_id), body, "application/json", entry.object_id, photo=False)
        except MuseumError as error:
            self.report.fail(entry.object_id, str(error))
            return
        for name in entry.images:
            if self.stopped.is_set():
                return
            what = f"{entry.object_id}: {name}"
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            try:
                body = (images / name).read_bytes()
                self._send(photo_key(self.museum, entry.object_id, Path(name).name), body, kind, what, photo=True)
            except FileNotFoundError:
                with self._changed:
                    self.report.photos_not_there += 1
                self.report.fail(what, "there is no such photo in the folder of photos")
            except OSError as error:
                self.report.fail(what, f"the photo cannot be read: {error.strerror}")
            except MuseumError as error:
                self.report.fail(what, str(error))

    def _send(self, key: str, body: bytes, kind: str, what: str, *, photo: bool) -> None:
        """PUT what the store does not have, and what ended there otherwise than it would now."""
        bucket, there = self.settings.museum_bucket_catalogue, self._info(key)
        same = there is not None and there.etag == hashlib.md5(body, usedforsecurity=False).hexdigest()
        version = there.version if there is not None and same else ""
        before = self._outcome(upload_id(bucket, key, version)) if same else None
        if not same or (before is not None and not is_final(before)):
            version = self.store.put(bucket, key, body, content_type=kind)
            self.await_end(upload_id(bucket, key, version), Awaited(what, photo, before))
        elif before is None:
            self.await_end(upload_id(bucket, key, version), Awaited(what, photo))
        else:
            with self._changed:
                if before.status == "indexed":
                    self.report.photos_unchanged += photo
                    self.report.records_unchanged += not photo
                self._count(Awaited(what, photo), before.status, before.reason)

    def _outcome(self, identity: str) -> Outcome | None:
        return outcome.read(self.store, self.settings.museum_bucket_state, identity)

    def wait(self, timeout: float, tick: Callable[[], None]) -> None:
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
                for awaited in list(self._waiting.values()):
                    self.report.fail(
                        awaited.what, f"no outcome after {timeout:.0f} s: see `museum status`; the import can be repeated"
                    )
                return

    def _look(self) -> None:
        for identity, awaited in list(self._waiting.items())[:200]:
            found = self._outcome(identity)
            if found is not None and (found != awaited.before or found.status == "indexed"):
                self._ended(identity, found.status, found.reason)


def is_final(ended: Outcome) -> bool:
    """Whether the same bytes, sent again, would end the same way."""
    return ended.status == "indexed" or (ended.status == "rejected" and ended.code not in MOMENTARY)


def run(
    environment: Mapping[str, str], table: Path, images: Path, *, museum: str | None, timeout: float, quiet: bool = False
) -> Report:
    """Import a table; progress goes to standard error. Raises ``BadTable``."""
    started = time.monotonic()
    job = Import(environment, museum)
    objects = objects_of(table.read_bytes(), images, job.report)
    exchange = environment["MUSEUM_EVENTS_EXCHANGE"]
    try:
        with Announcements(environment["MUSEUM_AMQP_URL"], exchange, ENDS, job.heard), bar(quiet=quiet) as tick_to:
            transfer(job, objects, images, timeout, lambda: tick_to(job.report))
    finally:
        job.report.seconds = round(time.monotonic() - started, 1)
    return job.report


def objects_of(table: bytes, images: Path, report: Report) -> list[TableObject]:
    """The objects of a table; what is left out of it and of the folder of photos goes into the report. Raises ``BadTable``."""
    entries = read_table(table)
    objects = [entry for entry in entries if isinstance(entry, TableObject)]
    for entry in entries:
        if isinstance(entry, TableRowError) and entry.warning:
            report.warnings.append(entry.reason)
        elif isinstance(entry, TableRowError):
            report.rows_dropped += 1
            report.fail(f"row {entry.row}", entry.reason)
    report.records, report.photos = len(objects), sum(len(entry.images) for entry in objects)
    report.photos_without_row = without_row(images, objects)
    return objects


def transfer(job: Import, objects: list[TableObject], images: Path, timeout: float, tick: Callable[[], None]) -> None:
    """Upload and wait. Ctrl-C lets the uploads in work end and raises ``Interrupted``."""
    job.look()
    pool = ThreadPoolExecutor(UPLOADS)
    try:
        for one in [pool.submit(job.upload, entry, images) for entry in objects]:
            while not one.done():
                time.sleep(0.05)
                tick()
            one.result()
        job.wait(timeout, tick)
    except KeyboardInterrupt:
        raise Interrupted(job.report) from None
    finally:
        job.stopped.set()
        pool.shutdown(cancel_futures=True)
        job.report.on_their_way = job.on_their_way()


@contextmanager
def bar(*, quiet: bool) -> Iterator[Callable[[Report], None]]:
    """A progress bar of findable and failed photos; without a terminal a line every ten seconds."""
    columns = (
        TextColumn("findable"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]:.1f}/s"),
        TimeRemainingColumn(), TextColumn("{task.fields[failed]} failed"),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task("import", total=None, rate=0.0, failed=0)
        started = said = time.monotonic()

        def tick(report: Report) -> None:
            nonlocal said
            now = time.monotonic()
            done, failed = report.findable + len(report.failures), len(report.failures)
            progress.update(task, total=report.photos, completed=done, rate=rate_of(report, now - started), failed=failed)
            if not console.is_terminal and not quiet and now - said > SAY_EVERY:
                said = now
                console.print(progress_line(report, now - started))

        yield tick


def rate_of(report: Report, seconds: float) -> float:
    """Photos a second, without those that were findable before."""
    return (report.findable + len(report.failures) - report.photos_unchanged) / max(seconds, 0.1)


def progress_line(report: Report, seconds: float) -> str:
    """How far it is, how fast, and how long it will take."""
    done, rate = report.findable + len(report.failures), rate_of(report, seconds)
    left = round((report.photos - done) / rate) if rate else 0
    time_left = f", {left // 60}:{left % 60:02} min left" if left > 0 else ""
    return f"{done} of {report.photos} photos, {rate:.1f}/s, {len(report.failures)} failed{time_left}"
