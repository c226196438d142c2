"""The gateway as its real process, before an outbox that answers as it is told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from functions import gateway
from functions.bucket_events import Change, notification
from functions.gateway.hooks import MAX_BODY
from infra.local.part import Part, free_port, listens, running
from tests.outbox import CONTEXT, FakeTrigger

MAIN = Path(str(gateway.__file__)).with_name("main.py")
TOKEN = {"Authorization": "Bearer secret"}


class Gateway:
    """A client of it."""

    def __init__(self, port: int, trigger: FakeTrigger) -> None:
        self.port = port
        self.trigger = trigger

    def ask(
        self, method: str, body: bytes | Iterator[bytes] = b"", headers: dict[str, str] = TOKEN, path: str = "/hooks/s3"
    ) -> tuple[int, Any]:
        """Status, and the problem if there is one. A body that is an iterator is sent in chunks, without a length."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers, encode_chunked=not isinstance(body, bytes))
            answer = connection.getresponse()
            text = answer.read()
            assert not text or answer.headers["content-type"] == "application/problem+json"
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Serving."""
    port = free_port()
    with FakeTrigger.listening() as trigger:
        part = Part(
            name="gateway",
            argv=(sys.executable, "-m", "functions_framework", "--asgi", "--source", str(MAIN), "--target", "gateway"),
            folder=tmp_path_factory.mktemp("gateway"),
            env={
                "HOST": "127.0.0.1", "PORT": str(port), "PYTHONWARNINGS": "ignore",
                "MUSEUM_HOOK_TOKEN": "secret", "MUSEUM_SESSION_KEY": "k" * 32, "MUSEUM_OUTBOX_URL": trigger.url,
            },
            ready=lambda: None if listens("127.0.0.1", port) else "nothing answers",
        )  # fmt: skip
        with running(part):
            yield Gateway(port, trigger)


@pytest.fixture
def served(process: Gateway) -> Gateway:
    """It, with an outbox that confirms."""
    process.trigger.got.clear()
    process.trigger.status = 202
    return process


def notice(sequencer: str) -> bytes:
    """A notification of one upload."""
    change = Change(kind="created", bucket="queries", key="m/o/r/a.jpg", version="v", size=1, sequencer=sequencer)
    return json.dumps(notification(change)).encode()


def test_a_notification_is_published_with_all_that_an_event_has(served: Gateway) -> None:
    """200 once it is confirmed, also for a body that comes in chunks; its second copy is not published again."""
    assert served.ask("POST", notice("01")) == (200, None)
    assert served.ask("POST", iter([notice("02")[:20], notice("02")[20:]])) == (200, None)
    assert served.ask("POST", notice("01") + b" ") == (200, None)
    assert [json.loads(event.data) for event in served.trigger.got] == [
        {"body": json.loads(notice(sequencer))} for sequencer in ("01", "02")
    ]
    for event in served.trigger.got:
        assert set(event.attributes) == CONTEXT | {"museum", "owner"}
        assert (event.attributes["subject"], event.attributes["museum"], event.attributes["owner"]) == ("m/o/r/a.jpg", "m", "o")


def test_without_the_token_nobody_is_let_in(served: Gateway) -> None:
    """Whatever the method."""
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        for method in ("POST", "GET"):
            status, said = served.ask(method, b"{}", headers)
            assert (status, said["code"]) == (401, "unauthorised")
    assert not served.trigger.got


def test_the_store_may_look_whether_anybody_is_here(served: Gateway) -> None:
    """GET and HEAD publish nothing."""
    assert served.ask("GET") == (200, None)
    assert served.ask("HEAD") == (200, None)
    assert not served.trigger.got


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_not_allowed(served: Gateway, method: str) -> None:
    """405, and nothing is published."""
    status, said = served.ask(method, notice("03"))
    assert (status, said["code"]) == (405, "method-not-allowed")
    assert not served.trigger.got


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_a_body_that_is_too_large_is_not_read_to_its_end(served: Gateway, chunked: bool) -> None:
    """413 also where nobody said its length before."""
    body = b" " * (MAX_BODY + 1)
    status, said = served.ask("POST", iter([body]) if chunked else body)
    assert (status, said["code"]) == (413, "too-large")
    assert not served.trigger.got


def test_what_is_not_confirmed_is_not_taken(served: Gateway) -> None:
    """503: the store keeps it and sends it again, and then it is published."""
    served.trigger.status = 503
    status, said = served.ask("POST", notice("04"))
    assert (status, said["code"]) == (503, "unavailable")
    served.trigger.status = 202
    assert served.ask("POST", notice("04")) == (200, None)


def test_json_that_is_nested_at_any_depth_is_passed_on(served: Gateway) -> None:
    """As it is, or as text where the parser, or the writer, is not deep enough: ingest says what it thinks of it."""
    depths = [*range(850, 1000), 100_000]
    for depth in depths:
        assert served.ask("POST", b"[" * depth + b"]" * depth) == (200, None), depth
    assert len(served.trigger.got) == len(depths)


def test_another_path_is_not_found(served: Gateway) -> None:
    """So far there is one hook."""
    assert served.ask("POST", b"{}", path="/hooks/gcs")[0] == 404
