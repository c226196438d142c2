"""Threads that come together: to what is made at first use, to a server that is silent, to what others write."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from functions.adapters.encoders import encoder_of
from functions.errors import Unavailable
from functions.gateway.identity import Issuer, Oidc
from functions.gateway.parts import Recent
from functions.gateway.problems import Problem
from functions.gateway.slow import of_file
from functions.results import Result
from functions.runtime.remember import RememberedBy
from functions.runtime.settings import Settings

THREADS = 4


def together(work: Callable[[], object]) -> list[object]:
    """What each of several threads that begin at once gets or raises."""
    ready = threading.Barrier(THREADS)

    def one() -> object:
        ready.wait()
        try:
            return work()
        except Exception as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result() for future in [pool.submit(one) for _ in range(THREADS)]]


def test_a_server_that_is_silent_is_waited_for_once() -> None:
    """One after another, the last would wait so long that its watchdog ends the process. Who comes later asks again."""
    asked = []

    def read(key: str) -> str:
        asked.append(key)
        time.sleep(1.0)  # silent
        if len(asked) == 1:
            raise Unavailable("s3", "it is silent")
        return "there"

    remembered = RememberedBy(read, max_age=60)
    ends = together(lambda: remembered("live"))
    assert [str(one) for one in ends] == ["s3 is unavailable: it is silent"] * THREADS
    assert asked == ["live"]
    assert [remembered("live"), remembered("live")] == ["there"] * 2
    assert len(asked) == 2


def test_an_issuer_that_is_silent_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each caller has a thread meanwhile, of the few that all calls share."""
    tried = []

    def refuse(*_given: object, **_more: object) -> None:
        tried.append(1)
        time.sleep(1.0)  # silent
        raise TimeoutError("silent")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", refuse)
    head = {"algorithm": "RS256", "headers": {"kid": "one"}}
    token = jwt.encode({"exp": time.time() + 60}, rsa.generate_private_key(65537, 2048), **head)  # type: ignore[arg-type]
    issuer = Oidc(Issuer(issuer="https://id.example", audience="museum-search", keys="https://id.example/jwks"))
    ends = together(lambda: issuer.identity(token))
    assert [one.code for one in ends if isinstance(one, Problem)] == ["issuer-unavailable"] * THREADS
    assert len(tried) == 1


def test_a_process_has_one_encoder_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session is large: four at once do not fit a pod."""

    class Slow:
        def __init__(self, *_: object) -> None:
            time.sleep(0.3)  # its libraries are imported

    monkeypatch.setattr("functions.adapters.onnx.OnnxEncoder", Slow)
    made = together(lambda: encoder_of(Settings(museum_encoder="onnx"), "made once"))
    assert len({id(one) for one in made}) == 1


def test_times_are_told_while_others_add_theirs() -> None:
    """Each result that is read adds some, in any thread."""
    recent, done, before = Recent(), threading.Event(), sys.getswitchinterval()
    of = {"museum": "m", "owner": "o", "bucket": "b", "key": "k", "version": "v"}
    ended = Result(query_id="", status="completed", received_at=1.0, completed_at=2.0, stages={"embed": 1.0}, **of)

    def add() -> None:
        number = 0
        while not done.is_set():
            number += 1
            recent.add(replace(ended, query_id=str(number)))

    sys.setswitchinterval(1e-6)
    adding = threading.Thread(target=add)
    adding.start()
    try:
        for _ in range(2000):
            assert recent.steps in ({}, {"embed": 1.0})
    finally:
        done.set()
        adding.join()
        sys.setswitchinterval(before)


def test_what_is_no_socket_stays_as_it_is() -> None:
    """No copy of a file is left open: a log that was rotated would keep its place on the disk."""
    with open(os.devnull) as file, socket.socket() as there:
        before = set(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match=r"."):
            of_file(file.fileno())
        with of_file(there.fileno()) as found:
            assert found.family == socket.AF_INET
        assert set(os.listdir("/proc/self/fd")) == before
