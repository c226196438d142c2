"""Limits that several gateways count together, in a real Redis: with its password, and while it is down."""

from __future__ import annotations

import logging
import socket
import time
from pathlib import Path

import pytest

from functions.gateway import limits
from functions.gateway.app import limits_of
from functions.gateway.limits import Limits
from functions.gateway.museums import Museums
from functions.gateway.problems import Problem
from functions.gateway.settings import GatewaySettings
from infra.local.part import Part, free_port, listens, running
from infra.local.setup import REDIS

PASSWORD = "p@ss:/word#1"


@pytest.fixture
def redis(tmp_path: Path) -> tuple[Part, int]:
    """A Redis that asks for a password, not yet started, and its port."""
    assert REDIS.exists(), f"no {REDIS}: run make setup-dev"
    port = free_port()
    given = ("--port", str(port), "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", "", "--dir", str(tmp_path))
    return (
        Part(
            name="redis",
            argv=(str(REDIS), *given),
            folder=tmp_path,
            ready=lambda: None if listens("127.0.0.1", port) else "it does not listen",
        ),
        port,
    )


def gateway(port: int, *, password: str = PASSWORD) -> Limits:
    """The limits of one of several gateways: three requests a minute."""
    own = GatewaySettings(
        museum_requests_per_minute=3,
        museum_uploads_per_day=3,
        museum_limits_storage=f"redis://127.0.0.1:{port}/0",
        museum_limits_password=password,
    )
    return limits_of(own, Museums())


def taken(one: Limits, times: int) -> int:
    """How many of so many requests were taken."""
    refused: list[Problem] = []
    for _ in range(times):
        try:
            one.request("anna")
        except Problem as problem:
            refused.append(problem)
    assert all(problem.code == "too-many" and 1 <= problem.more["retry_after"] <= 60 for problem in refused)
    return times - len(refused)


def test_gateways_count_together(redis: tuple[Part, int]) -> None:
    """What one has taken the other has not to give."""
    part, port = redis
    with running(part):
        assert taken(gateway(port), 2) == 2
        assert taken(gateway(port), 3) == 1


def test_while_it_is_down_each_counts_for_itself(
    redis: tuple[Part, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is refused for that, nobody has all they like, and nobody waits; then all count together again."""
    part, port = redis
    monkeypatch.setattr(limits, "AWAY", 3.0)
    one, other = gateway(port), gateway(port)
    with running(part):
        assert taken(one, 3) == 3
    started = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert (taken(one, 4), taken(other, 4)) == (3, 3)
    assert time.monotonic() - started < 3.0
    assert [record.getMessage() for record in caplog.records] == 2 * [
        "redis does not answer (ConnectionError): requests and uploads are counted by this gateway alone meanwhile"
    ]
    with running(part):
        time.sleep(limits.AWAY)
        assert taken(one, 2) + taken(other, 2) == 3


def test_one_that_does_not_answer_is_waited_for_once() -> None:
    """It takes connections and says nothing: the first call has patience, the next ones count without it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert taken(gateway(silent.getsockname()[1]), 4) == 3
        assert time.monotonic() - started < limits.AWAY


def test_a_wrong_password_is_told_and_stops_nobody(redis: tuple[Part, int], caplog: pytest.LogCaptureFixture) -> None:
    """Neither password is in the line."""
    part, port = redis
    with running(part), caplog.at_level(logging.WARNING):
        assert taken(gateway(port, password="another"), 4) == 3
    assert "(AuthenticationError)" in caplog.text
    assert "another" not in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("storage", ["redis:/x", "http://redis:6379", "redis://host:port/0", ""])
def test_an_address_that_is_none_is_refused_at_start(storage: str) -> None:
    """With what was expected."""
    with pytest.raises(SystemExit, match="MUSEUM_LIMITS_STORAGE: expected memory://, redis://host:port/db or rediss://"):
        limits_of(GatewaySettings(museum_limits_storage=storage), Museums())
