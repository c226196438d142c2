"""What search knows of a collection: how many rows it has, and how its scores are judged."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from functions.catalogue.threshold import Calibration
from functions.ports import ObjectStore, VectorIndex

MAX_AGE = 10.0
"""Seconds that a process may judge by an older size or calibration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Size and calibration of one collection."""

    size: int
    calibration: Calibration | None


def calibration_key(fingerprint: str) -> str:
    """Where a collection's calibration is in the state bucket."""
    return f"calibration/{fingerprint[:12]}.json"


def read(fingerprint: str, *, store: ObjectStore, rows: VectorIndex, bucket: str) -> Collection:
    """The collection as it is now."""
    found = store.get(bucket, calibration_key(fingerprint))
    calibration = msgspec.json.decode(found.body, type=Calibration) if found else None
    return Collection(size=rows.count(fingerprint), calibration=calibration)


def write(calibration: Calibration, *, store: ObjectStore, bucket: str) -> None:
    """Store a calibration; every search process follows within seconds."""
    body = msgspec.json.encode(calibration)
    store.put(bucket, calibration_key(calibration.fingerprint), body, content_type="application/json")
