"""How much one token may ask for: requests a minute, uploads a day, open streams; and uploads a day of a museum as a whole.

Over it: 429 with Retry-After.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from functions.gateway.identity import Identity
from functions.gateway.museums import Museums
from functions.gateway.problems import Problem


class Limits:
    """Counted in this process, or in the store that ``storage`` names (``redis://…``): several replicas then share the counts.

    Streams are counted a replica, whose memory they are.
    """

    def __init__(
        self, *, requests: int, uploads: int, streams: int, storage: str = "memory://", museums: Museums | None = None
    ) -> None:
        self._window = MovingWindowRateLimiter(storage_from_string(storage))
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
        if shared is not None and not self._window.test(shared, "museum", who.museum, cost=photos):
            self._refuse_museum(shared, who.museum)
        self._take(self._uploads, who.token, "uploads", f"at most {self._uploads.amount} photos a day", photos)
        if shared is not None and not self._window.hit(shared, "museum", who.museum, cost=photos):
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
        if not self._window.hit(limit, what, token, cost=cost):
            raise too_many(said, self._wait(limit, what, token))

    def _refuse_museum(self, limit: RateLimitItem, museum: str) -> NoReturn:
        said = f"at most {limit.amount} photos a day of all people of the museum {museum} together"
        raise too_many(said, self._wait(limit, "museum", museum), "museum-quota")

    def _wait(self, limit: RateLimitItem, what: str, whose: str) -> int:
        """Seconds until the oldest of what was counted is a window old."""
        return max(1, math.ceil(self._window.get_window_stats(limit, what, whose).reset_time - time.time()))


def too_many(said: str, seconds: int, code: str = "too-many") -> Problem:
    """429."""
    return Problem(
        429, code, f"expected {said}; try again in {seconds} s", headers={"Retry-After": str(seconds)}, retry_after=seconds
    )
