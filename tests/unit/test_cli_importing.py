"""``museum import`` against a store in memory: what is sent, what is waited for, and what a repeat does."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner, Result

from functions import outcome
from functions.adapters.memory import MemoryStore
from functions.catalogue.keys import photo_key, record_key
from functions.catalogue.table import TableObject
from functions.cli import importing
from functions.cli.importing import Import, Interrupted, Report, left_out, objects_of, progress_line, transfer
from functions.cli.main import museum
from functions.events import upload_id
from functions.outcome import Outcome

VASE = TableObject("vase", {"Name": "Ваза"}, ("a.jpg",))
PHOTO = photo_key("local", "vase", "a.jpg")
RECORD = record_key("local", "vase")


class Store(MemoryStore):
    """Remembers what was put, and lets a test end each upload as soon as it is there."""

    def __init__(self) -> None:
        super().__init__("catalogue", "state")
        self.sent: list[str] = []
        self.ends: dict[str, Outcome] = {}
        self.slow = 0.0

    def put(self, bucket: str, key: str, body: bytes, *, content_type: str, metadata: Mapping[str, str] = {}) -> str:
        """Slow where the test says so."""
        time.sleep(self.slow)
        version = super().put(bucket, key, body, content_type=content_type, metadata=metadata)
        if bucket == "catalogue":
            self.sent.append(key)
            if key in self.ends:
                end(self, key, self.ends[key])
        return version


def end(store: Store, key: str, ended: Outcome) -> None:
    """Write the outcome of what is stored under a key."""
    info = store.head("catalogue", key)
    assert info is not None
    outcome.write(store, "state", replace(ended, upload_id=upload_id("catalogue", key, info.version)))


def how(status: Any, code: str = "", reason: str = "", at: float = 1.0) -> Outcome:
    """Some upload's outcome."""
    return Outcome(
        upload_id="", museum="local", object_id="vase", bucket="catalogue", key="", version="", status=status, code=code,
        reason=reason, ended_at=at,
    )  # fmt: skip


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with one photo."""
    (tmp_path / "a.jpg").write_bytes(b"a photo")
    return tmp_path


def job_with(store: Store) -> Import:
    """An import into a store."""
    job = Import({}, None)
    job.store = store  # type: ignore[assignment]  # the port's twin
    return job


def imported(store: Store, images: Path, *objects: TableObject, timeout: float = 5.0) -> Report:
    """One import."""
    job = job_with(store)
    job.report.photos = sum(len(one.images) for one in objects)
    transfer(job, list(objects), images, timeout, lambda: None)
    return job.report


@pytest.fixture
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outcomes are read without ten seconds of silence before."""
    monkeypatch.setattr(importing, "LOOK_AFTER", 0.0)


pytestmark = pytest.mark.usefixtures("looks_at_once")


def ended_before(store: Store, images: Path, photo: Outcome, record: Outcome | None = None) -> None:
    """What an import left behind that ended so."""
    store.ends = {PHOTO: photo, RECORD: record or how("indexed")}
    imported(store, images, VASE)
    store.sent.clear()


def test_a_repeat_sends_nothing_that_is_findable(images: Path) -> None:
    """Neither photo nor record."""
    store = Store()
    ended_before(store, images, how("indexed"))
    report = imported(store, images, VASE)
    assert store.sent == []
    assert (report.photos, report.findable, report.photos_unchanged, report.failures) == (1, 1, 1, [])
    assert report.records_unchanged == 1


@pytest.mark.parametrize(
    "before",
    [how("failed", "worker-dead", "its worker died"), how("superseded"), how("rejected", "gone"), how("rejected", "superseded")],
    ids=lambda one: f"{one.status} {one.code}",
)
def test_a_repeat_sends_again_what_could_end_otherwise(images: Path, before: Outcome) -> None:
    """And waits for its new end, not for the old one that is still there."""
    store = Store()
    ended_before(store, images, before)
    store.ends = {PHOTO: how("indexed", at=2.0)}
    report = imported(store, images, VASE)
    assert store.sent == [PHOTO]
    assert (report.findable, report.photos_unchanged, report.failures) == (1, 0, [])


