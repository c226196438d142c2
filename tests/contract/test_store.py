"""The contract of :class:`functions.ports.ObjectStore`: the twin in memory, JuiceFS and MinIO keep it alike."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Thread
from typing import NamedTuple
from uuid import uuid4

import pytest

from functions.adapters import s3 as adapter
from functions.adapters.memory import MemoryStore
from functions.adapters.s3 import S3Store
from functions.errors import Reject, Retry, Unavailable
from functions.ports import ObjectInfo, ObjectStore
from functions.runtime.settings import Settings
from infra.local.part import free_port, running
from tests.fixtures.s3 import make_buckets, s3_part, s3_settings

KEYS = [
    "plain.jpg",
    "with space.jpg",
    "a+b.jpg",
    "100%.jpg",
    "already%20quoted%2Fkey.jpg",
    "Музей/Ваза №1 (копия).jpg",
    "emoji/🏺👩‍🎨.png",
    "e\u0301 is not \u00e9.jpg",
    "\u00e9 is not e\u0301.jpg",
    "trailing dots...",
    "trailing space ",
    "query?&=#fragment.jpg",
    "quotes\"'`.jpg",
    "punctuation!~*(),;:@$[]{}^|.jpg",
    "deep/" * 60 + "x.jpg",
    "я" * 100 + "/" + "ы" * 100 + ".jpg",
    "<xml>&amp;.jpg",
]


class Server(NamedTuple):
    """A store, and a bucket of it."""

    store: ObjectStore
    bucket: str


@pytest.fixture(scope="module", params=["memory", "juicefs", "minio"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the stores that keep the contract."""
    if request.param == "memory":
        return Server(MemoryStore("state"), "state")
    settings: Settings = request.getfixturevalue({"juicefs": "s3_server", "minio": "minio_server"}[request.param])
    return Server(S3Store(settings), settings.buckets.state)


@pytest.fixture
def prefix() -> str:
    """A place in the bucket that no other test uses."""
    return uuid4().hex + "/"


def read(server: Server, key: str) -> bytes:
    """The body of an object that is there."""
    found = server.store.get(server.bucket, key)
    assert found is not None
    return found.body


@pytest.mark.parametrize("key", KEYS)
def test_a_key_comes_back_as_it_was_given(server: Server, prefix: str, key: str) -> None:
    """Read, asked for, listed and deleted under exactly the bytes that were put."""
    body = key.encode()
    server.store.put(server.bucket, prefix + key, body, content_type="image/jpeg")
    assert read(server, prefix + key) == body
    info = server.store.head(server.bucket, prefix + key)
    assert info is not None
    assert (info.bucket, info.key, info.size) == (server.bucket, prefix + key, len(body))
    assert [item.key for item in server.store.list(server.bucket, prefix)] == [prefix + key]
    server.store.delete(server.bucket, prefix + key)
    assert server.store.get(server.bucket, prefix + key) is None


def test_all_keys_live_side_by_side(server: Server, prefix: str) -> None:
    """No two different keys are one object; the listing is in the order of their bytes."""
    for key in KEYS:
        server.store.put(server.bucket, prefix + key, key.encode(), content_type="image/jpeg")
    listed = [item.key for item in server.store.list(server.bucket, prefix)]
    assert listed == sorted((prefix + key for key in KEYS), key=str.encode)
    assert all(read(server, prefix + key) == key.encode() for key in KEYS)


def test_the_version_is_the_etag(server: Server, prefix: str) -> None:
    """put, head, get and list tell the same version, and the same bytes have the same one."""
    version = server.store.put(server.bucket, prefix + "a", b"body", content_type="text/plain")
    assert version == hashlib.md5(b"body", usedforsecurity=False).hexdigest()
    info = server.store.head(server.bucket, prefix + "a")
    found = server.store.get(server.bucket, prefix + "a")
    assert info is not None
    assert found is not None
    assert [info.version, found.info.version, next(iter(server.store.list(server.bucket, prefix))).version] == [version] * 3
    assert server.store.put(server.bucket, prefix + "b", b"body", content_type="text/plain") == version


