"""How many S3 operations an image takes, counted where nothing else runs: the real handlers over a store in memory."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from PIL import Image

from functions.adapters.memory import MemoryStore
from functions.adapters.memory_encoder import MemoryEncoder
from functions.live import LiveModel
from functions.pixels import PREPROCESSING
from functions.preprocess import handler as preprocess
from functions.preprocess.decode import limits_by_lane
from tests.unit.world import FINGERPRINT, World

COUNTED = ("head", "get", "put", "create", "delete", "list")


class CountingStore(MemoryStore):
    """A store in memory that counts what is asked of it."""

    def __init__(self, *buckets: str) -> None:
        super().__init__(*buckets)
        self.asked: Counter[str] = Counter()
        for name in COUNTED:
            setattr(self, name, self._counted(name, getattr(self, name)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def counting(*arguments: Any, **named: Any) -> Any:
            self.asked[name] += 1
            return call(*arguments, **named)

        return counting


class RealWorld(World):
    """The pipeline in memory, with real pictures."""

    def preprocess(self, event: Any) -> Any:
        """The real handler."""
        return preprocess.preprocess(event, store=self.store, derived="derived", limits=limits_by_lane(10**7, 10**7))

    def live(self) -> LiveModel:
        """The live model, with the real preprocessing and a second view."""
        return LiveModel(model="test", fingerprint=FINGERPRINT, preprocessing=PREPROCESSING, saliency=True)


def counted() -> tuple[Counter[str], Counter[str]]:
    """Operations of the functions for one catalogued photo with its record, and for one query; an object stands out of both."""
    store = CountingStore("queries", "catalogue", "derived", "results", "state")
    world = RealWorld(store=store, encoder=MemoryEncoder(FINGERPRINT))
    world.put("catalogue", "local/a/record.json", b"{}")
    world.put("catalogue", "local/a/images/a.jpg", photo(80))
    store.asked.clear()  # the uploads themselves
    world.run()
    catalogue = Counter(store.asked)
    world.put("queries", "local/local/q/a.jpg", photo(90))
    store.asked.clear()
    world.run()
    return catalogue, Counter(store.asked)


def photo(side: int) -> bytes:
    """A bright square on black."""
    picture, buffer = Image.new("RGB", (320, 320)), io.BytesIO()
    picture.paste("white", (side, side, 2 * side, 2 * side))
    picture.save(buffer, "JPEG")
    return buffer.getvalue()


def shown(asked: Counter[str]) -> str:
    """The counts in words."""
    return f"{sum(asked.values())} ({', '.join(f'{count} {name.upper()}' for name, count in asked.most_common())})"
