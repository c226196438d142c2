"""What an event hands on to the event that is made of it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from functions.events import Event

_CARRIED = tuple(item.name for item in fields(Event))


def carried(event: Event) -> dict[str, Any]:
    """The common fields of an event, as arguments for the next one."""
    return {name: getattr(event, name) for name in _CARRIED}
