"""The webhook: who may call it, and which lane takes it."""

from __future__ import annotations

from typing import Any

from functions.bucket_events import Change, notification
from functions.gateway import hooks
from functions.runtime.settings import Buckets


def body_of(bucket: str, **metadata: str) -> object:
    """A notification."""
    change = Change(kind="created", bucket=bucket, key="k", version="v", size=1, sequencer="", metadata=metadata)
    return notification(change)


def test_only_the_token_opens_the_hook() -> None:
    """With or without Bearer, as S3 servers send it; an empty setting opens nothing."""
    assert hooks.authorised("Bearer secret", "secret")
    assert hooks.authorised("secret", "secret")
    assert not hooks.authorised("Bearer wrong", "secret")
    assert not hooks.authorised("", "")


def test_what_a_person_waits_for_takes_the_interactive_lane() -> None:
    """Queries, and catalogue uploads that say so; what cannot be read is not left behind an import."""

    def lane(body: object) -> str:
        return hooks.lane(hooks.changes_of(body), Buckets())

    assert lane(body_of("queries")) == "interactive"
    assert lane(body_of("catalogue")) == "bulk"
    assert lane(body_of("catalogue", lane="interactive")) == "interactive"
    assert lane("garbage") == "interactive"


def test_a_body_that_is_no_json_is_kept_as_text() -> None:
    """It ends with a reason, further on."""
    assert hooks.notified(b'{"a": 1}') == {"body": {"a": 1}}
    assert hooks.notified(b"\xff{")["body"].endswith("{")


def change(sequencer: str, version: str = "v") -> Change:
    """A change of one object."""
    return Change(kind="created", bucket="catalogue", key="k", version=version, size=1, sequencer=sequencer)


def test_the_second_copy_of_a_notification_is_known_and_a_later_change_is_not() -> None:
    """By kind, bucket, key, version and sequencer; for some seconds."""
    now = [100.0]
    confirmed = hooks.Confirmed(keep=15, clock=lambda: now[0])
    first = hooks.identity([change("01")])
    assert first not in confirmed
    confirmed.add(first)
    assert hooks.identity([change("01")]) in confirmed
    assert hooks.identity([change("02")]) not in confirmed
    assert hooks.identity([change("01", version="w")]) not in confirmed
    now[0] = 116.0
    assert first not in confirmed


def test_a_notification_without_sequencer_is_always_passed_on() -> None:
    """Nothing tells its copies from a later change: a sweep's, for one, or an unreadable one."""
    confirmed = hooks.Confirmed()
    for unknown in ([change("")], [change("01"), change("")], []):
        confirmed.add(hooks.identity(unknown))
        assert hooks.identity(unknown) not in confirmed


def test_a_bad_record_does_not_take_its_neighbours_out_of_their_lane() -> None:
    """Nor does a size that is none keep the webhook from answering."""
    good: Any = body_of("catalogue")
    good["Records"][0]["s3"]["object"]["size"] = "much"
    assert hooks.lane(hooks.changes_of({"Records": [17, *good["Records"]]}), Buckets()) == "bulk"
