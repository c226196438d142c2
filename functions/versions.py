"""Releases overlap: release N reads event versions N and N-1, and writes N-1 until a setting says N.

A change of an event's shape is one entry in :data:`CHANGES`: how to read the version before, and how to write it. The entry
goes away one release later. There is none yet: every event is in its first version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.events import BY_TYPE

Data = dict[str, Any]


class TooOld(Exception):
    """An event of a version that this release no longer reads."""


@dataclass(frozen=True, slots=True)
class Change:
    """What changed between the version before and the current one of an event type."""

    upgrade: Callable[[Data], Data]
    downgrade: Callable[[Data], Data]


CHANGES: Mapping[str, Change] = {}
"""Current type → its change."""


def number(kind: str) -> int:
    """The n of ``….v<n>``; -1 where there is none."""
    tail = kind.rpartition(".v")[2]
    return int(tail) if tail.isdecimal() else -1


def _stem(kind: str) -> str:
    return kind.rpartition(".v")[0]


def current_of(kind: str, known: Mapping[str, Any] = BY_TYPE) -> str | None:
    """The current version of the same event, or ``None`` for an unknown one."""
    stem = _stem(kind)
    return next((current for current in known if stem and _stem(current) == stem and number(kind) >= 0), None)


def upgrade(kind: str, data: Any, *, known: Mapping[str, Any] = BY_TYPE, changes: Mapping[str, Change] = CHANGES) -> Any:
    """The data in the current version's shape. Raises ``TooOld``."""
    current = current_of(kind, known)
    if current is None or kind == current:
        return data
    if number(kind) == number(current) - 1 and current in changes and isinstance(data, dict):
        return changes[current].upgrade(data)
    raise TooOld(f"the event is a {kind}; this release reads {current} and at most one version before it")


def downgrade(kind: str, data: Data, *, changes: Mapping[str, Change] = CHANGES) -> tuple[str, Data]:
    """Type and data of the version before; unchanged where the type did not change in this release."""
    if kind not in changes:
        return kind, data
    return f"{_stem(kind)}.v{number(kind) - 1}", changes[kind].downgrade(data)
