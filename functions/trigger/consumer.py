"""The way of a message from one work queue to its function and on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import aiohttp

from functions.runtime import tracing
from functions.runtime.attributes import attributes_of, trace_of
from functions.trigger import settle as s
from functions.trigger.binding import CloudEvent, carrying, from_amqp, happened, structured, text_of, wrapped, write_json
from functions.trigger.broker import Broker, Message, NotTaken, Subscription
from functions.trigger.deliver import deliver
from functions.trigger.publisher import Publisher, messaging, traced
from functions.trigger.status import arrived, delivered

log = logging.getLogger("museum.trigger")

ATTEMPTS, REASON, STEP = "museum-attempts", "museum-reason", "museum-step"
"""Headers that the trigger adds to retried and dead messages."""
FAILURES = ("dead", "connection lost")
"""Outcomes that a delivery's span is marked by; a retry is one too."""
INHERITED = ("museum", "owner", "tracestate")
"""Attributes of an event that its death has too, where it has them."""
PROBE_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0)
"""Seconds between probes of a dependency that is down; the last is repeated."""
PROBE_FOR = 1200.0
"""Seconds after which the probe goes back to its queue: RabbitMQ closes a channel that keeps a message for 30 minutes."""


class UnknownType(ValueError):
    """A function answered with an event that is not on the map: nobody would ever get it."""


Route = Callable[[str, str], tuple[str | None, bool]]
"""(event type, lane) → (next queue, whether observers get a copy). Raises ``UnknownType``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One function as the trigger sees it."""

    step: str
    url: str
    queue: str
    lane: str
    prefetch: int
    timeout: float
    delays: tuple[int, ...]
    wrap: str | None
    route: Route
    dead_type: str
    finish_queue: str | None
    """Who is told of the dead; ``None`` for that step itself."""
    ack_first: bool = False
    """Fault injection for the tests of the fault harness: acks before the work, as the prototype did."""


@dataclass(slots=True)
class Job:
    """One message in hand."""

    message: Message
    event: CloudEvent
    attempts: int
    unreadable: str = ""
    """Why it is no event, where no function is to see it."""
    crashes: int = 0
    started: float = field(default_factory=time.monotonic)
    down_since: float = 0.0
    """When it became the probe."""
    parent: Mapping[str, str] = field(default_factory=dict)
    """The trace context that it brought."""
    span: tracing.Span = tracing.OFF


