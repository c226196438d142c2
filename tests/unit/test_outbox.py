"""How an event that starts outside the broker reaches the trigger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from functions.adapters.outbox import Outbox
from functions.bucket_events import Change
from functions.errors import Unavailable
from functions.runtime.settings import Buckets
from functions.uploads import known_of
from tests.outbox import CONTEXT, FakeTrigger

KIND = "io.museumsearch.bucket.notified.v1"


@pytest.fixture
def trigger() -> Iterator[FakeTrigger]:
    """Listening."""
    with FakeTrigger.listening() as server:
        yield server


def test_an_event_leaves_with_all_that_every_event_has(trigger: FakeTrigger) -> None:
    """And with what its one change tells: whose it is, and the key."""
    change = Change(kind="created", bucket="queries", key="m/o w/r/б.jpg", version="v", size=1, sequencer="1")
    known = known_of([change], Buckets(), "local", "local")
    Outbox(trigger.url).publish(KIND, "i-1", {"body": 1}, lane="bulk", known=known)
    Outbox(trigger.url).publish(KIND, "i-1", {"body": 1}, lane="bulk")
    first, second = (event.attributes for event in trigger.got)
    assert set(first) == CONTEXT | {"museum", "owner"}
    assert (first["subject"], first["museum"], first["owner"]) == ("m/o%20w/r/%D0%B1.jpg", "m", "o%20w")
    assert (first["id"], first["type"], first["lane"], first["specversion"]) == ("i-1", KIND, "bulk", "1.0")
    assert first["dataschema"] == "urn:museumsearch:contract:bucket.notified.v1"
    assert set(second) == CONTEXT
    assert first["traceparent"][:35] == second["traceparent"][:35], "copies share a trace"


@pytest.mark.parametrize("key", ["k" * 1025, "\ud800"], ids=["too long", "half a surrogate pair"])
def test_what_is_no_key_is_not_told(key: str) -> None:
    """ingest finds out and says so."""
    change = Change(kind="created", bucket="queries", key=key, version="v", size=1, sequencer="1")
    assert known_of([change], Buckets(), "local", "local") == {}
    assert known_of([change, change], Buckets(), "local", "local") == {}


def test_what_was_not_confirmed_is_unavailable(trigger: FakeTrigger) -> None:
    """Whoever called keeps the event."""
    trigger.status = 503
    with pytest.raises(Unavailable, match="answered 503"):
        Outbox(trigger.url).publish(KIND, "i-1", {}, lane="bulk")
    with pytest.raises(Unavailable, match="does not answer"):
        Outbox("http://127.0.0.1:9/").publish(KIND, "i-1", {}, lane="bulk")
