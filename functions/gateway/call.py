"""A table of calls, from which both the routes and the OpenAPI document follow."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from functions.decoding import converted, decoded
from functions.errors import Reject, Retry, Unavailable
from functions.gateway import metrics
from functions.gateway.identity import COOKIE, Door, Identity, Role
from functions.gateway.limits import Limits
from functions.gateway.problems import Problem

log = logging.getLogger("museum.gateway")
T = TypeVar("T")

MAX_BODY = 256_000
"""Bytes of a call's body: cards are text, photos go to S3."""
ANY = r"[\x20-\x7e]{1,400}"
"""What a path parameter without a pattern of its own may be."""
READING = ("GET", "HEAD")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call answers with: a shape, or a response made by itself."""

    content: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    tagged: Any = None
    """What the ETag is of, where the content also has what changes by itself."""
    tag: str = ""
    """The ETag, where the call makes it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: who, what and with what."""

    identity: Identity
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    request: Request


Handler = Callable[[Asked], Awaitable[Answer | Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the API."""

    method: str
    path: str
    """With ``{names}``."""
    handler: Handler
    does: str
    """One line for the document."""
    role: Role | None = "visitor"
    """``None``: anybody, without a token."""
    takes: Any = None
    content_type: str = "application/json"
    gives: Any = None
    status: int = 200
    produces: str = "application/json"
    also: Sequence[str] = ()
    """Content types that it may answer with instead."""
    query: Mapping[str, Any] = field(default_factory=dict)
    """Query parameters and their types."""
    pattern: Mapping[str, str] = field(default_factory=dict)
    """Patterns of path parameters."""
    headers: Sequence[str] = ()
    """Headers that it must have."""

    @property
    def regex(self) -> re.Pattern[str]:
        """What a path must match."""
        return re.compile(re.sub(r"\{(\w+)\}", lambda name: f"(?P<{name[1]}>[^/]+)", self.path))


def etag(content: Any) -> str:
    """A strong validator of some JSON."""
    return '"' + hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:24] + '"'


async def in_thread(work: Callable[..., T], *given: Any, **more: Any) -> T:
    """Blocking work, S3 mostly, beside the loop."""
    return await asyncio.to_thread(work, *given, **more)


class Table:
    """All calls: finds the one that a request means, and answers it."""

    def __init__(self, calls: Sequence[Call], door: Door, limits: Limits) -> None:
        self.calls = tuple(calls)
        self._door = door
        self._limits = limits
        self._routes = [(call.regex, call) for call in calls]

    async def __call__(self, request: Request) -> Response:
        """The answer; whatever goes wrong is a problem with a reason."""
        started = time.perf_counter()
        try:
            response = await self._answer(request)
        except Problem as problem:
            response = problem.response()
        except Unavailable as error:
            metrics.AWAY.labels(error.dependency).inc()
            said = f"{error.dependency} does not answer: nothing is lost, try again in a moment"
            response = Problem(503, "unavailable", said, headers={"Retry-After": "2"}).response()
        except Reject as reject:
            response = Problem(422, reject.code, reject.reason).response()
        except Retry as error:
            response = Problem(502, "store-refused", str(error)).response()
        except Exception as error:
            log.exception("bug in %s %s", request.method, request.url.path)
            response = Problem(500, "bug", f"{type(error).__name__}: this is a mistake of ours, and is in the log").response()
        path, seconds = request.scope.get("museum_call", "unknown"), time.perf_counter() - started
        method = request.method if request.method in METHODS else "other"
        metrics.answered(method, path, response.status_code, seconds)
        fields = {
            "function": "gateway",
            "call": f"{method} {path}",
            "status": response.status_code,
            "ms": round(seconds * 1000, 1),
        }
        log.info("call", extra={"fields": fields})
        return response

    async def _answer(self, request: Request) -> Response:
        call, params = self._found(request.method, request.scope["path"])
        request.scope["museum_call"] = call.path
        identity = Identity(museum="", owner="", roles=())
        if call.role is not None:
            header, cookie = request.headers.get("authorization", ""), request.cookies.get(COOKIE, "")
            identity = await in_thread(self._enter, header, cookie, reading=request.method in READING)
            if not identity.may(call.role):
                has = ", ".join(identity.roles)
                raise Problem(403, "forbidden", f"this needs the role {call.role}, and your token has {has}")
        query = read_query(call, request)
        body = await read_body(call, request) if call.takes is not None else None
        answer = await call.handler(Asked(identity, params, query, body, request))
        return answer if isinstance(answer, Response) else encoded(call, answer, request)

    def _enter(self, header: str, cookie: str, *, reading: bool) -> Identity:
        """Who it is, one request more. Raises ``Problem`` 401 and 429."""
        identity = self._door.identity(header, cookie, reading=reading)
        self._limits.request(identity.token)
        return identity

    def _found(self, method: str, path: str) -> tuple[Call, Mapping[str, str]]:
        there = [(call, match) for regex, call in self._routes if (match := regex.fullmatch(path)) is not None]
        there = [(call, match) for call, match in there if not match.groupdict()] or there  # /drafts/export is no /drafts/{id}
        if not there:
            raise Problem(404, "not-found", "there is no such call: /api/openapi.json has them all")
        for call, match in there:
            if call.method == method or (call.method == "GET" and method == "HEAD"):
                for name, value in match.groupdict().items():
                    if not re.fullmatch(call.pattern.get(name, ANY), value):
                        raise Problem(404, "not-found", f"expected another {name} than that one")
                return call, match.groupdict()
        allowed = ", ".join(sorted({call.method for call, _ in there}))
        raise Problem(405, "method-not-allowed", f"expected {allowed}, found {method}", headers={"Allow": allowed})


def read_query(call: Call, request: Request) -> dict[str, Any]:
    """The query parameters, converted. Raises ``Problem``."""
    given = dict(request.query_params)
    if unknown := sorted(set(given) - set(call.query)):
        allowed = ", ".join(call.query) or "none"
        raise Problem(400, "unknown-parameter", f"unknown parameter {', '.join(unknown)[:200]}: there are {allowed}")
    try:
        return {name: converted(value, call.query[name], strict=False) for name, value in given.items()}
    except msgspec.ValidationError as error:
        raise Problem(400, "bad-parameter", str(error)) from None


async def read_body(call: Call, request: Request) -> Any:
    """The body as the shape that the call takes. Raises ``Problem``."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != call.content_type:
        raise Problem(415, "wrong-content-type", f"expected {call.content_type}, found {kind or 'none'}")
    raw = await read_limited(request, MAX_BODY)
    try:
        return decoded(raw or b"{}", call.takes)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # ValidationError too
        raise Problem(422, "bad-request", f"the body is not what this call takes: {error}") from None


async def read_limited(request: Request, limit: int) -> bytes:
    """A body of at most so many bytes, read no further. Raises ``Problem`` 413."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Problem(413, "too-large", f"expected a body of at most {limit} bytes", headers={"Connection": "close"})
        parts.append(part)
    return b"".join(parts)


def encoded(call: Call, answer: Answer, request: Request) -> Response:
    """A shape as a response; 304 where the caller has it."""
    headers = {"Cache-Control": "no-store", **answer.headers}
    if answer.status == 204:
        return Response(status_code=204, headers=headers)
    if tag := answer.tag or (etag(answer.tagged) if answer.tagged is not None else ""):
        headers |= {"ETag": tag, "Cache-Control": "private, no-cache"}
        if call.method == "GET" and tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
    body = msgspec.json.encode(answer.content)
    return Response(body, answer.status, headers=headers, media_type=call.produces)
