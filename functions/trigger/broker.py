"""RabbitMQ for one asyncio loop: awaitable publishing with confirm, and consuming. The only importer of pika."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.exceptions import AMQPError, ChannelClosedByClient
from pika.spec import Basic, BasicProperties

from functions.runtime.reasons import known_reason

OPEN_TIMEOUT = 10.0
CONFIRM_TIMEOUT = 30.0
CLOSE_TIMEOUT = 5.0


class BrokerLost(ConnectionError):
    """The connection is gone; what was not confirmed was perhaps not published."""


class NotTaken(RuntimeError):
    """The broker is there and did not take the message: nobody's fault but the topology's, and it may pass."""


class Unroutable(NotTaken):
    """No queue takes the message: the topology was not declared."""


class Refused(NotTaken):
    """RabbitMQ answered with a nack, or not in time: a full queue, a memory or disk alarm."""


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery."""

    tag: int
    headers: Mapping[str, Any]
    content_type: str | None
    body: bytes
    redelivered: bool


class Subscription:
    """A consumer of one queue, on a channel of its own."""

    def __init__(self, channel: Channel, queue: str, prefetch: int, deliver: Callable[[Message], None]) -> None:
        self._channel = channel
        self._queue = queue
        self._prefetch = prefetch
        self._deliver = deliver
        self._tag: str | None = None

    def start(self) -> None:
        """Ask for messages; at most ``prefetch`` unacked at a time."""
        if self._tag is None and self._channel.is_open:
            self._channel.basic_qos(prefetch_count=self._prefetch)
            self._tag = self._channel.basic_consume(self._queue, self._on_message)

    def listen(self) -> None:
        """Ask for all messages, which are taken for acked as they are sent."""
        if self._channel.is_open:
            self._tag = self._channel.basic_consume(self._queue, self._on_message, auto_ack=True)

    def stop(self) -> None:
        """Ask for no more."""
        if self._tag is not None and self._channel.is_open:
            self._channel.basic_cancel(self._tag)
        self._tag = None

    def ack(self, tag: int) -> None:
        """Done with it."""
        if self._channel.is_open:
            self._channel.basic_ack(tag)

    def hand_back(self, tag: int) -> None:
        """Untouched: another consumer may have it."""
        if self._channel.is_open:
            self._channel.basic_nack(tag, requeue=True)

    def refuse(self, tag: int) -> None:
        """Never again: the queue's policy moves it to the dead queue."""
        if self._channel.is_open:
            self._channel.basic_reject(tag, requeue=False)

    def _on_message(self, _channel: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        self._deliver(
            Message(
                tag=int(method.delivery_tag or 0),
                headers=properties.headers or {},
                content_type=properties.content_type,
                body=body,
                redelivered=bool(method.redelivered),
            )
        )


class Watching:
    """A consumer's own queue, which RabbitMQ named, bound to what it asks for. Its messages are acked as they come."""

    def __init__(self, channel: Channel, queue: str) -> None:
        self._channel = channel
        self._queue = queue

    async def bind(self, exchange: str, key: str) -> None:
        """Hear what has this routing key, from the moment this returns. Raises ``BrokerLost``."""
        await self._asked(lambda done: self._channel.queue_bind(self._queue, exchange, key, callback=done))

    async def unbind(self, exchange: str, key: str) -> None:
        """Hear it no more. Raises ``BrokerLost``."""
        await self._asked(lambda done: self._channel.queue_unbind(self._queue, exchange, key, callback=done))

    async def depth(self, queue: str) -> int:
        """How many messages of a queue wait for a consumer. Raises ``BrokerLost``, also where there is no such queue."""
        frame = await self._asked(lambda done: self._channel.queue_declare(queue, passive=True, callback=done))
        return int(frame.method.message_count)

    def close(self) -> None:
        """Let the queue go."""
        if self._channel.is_open:
            self._channel.close()

    async def _asked(self, ask: Callable[[Callable[[Any], None]], object]) -> Any:
        return await asked(self._channel, ask)


def ours(reason: BaseException) -> bool:
    """Whether a channel was closed by this side, as a watcher's is when its gateway goes."""
    return isinstance(reason, ChannelClosedByClient)


async def asked(channel: Channel, ask: Callable[[Callable[[Any], None]], object]) -> Any:
    """RabbitMQ's answer to one request. Raises ``BrokerLost`` where the channel is closed before it comes."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    try:
        ask(lambda frame: None if answer.done() else answer.set_result(frame))
        return await asyncio.wait_for(answer, OPEN_TIMEOUT)
    except (AMQPError, TimeoutError) as error:
        raise BrokerLost(f"RabbitMQ does not answer: {error!r}") from None


class Broker:
    """One connection. Use :meth:`open`; ``lost`` is done when it is gone, and then a new one is opened."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._connection: AsyncioConnection | None = None
        self._channel: Channel | None = None
        self._published = 0
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self._returned: set[int] = set()

    @classmethod
    async def open(cls, url: str) -> Broker:
        """Connect. Raises ``BrokerLost``."""
        broker = cls()
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def fail(_connection: AsyncioConnection, error: BaseException | str) -> None:
            broker._ended.set()
            if not opened.done():
                opened.set_exception(BrokerLost(known_reason(error) or str(error) or type(error).__name__))
            broker._lose(str(error))

        broker._connection = AsyncioConnection(
            pika.URLParameters(url),
            on_open_callback=lambda _: None if opened.done() else opened.set_result(None),
            on_open_error_callback=fail,
            on_close_callback=fail,
        )
        try:
            await asyncio.wait_for(opened, OPEN_TIMEOUT)
            broker._channel = await broker._open_channel()
        except TimeoutError:
            broker._close("no answer")
            raise BrokerLost(f"no answer in {OPEN_TIMEOUT:.0f} s") from None
        broker._channel.add_on_return_callback(broker._on_return)
        broker._channel.confirm_delivery(broker._on_confirm)
        return broker

    async def _open_channel(self) -> Channel:
        assert self._connection is not None
        opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()

        def on_open(channel: Channel) -> None:
            channel.add_on_close_callback(lambda _channel, reason: None if ours(reason) else self._close(str(reason)))
            if not opened.done():
                opened.set_result(channel)

        try:
            self._connection.channel(on_open_callback=on_open)
        except AMQPError as error:
            raise BrokerLost(f"the connection to RabbitMQ is closed: {error!r}") from None
        return await asyncio.wait_for(opened, OPEN_TIMEOUT)

    async def check_exchange(self, name: str) -> None:
        """Raises ``BrokerLost`` where the exchange was not declared: RabbitMQ ends the channel, and with it we connect anew."""
        assert self._channel is not None
        found = asyncio.Event()
        try:
            self._channel.exchange_declare(name, passive=True, callback=lambda _: found.set())
        except AMQPError as error:
            raise BrokerLost(f"the connection to RabbitMQ is closed: {error!r}") from None
        answer: asyncio.Future[Any] = asyncio.ensure_future(found.wait())
        await asyncio.wait({answer, self.lost}, timeout=OPEN_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        answer.cancel()
        if not found.is_set():
            raise BrokerLost(f"RabbitMQ does not confirm that exchange {name} is there: was the topology declared?")

    async def subscribe(self, queue: str, *, prefetch: int, deliver: Callable[[Message], None]) -> Subscription:
        """A consumer of a queue, not yet started. Raises ``BrokerLost``.

        Where RabbitMQ cancels it, since the queue was deleted, the connection is closed: all is opened anew.
        """
        channel = await self._open_channel()
        channel.add_on_cancel_callback(lambda _: self._close(f"RabbitMQ cancelled the consumer of {queue}: was it deleted?"))
        return Subscription(channel, queue, prefetch, deliver)

    async def watch(self, deliver: Callable[[Message], None], *, max_length: int, expires: int) -> Watching:
        """An exclusive queue for announcements, bound to nothing yet: what it cannot hold, the oldest, is dropped.

        It goes with its consumer: exclusive alone it would stay, and fill, as long as the connection, which others use.
        Raises ``BrokerLost``. Where RabbitMQ closes its channel, the connection is closed: all is opened anew.
        """
        channel = await self._open_channel()
        arguments = {"x-max-length": max_length, "x-overflow": "drop-head", "x-expires": expires}
        declared = await asked(
            channel, lambda done: channel.queue_declare("", exclusive=True, auto_delete=True, arguments=arguments, callback=done)
        )
        queue = str(declared.method.queue)
        Subscription(channel, queue, 0, deliver).listen()
        return Watching(channel, queue)

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, *, headers: Mapping[str, Any], content_type: str, mandatory: bool
    ) -> None:
        """Publish persistently and wait for the confirm.

        Raises ``Unroutable`` where it is mandatory and no queue takes it, ``Refused`` for a nack or no confirm in time, and
        ``BrokerLost`` where the connection ends first.
        """
        if self._channel is None or not self._channel.is_open:
            raise BrokerLost("the connection to RabbitMQ is closed")
        number = self._published + 1
        properties = BasicProperties(content_type=content_type, delivery_mode=2, headers=dict(headers), message_id=str(number))
        self._channel.basic_publish(exchange, routing_key, body, properties, mandatory=mandatory)
        self._published = number  # not before: RabbitMQ does not count what pika refuses to send
        confirmed = self._unconfirmed[number] = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait_for(confirmed, CONFIRM_TIMEOUT)
        except TimeoutError:
            raise Refused(f"RabbitMQ did not confirm in {CONFIRM_TIMEOUT:.0f} s: has it a memory or disk alarm?") from None
        finally:
            self._unconfirmed.pop(number, None)

    async def close(self) -> None:
        """End the connection once all acks are sent; what is unacked goes back to its queue."""
        self._close("closed")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), CLOSE_TIMEOUT)

    def _on_return(self, _channel: Channel, _method: Basic.Return, properties: BasicProperties, _body: bytes) -> None:
        self._returned.add(int(properties.message_id or 0))

    def _on_confirm(self, frame: Any) -> None:
        """Confirms carry the number of the publish on this channel, which counts as ours do."""
        tag, multiple = int(frame.method.delivery_tag), bool(frame.method.multiple)
        numbers = [number for number in self._unconfirmed if number <= tag] if multiple else [tag]
        for number in numbers:
            waiting = self._unconfirmed.get(number)
            if waiting is None or waiting.done():
                continue
            if number in self._returned:
                self._returned.discard(number)
                waiting.set_exception(Unroutable("no queue takes the message: is the topology declared?"))
            elif isinstance(frame.method, Basic.Ack):
                waiting.set_result(None)
            else:
                waiting.set_exception(Refused("RabbitMQ refused the message (nack): is its queue full?"))

    def _close(self, reason: str) -> None:
        if self._connection is not None and not (self._connection.is_closing or self._connection.is_closed):
            self._connection.close()
        self._lose(reason)

    def _lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        for waiting in self._unconfirmed.values():
            if not waiting.done():
                waiting.set_exception(BrokerLost(reason))
