"""What the calls share: stores, names, limits, the connection to the trigger. Made once, in ``main``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from functions.decoding import decoded
from functions.errors import MuseumError
from functions.events import subject_of, topic
from functions.gateway import metrics
from functions.gateway.ahead import Ahead
from functions.gateway.handles import Pictures
from functions.gateway.hooks import Confirmed, Raised
from functions.gateway.identity import Identity, Sessions
from functions.gateway.limits import Limits
from functions.gateway.queries import TURN_LIMIT, Queries, owners
from functions.gateway.records import Published
from functions.gateway.settings import GatewaySettings
from functions.gateway.watching import ENDS, Watching
from functions.ports import Forms, ObjectStore, Publishes
from functions.runtime.settings import Buckets, Settings

if TYPE_CHECKING:
    from functions.results import Result

log = logging.getLogger("museum.gateway")

RECENT = 50
"""Results that the expected time is the median of."""
EXPECTED = "expected.json"
"""Key in the state bucket of how long recent searches took: results are named by no time, so the newest cannot be listed."""
KEEP_EVERY = 60.0
"""Seconds between two writes of it."""
ASK_AGAIN = 5.0
"""Seconds between questions to a store that does not answer, of what need not be known at once."""
ADMIT_EVERY = 3.0
"""Seconds between looks at what waits and nobody watches."""


class Times(msgspec.Struct, frozen=True):
    """How long some searches took, in milliseconds."""

    stages: list[dict[str, float]]
    whole: list[float]


class Recent:
    """How long recent searches took, as far as this replica has read them, and before it any."""

    def __init__(self) -> None:
        self.changed = False
        """Since it was last kept."""
        self._stages: deque[dict[str, float]] = deque(maxlen=RECENT)
        self._known: deque[str] = deque(maxlen=20 * RECENT)
        self._whole: deque[float] = deque(maxlen=RECENT)

    def add(self, result: Result) -> None:
        """One result more; one that was read before says nothing new."""
        if result.query_id in self._known:
            return
        self._known.append(result.query_id)
        if result.status == "completed" and result.completed_at > result.received_at > 0:
            self._stages.append(dict(result.stages))
            self._whole.append((result.completed_at - result.received_at) * 1000)
            metrics.SEARCHES.observe(result.completed_at - result.received_at)
            self.changed = True

    def kept(self) -> bytes:
        """What another replica, or this one after a restart, begins with."""
        self.changed = False
        return msgspec.json.encode(Times(stages=list(self._stages), whole=list(self._whole)))

    def begin_with(self, body: bytes) -> None:
        """Begin with what was kept, unless there is something newer; what cannot be read is of no use."""
        with contextlib.suppress(msgspec.DecodeError):
            times = decoded(body, Times)
            if not self._whole:
                self._stages.extend(times.stages)
                self._whole.extend(times.whole)

    @property
    def whole(self) -> float | None:
        """Milliseconds from upload to result, the median."""
        return round(statistics.median(self._whole), 1) if self._whole else None

    @property
    def steps(self) -> dict[str, float]:
        """The same, of each step."""
        known = list(self._stages)  # at once: other threads add meanwhile
        names = {name for stages in known for name in stages}
        return {name: round(statistics.median(stages[name] for stages in known if name in stages), 1) for name in sorted(names)}


class Striped:
    """Locks by name: changes of one thing follow each other within this process, also where the store ignores conditions."""

    def __init__(self, stripes: int = 64) -> None:
        self._locks = tuple(threading.Lock() for _ in range(stripes))

    def of(self, *names: str) -> threading.Lock:
        """The lock of a thing; that of another may be the same, so nobody holds two."""
        return self._locks[hash(names) % len(self._locks)]


@dataclass(kw_only=True)
class Parts:
    """See the module."""

    settings: Settings
    own: GatewaySettings
    store: ObjectStore
    forms: Forms
    outbox: Publishes
    sessions: Sessions
    pictures: Pictures
    limits: Limits
    watching: Watching
    raised: Raised = field(default_factory=Raised)
    confirmed: Confirmed = field(default_factory=Confirmed)
    recent: Recent = field(default_factory=Recent)
    changing: Striped = field(default_factory=Striped)
    published: Published = field(init=False)
    ahead: Ahead = field(default_factory=Ahead)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is told to end: streams end, and their readers go on with another replica."""
    _background: set[asyncio.Task[None]] = field(default_factory=set)
    _admitting: asyncio.Task[None] | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self.watching.heard = self.heard
        self.published = Published(self.store, self.buckets)

    def heard(self, kind: str, data: Any) -> None:
        """A query of somebody's has ended: who waits may go."""
        if kind in ENDS and isinstance(data, dict) and data.get("query_id"):
            self.later(lambda: self.admit(str(data.get("museum")), str(data.get("owner"))))

    def admit(self, museum: str, owner: str) -> None:
        """Give somebody's free turns to what waits. Blocks; from any thread."""
        for key in self.queries_of(museum, owner).admit():
            self.follow(key)

    def follow(self, key: str) -> None:
        """Hear of a query's end though nobody watches it: its turn is somebody's then. From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: self._keep(self._until_ended(key)))

    async def _until_ended(self, key: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with self.watching.look(topic(subject_of(key))) as reader, asyncio.timeout(TURN_LIMIT):
                while reader.stage not in ENDS and not self.closing.is_set():
                    await reader.wait(TURN_LIMIT)

    @property
    def buckets(self) -> Buckets:
        """The buckets' names."""
        return self.settings.buckets

    def queries(self, identity: Identity) -> Queries:
        """Somebody's queries."""
        return self.queries_of(identity.museum, identity.owner)

    def queries_of(self, museum: str, owner: str) -> Queries:
        """The same by name."""
        return Queries(self.store, self.buckets, museum, owner, turns=self.own.museum_in_flight)

    def later(self, work: Callable[[], object]) -> None:
        """Blocking work that nobody waits for."""

        async def run() -> None:
            try:
                await asyncio.to_thread(work)
            except MuseumError as error:
                log.warning("put off: %s", error)

        self._keep(run())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def end(self) -> None:
        """The process is told to end."""
        self.closing.set()
        self.watching.wake()

    def start(self) -> None:
        """Begin to listen and to admit what waits; safe to repeat."""
        self._loop = asyncio.get_running_loop()
        self.watching.begin()
        if self._admitting is None or self._admitting.done():
            self._admitting = asyncio.create_task(self._admit())

    async def _admit(self) -> None:
        kept = time.monotonic()
        while not self.closing.is_set():
            try:
                await asyncio.to_thread(self.admit_all)
                if self.recent.changed and time.monotonic() - kept >= KEEP_EVERY:
                    kept = time.monotonic()
                    await asyncio.to_thread(self.keep_expected)
            except MuseumError as error:
                log.warning("what waits is looked at again in %.0f s: %s", ADMIT_EVERY, error)
            await asyncio.sleep(ADMIT_EVERY)

    def prepare(self) -> None:
        """What is done once at the start, and what no call waits for. Blocks until the store answers."""
        while True:
            try:
                self.say_how_changes_are_kept()
                break
            except MuseumError:
                time.sleep(ASK_AGAIN)
        with contextlib.suppress(MuseumError):  # a time that is not known is not said
            self.read_expected()

    def say_how_changes_are_kept(self) -> None:
        """Whether a second gateway beside this one could lose somebody's change of a record: once, in the log."""
        if not self.store.honours_conditions():
            log.warning(
                "the S3 server ignores If-Match: changes of records follow each other within this gateway alone, so run one"
            )

    def read_expected(self) -> None:
        """Begin with the times that another replica has kept."""
        if (found := self.store.get(self.buckets.state, EXPECTED)) is not None:
            self.recent.begin_with(found.body)

    def keep_expected(self) -> None:
        """Keep the times for whoever begins next."""
        self.store.put(self.buckets.state, EXPECTED, self.recent.kept(), content_type="application/json")

    def admit_all(self) -> None:
        """Give free turns to what waits, of everybody."""
        for museum, owner in owners(self.store, self.buckets.state):
            try:
                self.admit(museum, owner)
            except MuseumError:
                raise
            except Exception:  # something of theirs cannot be read: nobody else waits for that
                log.exception("bug: what an owner has waiting cannot be given a turn")


def public(settings: Settings, url: str) -> Settings:
    """The settings of a client whose addresses browsers can reach."""
    return replace(settings, aws_endpoint_url=url) if url else settings
