"""A value that is read again when it is older than so many seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class RememberedBy(Generic[K, T]):
    """Call it with a key for the value; ``read`` runs at most once in ``max_age`` seconds, in one thread at a time.

    What ``read`` raises is raised to the caller, and to those who waited meanwhile: each would wait as long, one after another,
    while a server does not answer. It is not remembered. For a handful of keys: none is ever dropped.
    """

    def __init__(self, read: Callable[[K], T], *, max_age: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._max_age = max_age
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[K, tuple[float, T]] = {}
        self._failed: dict[K, tuple[float, Exception]] = {}

    def __call__(self, key: K) -> T:
        """The value, at most ``max_age`` seconds old."""
        came = self._clock()
        with self._lock:
            known = self._values.get(key)
            if known is None or self._clock() - known[0] > self._max_age:
                known = self._values[key] = (self._clock(), self._read_now(key, came))
            return known[1]

    def _read_now(self, key: K, came: float) -> T:
        failed = self._failed.get(key)
        if failed is not None and failed[0] > came:
            raise failed[1]
        try:
            return self._read(key)
        except Exception as error:
            self._failed[key] = (self._clock(), error)
            raise
