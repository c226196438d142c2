"""An object's ``{id}`` on the way to people, and where it is stored: one text for museum and object."""

from __future__ import annotations

import base64
import binascii


def object_handle(museum: str, object_id: str) -> str:
    """An object's ``{id}``: base64url of ``museum/object_id``, since an object_id has any signs."""
    return base64.urlsafe_b64encode(f"{museum}/{object_id}".encode()).decode().rstrip("=")


def object_named(handle: str) -> tuple[str, str] | None:
    """(museum, object_id) of a handle; ``None`` for what is none, or written otherwise than :func:`object_handle` does."""
    try:
        raw = base64.b64decode(handle + "=" * (-len(handle) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    museum, slash, object_id = raw.partition("/")
    if not (museum and slash and object_id) or museum in (".", "..") or object_handle(museum, object_id) != handle:
        return None
    return museum, object_id
