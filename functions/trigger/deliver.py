"""One delivery: POST the event to its function and read what became of it."""

from __future__ import annotations

import time
from collections.abc import Mapping

import aiohttp

from functions.trigger.binding import BATCH, CloudEvent, NotACloudEvent, batch, from_http, read_json, text_of, to_http
from functions.trigger.settle import Crashed, Down, Failed, Outcome, Refused, Replied

KEEP_ALIVE = 1.0
"""Seconds; below the server's 2, else a connection that it just closed looks like a worker that died."""


def session() -> aiohttp.ClientSession:
    """The client for all functions of a trigger."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE))


async def deliver(
    http: aiohttp.ClientSession, url: str, event: CloudEvent, *, name: str, timeout: float, context: Mapping[str, str] = {}
) -> Outcome:
    """POST one event in binary mode. Never raises for what a function or the network may do.

    ``context``: the trace context of this request, beside the event's own.
    """
    limit, started = aiohttp.ClientTimeout(total=timeout, sock_connect=5), time.monotonic()
    try:
        async with http.post(url, data=event.data, headers={**to_http(event), **context}, timeout=limit) as answer:
            return read(name, answer.status, dict(answer.headers), await answer.read())
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        return Down(f"function {name}")
    except TimeoutError:
        return Failed(f"{name} did not answer in {timeout:.0f} s")
    except aiohttp.ClientError as error:
        spent = time.monotonic() - started
        return Crashed(f"{name} closed the connection after {spent:.1f} s of {timeout:.0f}: {type(error).__name__}")


def read(name: str, status: int, headers: dict[str, str], body: bytes) -> Outcome:
    """What an answer means. Pure."""
    lowered = {key.lower(): value for key, value in headers.items()}
    if status == 204:
        return Replied(())
    if status == 200:
        try:
            if lowered.get("content-type", "").startswith(BATCH):
                return Replied(tuple(batch(body)))
            return Replied((from_http(lowered, body),))
        except NotACloudEvent as error:
            return Failed(f"{name} answered 200 without a CloudEvent: {error}")
    if status == 422:
        return Refused(detail(body))
    if status == 503 and "museum-unavailable" in lowered:
        return Down(lowered["museum-unavailable"])
    return Failed(f"{name} answered {status}: {detail(body)}")


def detail(body: bytes) -> str:
    """The reason in a problem+json; never a whole page, which may echo what was sent."""
    try:
        return text_of(read_json(body)["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return "no reason given"