def test_putting_again_replaces(server: Server, prefix: str) -> None:
    """The last writer wins, with a version of its own."""
    first = server.store.put(server.bucket, prefix + "a", b"first", content_type="text/plain")
    second = server.store.put(server.bucket, prefix + "a", b"second!", content_type="text/plain")
    assert first != second
    assert read(server, prefix + "a") == b"second!"
    assert [(item.version, item.size) for item in server.store.list(server.bucket, prefix)] == [(second, 7)]


def test_metadata_comes_back_in_lower_case(server: Server, prefix: str) -> None:
    """The bulk lane and the owner are read from there."""
    server.store.put(server.bucket, prefix + "a", b"x", content_type="text/plain", metadata={"Lane": "bulk", "owner": "anna"})
    info = server.store.head(server.bucket, prefix + "a")
    assert info is not None
    assert {name: info.metadata.get(name) for name in ("lane", "owner", "Lane")} == {
        "lane": "bulk",
        "owner": "anna",
        "Lane": None,
    }
    assert next(iter(server.store.list(server.bucket, prefix))).metadata == {}


def test_the_clock_is_the_stores(server: Server, prefix: str) -> None:
    """Seconds since the epoch, the same by head, get and list up to the second that HTTP tells."""
    server.store.put(server.bucket, prefix + "a", b"x", content_type="text/plain")
    info = server.store.head(server.bucket, prefix + "a")
    assert info is not None
    listed = next(iter(server.store.list(server.bucket, prefix)))
    assert abs(info.modified - time.time()) < 5
    assert abs(info.modified - listed.modified) <= 1


@pytest.mark.parametrize("body", [b"", os.urandom(3_000_000)], ids=["empty", "3 MB"])
def test_bytes_come_back_as_they_were_given(server: Server, prefix: str, body: bytes) -> None:
    """Also none, and more than one packet."""
    server.store.put(server.bucket, prefix + "a", body, content_type="application/octet-stream")
    assert read(server, prefix + "a") == body


def test_what_is_absent_is_none(server: Server, prefix: str) -> None:
    """An object that is gone is an ordinary answer and no error."""
    assert server.store.get(server.bucket, prefix + "none") is None
    assert server.store.head(server.bucket, prefix + "none") is None
    assert list(server.store.list(server.bucket, prefix)) == []
    server.store.delete(server.bucket, prefix + "none")


def test_below_an_object_there_is_nothing(server: Server, prefix: str) -> None:
    """A key under another object's key is absent, on stores made of folders too."""
    server.store.put(server.bucket, prefix + "a", b"x", content_type="text/plain")
    assert server.store.get(server.bucket, prefix + "a/b") is None
    assert server.store.head(server.bucket, prefix + "a/b") is None


def test_a_part_of_a_key_is_no_object(server: Server, prefix: str) -> None:
    """Nor is the folder that a store may have made for it."""
    server.store.put(server.bucket, prefix + "a/b/c", b"x", content_type="text/plain")
    assert server.store.get(server.bucket, prefix + "a") is None
    assert server.store.head(server.bucket, prefix + "a/b") is None


def test_an_emptied_folder_leaves_nothing(server: Server, prefix: str) -> None:
    """A listing shows objects alone."""
    server.store.put(server.bucket, prefix + "a/b", b"x", content_type="text/plain")
    server.store.delete(server.bucket, prefix + "a/b")
    assert list(server.store.list(server.bucket, prefix)) == []


def test_an_object_over_the_limit_is_rejected(server: Server, prefix: str) -> None:
    """At the limit it is read; the connection serves the next call."""
    server.store.put(server.bucket, prefix + "a", b"x" * 1_000_001, content_type="text/plain")
    with pytest.raises(Reject, match="too-large"):
        server.store.get(server.bucket, prefix + "a", limit=1_000_000)
    found = server.store.get(server.bucket, prefix + "a", limit=1_000_001)
    assert found is not None
    assert len(found.body) == 1_000_001


