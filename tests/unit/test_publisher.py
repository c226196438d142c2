"""What is published, in which order, and what is not published twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.events import topic
from functions.trigger.binding import CloudEvent
from functions.trigger.publisher import MAX_REMEMBERED, REMEMBER, Publisher


@dataclass
class FakeBroker:
    """Confirms everything, or says no."""

    sent: list[tuple[str, str, bool]] = field(default_factory=list)
    refuses: bool = False
    now: float = 0.0

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, *, headers: Mapping[str, Any], content_type: str, mandatory: bool
    ) -> None:
        """Remember what came."""
        if self.refuses:
            raise ConnectionError
        self.sent.append((exchange, routing_key, mandatory))


def event(identity: str = "1") -> CloudEvent:
    """An event of some type."""
    return CloudEvent(
        attributes={"id": identity, "source": "/s", "specversion": "1.0", "type": "io.museumsearch.a.b.v1"}, data=b"{}"
    )


def publisher(broker: FakeBroker) -> Publisher:
    """Whose clock the test turns."""
    return Publisher(broker, "events", "io.museumsearch.", clock=lambda: broker.now)


WORK, COPY = ("", "next", True), ("events", f"a.b.v1.{topic('-')}", False)


@pytest.mark.parametrize(
    ("queue", "announce", "sent"),
    [("next", True, [WORK, COPY]), ("next", False, [WORK]), (None, True, [COPY]), (None, False, [])],
)
def test_the_queue_comes_before_the_observers(queue: str | None, announce: bool, sent: list[Any]) -> None:
    """The work is mandatory; that nobody observes is no error."""
    broker = FakeBroker()
    asyncio.run(publisher(broker).reply(event(), queue, announce=announce))
    assert broker.sent == sent


def test_a_reply_is_published_once_to_each_queue() -> None:
    """Same id, same queue: the second is skipped with its copy. Another queue or id is another matter."""
    broker = FakeBroker()

    async def scenario() -> None:
        ours = publisher(broker)
        await ours.reply(event(), "next", announce=True)
        await ours.reply(event(), "next", announce=True)
        await ours.reply(event(), "other", announce=False)
        await ours.reply(event("2"), "next", announce=False)

    asyncio.run(scenario())
    assert broker.sent == [WORK, COPY, ("", "other", True), WORK]


def test_an_announcement_without_a_queue_is_repeated() -> None:
    """A query whose result exists is announced again."""
    broker = FakeBroker()

    async def scenario() -> None:
        ours = publisher(broker)
        await ours.reply(event(), None, announce=True)
        await ours.reply(event(), None, announce=True)

    asyncio.run(scenario())
    assert broker.sent == [COPY, COPY]


def test_what_was_not_confirmed_is_not_remembered() -> None:
    """The next try publishes."""
    broker = FakeBroker(refuses=True)

    async def scenario() -> None:
        ours = publisher(broker)
        with pytest.raises(ConnectionError):
            await ours.reply(event(), "next", announce=False)
        broker.refuses = False
        await ours.reply(event(), "next", announce=False)

    asyncio.run(scenario())
    assert broker.sent == [WORK]


def test_it_is_forgotten_after_a_while() -> None:
    """Two minutes: a later copy is somebody's wish."""
    broker = FakeBroker()

    async def scenario() -> None:
        ours = publisher(broker)
        await ours.reply(event(), "next", announce=False)
        broker.now = REMEMBER + 1
        await ours.reply(event(), "next", announce=False)

    asyncio.run(scenario())
    assert broker.sent == [WORK, WORK]


def test_the_memory_is_bounded() -> None:
    """An import of a million objects must not fill the process."""
    broker = FakeBroker()
    ours = publisher(broker)

    async def scenario() -> None:
        for number in range(MAX_REMEMBERED + 10):
            await ours.reply(event(str(number)), "next", announce=False)

    asyncio.run(scenario())
    assert len(ours._done) <= MAX_REMEMBERED + 1


def test_the_outbox_sends_what_it_is_given_each_time() -> None:
    """Only replies are deduplicated."""
    broker = FakeBroker()

    async def scenario() -> None:
        ours = publisher(broker)
        await ours.send("next", event())
        await ours.send("next", event())

    asyncio.run(scenario())
    assert broker.sent == [WORK, WORK]
