"""The museums that share this installation: by which claim each is known, and how many photos its people may give a day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from functions.decoding import decoded
from functions.gateway.problems import Problem

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
"""A museum or an owner: a part of keys."""


class Museum(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What is said of one."""

    claim: str = ""
    """Value of the issuer's claim that means it; empty: its name."""
    uploads_per_day: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Photos of all its people together; 0: as many as they may by themselves."""


class Museums:
    """Without entries, every museum that a token names is one, by its own name and without a quota."""

    def __init__(self, entries: Mapping[str, Museum] | None = None) -> None:
        self._entries = entries
        self._by_claim = {museum.claim or name: name for name, museum in (entries or {}).items()}

    def meant_by(self, claim: str) -> str:
        """The museum that a claim means. Raises ``Problem`` 403 where it means none."""
        if self._entries is None:
            return claim
        if claim not in self._by_claim:
            raise unknown(claim)
        return self._by_claim[claim]

    def check(self, name: str) -> None:
        """Raises ``Problem`` 403 for a museum that does not belong to this installation."""
        if self._entries is not None and name not in self._entries:
            raise unknown(name)

    def uploads_per_day(self, name: str) -> int:
        """A museum's quota; 0: none."""
        return (self._entries or {}).get(name, Museum()).uploads_per_day


def unknown(name: str) -> Problem:
    """403."""
    if not name:
        return Problem(403, "museum-unknown", "your token names no museum: ask whoever runs the sign-in service")
    said = f"your token is of the museum {name[:64]!r}, which does not belong to this installation: ask its operator"
    return Problem(403, "museum-unknown", said)


def read(path: str) -> Museums:
    """The museums of a file ``{"<name>": {"claim", "uploadsPerDay"}}``; no path: whatever tokens name.

    Raises ``SystemExit`` that says what is wrong with the file.
    """
    if not path:
        return Museums()
    try:
        given = decoded(Path(path).read_bytes(), dict[str, msgspec.Raw])
        entries = {name: museum_of(name, raw) for name, raw in given.items()}
        check(entries)
    except OSError as error:
        raise SystemExit(f"MUSEUM_MUSEUMS is {path}, which cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise SystemExit(f"MUSEUM_MUSEUMS is {path}, and its content is not allowed: {error}") from None
    return Museums(entries)


def museum_of(name: str, raw: msgspec.Raw) -> Museum:
    """One entry. Raises ``ValueError`` that names it."""
    try:
        return decoded(raw, Museum)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {error}") from None


def check(entries: Mapping[str, Museum]) -> None:
    """What the types of the entries do not say. Raises ``ValueError``."""
    if not entries:
        raise ValueError("it names no museum, so nobody could sign in")
    claims: dict[str, str] = {}
    for name, museum in entries.items():
        if not NAME.fullmatch(name):
            raise ValueError(f"expected as a museum's name 1 to 64 letters, digits and ._@-, found {name!r}")
        if (other := claims.setdefault(museum.claim or name, name)) != name:
            raise ValueError(f"{other} and {name} have one claim, {museum.claim or name!r}: a token could mean either")
