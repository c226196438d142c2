"""A function as the process that it is: functions-framework, gunicorn, a worker, and any HTTP client before it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from functions.events import ImagePreprocessed, ImageReceived
from infra.local.stack import Stack
from infra.local.supervise import STOP_DEADLINE
from tests.integration.trigger_world import RealFunction, received

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
GRACEFUL = 30.0
"""Seconds that gunicorn gives its workers after SIGTERM: functions-framework leaves it as it is."""


@contextlib.contextmanager
def serving(folder: Path, **changes: Any) -> Iterator[RealFunction]:
    """A function process."""
    function = RealFunction(folder, timeout=30, **changes)
    try:
        asyncio.run(function.start())
        yield function
    finally:
        asyncio.run(function.stop())


def ask(function: RealFunction, data: Any, *, kind: str = ImageReceived.TYPE) -> tuple[int, dict[str, str], Any]:
    """POST a structured CloudEvent, as curl would; status, headers in lower case, and the JSON of the answer."""
    envelope = {
        "specversion": "1.0", "id": "in-1", "source": "/curl", "type": kind, "traceparent": TRACE, "data": data,
    }  # fmt: skip
    connection = HTTPConnection("127.0.0.1", function.port, timeout=30)
    try:
        connection.request("POST", "/", json.dumps(envelope), {"content-type": "application/cloudevents+json"})
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def test_a_structured_event_by_any_client_is_answered_by_an_event(tmp_path: Path) -> None:
    """In binary mode, with its data as body, in the same trace; the same question has the same answer."""
    with serving(tmp_path) as function:
        status, headers, data = ask(function, received("ваза.jpg"))
        again = ask(function, received("ваза.jpg"))
    assert (status, headers["ce-type"], headers["ce-specversion"]) == (200, ImagePreprocessed.TYPE, "1.0")
    assert headers["ce-traceparent"].split("-")[1] == "a" * 32
    assert headers["ce-subject"] == "%D0%B2%D0%B0%D0%B7%D0%B0.jpg"
    assert data["key"] == "ваза.jpg"
    assert headers["ce-id"] == again[1]["ce-id"]


@pytest.mark.parametrize(("writes", "version"), [("previous", "0"), ("current", "1")])
def test_a_function_reads_two_versions_and_writes_the_one_that_it_is_told(tmp_path: Path, writes: str, version: str) -> None:
    """What comes next waits for the release that reads it: 503, no attempt. What is older was never ours."""
    with serving(tmp_path, writes=writes) as function:
        new = received("a.jpg")
        old = {("name" if field == "key" else field): value for field, value in new.items()}
        for number, data in (("0", old), ("1", new)):
            status, headers, reply = ask(function, data, kind=ImageReceived.TYPE.replace(".v1", f".v{number}"))
            assert (status, headers["ce-type"]) == (200, ImagePreprocessed.TYPE.replace(".v1", f".v{version}"))
            assert headers["ce-dataschema"].endswith(f".v{version}")
            assert reply["name" if version == "0" else "key"] == "a.jpg"
            assert ("key" in reply) == (version == "1")
        status, headers, problem = ask(function, new, kind=ImageReceived.TYPE.replace(".v1", ".v2"))
        assert (status, headers["museum-unavailable"], problem["code"]) == (503, "a newer release", "unavailable")
        assert [key for key, _ in function.seen] == ["a.jpg"] * 2, "the newest was not tried"


def test_sigterm_answers_what_is_in_work(tmp_path: Path) -> None:
    """And the process ends with 0."""
    with serving(tmp_path / "function") as function, ThreadPoolExecutor() as pool:
        process = function.process
        assert process is not None
        answer = pool.submit(ask, function, received("waits"))
        wait_for(lambda: bool(function.seen))
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: stopping(process))
        assert not answer.done()
        (function.folder / "go").touch()
        assert answer.result(10)[0] == 200
        assert process.wait(10) == 0


def test_a_part_has_longer_to_stop_than_the_server_in_it_takes(tmp_path: Path) -> None:
    """Else the supervisor kills it while gunicorn still waits for what is in work."""
    stack = Stack(tmp_path)
    stack.state.ports = dict.fromkeys(stack.port_names(), 1)
    grace = min(part.grace for part in stack.workers())
    assert GRACEFUL < grace < STOP_DEADLINE


def stopping(process: subprocess.Popen[bytes]) -> bool:
    """Whether gunicorn's arbiter has closed its socket, which it does before it tells the worker."""
    return not any(link_of(fd).startswith("socket:") for fd in Path(f"/proc/{process.pid}/fd").iterdir())


def link_of(fd: Path) -> str:
    """What a descriptor is of; nothing where it was closed since it was listed."""
    try:
        return str(fd.readlink())
    except FileNotFoundError:
        return ""


def wait_for(condition: Callable[[], bool], deadline: float = 10.0) -> None:
    """Until it is true."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
