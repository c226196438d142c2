"""What becomes of a delivery. One pure function: (outcome, what was tried before) → decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functions.trigger.binding import CloudEvent

ALONE_AFTER = (1.0, 3.0)
"""Seconds before a suspect is tried alone, once and again. A killed gunicorn leaves a worker that goes on taking connections
for up to a second and resets them: three tries in that second quarantined an innocent photo."""
MAX_CRASHES = len(ALONE_AFTER) + 1
"""Tries after which a message that kills its worker is quarantined."""


@dataclass(frozen=True, slots=True)
class Replied:
    """The function did its work; these are its events."""

    events: tuple[CloudEvent, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The function can never read this message."""

    reason: str


@dataclass(frozen=True, slots=True)
class Down:
    """Everything would fail now."""

    dependency: str


@dataclass(frozen=True, slots=True)
class Failed:
    """This message failed, perhaps not next time."""

    reason: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """The worker died while it had the message."""

    reason: str


Outcome = Replied | Refused | Down | Failed | Crashed


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish these, confirmed, then ack."""

    events: tuple[CloudEvent, ...]


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Publish to the retry queue of this delay, then ack."""

    delay: int
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Count nothing: keep one message as the probe, hand the others back, go on when it answers."""

    dependency: str


@dataclass(frozen=True, slots=True)
class RetryAlone:
    """Deliver it again after so many seconds with nothing else in flight: whoever is to blame is then known."""

    after: float


@dataclass(frozen=True, slots=True)
class Dead:
    """Publish to the dead queue and a copy to finish, then ack."""

    reason: str


Decision = Publish | RetryLater | WaitFor | RetryAlone | Dead


def settle(outcome: Outcome, *, attempts: int, crashes: int, delays: Sequence[int]) -> Decision:
    """Decide. ``attempts`` failed before this one; ``crashes`` includes this one."""
    match outcome:
        case Replied(events):
            return Publish(events)
        case Refused(reason):
            return Dead(reason)
        case Down(dependency):
            return WaitFor(dependency)
        case Crashed(reason):
            if crashes >= MAX_CRASHES:
                return Dead(f"its worker died {crashes} times while it worked on this: {reason}")
            return RetryAlone(ALONE_AFTER[max(crashes, 1) - 1])
        case Failed(reason):
            if attempts >= len(delays):
                return Dead(f"failed {attempts + 1} times, last: {reason}")
            return RetryLater(delays[attempts], attempts + 1, reason)
