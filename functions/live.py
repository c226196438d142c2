"""Which model is live: one object in ``state``. Writing it is the switch, writing it back the rollback."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from functions.decoding import decoded
from functions.errors import Unavailable
from functions.ports import ObjectStore

KEY = "live.json"
MAX_AGE = 5.0
"""Seconds that a process may go on with a fingerprint that has been switched off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveModel:
    """The model whose vectors are made now."""

    model: str
    fingerprint: str
    preprocessing: str
    """Fingerprint of the preprocessing that the model was measured with."""
    saliency: bool = False
    """Whether it says where in a picture the object is: then a photo has a second view, the object alone."""


def read(store: ObjectStore, bucket: str) -> LiveModel:
    """The live model. Raises ``Unavailable`` where none was ever activated."""
    found = store.get(bucket, KEY)
    if found is None:
        raise Unavailable("live model", f"{bucket}/{KEY} is not there: `museum up` writes it")
    return decoded(found.body, LiveModel)


def write(store: ObjectStore, bucket: str, live: LiveModel) -> None:
    """Make a model the live one."""
    store.put(bucket, KEY, msgspec.json.encode(live), content_type="application/json")


def settle(store: ObjectStore, bucket: str, *, now: float | None = None, wait: Callable[[float], None] = time.sleep) -> None:
    """Wait until no process goes on with a model that was switched off a moment ago. ``now`` is the store's clock."""
    info = store.head(bucket, KEY)
    age = (time.time() if now is None else now) - info.modified if info else MAX_AGE + 1
    if age <= MAX_AGE:
        wait(MAX_AGE + 1 - max(0.0, age))
