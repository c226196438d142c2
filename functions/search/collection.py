"""What search knows of a collection: how many rows it has, and how its scores are judged."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from functions import decoding
from functions.catalogue.calibration import Calibration, Relation, Votes, relation
from functions.ports import ObjectStore, VectorIndex

MAX_AGE = 10.0
"""Seconds that a process may judge by an older size or calibration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Size and calibration of one collection."""

    size: int
    calibration: Calibration | None
    """``None``: not calibrated, or not since the collection doubled."""
    duplicate_from: float | None = None
    """Score from which on a hit is the query's object itself, computed once for all hits; ``None``: not known."""

    @property
    def votes(self) -> Votes | None:
        """How classes are voted for."""
        return self.calibration.votes if self.calibration else None

    def relation(self, score: float) -> Relation | None:
        """What kind of likeness a hit of this score has."""
        return relation(score, self.calibration, self.size)

    def duplicate(self, score: float) -> bool | None:
        """Whether a hit of this score is the query's object itself; ``None`` where that is not known."""
        return None if self.duplicate_from is None else score >= self.duplicate_from


def calibration_key(fingerprint: str) -> str:
    """Where a collection's calibration is in the state bucket."""
    return f"calibration/{fingerprint[:12]}.json"


def read(fingerprint: str, *, store: ObjectStore, rows: VectorIndex, bucket: str) -> Collection:
    """The collection as it is now."""
    found = store.get(bucket, calibration_key(fingerprint))
    size = rows.count(fingerprint)
    known = decoded(found.body) if found else None
    if known is None or known.stale(size):
        return Collection(size=size, calibration=None)
    return Collection(size=size, calibration=known, duplicate_from=known.duplicate_from(size))


def decoded(body: bytes) -> Calibration | None:
    """A stored calibration; ``None`` for one of another version, which is of no use: a new one is a command away."""
    try:
        return decoding.decoded(body, Calibration)
    except msgspec.DecodeError:
        return None


def write(calibration: Calibration, *, store: ObjectStore, bucket: str) -> None:
    """Store a calibration; every search process follows within seconds."""
    body = msgspec.json.encode(calibration)
    store.put(bucket, calibration_key(calibration.fingerprint), body, content_type="application/json")