def test_the_end_before_is_not_the_end_of_what_is_sent_again(images: Path) -> None:
    """Its worker has not come to it yet."""
    store = Store()
    ended_before(store, images, how("failed", "worker-dead", "its worker died"))
    store.ends = {}
    (failure,) = imported(store, images, VASE, timeout=0.5).failures
    assert failure["reason"].startswith("no outcome after")


def test_a_repeat_does_not_send_what_was_rejected_for_good(images: Path) -> None:
    """The same bytes would be rejected again; the reason is told again."""
    store = Store()
    ended_before(store, images, how("rejected", "not-an-image", "expected a photo"))
    report = imported(store, images, VASE)
    assert store.sent == []
    assert report.failures == [{"what": "vase: a.jpg", "reason": "expected a photo"}]


def test_a_repeat_waits_for_what_is_on_its_way(images: Path) -> None:
    """It was interrupted after the upload."""
    store = Store()
    store.put("catalogue", PHOTO, b"a photo", content_type="image/jpeg")
    store.ends = {RECORD: how("indexed")}
    store.sent.clear()
    version = hashlib.md5(b"a photo", usedforsecurity=False).hexdigest()
    identity = upload_id("catalogue", PHOTO, version)
    told = {"upload_id": identity, "status": "indexed", "purpose": "catalogue"}
    job = job_with(store)
    transfer(job, [VASE], images, 5.0, lambda: job.heard("", told))
    assert store.sent == [RECORD]
    assert job.report.findable == 1


def test_a_changed_record_is_waited_for(images: Path) -> None:
    """When the import returns, its rows have followed."""
    store = Store()
    ended_before(store, images, how("indexed"))
    store.ends = {}
    changed = replace(VASE, fields={"Name": "Ваза с росписью"})
    report = imported(store, images, changed, timeout=0.5)
    assert store.sent == [RECORD]
    assert [failure["what"] for failure in report.failures] == ["vase"]
    store.sent.clear()
    store.ends = {RECORD: how("indexed")}
    again = replace(VASE, fields={"Name": "Ваза"})
    report = imported(store, images, again)
    assert (store.sent, report.findable, report.failures) == ([RECORD], 1, [])
    stored = store.get("catalogue", RECORD)
    assert stored is not None
    assert json.loads(stored.body) == {"Name": "Ваза"}


def test_ctrl_c_sends_no_more_than_what_is_in_work(images: Path) -> None:
    """Four uploads of forty, not all that were queued; what is on its way is told."""
    store = Store()
    store.slow = 0.1
    objects = [replace(VASE, object_id=str(number)) for number in range(40)]
    job = job_with(store)

    def tick() -> NoReturn:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as ended:
        transfer(job, objects, images, 5.0, tick)
    assert 0 < len(store.sent) <= importing.UPLOADS * 2
    assert ended.value.report.on_their_way == sum(key.endswith("a.jpg") for key in store.sent)


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (Report(photos=330), "0 of 330 photos, 0.0/s, 0 failed"),
        (Report(photos=330, findable=100, photos_unchanged=50), "100 of 330 photos, 5.0/s, 0 failed, 0:46 min left"),
        (Report(photos=9000, findable=10), "10 of 9000 photos, 1.0/s, 0 failed, 149:50 min left"),
        (Report(photos=1, findable=1), "1 of 1 photos, 0.1/s, 0 failed"),
    ],
)
def test_without_a_terminal_a_line_says_how_long_it_will_take(report: Report, line: str) -> None:
    """What was findable before says nothing about the speed."""
    assert progress_line(report, 10.0) == line


class Versioned(Store):
    """A bucket that keeps versions: the version is no md5."""

    def head(self, bucket: str, key: str) -> Any:
        """The versionId, beside the eTag."""
        found = super().head(bucket, key)
        return replace(found, version=f"v-{found.version}") if found and bucket == "catalogue" else found

    def list(self, bucket: str, prefix: str = "", *, after: str = "") -> Any:
        """The same in listings."""
        for found in super().list(bucket, prefix, after=after):
            yield replace(found, version=f"v-{found.version}") if bucket == "catalogue" else found

    def put(self, bucket: str, key: str, body: bytes, **more: Any) -> str:
        """The versionId."""
        version = super().put(bucket, key, body, **more)
        return f"v-{version}" if bucket == "catalogue" else version