def calls(store: ObjectStore, bucket: str) -> dict[str, Callable[[], object]]:
    """Every method of the port."""
    return {
        "head": lambda: store.head(bucket, "a"),
        "get": lambda: store.get(bucket, "a"),
        "put": lambda: store.put(bucket, "a", b"x", content_type="text/plain"),
        "create": lambda: store.create(bucket, "a", b"x", content_type="text/plain"),
        "replace": lambda: store.replace(bucket, "a", b"x", content_type="text/plain", etag="0" * 32),
        "delete": lambda: store.delete(bucket, "a"),
        "list": lambda: list(store.list(bucket)),
    }


@pytest.mark.parametrize("method", ["head", "get", "put", "create", "replace", "delete", "list"])
def test_an_unknown_bucket_is_rejected(server: Server, method: str) -> None:
    """Also by head, whose answer does not say which of the two is missing."""
    with pytest.raises(Reject, match="unknown-bucket"):
        calls(server.store, f"none-{uuid4().hex[:8]}")[method]()


def test_a_listing_has_all_pages_in_order(server: Server, prefix: str) -> None:
    """More than the 1000 objects of one page, and nothing from beside the prefix."""
    keys = [f"{prefix}{number:05d} +%.jpg" for number in range(1003)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: server.store.put(server.bucket, key, b"x", content_type="text/plain"), keys))
    server.store.put(server.bucket, prefix.rstrip("/") + "-beside", b"x", content_type="text/plain")
    assert [item.key for item in server.store.list(server.bucket, prefix)] == keys
    assert [item.key for item in server.store.list(server.bucket, prefix + "00007")] == [keys[7]]


def test_a_listing_goes_on_after_a_key(server: Server, prefix: str) -> None:
    """A cursor: whether the key is there or not, and beyond the last there is nothing."""
    for name in ("a/1", "a/2", "b/1", "вaza"):
        server.store.put(server.bucket, prefix + name, b"x", content_type="text/plain")

    def names(after: str) -> list[str]:
        listed = server.store.list(server.bucket, prefix, after=prefix + after)
        return [item.key.removeprefix(prefix) for item in listed]

    assert names("a/1") == ["a/2", "b/1", "вaza"]
    assert names("a0") == ["b/1", "вaza"]
    assert names("я") == []


def test_create_never_replaces(server: Server, prefix: str) -> None:
    """True once; after a delete again."""
    assert server.store.create(server.bucket, prefix + "a", b"first", content_type="text/plain")
    assert not server.store.create(server.bucket, prefix + "a", b"second", content_type="text/plain")
    assert read(server, prefix + "a") == b"first"
    server.store.delete(server.bucket, prefix + "a")
    assert server.store.create(server.bucket, prefix + "a", b"third", content_type="text/plain")
    assert read(server, prefix + "a") == b"third"


def test_of_many_creators_one_wins(server: Server, prefix: str) -> None:
    """Eight threads at once, ten times: one True each time, and its bytes are there."""
    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            key, gate = f"{prefix}{turn}", Barrier(8)

            def create(number: int, key: str = key, gate: Barrier = gate) -> bool:
                gate.wait()
                return server.store.create(server.bucket, key, str(number).encode(), content_type="text/plain")

            won = list(pool.map(create, range(8)))
            assert won.count(True) == 1
            assert read(server, key) == str(won.index(True)).encode()


def test_replace_never_overwrites_what_it_has_not_seen(server: Server, prefix: str) -> None:
    """Nor writes where nothing is."""
    key = prefix + "a"
    assert not server.store.replace(server.bucket, key, b"x", content_type="text/plain", etag="0" * 32)
    assert server.store.head(server.bucket, key) is None
    first = server.store.put(server.bucket, key, b"first", content_type="text/plain")
    assert server.store.replace(server.bucket, key, b"second", content_type="text/plain", etag=first)
    assert not server.store.replace(server.bucket, key, b"third", content_type="text/plain", etag=first)
    assert read(server, key) == b"second"


