"""Bucket notifications from stores that can only call a webhook."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from functions.bucket_events import Change, parse
from functions.errors import Reject
from functions.events import Lane
from functions.runtime.settings import Buckets
from functions.uploads import lane_of

MAX_BODY = 1_000_000
"""Bytes of one notification."""
KEEP = 15.0
"""Seconds: the spool is sent every 3. Short, since RabbitMQ could be wiped in between; then it is the sweep that tells."""


def authorised(header: str, token: str) -> bool:
    """Whether an Authorization header carries the hook's token, with or without ``Bearer``."""
    return bool(token) and hmac.compare_digest(header.removeprefix("Bearer ").encode(), token.encode())


def notified(raw: bytes) -> dict[str, Any]:
    """The data of ``bucket.notified``: the sender's JSON untouched, or its text where it is none."""
    data: dict[str, Any]
    try:
        data = {"body": json.loads(raw)}
        json.dumps(data)  # what was just not too deep to be read is too deep to be written
    except (ValueError, RecursionError):
        data = {"body": raw.decode(errors="replace")}
    return data


def changes_of(body: Any) -> Sequence[Change]:
    """What a notification tells of; nothing where it cannot be read, which ingest rejects with the reason."""
    try:
        return parse(body).changes
    except Reject:
        return []


def lane(changes: Sequence[Change], buckets: Buckets) -> Lane:
    """The lane whose ingest takes it: what a person waits for never queues behind an import."""
    waited = any(lane_of(change.bucket == buckets.queries, change.metadata) == "interactive" for change in changes)
    return "interactive" if waited or not changes else "bulk"


Identity = tuple[tuple[str, str, str, str, str], ...]


def identity(changes: Sequence[Change]) -> Identity:
    """What the copies of one notification share, whose bytes differ; empty where a change has no sequencer to tell it by."""
    told = tuple((one.kind, one.bucket, one.key, one.version, one.sequencer) for one in changes)
    return told if all(one.sequencer for one in changes) else ()


class Confirmed:
    """Notifications that RabbitMQ confirmed in the last seconds: their second copy, spooled for 3 s, has nothing to add.

    Passing it on took 8 ms of CPU a photo in all that come after. It is a saving alone: without it, or in a second
    replica, the copy is deduplicated further on. Thread-safe.
    """

    def __init__(self, *, keep: float = KEEP, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep = keep
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Identity, float] = {}

    def __contains__(self, one: Identity) -> bool:
        """Whether a copy of it was confirmed."""
        with self._lock:
            return self._known.get(one, float("-inf")) >= self._clock() - self._keep

    def add(self, one: Identity) -> None:
        """It was confirmed."""
        now = self._clock()
        with self._lock:
            while self._known and next(iter(self._known.values())) < now - self._keep:
                del self._known[next(iter(self._known))]
            if one:
                self._known[one] = now
