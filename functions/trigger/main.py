"""The trigger process: ``python -m functions.trigger.main``. The only part that speaks AMQP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from functions import pipeline
from functions.events import LANES, TYPE_PREFIX, DeliveryDead, Lane
from functions.runtime import tracing
from functions.runtime.log import configure
from functions.runtime.settings import load, with_credentials
from functions.trigger.broker import Broker, BrokerLost
from functions.trigger.consumer import Consumer, UnknownType, Work, host_of
from functions.trigger.deliver import session
from functions.trigger.outbox import application
from functions.trigger.publisher import Publisher
from functions.trigger.status import status_application
from functions.trigger.watch import watch_route

log = logging.getLogger("museum.trigger")

RECONNECT = (0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to reach the broker; the last is repeated."""
STABLE = 5.0
"""Seconds after which a connection was a good one: a missing queue ends it at once, again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSettings:
    """What a trigger is told."""

    museum_amqp_url: str
    museum_amqp_user: str = ""
    """With the password, where the address has none: from a Secret, say."""
    museum_amqp_password: str = ""
    museum_lane: Literal["interactive", "bulk"]
    museum_functions: str
    """``ingest=http://127.0.0.1:8101,preprocess=…``: the functions of this lane that it serves. Empty:
    outbox and ``/watch`` alone, beside a gateway."""
    museum_events_exchange: str = pipeline.EXCHANGE
    museum_outbox_host: str = "127.0.0.1"
    museum_outbox_port: int = 0
    """0: no outbox."""
    museum_status_port: int = 0
    """Where ``/healthz``, ``/readyz`` and ``/metrics`` answer, on all addresses, and nothing else does. 0: nowhere."""
    museum_grace: float = 20.0
    """Seconds for the work in hand after SIGTERM."""
    museum_trigger_ack_first: bool = False
    """Fault injection for the tests of the fault harness alone."""

    @property
    def amqp_url(self) -> str:
        """The whole address."""
        return with_credentials(self.museum_amqp_url, self.museum_amqp_user, self.museum_amqp_password)


def works(settings: TriggerSettings) -> list[Work]:
    """The functions that a trigger serves, by the map."""
    made = []
    for entry in filter(None, settings.museum_functions.split(",")):
        name, _, url = entry.strip().partition("=")
        if name not in pipeline.BY_NAME or not url:
            expected = f"name=http://host:port with a name of {', '.join(pipeline.BY_NAME)}"
            raise SystemExit(f"MUSEUM_FUNCTIONS has {entry!r}: expected {expected}")
        made.append(work_of(pipeline.BY_NAME[name], url, settings))
    return made


def work_of(step: pipeline.Step, url: str, settings: TriggerSettings) -> Work:
    """One function of the map."""
    lane: Lane = settings.museum_lane
    return Work(
        step=step.name,
        url=url,
        queue=pipeline.queue_of(lane, step.name),
        lane=lane,
        prefetch=step.prefetch,
        timeout=step.timeout,
        delays=pipeline.RETRY_DELAYS,
        wrap=step.wrap,
        route=lambda kind, event_lane: route(kind, event_lane, emitted_by=step.name),
        dead_type=DeliveryDead.TYPE,
        finish_queue=None if step.name == pipeline.FINISH else pipeline.queue_of(lane, pipeline.FINISH),
        ack_first=settings.museum_trigger_ack_first,
    )


def route(kind: str, lane: str, *, emitted_by: str) -> tuple[str | None, bool]:
    """Next queue and whether observers get a copy. Versions of one event go the same way."""
    known_types = (known for step in pipeline.STEPS for known in (*step.consumes, *step.emits))
    current = next((known for known in known_types if stem(known) == stem(kind)), None)
    if current is None:
        raise UnknownType(f"{emitted_by} answered with a {kind}: no step of functions/pipeline.py knows it")
    step = pipeline.consumer_of(current, emitted_by=emitted_by)
    known_lane: Lane = "bulk" if lane == "bulk" else "interactive"
    queue = pipeline.queue_of(known_lane, step.name) if step else None
    return queue, pipeline.announced(current, emitted_by=emitted_by)


def stem(kind: str) -> str:
    """A type without its version."""
    return kind.rpartition(".v")[0]


def outbox_queue(kind: str, lane: str) -> str | None:
    """Where an event that starts outside goes first; ``None`` where no step takes it."""
    try:
        return route(kind, lane, emitted_by="")[0] if lane in LANES else None
    except UnknownType:
        return None


class Trigger:
    """Connects, consumes, and connects again when the broker was away."""

    def __init__(self, settings: TriggerSettings, served: Sequence[Work]) -> None:
        self._settings = settings
        self._works = served
        self._publisher: Publisher | None = None
        self._broker: Broker | None = None
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Begin to end."""
        self._stop.set()

    async def run(self) -> None:
        """Run until stopped."""
        async with session() as http, self._outbox(), self._status():
            tries = 0
            while not self._stop.is_set():
                try:
                    broker = await Broker.open(self._settings.amqp_url)
                except (BrokerLost, OSError) as error:
                    where = host_of(self._settings.museum_amqp_url)
                    log.warning("RabbitMQ at %s does not answer: %s", where, str(error)[:200])
                    await self._pause(RECONNECT[min(tries, len(RECONNECT) - 1)])
                    tries += 1
                    continue
                publisher = Publisher(broker, self._settings.museum_events_exchange, TYPE_PREFIX)
                consumers = [Consumer(work, http, broker, publisher) for work in self._works]
                try:
                    opened = time.monotonic()
                    await self._consume(broker, publisher, consumers)
                finally:
                    self._publisher = self._broker = None
                    await broker.close()
                tries = 0 if time.monotonic() - opened > STABLE else tries + 1
                await self._pause(RECONNECT[min(tries, len(RECONNECT) - 1)])

    async def _consume(self, broker: Broker, publisher: Publisher, consumers: list[Consumer]) -> None:
        try:
            await broker.check_exchange(self._settings.museum_events_exchange)
            for consumer in consumers:
                await consumer.start()
        except (BrokerLost, TimeoutError) as error:
            log.warning("RabbitMQ does not serve yet: %s", error)
            return
        self._publisher, self._broker = publisher, broker
        log.info("consuming %s", ", ".join(work.queue for work in self._works))
        stopping: asyncio.Future[bool] = asyncio.ensure_future(self._stop.wait())
        waiting: set[asyncio.Future[Any]] = {stopping, broker.lost}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if broker.lost.done():
            log.warning("the connection to RabbitMQ is gone: %s", broker.lost.result()[:200])
            await asyncio.gather(*(consumer.abandon() for consumer in consumers))
        else:
            log.info("stopping: no more messages are taken, %.0f s for those in work", self._settings.museum_grace)
            await asyncio.gather(*(consumer.stop(self._settings.museum_grace) for consumer in consumers))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    @contextlib.asynccontextmanager
    async def _outbox(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - an async context manager of nothing
        app = application(lambda: self._publisher, outbox_queue)
        waited = [pipeline.queue_of(self._settings.museum_lane, step.name) for step in pipeline.STEPS]
        app.add_routes([watch_route(lambda: self._broker, self._settings.museum_events_exchange, waited)])
        async with served(app, self._settings.museum_outbox_host, self._settings.museum_outbox_port):
            yield

    @contextlib.asynccontextmanager
    async def _status(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - an async context manager of nothing
        async with served(status_application(lambda: self._publisher is not None), "", self._settings.museum_status_port):
            yield


@contextlib.asynccontextmanager
async def served(app: web.Application, host: str, port: int):  # type: ignore[no-untyped-def]  # noqa: ANN201 - of nothing
    """Serve for as long as the context lasts; port 0: not at all. Without a host, on all addresses."""
    if not port:
        yield
        return
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host or None, port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def run(settings: TriggerSettings) -> None:
    """Run a trigger until SIGTERM or SIGINT."""
    trigger = Trigger(settings, works(settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, trigger.stop)
    await trigger.run()


def main() -> None:
    """Entry point."""
    configure()
    tracing.prepare("museum-trigger")
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    asyncio.run(run(load(TriggerSettings)))


if __name__ == "__main__":
    main()