def test_of_many_replacers_one_wins(server: Server, prefix: str) -> None:
    """Eight threads that saw the same: one True, and its bytes are there."""
    seen = server.store.put(server.bucket, prefix + "a", b"seen", content_type="text/plain")
    gate = Barrier(8)

    def replace_it(number: int) -> bool:
        gate.wait()
        return server.store.replace(server.bucket, prefix + "a", str(number).encode(), content_type="text/plain", etag=seen)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(replace_it, range(8)))
    assert won.count(True) == 1
    assert read(server, prefix + "a") == str(won.index(True)).encode()


def test_threads_share_a_store(server: Server, prefix: str) -> None:
    """Each reads what it wrote."""

    def write_and_read(number: int) -> bool:
        key, body = f"{prefix}{number}", f"{number}" * 1000
        server.store.put(server.bucket, key, body.encode(), content_type="text/plain")
        return read(server, key) == body.encode()

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(write_and_read, range(100)))


def test_minio_honours_conditions_and_juicefs_does_not(
    minio_server: Settings, s3_server: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """The probe finds out, leaves nothing behind, and says once where the promise is weaker."""
    strong, weak = S3Store(minio_server), S3Store(s3_server)
    assert strong.honours_conditions()
    assert not caplog.records
    assert [weak.honours_conditions() for _ in range(3)] == [False] * 3
    assert len([record for record in caplog.records if "If-None-Match" in record.message]) == 1
    for store, settings in ((strong, minio_server), (weak, s3_server)):
        assert list(store.list(settings.buckets.state, ".probe/")) == []


def test_a_wrong_secret_makes_the_store_unavailable(s3_server: Settings, minio_server: Settings) -> None:
    """Every call would fail, so that no message may pay for it with an attempt."""
    for settings in (s3_server, minio_server):
        store = S3Store(replace(settings, aws_secret_access_key="wrong-secret"))
        with pytest.raises(Unavailable, match="SignatureDoesNotMatch"):
            store.get(settings.buckets.state, "a")


@pytest.mark.parametrize("method", ["head", "get", "put", "create", "delete", "list"])
def test_a_refused_connection_is_unavailable(method: str) -> None:
    """Every method names s3 as the dependency that is down."""
    settings = s3_settings(free_port())
    with pytest.raises(Unavailable) as caught:
        calls(S3Store(settings), settings.buckets.state)[method]()
    assert caught.value.dependency == "s3"


def test_a_hung_server_is_unavailable_and_a_restarted_one_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP, SIGCONT, kill -9 and a new start: the same store object, with connections from before each."""
    monkeypatch.setattr(adapter, "READ_TIMEOUT", 0.4)
    port = free_port()
    settings = s3_settings(port)
    store, bucket = S3Store(settings), settings.buckets.state
    with running(s3_part(tmp_path, port)) as process:
        make_buckets(settings)
        store.put(bucket, "a", b"x", content_type="text/plain")
        os.kill(process.pid, signal.SIGSTOP)
        until_it_fails(lambda: store.head(bucket, "a"))  # a thread of it may still answer one call
        for call in (lambda: store.get(bucket, "a"), lambda: store.put(bucket, "b", b"y", content_type="text/plain")):
            with pytest.raises(Unavailable, match="ReadTimeout"):
                call()
        os.kill(process.pid, signal.SIGCONT)
        eventually(lambda: store.get(bucket, "a"))
        process.kill()
        process.wait()
        with pytest.raises(Unavailable):
            store.head(bucket, "a")
    with running(s3_part(tmp_path, port)):
        found = store.get(bucket, "a")
        assert found is not None
        assert found.body == b"x"


def until_it_fails(call: Callable[[], object], seconds: float = 10.0) -> None:
    """Call until it is Unavailable."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            call()
        except Unavailable:
            return
    raise AssertionError("it never failed")


def eventually(call: Callable[[], object], seconds: float = 10.0) -> None:
    """Call until it is no longer Unavailable."""
    until = time.monotonic() + seconds
    while True:
        try:
            call()
        except Unavailable:
            if time.monotonic() > until:
                raise
        else:
            return


class Answer(NamedTuple):
    """What the fake server of :func:`answering` says, to every request."""

    status: int
    body: bytes = b""
    length: int | None = None
    """Content-Length where it is not the body's."""
    kind: str = "application/xml"
    etag: bool = True


@contextmanager
def answering(answer: Answer) -> Iterator[tuple[S3Store, list[str]]]:
    """A store at a server with one answer, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.send_header("Content-Type", answer.kind)
            if answer.etag:
                self.send_header("ETag", '"e"')
            self.send_header("Last-Modified", "Fri, 24 May 2030 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield S3Store(s3_settings(http.server_port)), asked
        finally:
            http.shutdown()
            thread.join()


def xml(code: str) -> bytes:
    """An error as S3 sends it."""
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message></Error>".encode()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(503, xml("SlowDown")), Unavailable),
        (Answer(500, xml("InternalError")), Unavailable),
        (Answer(502, b"<html><p>Bad gateway"), Unavailable),
        (Answer(429, b""), Unavailable),
        (Answer(499, xml("ClientDisconnected")), Unavailable),
        (Answer(403, xml("RequestTimeTooSkewed")), Unavailable),
        (Answer(403, xml("AccessDenied")), Retry),
        (Answer(404, b"not S3 at all"), Retry),
        (Answer(403, b"http: Server closed", kind="text/plain; charset=utf-8"), Unavailable),
        (Answer(404, b"<html>no such site", kind="text/html"), Unavailable),
        (Answer(200, etag=False), Unavailable),
        (Answer(301, xml("PermanentRedirect")), Retry),
        (Answer(200, b"half of the", length=22), Unavailable),
        (Answer(404, xml("NoSuchBucket")), Reject),
    ],
    ids=lambda value: f"{value.status} {value.body[:50]!r}" if isinstance(value, Answer) else "",
)
def test_an_answer_becomes_one_of_the_three(answer: Answer, expected: type[Exception]) -> None:
    """Down, throttled, or cut off is Unavailable; what cannot be explained is Retry."""
    with answering(answer) as (store, asked), pytest.raises(expected):
        store.get("bucket", "key")
    assert asked


@pytest.fixture(scope="module")
def versioned(minio_server: Settings) -> Server:
    """A bucket that keeps the versions of its objects."""
    bucket = f"versioned-{uuid4().hex[:8]}"
    store = S3Store(minio_server)
    store.client.create_bucket(Bucket=bucket)
    store.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Server(store, bucket)


@pytest.mark.parametrize("key", ["plain.jpg", "a b+c%.jpg", "Музей/🏺.jpg"])
def test_a_bucket_with_versions_lists_the_latest_as_head_tells_it(versioned: Server, prefix: str, key: str) -> None:
    """One entry an object, by its versionId: notifications name that, and index compares it with the listing."""
    store, bucket = versioned
    first = store.put(bucket, prefix + key, b"first", content_type="text/plain")
    second = store.put(bucket, prefix + key, b"second!", content_type="text/plain")
    assert first != second
    info, found = store.head(bucket, prefix + key), store.get(bucket, prefix + key)
    assert info is not None
    assert found is not None
    assert (info.version, found.info.version) == (second, second)
    (listed,) = store.list(bucket, prefix)
    assert (listed.key, listed.version, listed.size) == (prefix + key, second, 7)
    assert abs(listed.modified - info.modified) <= 1


def test_what_was_deleted_from_a_bucket_with_versions_is_not_listed(versioned: Server, prefix: str) -> None:
    """Its older versions and the mark of its deletion are there, and are no objects; put again, it is back."""
    store, bucket = versioned
    store.put(bucket, prefix + "a", b"x", content_type="text/plain")
    store.delete(bucket, prefix + "a")
    assert list(store.list(bucket, prefix)) == []
    assert (store.head(bucket, prefix + "a"), store.get(bucket, prefix + "a")) == (None, None)
    again = store.put(bucket, prefix + "a", b"x", content_type="text/plain")
    assert [item.version for item in store.list(bucket, prefix)] == [again]


def test_a_listing_of_versions_has_all_pages_in_order(versioned: Server, prefix: str) -> None:
    """More than one page, whose border lies between two versions of a key as well as between two keys."""
    store, bucket = versioned
    keys = [f"{prefix}{number:05d} +%.jpg" for number in range(600)]
    with ThreadPoolExecutor(8) as pool:
        for body in (b"old", b"new!"):
            list(pool.map(lambda key, body=body: store.put(bucket, key, body, content_type="text/plain"), keys))  # type: ignore[misc]
    assert [(item.key, item.size) for item in store.list(bucket, prefix)] == [(key, 4) for key in keys]


def test_an_object_from_before_a_bucket_kept_versions_is_listed_by_its_etag(minio_server: Settings) -> None:
    """Its versionId is ``null``, and head and notification fall back to the ETag too."""
    bucket = f"versioned-{uuid4().hex[:8]}"
    store = S3Store(minio_server)
    store.client.create_bucket(Bucket=bucket)
    version = store.put(bucket, "a", b"x", content_type="text/plain")
    store.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert [item.version for item in store.list(bucket)] == [version]


def test_a_bucket_that_begins_to_keep_versions_is_noticed(minio_server: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process asks again after a while."""
    bucket = f"versioned-{uuid4().hex[:8]}"
    store = S3Store(minio_server)
    store.client.create_bucket(Bucket=bucket)
    assert list(store.list(bucket)) == []
    store.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = store.put(bucket, "a", b"x", content_type="text/plain")
    monkeypatch.setattr(adapter, "VERSIONING_KNOWN", 0.0)
    assert [item.version for item in store.list(bucket)] == [version]


def test_a_listing_that_a_stopping_server_cut_off_is_unavailable() -> None:
    """Seen with MinIO's S3 layer: the request is given up with an empty 200."""
    with answering(Answer(200)) as (store, _), pytest.raises(Unavailable, match="no XML"):
        list(store.list("bucket"))


def test_an_absent_object_of_a_store_with_conditions_is_told_by_its_code() -> None:
    """NoSuchKey is an answer."""
    with answering(Answer(404, xml("NoSuchKey"))) as (store, _):
        assert store.get("bucket", "key") is None


def test_dots_in_a_key_are_not_resolved_by_the_client() -> None:
    """``a/../b`` is asked for as it is, never ``b``: that may be somebody else's object."""
    with answering(Answer(200, b"x")) as (store, asked):
        found = store.get("bucket", "a/../b/./c//d")
    assert asked == ["/bucket/a/../b/./c//d"]
    assert found is not None
    assert found.info == ObjectInfo(bucket="bucket", key="a/../b/./c//d", version="e", size=1, modified=1905811200.0, etag="e")


def test_a_process_with_static_keys_does_not_import_boto3() -> None:
    """It costs 0.3 s and 25 MB a process."""
    code = """if True:
        import sys
        from functions.adapters.s3 import S3Store
        from functions.errors import Unavailable
        from functions.runtime.settings import Settings
        store = S3Store(Settings(aws_endpoint_url=sys.argv[1], aws_access_key_id="a", aws_secret_access_key="b"))
        try:
            store.get("bucket", "key")
        except Unavailable:
            print("boto3" in sys.modules, "botocore" in sys.modules)
    """
    address = f"http://127.0.0.1:{free_port()}"
    said = subprocess.run([sys.executable, "-c", code, address], check=True, capture_output=True, text=True).stdout
    assert said.split() == ["False", "False"]
