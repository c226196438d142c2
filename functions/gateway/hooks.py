"""Bucket notifications from stores that can only call a webhook."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from functions.bucket_events import Change, parse
from functions.errors import Reject
from functions.events import BucketNotified, Lane, notification_id
from functions.gateway.call import Asked, Call, in_thread, read_limited
from functions.gateway.problems import Problem
from functions.runtime import tracing
from functions.runtime.settings import Buckets
from functions.uploads import known_of, lane_of

if TYPE_CHECKING:
    from functions.gateway.parts import Parts

MAX_BODY = 1_000_000
"""Bytes of one notification."""
KEEP = 15.0
"""Seconds: the spool is sent every 3. Short, since RabbitMQ could be wiped in between; then it is the sweep that tells."""


def calls(parts: Parts) -> list[Call]:
    """The calls: a bucket's webhook, which has a token of its own."""

    def check(asked: Asked) -> None:
        if not authorised(asked.request.headers.get("authorization", ""), parts.settings.museum_hook_token):
            raise Problem(401, "unauthorised", "expected the hook's token as Authorization: Bearer …")

    async def looked(asked: Asked) -> Response:
        check(asked)  # the store looks whether anybody is here before it sends
        return Response(status_code=200)

    async def told(asked: Asked) -> Response:
        check(asked)
        with tracing.arriving(asked.request.headers):
            await in_thread(pass_on, parts, await read_limited(asked.request, MAX_BODY))
        return Response(status_code=200)

    return [
        Call(method="GET", path="/hooks/s3", handler=looked, role=None, does="Whether the hook's token is good."),
        Call(
            method="POST",
            path="/hooks/s3",
            handler=told,
            role=None,
            does="A bucket's notification: 200 once its event is published.",
        ),
    ]


def pass_on(parts: Parts, raw: bytes) -> None:
    """Publish a notification's event with confirm, unless another copy of it was. Raises ``Unavailable``."""
    data = notified(raw)
    changes = changes_of(data["body"])
    told = identity(changes)
    if told in parts.confirmed:
        return
    if not parts.raised.by_store(changes):
        parts.confirmed.add(told)
        return
    settings = parts.settings
    parts.outbox.publish(
        BucketNotified.TYPE,
        notification_id(raw),
        data,
        lane=lane(changes, settings.buckets),
        known=known_of(changes, settings.buckets, settings.museum_default_museum, settings.museum_default_owner),
    )
    parts.confirmed.add(told)


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

    def forget(self, one: Identity) -> None:
        """As if it never was."""
        with self._lock:
            self._known.pop(one, None)

    def add(self, one: Identity) -> None:
        """It was confirmed."""
        now = self._clock()
        with self._lock:
            while self._known and next(iter(self._known.values())) < now - self._keep:
                del self._known[next(iter(self._known))]
            if one:
                self._known[one] = now


class Raised:
    """Uploads whose event a page or the store raised in the last seconds: the other need not raise it again.

    A saving alone, as :class:`Confirmed` is: what comes twice is the same upload, and ends once. Thread-safe.
    """

    def __init__(self, *, keep: float = KEEP, clock: Callable[[], float] = time.monotonic) -> None:
        self._by_page = Confirmed(keep=keep, clock=clock)
        self._by_store = Confirmed(keep=keep, clock=clock)

    def by_page(self, change: Change) -> bool:
        """A page tells of an upload. False where it is known."""
        told = upload_of(change)
        if told in self._by_page or told in self._by_store:
            return False
        self._by_page.add(told)
        return True

    def by_store(self, changes: Sequence[Change]) -> bool:
        """The store tells of some. False where a page told of all of them: once, since the next is another upload."""
        told = [upload_of(change) for change in changes]
        known = bool(told) and all(one in self._by_page for one in told)
        for one in told:
            self._by_page.forget(one)
            self._by_store.add(one)
        return not known


def upload_of(change: Change) -> Identity:
    """A change without its sequencer, which a page does not know."""
    return ((change.kind, change.bucket, change.key, change.version, ""),)
