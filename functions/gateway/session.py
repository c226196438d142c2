"""Who I am, the cookie that stands for the token, and pictures."""

from __future__ import annotations

import re

from starlette.responses import JSONResponse, Response

from functions.gateway.call import Answer, Asked, Call, in_thread
from functions.gateway.identity import COOKIE, COOKIE_AGE
from functions.gateway.parts import Parts
from functions.gateway.problems import not_found
from functions.gateway.records import FRESH
from functions.gateway.settings import GatewaySettings
from functions.gateway.shapes import Me

CONTENT_TYPES = (
    "image/jpeg", "image/png", "image/webp", "image/tiff", "image/heic", "image/heif", "image/avif", "image/gif", "image/bmp",
)  # fmt: skip

COOKIE_PATH = re.compile(r"/([A-Za-z0-9._~%@+-]+/)*")


def calls(parts: Parts) -> list[Call]:
    """The calls. Raises ``SystemExit`` for a cookie's path that is none."""
    path = cookie_path(parts.own)

    def me_of(asked: Asked) -> Me:
        who = asked.identity
        limits = {"max_bytes": parts.settings.museum_max_bytes, "content_types": list(CONTENT_TYPES), "parts": 8}
        return Me(museum=who.museum, owner=who.owner, roles=list(who.roles), limits=limits, expires=who.expires)

    async def me(asked: Asked) -> Answer:
        return Answer(me_of(asked))

    async def session(asked: Asked) -> Response:
        import msgspec

        response = JSONResponse(msgspec.to_builtins(me_of(asked)), headers={"Cache-Control": "no-store"})
        secure = parts.own.museum_secure_cookie == "on"
        cookie = parts.sessions.cookie(asked.identity)
        response.set_cookie(COOKIE, cookie, max_age=COOKIE_AGE, path=path, secure=secure, httponly=True, samesite="strict")
        return response

    async def leave(asked: Asked) -> Response:
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, path=path)
        return response

    async def picture(asked: Asked) -> Response:
        wanted = parts.pictures.read(asked.params["handle"], asked.identity.museum)
        if wanted.object is not None and not await in_thread(parts.published, *wanted.object):
            raise not_found("picture")
        found = await in_thread(parts.store.get, parts.buckets.derived, f"{wanted.display}{asked.params['size']}")
        if found is None:
            raise not_found("picture")
        kept = "max-age=86400, immutable" if wanted.object is None else f"max-age={FRESH:.0f}"
        headers = {"Cache-Control": f"private, {kept}", "X-Content-Type-Options": "nosniff"}
        return Response(found.body, media_type="image/jpeg", headers=headers)

    pattern = {"handle": r"[A-Za-z0-9_.=-]{1,3000}", "size": r"(320|1280)\.jpg"}
    return [
        Call(method="GET", path="/api/me", handler=me, gives=Me, does="Who is asking, and what they may send."),
        Call(method="POST", path="/api/session", handler=session, gives=Me,
             does="Sets a cookie of one hour that is taken for GET alone: streams and pictures carry it instead of the token."),
        Call(method="DELETE", path="/api/session", handler=leave, status=204, does="Takes the cookie away."),
        Call(method="GET", path="/api/images/{handle}/{size}", handler=picture, produces="image/jpeg", pattern=pattern,
             does="A display copy: upright, without metadata."),
    ]  # fmt: skip


def cookie_path(own: GatewaySettings) -> str:
    """Where browsers send the cookie. Raises ``SystemExit`` for what they would not take for a folder."""
    path = own.museum_cookie_path
    if not COOKIE_PATH.fullmatch(path):
        raise SystemExit(f"MUSEUM_COOKIE_PATH is {path!r}: expected a path that begins and ends with /, such as /search/api/")
    return path