class Consumer:
    """Takes messages of one queue, at most ``prefetch`` at a time, and settles each."""

    def __init__(self, work: Work, http: aiohttp.ClientSession, broker: Broker, publisher: Publisher) -> None:
        self._work = work
        self._http = http
        self._broker = broker
        self._publisher = publisher
        self._subscription: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._probe: Job | None = None
        self._suspects = 0
        self._crashes: dict[str, int] = {}
        self._active = 0
        self._changed = asyncio.Condition()
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Begin to consume."""
        self._subscription = await self._broker.subscribe(self._work.queue, prefetch=self._work.prefetch, deliver=self._take)
        self._subscription.start()

    async def stop(self, grace: float) -> None:
        """Take no more, finish what is in work within ``grace`` seconds; the rest goes back untouched.

        Without RabbitMQ nothing can be settled: where it goes meanwhile, as with the node under both, nobody is waited for.
        """
        self._stopping.set()
        if self._subscription is not None:
            self._subscription.stop()
        async with self._changed:
            self._changed.notify_all()
        waited: set[asyncio.Future[Any]] = {asyncio.gather(*self._tasks, return_exceptions=True), self._broker.lost}
        await asyncio.wait(waited, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        await self.abandon()

    async def abandon(self) -> None:
        """Drop what is in hand: the broker has it still."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _queue(self) -> Subscription:
        assert self._subscription is not None
        return self._subscription

    def _take(self, message: Message) -> None:
        task = asyncio.create_task(self._handle(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, message: Message) -> None:
        """Never leaves a message in hand: it is settled, handed back, refused, or the connection is gone."""
        if self._work.ack_first:
            self._queue.ack(message.tag)
        job = self._job(message)
        with tracing.span(
            f"process {self._work.queue}", "consumer", self._told(job), parent=job.parent, seed=job.event.id
        ) as job.span:
            if not job.parent:  # its trace begins here, for what is retried and buried too
                job.event = carrying(job.event, job.span.carries())
            try:
                await self._settle(job)
            except ConnectionError as error:
                self._line(job, "connection lost", str(error))
            except Exception as error:  # it must not keep its place in the prefetch for ever
                log.exception("a message of %s cannot be buried: its queue's policy moves it to the dead", self._work.queue)
                job.span.failed(type(error).__name__)
                if not self._work.ack_first:
                    self._queue.refuse(message.tag)
                self._forget(job)

    def _told(self, job: Job) -> dict[str, str | int | bool]:
        return {
            **messaging("process", "process", job.event, self._work.queue),
            "museum.step": self._work.step,
            "museum.lane": self._work.lane,
            "museum.attempt": job.attempts + 1,
            "museum.redelivered": job.message.redelivered,
        }

    async def _settle(self, job: Job) -> None:
        """Work on it; what meets a bug of ours is buried like any other."""
        try:
            await self._work_on(job)
        except ConnectionError:
            raise
        except Exception as error:
            log.exception("bug in the trigger: a message of %s goes to the dead", self._work.queue)
            await self._carry_out(job, s.Dead(f"a bug in the trigger: {type(error).__name__}: {error}"))

    def _job(self, message: Message) -> Job:
        unreadable = ""
        try:
            event = from_amqp(message.headers, message.content_type, message.body)
        except ValueError as error:
            event, unreadable = None, str(error)
        brought = event.attributes if event else {name: text_of(value) for name, value in message.headers.items()}
        if not message.redelivered and not attempts_of(message.headers):
            arrived(self._work.step, self._work.lane, brought.get("time", "") if event else happened(message.body))
        if event is None:
            event = wrapped(message.body, self._work.wrap or "unreadable", lane=self._work.lane, headers=message.headers)
            unreadable = unreadable or ("" if self._work.wrap else "the message is no CloudEvent")
        return Job(
            message=message,
            event=event,
            attempts=attempts_of(message.headers),
            unreadable=unreadable,
            crashes=self._crashes.get(event.id, 0),
            parent=tracing.context_of(brought),
        )

    async def _work_on(self, job: Job) -> None:
        if job.unreadable:
            return await self._carry_out(job, s.Dead(job.unreadable))
        alone = job.crashes > 0
        while True:
            outcome = self._checked(await (self._alone(job) if alone else self._among_others(job)))
            if outcome is None:  # stopping: it was not touched
                return self._hand_back(job, "stopping")
            if isinstance(outcome, s.Crashed):
                job.crashes += 1
                self._crashes[job.event.id] = job.crashes  # kept while it goes back and comes again
            decision = s.settle(outcome, attempts=job.attempts, crashes=job.crashes, delays=self._work.delays)
            if isinstance(decision, s.RetryAlone):
                self._line(job, "crashed", outcome.reason if isinstance(outcome, s.Crashed) else "")
                alone = True
                if await self._stopped_within(decision.after):
                    return self._hand_back(job, "stopping")
                continue
            if not isinstance(decision, s.WaitFor):
                return await self._carry_out(job, decision)
            if not await self._wait_for(job, decision.dependency):
                return None

    def _checked(self, outcome: s.Outcome | None) -> s.Outcome | None:
        """A reply that nobody would get is a failure, found before anything of it is published."""
        if isinstance(outcome, s.Replied):
            try:
                for event in outcome.events:
                    self._route(event)
            except UnknownType as error:
                return s.Failed(str(error))
        return outcome

    def _route(self, event: CloudEvent) -> tuple[str | None, bool]:
        return self._work.route(event.type, event.attributes.get("lane", self._work.lane))

    async def _among_others(self, job: Job) -> s.Outcome | None:
        """Deliver, unless a suspect is being tried alone: then after it."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._suspects or self._stopping.is_set())
            if self._stopping.is_set():
                return None
            self._active += 1
        return await self._deliver(job)

    async def _alone(self, job: Job) -> s.Outcome | None:
        """Deliver with nothing else in flight at this function."""
        self._suspects += 1
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._active or self._stopping.is_set())
                if self._stopping.is_set():
                    return None
                self._active += 1
            return await self._deliver(job)
        finally:
            self._suspects -= 1
            async with self._changed:
                self._changed.notify_all()

    async def _deliver(self, job: Job) -> s.Outcome:
        try:
            return await deliver(
                self._http,
                self._work.url,
                job.event,
                name=self._work.step,
                timeout=self._work.timeout,
                context=job.span.carries(),
            )
        finally:
            async with self._changed:
                self._active -= 1
                self._changed.notify_all()

    async def _wait_for(self, job: Job, dependency: str) -> bool:
        """Whether to try this job again: the first becomes the probe, the others go back untouched."""
        if self._probe is None:
            self._probe = job
            job.down_since = time.monotonic()
            self._queue.stop()
            self._line(job, "unavailable", dependency)
        if self._probe is not job:
            self._hand_back(job, "unavailable")
            return False
        waited = time.monotonic() - job.down_since
        if waited > PROBE_FOR:
            self._probe = None
            self._hand_back(job, "unavailable")
            self._queue.start()
            return False
        if await self._stopped_within(PROBE_DELAYS[min(int(waited * 2), len(PROBE_DELAYS) - 1)]):
            self._hand_back(job, "stopping")
            return False
        return True

    async def _stopped_within(self, seconds: float) -> bool:
        """Pause; whether the trigger began to stop meanwhile."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _carry_out(self, job: Job, decision: s.Decision) -> None:
        """Publish, then ack. What RabbitMQ does not take is tried again, not worked on again: a poison would kill once more."""
        while True:
            try:
                await self._publish(job, decision)
                break
            except NotTaken as error:
                if not await self._wait_for(job, str(error)):
                    return
        if not self._work.ack_first:
            self._queue.ack(job.message.tag)
        self._forget(job)

    def _forget(self, job: Job) -> None:
        """It has ended; if it was the probe, all goes on."""
        self._crashes.pop(job.event.id, None)
        if self._probe is job:
            self._probe = None
            self._queue.start()

    async def _publish(self, job: Job, decision: s.Decision) -> None:
        match decision:
            case s.Publish(events):
                for event in events:
                    queue, announce = self._route(event)
                    await self._publisher.reply(event, queue, announce=announce)
                self._line(job, "done")
            case s.RetryLater(delay, attempt, reason):
                headers = {ATTEMPTS: attempt, REASON: reason[:500]}
                await self._publisher.send(f"{self._work.queue}.retry.{delay}", job.event, headers)
                self._line(job, f"retry in {delay} s", reason)
            case s.Dead(reason):
                await self._bury(job, reason)
                self._line(job, "dead", reason)

    async def _bury(self, job: Job, reason: str) -> None:
        headers = {ATTEMPTS: job.attempts + 1, REASON: reason[:500], STEP: self._work.step}
        await self._publisher.send(f"{self._work.queue}.dead", job.event, headers)
        if self._work.finish_queue is not None:
            with traced(self._death(job, reason), self._work.finish_queue) as death:
                await self._publisher.send(self._work.finish_queue, death)

    def _death(self, job: Job, reason: str) -> CloudEvent:
        data = {
            "step": self._work.step,
            "reason": reason[:500],
            "attempts": job.attempts + 1,
            "event": structured(job.event),
        }
        identity = str(uuid5(NAMESPACE_URL, f"{job.event.id}#{self._work.dead_type}"))
        dead = job.event.attributes
        common = attributes_of(
            self._work.dead_type,
            identity,
            source=f"/museum-search/trigger/{self._work.step}",
            traceparent=trace_of(dead.get("traceparent"), job.event.id),
            subject=dead.get("subject", ""),
        )
        inherited = {name: dead[name] for name in INHERITED if name in dead}
        return CloudEvent(attributes={**common, **inherited, "lane": self._work.lane}, data=write_json(data))

    def _hand_back(self, job: Job, why: str) -> None:
        if not self._work.ack_first:
            self._queue.hand_back(job.message.tag)
        self._line(job, "handed back", why)

    def _line(self, job: Job, outcome: str, reason: str = "") -> None:
        fields = {
            "function": self._work.step,
            "lane": self._work.lane,
            "id": job.event.id,
            "type": job.event.type,
            "attempt": job.attempts + 1,
            "outcome": outcome,
            "ms": round((time.monotonic() - job.started) * 1000, 1),
        }
        log.info("delivery", extra={"fields": fields | ({"reason": reason[:300]} if reason else {})})
        job.span.tell({"museum.outcome": outcome})
        if outcome in FAILURES or outcome.startswith("retry"):
            job.span.failed(outcome.partition(" ")[0])
        delivered(self._work.step, self._work.lane, outcome, time.monotonic() - job.started)


def attempts_of(headers: Mapping[str, Any]) -> int:
    """The attempts that were counted; what is no number was not written by a trigger."""
    attempts = headers.get(ATTEMPTS)
    return max(0, attempts) if isinstance(attempts, int) else 0


def host_of(url: str) -> str:
    """host:port of an address, without its credentials."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5672}"
