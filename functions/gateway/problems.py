"""What a call is refused with: RFC 9457 problems, in the user's words."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

TYPE = "https://museum-search.example/problems/"
"""With a code at its end it is the problem's type: a name, not an address."""


class Problem(Exception):
    """A call that is refused. ``code`` is a stable slug by which a page finds its own wording, ``detail`` an English sentence."""

    def __init__(self, status: int, code: str, detail: str, *, headers: Mapping[str, str] = {}, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.more = more

    def response(self) -> JSONResponse:
        """The answer."""
        body = {
            "type": TYPE + self.code,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.more,
        }
        return JSONResponse(body, self.status, headers=dict(self.headers), media_type="application/problem+json")


def not_found(what: str) -> Problem:
    """The same for what is not there and for what the caller may not know of: an id grants nothing."""
    return Problem(404, "not-found", f"there is no such {what}, or it is not yours to see")