@pytest.mark.parametrize("kind", [Store, Versioned])
@pytest.mark.parametrize("page", [1000, 1])
def test_what_the_store_has_is_known_by_its_bytes(
    kind: type[Store], page: int, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one page of a listing, or key by key in a museum that has more; also where versions are no md5."""
    monkeypatch.setattr(importing, "ONE_PAGE", page)
    store = kind()
    store.ends = {RECORD: how("indexed"), PHOTO: how("indexed")}
    assert imported(store, images, VASE).findable == 1
    store.sent.clear()
    again = imported(store, images, VASE)
    assert (again.findable, again.photos_unchanged, store.sent) == (1, 1, [])
    (images / "a.jpg").write_bytes(b"another photo")
    assert imported(store, images, VASE).findable == 1
    assert store.sent == [PHOTO]


def test_what_was_left_out_is_counted_and_named(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dropped row, a row without its photo, and photos without a row, beside what is findable."""
    (images / "more").mkdir()
    for name in ("b.JPG", "more/c.webp", "notes.txt"):
        (images / name).write_bytes(b"another")
    table = "object_id,name,colour,img_name\nvase,Ваза,red,a.jpg\ncup,Чашка,red,\njug,Кувшин,red,none.jpg\n"
    store = Store()
    store.ends = {RECORD: how("indexed"), PHOTO: how("indexed"), record_key("local", "jug"): how("indexed")}
    job = job_with(store)
    transfer(job, objects_of(table.encode(), images, job.report), images, 5.0, lambda: None)
    report = job.report
    assert (report.records, report.photos, report.findable, report.rows_dropped, report.photos_not_there) == (2, 2, 1, 1, 1)
    assert report.photos_without_row == ["b.JPG", "more/c.webp"]
    importing.show(report)
    out, err = capsys.readouterr()
    assert out.startswith("1 of 2 photos are findable (0 were before), of 2 objects")
    assert "1 × dropped rows" in err
    assert "1 × rows whose photo is not in the folder" in err
    assert "2 × photos in the folder that no row names: b.JPG, more/c.webp" in err
    assert "failed" not in err
    assert "    jug: none.jpg" in err
    assert "note: the column colour" in err


def test_of_an_import_of_everything_nothing_is_left_out(images: Path) -> None:
    """And nothing is said of it."""
    report = Report()
    objects_of(b"object_id;img_name\nvase;a.jpg\n", images, report)
    assert left_out(report) == []


def command(tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """``museum import`` of a table, in a stack whose servers nobody asks."""
    monkeypatch.setattr(importing, "running_stack", lambda _: SimpleNamespace(environment=dict, folder=tmp_path))
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    return CliRunner().invoke(museum, ["import", str(tmp_path / "t.csv"), "--images", str(tmp_path)])


def test_a_table_that_cannot_be_read_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which begins with what is missing; no photo is counted."""
    said = command(tmp_path, "object_id,name,image_name\n1,Ваза,a.jpg\n", monkeypatch)
    assert said.exit_code == 1
    assert said.output.startswith(
        f"Error: {tmp_path / 't.csv'}: the column img_name is missing; found object_id, name, image_name"
    )
    assert said.output.rstrip().endswith("Is image_name meant as img_name?")


def test_the_list_of_what_was_left_out_is_kept_and_its_place_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For people, who see the first three of each kind."""
    left = Report(photos=5, findable=5, photos_without_row=["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    monkeypatch.setattr(importing, "run", lambda *_, **__: left)
    said = command(tmp_path, "", monkeypatch)
    assert said.exit_code == 0
    assert "a.jpg, b.jpg, c.jpg, …" in said.stderr
    assert f"listed in {tmp_path / importing.REPORT}" in said.stderr
    assert json.loads((tmp_path / importing.REPORT).read_text())["photos_without_row"] == left.photos_without_row
