"""A function that behaves as a test says, a trigger before it, and a stranger's AMQP client beside them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from functions import pipeline
from functions.contracts.samples import SAMPLES
from functions.events import TYPE_PREFIX, ImageReceived, to_data
from functions.trigger.consumer import Work
from functions.trigger.main import Trigger, TriggerSettings, works
from infra.local.part import free_port, listens
from infra.local.stack import DEATHS_ARE_SEEN
from tests.fixtures.rabbitmq import Amqp, Node

RECEIVED, PREPROCESSED = TYPE_PREFIX + "image.received.v1", TYPE_PREFIX + "image.preprocessed.v1"
LANE = "interactive"
OBEDIENT = Path(__file__).with_name("obedient.py")


def queue(step: str) -> str:
    """The interactive work queue of a step."""
    return pipeline.queue_of("interactive", step)


@dataclass(frozen=True, slots=True)
class Seen:
    """One delivery as the function got it."""

    id: str
    headers: dict[str, str]
    data: Any
    together: int
    """Deliveries in the function at that moment, this one included."""


Behaviour = Callable[[Seen], Awaitable[web.StreamResponse]]


def nothing() -> web.Response:
    """204."""
    return web.Response(status=204)


def reply(kind: str, identity: str, data: Any = None, **more: str) -> web.Response:
    """One CloudEvent."""
    attributes = {"specversion": "1.0", "id": identity, "source": "/test", "type": kind, "lane": LANE, **more}
    return web.json_response(data or {}, headers={f"ce-{name}": value for name, value in attributes.items()})


def problem(status: int, detail: str, **headers: str) -> web.Response:
    """A problem+json."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response(
        {"code": "x", "detail": detail}, status=status, content_type="application/problem+json", headers=named
    )


@dataclass
class FakeFunction:
    """An HTTP function on a fixed port, which can be stopped, started, and killed with what it has in hand."""

    behave: Behaviour
    port: int = field(default_factory=free_port)
    seen: list[Seen] = field(default_factory=list)
    _in_hand: set[asyncio.Transport] = field(default_factory=set)
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def ids(self) -> list[str]:
        """Ids in the order in which they came."""
        return [seen.id for seen in self.seen]

    async def start(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=10_000_000)
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def stop(self) -> None:
        """Refuse connections."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    def kill_worker(self) -> None:
        """End every connection that has a delivery in hand, as the death of the process does."""
        for transport in self._in_hand:
            transport.abort()
        self._in_hand.clear()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert isinstance(request.transport, asyncio.Transport)
        transport = request.transport
        self._in_hand.add(transport)
        try:
            seen = Seen(headers["ce-id"], headers, json.loads(body) if body else None, len(self._in_hand))
            self.seen.append(seen)
            return await self.behave(seen)
        finally:
            self._in_hand.discard(transport)


@dataclass
class RealFunction:
    """``obedient.py`` under functions-framework: a process with a worker that can really die."""

    folder: Path
    timeout: float
    """Of its step, in seconds."""
    threads: int = 5
    writes: str = "current"
    """Event versions."""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def seen(self) -> list[tuple[str, str]]:
        """(key, process) of each delivery, in order."""
        lines = self.folder / "seen"
        return [(key, pid) for key, _, pid in (line.partition(" ") for line in lines.read_text().splitlines())]

    @property
    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text()

    async def start(self) -> None:
        """Serve."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "seen").touch()
        env = {
            "HOST": "127.0.0.1", "PORT": str(self.port), "THREADS": str(self.threads), "PYTHONWARNINGS": "ignore",
            "OBEDIENT_TIMEOUT": str(self.timeout), "OBEDIENT_STATE": str(self.folder), "OBEDIENT_WRITES": self.writes,
            **DEATHS_ARE_SEEN,
        }  # fmt: skip
        argv = [sys.executable, "-m", "functions_framework", "--source", str(OBEDIENT), "--target", "obedient"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, env={**os.environ, **env}, stdout=log, stderr=log, start_new_session=True)
        await until(lambda: listens("127.0.0.1", self.port), "the function serves", 30)

    async def stop(self) -> None:
        """End, worker and all."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def received(key: str) -> Any:
    """The data of a valid ``image.received`` with this key."""
    return to_data(replace(SAMPLES[ImageReceived], key=key))


@dataclass
class World:
    """What one test works with."""

    node: Node
    amqp: Amqp
    outbox_port: int = field(default_factory=free_port)
    lines: list[dict[str, Any]] = field(default_factory=list)
    """What triggers in this process logged of their deliveries."""

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Collect the lines."""
        logger, handler = logging.getLogger("museum.trigger"), logging.Handler()
        handler.emit = lambda record: self.lines.append(getattr(record, "fields", {}))  # type: ignore[method-assign]
        before = logger.level
        logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        yield
        logger.removeHandler(handler)
        logger.setLevel(before)

    def outcomes(self) -> list[str]:
        """What became of each delivery, in order."""
        return [line["outcome"] for line in self.lines if line]

    def ids(self, outcome: str) -> set[str]:
        """Ids of the deliveries that ended so."""
        return {line["id"] for line in self.lines if line.get("outcome") == outcome}

    def settings(self, **functions: str) -> TriggerSettings:
        """Of a trigger for these functions."""
        return TriggerSettings(
            museum_amqp_url=self.node.amqp_url,
            museum_lane="interactive",
            museum_functions=",".join(f"{name}={url}" for name, url in functions.items()),
            museum_outbox_port=self.outbox_port,
            museum_grace=2.0,
        )

    def put(self, step: str, kind: str, data: Any = None, *, identity: str = "", **more: str) -> str:
        """Publish an event to a step's queue; its id."""
        identity = identity or str(uuid.uuid4())
        attributes = {"specversion": "1.0", "id": identity, "source": "/test", "type": kind, "lane": LANE, **more}
        headers = {f"ce-{name}": value for name, value in attributes.items()}
        self.amqp.publish(queue(step), json.dumps(data or {}).encode(), headers)
        return identity

    @contextlib.asynccontextmanager
    async def trigger(
        self, step: str, function: FakeFunction | RealFunction, *, listening: bool = True, **changes: Any
    ) -> AsyncIterator[Trigger]:
        """A trigger in this process and its function; ``changes`` are made to its :class:`Work`."""
        settings = self.settings(**{step: function.url})
        served: list[Work] = [replace(work, **changes) for work in works(settings)]
        trigger = Trigger(settings, served)
        if listening:
            await function.start()
        running = asyncio.create_task(trigger.run())
        try:
            yield trigger
        finally:
            trigger.stop()
            await asyncio.wait_for(running, 15)
            await function.stop()


async def until(condition: Callable[[], Any], what: str, deadline: float = 15.0) -> Any:
    """Wait for a condition; its value. Fails with ``what`` after ``deadline`` seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while not (value := condition()):
        assert loop.time() < end, f"not within {deadline} s: {what}"
        await asyncio.sleep(0.02)
    return value
