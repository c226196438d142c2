"""How much one token may ask for: requests a minute, uploads a day, open streams; and uploads a day of a museum as a whole.

Over it: 429 with Retry-After. Counting may block.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter

from functions.gateway import metrics
from functions.gateway.identity import Identity
from functions.gateway.museums import Museums
from functions.gateway.problems import Problem

log = logging.getLogger("museum.gateway")

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that the store may take for an answer: a call waits for it."""
AWAY = 5.0
"""Seconds for which it is not asked again, when it was away."""


class Windows:
    """Counts in the store that ``storage`` names, which replicas share; while that is away, in this process alone.

    Nobody is refused for a Redis that is down, and nobody may have all they like meanwhile.
    """

    def __init__(self, storage: str) -> None:
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = None if storage == "memory://" else MovingWindowRateLimiter(opened(storage))
        self._away_until = -math.inf

    def test(self, limit: RateLimitItem, what: str, whose: str, cost: int) -> bool:
        """Whether so many more are within the limit."""
        return self._ask(lambda window: window.test(limit, what, whose, cost=cost))

    def hit(self, limit: RateLimitItem, what: str, whose: str, cost: int) -> bool:
        """Count them, where they are."""
        return self._ask(lambda window: window.hit(limit, what, whose, cost=cost))

    def wait(self, limit: RateLimitItem, what: str, whose: str) -> int:
        """Seconds until the oldest of what was counted is a window old."""
        return max(1, math.ceil(self._ask(lambda window: window.get_window_stats(limit, what, whose)).reset_time - time.time()))

    def _ask(self, ask: Callable[[MovingWindowRateLimiter], T]) -> T:
        if self._shared is not None and time.monotonic() >= self._away_until:
            try:
                return ask(self._shared)
            except StorageError as error:
                self._away_until = time.monotonic() + AWAY
                metrics.AWAY.labels("redis").inc()
                why = type(error.storage_error).__name__  # a client's own words may have the address
                log.warning("redis does not answer (%s): requests and uploads are counted by this gateway alone meanwhile", why)
        return ask(self._own)


def opened(storage: str) -> RedisStorage:
    """A store of counts. Raises ``SystemExit`` for an address that is none; whether it answers is not asked."""
    said = "MUSEUM_LIMITS_STORAGE: expected memory://, redis://host:port/db or rediss://…"
    if not storage.startswith(("redis://", "rediss://")):
        raise SystemExit(said)
    try:
        return RedisStorage(storage, wrap_exceptions=True, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
    except (ConfigurationError, ValueError):
        raise SystemExit(said) from None


class Limits:
    """Counted in :class:`Windows`. Streams are counted a replica, whose memory they are."""

    def __init__(
        self, *, requests: int, uploads: int, streams: int, storage: str = "memory://", museums: Museums | None = None
    ) -> None:
        self._window = Windows(storage)
        self._requests: RateLimitItem = RateLimitItemPerMinute(requests)
        self._uploads: RateLimitItem = RateLimitItemPerDay(uploads)
        self._streams = streams
        self._museums = museums or Museums()
        self._open: Counter[str] = Counter()

    def request(self, token: str) -> None:
        """One request more. Raises ``Problem`` 429."""
        self._take(self._requests, token, "requests", f"at most {self._requests.amount} requests a minute")

    def upload(self, who: Identity, photos: int = 1) -> None:
        """Some photos more, of somebody and of the museum. Raises ``Problem`` 429, and then the other one's count stays."""
        quota = self._museums.uploads_per_day(who.museum)
        shared = RateLimitItemPerDay(quota) if quota else None
        if shared is not None and not self._window.test(shared, "museum", who.museum, photos):
            self._refuse_museum(shared, who.museum)
        self._take(self._uploads, who.token, "uploads", f"at most {self._uploads.amount} photos a day", photos)
        if shared is not None and not self._window.hit(shared, "museum", who.museum, photos):
            self._refuse_museum(shared, who.museum)

    def may_stream(self, token: str) -> None:
        """Whether one stream more may be opened. Raises ``Problem`` 429."""
        if self._open[token] >= self._streams:
            raise too_many(f"at most {self._streams} open streams: close another page of yours", 5)

    @contextmanager
    def stream(self, token: str) -> Iterator[None]:
        """While a stream is open."""
        self._open[token] += 1
        try:
            yield
        finally:
            self._open[token] -= 1
            if not self._open[token]:
                del self._open[token]

    def _take(self, limit: RateLimitItem, token: str, what: str, said: str, cost: int = 1) -> None:
        if not self._window.hit(limit, what, token, cost):
            raise too_many(said, self._window.wait(limit, what, token))

    def _refuse_museum(self, limit: RateLimitItem, museum: str) -> NoReturn:
        said = f"at most {limit.amount} photos a day of all people of the museum {museum} together"
        raise too_many(said, self._window.wait(limit, "museum", museum), "museum-quota")


def too_many(said: str, seconds: int, code: str = "too-many") -> Problem:
    """429."""
    return Problem(
        429, code, f"expected {said}; try again in {seconds} s", headers={"Retry-After": str(seconds)}, retry_after=seconds
    )
