"""Clients of Triton that are made anew: with a clock of the test's own, and with servers of gRPC and of names in this process."""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from socket import inet_aton
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from functions.adapters.triton import RENEWED, Clients, TritonEncoder, connected
from functions.errors import Unavailable
from infra.local.part import free_port
from tests.fixtures.stack import wait_for

FINGERPRINT = "ab" * 32


@dataclass
class Clock:
    """Seconds, as a test sets them."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        """Now."""
        return self.seconds


@dataclass
class Client:
    """Knows whether it was closed."""

    closed: bool = False

    def close(self) -> None:
        """Once: gRPC's own says nothing of a second time, this does."""
        assert not self.closed
        self.closed = True


@dataclass
class World:
    """Clients that a pool made."""

    clock: Clock = field(default_factory=Clock)
    made: list[Client] = field(default_factory=list)
    fails: bool = False

    def make(self) -> Any:
        """One more."""
        if self.fails:
            raise OSError("no more files")
        self.made.append(Client())
        return self.made[-1]

    @property
    def closed(self) -> list[bool]:
        """Of each that was made."""
        return [one.closed for one in self.made]


def test_a_client_is_used_until_it_is_old_and_closed_when_the_next_is_there() -> None:
    """Not one a request: a connection is long-lived."""
    world = World()
    clients = Clients(world.make, world.clock)
    assert not world.made, "nothing before the first request"
    for _ in range(3):
        with clients.one():
            world.clock.seconds += RENEWED / 4
    assert world.closed == [False]
    world.clock.seconds += RENEWED / 4
    with clients.one() as client:
        assert client is world.made[1]
        assert world.closed == [True, False]


def test_an_old_client_stays_open_for_its_last_request() -> None:
    """Two requests in it, of which the younger ends last; a third one has the new client at once."""
    world = World()
    clients = Clients(world.make, world.clock)
    with clients.one(), contextlib.ExitStack() as younger:
        younger.enter_context(clients.one())
        world.clock.seconds += RENEWED
        with clients.one() as client:
            assert client is world.made[1]
        assert world.closed == [False, False]
        younger.close()
        assert world.closed == [False, False], "the elder goes on"
    assert world.closed == [True, False]


def test_a_request_that_fails_gives_its_client_back() -> None:
    """Else it would be kept open for ever."""
    world = World()
    clients = Clients(world.make, world.clock)

    def fail() -> None:
        with clients.one():
            world.clock.seconds += RENEWED
            with clients.one():
                raise Unavailable("triton", "gone")

    with pytest.raises(Unavailable):
        fail()
    assert world.closed == [True, False]


def test_a_client_that_cannot_be_made_leaves_the_old_one() -> None:
    """And the next request tries again."""
    world = World()
    clients = Clients(world.make, world.clock)
    with clients.one():
        pass
    world.clock.seconds += RENEWED
    world.fails = True
    with pytest.raises(OSError, match="no more files"), clients.one():
        pass
    assert world.closed == [False]
    world.fails = False
    with clients.one() as client:
        assert client is world.made[1]
    assert world.closed == [True, False]


def test_threads_are_never_given_a_closed_client() -> None:
    """Eight of them, each request a tick of the clock, a new client every third."""
    world = World()
    clients = Clients(world.make, world.clock)

    def ask(_: int) -> bool:
        world.clock.seconds += RENEWED / 3
        with clients.one() as client:
            before = client.closed  # type: ignore[attr-defined]  # it is ours
            threading.Event().wait(0.0001)
            return bool(before or client.closed)  # type: ignore[attr-defined]

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(ask, range(2000)))
    assert len(world.made) > 100
    assert sum(not closed for closed in world.closed) == 1, "only the last is open"


class Server(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # it has no types
    """Answers every picture with the same unit vector; those that come while it is held, when they are let go."""

    def __init__(self) -> None:
        self.asked = 0
        self._holds = False
        self._let_go = threading.Event()

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        """See Triton."""
        holds, self.asked = self._holds, self.asked + 1
        if holds:
            self._let_go.wait(10)
        count = request.inputs[0].shape[0]
        answer = service_pb2.ModelInferResponse(model_name=request.model_name)
        output = answer.outputs.add(name="embedding", datatype="FP32")
        output.shape.extend([count, 2])
        answer.raw_output_contents.append(np.tile(np.array([1, 0], np.float32), (count, 1)).tobytes())
        return answer

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """What comes within the block waits for :meth:`let_go`."""
        self._holds = True
        yield
        self._holds = False

    def let_go(self) -> None:
        """Answer what was held."""
        self._let_go.set()


@contextlib.contextmanager
def serving(host: str, port: int) -> Iterator[Server]:
    """One at this address."""
    held, server = Server(), grpc.server(ThreadPoolExecutor(8))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(held, server)
    assert server.add_insecure_port(f"{host}:{port}") == port
    server.start()
    try:
        yield held
    finally:
        held.let_go()
        server.stop(None).wait()


class Names(socketserver.UDPServer):
    """A DNS server with one name, as a headless Service's: it means whatever addresses are put here."""

    def __init__(self, *addresses: str) -> None:
        super().__init__(("127.0.0.1", 0), Question)
        self.addresses = list(addresses)

    @property
    def url(self) -> str:
        """How gRPC is told to ask it, for a name and port."""
        return f"dns://127.0.0.1:{self.server_address[1]}/triton.museum.test"


class Question(socketserver.BaseRequestHandler):
    """One question: for IPv4 there are answers, for all else there are none."""

    server: Names

    def handle(self) -> None:
        """Answer it."""
        asked, socket = self.request
        end = asked.index(b"\0", 12) + 5
        (kind,) = struct.unpack(">H", asked[end - 4 : end - 2])
        found = self.server.addresses if kind == 1 else []
        head = asked[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
        records = [b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + inet_aton(address) for address in found]
        socket.sendto(head + asked[12:end] + b"".join(records), self.client_address)


@contextlib.contextmanager
def named(*addresses: str) -> Iterator[Names]:
    """A name server until the block ends."""
    with Names(*addresses) as names:
        thread = threading.Thread(target=names.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield names
        finally:
            names.shutdown()
            thread.join()


def test_a_server_that_came_later_is_asked_and_a_request_in_flight_ends_where_it_was() -> None:
    """One name, whose addresses become two: the client that is there never asks again, the next one does."""
    clock, picture, port = Clock(), np.zeros((1, 4, 4, 3), np.uint8), free_port()
    with contextlib.ExitStack() as running:
        first, second = (running.enter_context(serving(host, port)) for host in ("127.0.0.1", "127.0.0.2"))
        names = running.enter_context(named("127.0.0.1"))
        pool = running.enter_context(ThreadPoolExecutor(1))
        encoder = TritonEncoder(f"{names.url}:{port}", "model")
        encoder._clients = Clients(lambda: connected(encoder._url), clock)

        def ask() -> int:
            encoder.encode(picture, fingerprint=FINGERPRINT)
            return second.asked

        with first.held():
            waits = pool.submit(ask)
            wait_for("the request", lambda: first.asked or None)
        names.addresses.append("127.0.0.2")
        assert [ask() for _ in range(20)] == [0] * 20, "a client that is not old knows one server"
        clock.seconds += RENEWED
        wait_for("the server that came later", lambda: ask() or None)
        assert not waits.done()
        was = first.asked
        wait_for("the server of before", lambda: (ask(), first.asked > was)[1] or None)
        before = first.asked, second.asked
        for _ in range(10):
            ask()
        assert (first.asked - before[0], second.asked - before[1]) == (5, 5)
        first.let_go()
        assert waits.result() > 0
