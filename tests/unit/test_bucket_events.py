"""The variants of bucket notifications: facts that cost time to find."""

from __future__ import annotations

from typing import Any

import pytest

from functions.bucket_events import Change, Notified, notification, parse
from functions.errors import Reject

NOTHING = Notified(changes=(), unreadable=())


def record(key: str, *, name: str = "s3:ObjectCreated:Put", bucket: str = "queries", **item: Any) -> dict[str, Any]:
    """One record as an S3 server sends it."""
    return {"eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 5, "eTag": "e1", **item}}}


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"Key": "queries/a b+c.jpg", "Records": [record("a+b%2Bc.jpg")]}, "a b+c.jpg"),
        ({"Records": [record("a+b%2Bc.jpg")]}, "a b+c.jpg"),
        ({"Records": [record("local%2Fo%252F1%2Fimages%2Fx.jpg")]}, "local/o%2F1/images/x.jpg"),
        ({"Key": "queries/100%25.jpg", "Records": [record("100%25.jpg")]}, "100%25.jpg"),
        ({"Records": [record("ваза 1.jpg")]}, "ваза 1.jpg"),
        ({"Records": [record("a b.jpg")]}, "a b.jpg"),
        ({"Records": [record("50%.jpg")]}, "50%.jpg"),
        ({"Records": [record("%F0%9F%8F%BA.png")]}, "🏺.png"),
        ({"Records": [record("%D0%B2%D0%B0%D0%B7%D0%B0.jpg", name="ObjectCreated:CompleteMultipartUpload")]}, "ваза.jpg"),
    ],
)
def test_a_key_is_read_as_the_store_has_it(body: dict[str, Any], key: str) -> None:
    """Escaped as in a query (MinIO, AWS, RustFS), or raw (versitygw)."""
    assert [change.key for change in parse(body).changes] == [key]


def test_several_records_are_several_changes_in_order() -> None:
    """AWS sends one, the API allows many."""
    assert [change.key for change in parse({"Records": [record("a"), record("b"), record("c")]}).changes] == ["a", "b", "c"]


def test_the_version_is_the_version_id_or_else_the_etag_without_quotes() -> None:
    """Stores without versions send `null` or nothing."""
    versions = [
        parse({"Records": [record("a", **item)]}).changes[0].version
        for item in ({"eTag": '"e2"'}, {"versionId": "v7"}, {"versionId": "null"}, {"eTag": None})
    ]
    assert versions == ["e2", "v7", "e1", ""]


def test_a_removal_has_a_version_only_where_the_etag_is_told() -> None:
    """The sweep tells it. Servers send none, or a versionId that is the mark of the deletion: S3 now is the truth."""
    removals = [
        record("a", name="s3:ObjectRemoved:Delete", **item) for item in ({"eTag": None, "versionId": "v7"}, {"eTag": "e1"})
    ]
    assert [(change.kind, change.version) for change in parse({"Records": removals}).changes] == [
        ("removed", ""),
        ("removed", "e1"),
    ]


def test_user_metadata_is_read_whatever_its_case() -> None:
    """Servers of MinIO's family send it with the event."""
    (change,) = parse({"Records": [record("a", userMetadata={"X-Amz-Meta-Lane": "interactive", "content-type": "x"})]}).changes
    assert change.metadata == {"lane": "interactive"}


def test_a_sequencer_is_padded_so_that_it_sorts() -> None:
    """It is hexadecimal of varying length."""
    first, second = (parse({"Records": [record("a", sequencer=text)]}).changes[0].sequencer for text in ("FF", "100"))
    assert first < second


def test_test_events_and_other_events_tell_nothing() -> None:
    """AWS sends one when a notification is set up."""
    assert parse({"Event": "s3:TestEvent", "Service": "Amazon S3"}) == NOTHING
    assert parse({"Records": [record("a", name="s3:ObjectTagging:Put")]}) == NOTHING


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("text", "broken-notification"),
        ([], "broken-notification"),
        ({"hello": 1}, "no-records"),
        ({"Records": "x"}, "no-records"),
        ({"Records": [record("a")] * 1001}, "too-many-records"),
    ],
)
def test_what_is_no_notification_is_rejected_with_a_reason(body: Any, code: str) -> None:
    """Each with its own code."""
    with pytest.raises(Reject) as rejected:
        parse(body)
    assert rejected.value.code == code


@pytest.mark.parametrize(
    "broken",
    [
        17,
        None,
        {},
        {"eventName": "s3:ObjectCreated:Put"},
        {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "queries"}, "object": []}},
        record(""),
        record(None),  # type: ignore[arg-type]
        record("half a pair \ud800"),
        record("x", bucket=""),
        record("x", name=None),  # type: ignore[arg-type]
    ],
)
def test_a_record_that_names_no_object_is_told_beside_its_neighbours(broken: Any) -> None:
    """The good ones go on; what is wrong with the bad one is said, with as much of it as a person needs to find it."""
    found = parse({"Records": [record("a"), broken, record("b")]})
    assert [change.key for change in found.changes] == ["a", "b"]
    (unreadable,) = found.unreadable
    assert "eventName, s3.bucket.name and s3.object.key" in unreadable.reason
    assert len(unreadable.reason) < 500
    unreadable.reason.encode()


def test_two_records_that_cannot_be_read_have_two_ids_and_a_copy_has_the_same() -> None:
    """Each is kept under its own."""
    first, second = parse({"Records": [17, 18]}).unreadable
    assert first.id != second.id
    assert parse({"Records": [17]}).unreadable == (first,)


@pytest.mark.parametrize("size", ["much", [], {}, None, "1e3", float("inf"), float("nan"), -1, 10**30, "9" * 5000])
def test_a_size_that_makes_no_sense_is_unknown(size: Any) -> None:
    """The photo is what counts, and says its size itself."""
    (change,) = parse({"Records": [record("a", size=size)]}).changes
    assert change.size == 0


@pytest.mark.parametrize("name", ["eTag", "versionId", "sequencer"])
def test_half_a_surrogate_pair_in_a_version_does_no_harm(name: str) -> None:
    """JSON allows it, UTF-8 does not, and ids are made of it."""
    (change,) = parse({"Records": [record("a", **{name: "\ud800"})]}).changes
    f"{change.version}{change.sequencer}".encode()


@pytest.mark.parametrize("key", ["a b+c%.jpg", "ваза.jpg", "🏺/x y.png", "o%2F1/images/a.jpg"])
def test_what_the_sweep_raises_is_read_back(key: str) -> None:
    """The event that reconcile makes is one that the parser reads."""
    change = Change(kind="created", bucket="queries", key=key, version="e1", size=5, sequencer="", metadata={"lane": "bulk"})
    assert parse(notification(change)) == Notified(changes=(change,), unreadable=())
