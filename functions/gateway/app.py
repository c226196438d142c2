"""All calls of the gateway, put together."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from functions.errors import Reject, Unavailable
from functions.gateway import drafts, history, hooks, objects, openapi, progress, session, slow, uploading
from functions.gateway.call import Answer, Asked, Call, Table
from functions.gateway.identity import Door, Issuer, Oidc, Sessions, TokenFile, Tokens
from functions.gateway.limits import Limits
from functions.gateway.museums import Museums
from functions.gateway.parts import Parts
from functions.gateway.settings import GatewaySettings
from functions.runtime import tracing
from functions.runtime.settings import with_credentials

log = logging.getLogger("museum.gateway")


class Gateway:
    """The function: a request in, a response out."""

    def __init__(self, parts: Parts, door: Door) -> None:
        self.parts = parts
        calls = all_calls(parts)
        self.document = openapi.document(calls, own_root(parts.own))
        self.table = Table([*calls, *self._own()], door, parts.limits)
        self._page = page_of(parts)
        self._started = False

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        if not self._started:
            self._start()
        path = request.scope["path"]
        if self._page is not None and not path.startswith(("/api/", "/hooks/", "/healthz", "/readyz", "/metrics")):
            return self._page
        return await self.table(request)

    def _own(self) -> list[Call]:
        async def described(_asked: Asked) -> Response:
            return JSONResponse(self.document)

        async def alive(_asked: Asked) -> Response:
            return Response("ok\n", media_type="text/plain")

        async def ready(_asked: Asked) -> Answer:
            """Without S3 nothing can be answered. Without announcements all goes on, and streams look each 15 s."""
            try:
                await asyncio.to_thread(self.parts.store.head, self.parts.buckets.state, "live.json")
            except Reject as error:  # there are no buckets yet
                raise Unavailable("s3", error.reason) from None
            return Answer({"s3": True, "announcements": self.parts.watching.connected, "streams": self.parts.watching.readers})

        async def metrics(_asked: Asked) -> Response:
            return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

        return [
            Call(method="GET", path="/api/openapi.json", handler=described, role=None, does="This document."),
            Call(method="GET", path="/healthz", handler=alive, role=None, does="The process answers."),
            Call(method="GET", path="/readyz", handler=ready, role=None, does="What it needs answers."),
            Call(method="GET", path="/metrics", handler=metrics, role=None, does="For Prometheus."),
        ]

    def _start(self) -> None:
        """With the first request, which is a probe's: what runs beside the calls.

        Gunicorn forks after the import: a thread of before would not be there, and the locks that it held would be held for ever.
        """
        self._started = True
        threading.Thread(target=self.parts.prepare, name="prepare", daemon=True).start()
        slow.give_up_after(slow.GIVE_UP)
        self.parts.start()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)

            def end(signum: int, frame: FrameType | None, before: Any = before) -> None:
                loop.call_soon_threadsafe(self.parts.end)
                if callable(before) and not tracing.flush(then=partial(loop.call_soon_threadsafe, before, signum, frame)):
                    before(signum, frame)

            signal.signal(number, end)


def all_calls(parts: Parts) -> list[Call]:
    """The calls of all areas."""
    areas = (session, uploading, progress, history, objects, drafts)
    return [call for area in areas for call in area.calls(parts)] + hooks.calls(parts)


def own_root(own: GatewaySettings) -> str:
    """What comes before ``api/`` where browsers reach the calls."""
    return own.museum_cookie_path.removesuffix("api/") or "/"


def door_of(own: GatewaySettings, sessions: Sessions, museums: Museums) -> Door:
    """Who may come in. Raises ``SystemExit`` for settings that are half of something."""
    if not own.museum_session_key:
        raise SystemExit("MUSEUM_SESSION_KEY is not set: expected 32 or more random characters, the same in all replicas")
    known: list[Tokens] = [TokenFile(Path(own.museum_tokens))] if own.museum_tokens else []
    if own.museum_oidc_issuer:
        if not own.museum_oidc_keys:
            raise SystemExit("MUSEUM_OIDC_ISSUER is set: set MUSEUM_OIDC_KEYS too, the address of its JWKS")
        known.append(Oidc(issuer_of(own), museums=museums))
    if not known:
        log.warning("nobody may sign in: set MUSEUM_TOKENS or MUSEUM_OIDC_ISSUER")
    return Door(known, sessions, museums)


def limits_of(own: GatewaySettings, museums: Museums) -> Limits:
    """The limits that are set. Raises ``SystemExit`` for a store that is none."""
    storage = with_credentials(own.museum_limits_storage, own.museum_limits_user, own.museum_limits_password)
    return Limits(
        requests=own.museum_requests_per_minute,
        uploads=own.museum_uploads_per_day,
        streams=own.museum_streams,
        storage=storage,
        museums=museums,
    )


def issuer_of(own: GatewaySettings) -> Issuer:
    """The issuer that is set."""
    return Issuer(
        issuer=own.museum_oidc_issuer,
        audience=own.museum_oidc_audience,
        keys=own.museum_oidc_keys,
        museum_claim=own.museum_oidc_museum_claim,
        owner_claim=own.museum_oidc_owner_claim,
        roles_claim=own.museum_oidc_roles_claim,
    )


def beside(outbox: str) -> str:
    """Where the trigger that has the outbox tells of announcements."""
    parts = urlsplit(outbox)
    return parts._replace(scheme="ws", path="/watch").geturl() if outbox else ""


class Page(Response):
    """The static page's files, compressed where the browser takes that, with the headers of :data:`HEADERS`."""

    def __init__(self, folder: str, s3: str) -> None:
        super().__init__()
        self._files = GZipMiddleware(StaticFiles(directory=folder, html=True), minimum_size=500)
        self._guards = {"Content-Security-Policy": policy(s3), **HEADERS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._guards)
            await send(message)

        try:
            await self._files({**scope, "root_path": ""}, receive, sending)
        except HTTPException as error:
            await Response("not found\n", error.status_code, headers=self._guards, media_type="text/plain")(scope, receive, send)


def page_of(parts: Parts) -> Page | None:
    """Serves the static page, where a folder of it is set."""
    s3 = parts.own.museum_s3_public_url or parts.settings.aws_endpoint_url
    return Page(parts.own.museum_web, s3) if parts.own.museum_web else None


HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def policy(s3: str) -> str:
    """The page's Content-Security-Policy: its own scripts and styles alone; uploads go to S3, which may be another origin."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(s3)) if s3 else "https:"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob: data:",
            "font-src 'self'",
            f"connect-src 'self' {origin}",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
