"""Names of objects and pictures that people send back: an object's id, and a picture's signed handle."""

from __future__ import annotations

import time
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeSerializer

from functions.catalogue.handle import object_handle, object_named
from functions.gateway.problems import not_found
from functions.gateway.shapes import Copies

DAY = 86_400
HANDLE_DAYS = 7
"""A handle is good for so many days; its address stays the same for one, so that browsers keep the picture."""
SIZES = ("320", "1280")


def object_of(handle: str) -> tuple[str, str]:
    """(museum, object_id) of a handle. Raises ``Problem`` 404."""
    named = object_named(handle)
    if named is None:
        raise not_found("object")
    return named


@dataclass(frozen=True, slots=True)
class Picture:
    """What a handle is of."""

    display: str
    """Prefix of its copies in the derived bucket."""
    object: tuple[str, str] | None
    """(museum, object_id) of another museum's object, which may be unpublished while the handle is good."""


class Pictures:
    """Signs and reads handles of display copies. A handle is for one museum: nobody else's token opens it."""

    def __init__(self, key: str) -> None:
        self._signer = URLSafeSerializer(key, salt="picture")

    def copies(self, display: str, viewer: str, *, of: tuple[str, str] | None = None) -> Copies:
        """Addresses of a picture's copies. ``display``: its prefix in the derived bucket; ``of``: (museum, object_id)."""
        other = [object_handle(*of)] if of is not None and of[0] != viewer else []
        handle = self._signer.dumps([display, viewer, int(time.time()) // DAY, *other])
        return Copies(**{name: f"/api/images/{handle}/{size}.jpg" for name, size in zip(("small", "large"), SIZES, strict=True)})

    def read(self, handle: str, viewer: str) -> Picture:
        """What a handle is of. Raises ``Problem`` 404 for another museum's, an old and a forged one."""
        try:
            display, museum, day, *other = self._signer.loads(handle)
        except (BadSignature, ValueError):
            raise not_found("picture") from None
        if museum != viewer or int(time.time()) // DAY - day > HANDLE_DAYS:
            raise not_found("picture")
        return Picture(str(display), object_of(other[0]) if other else None)
