"""The file of hashed tokens, as it is written. :class:`functions.gateway.identity.TokenFile` reads it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from functions.decoding import decoded
from functions.gateway.identity import Entry, Role, checked, fingerprint


def read(path: Path) -> dict[str, Entry]:
    """The entries by the token's sha256; none where there is no file."""
    return decoded(path.read_bytes(), dict[str, Entry]) if path.exists() else {}


def keep(path: Path, token: str, *, museum: str, owner: str, roles: Sequence[Role], days: float = 0) -> None:
    """Let a token in, beside those that are there. ``days``: until it expires, 0 never. Raises ``Problem`` for a bad name."""
    expires = time.time() + days * 86_400 if days else 0.0
    checked(museum, owner, tuple(roles), token="", expires=expires)
    write(path, read(path) | {fingerprint(token): Entry(museum=museum, owner=owner, roles=tuple(roles), expires=expires)})


def write(path: Path, entries: dict[str, Entry]) -> None:
    """Store the entries; only the owner of the file may read them. A reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n")
    beside.replace(path)
