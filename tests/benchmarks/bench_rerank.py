"""What re-rank costs: ``pytest -s tests/benchmarks/bench_rerank.py``. Photographs of the demo; the store is in memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from functions.adapters.memory import MemoryStore
from functions.search.verification import Verifier
from functions.verify.features import describe, key_of, pack
from functions.verify.match import match
from functions.verify.order import TOP
from infra.engine.wheels import cache_folder
from tests.unit.test_search_verification import query
from tests.unit.test_verify import hit, on_a_wall

ROUNDS = 15
PHOTOS = cache_folder() / "demo" / "images"


def median_ms(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """The median of some calls, in milliseconds."""
    taken = []
    for _ in range(ROUNDS):
        started = clock()
        call()
        taken.append((clock() - started) * 1000)
    return statistics.median(taken)


def photographs() -> list[Path]:
    """Twenty of the largest, which have the most to see."""
    if not PHOTOS.is_dir():
        pytest.skip(f"{PHOTOS} is missing: make demo builds it")
    return sorted(PHOTOS.iterdir(), key=lambda file: -file.stat().st_size)[:TOP]


def test_twenty_candidates_are_compared_within_the_limit() -> None:
    """Nothing read before, two threads; beside it one thread that only matches."""
    pictures = [Image.open(file).convert("RGB") for file in photographs()]
    wall = on_a_wall(pictures[-1], (300, 150, 360, 270))
    asked, known = describe(wall), [describe(picture) for picture in pictures]
    store = MemoryStore("derived")
    store.put("derived", key_of("query"), pack(asked), content_type="x/y")
    hits = []
    for number, features in enumerate(known):
        store.put("derived", key_of(str(number)), pack(features), content_type="x/y")
        hits.append(hit(str(number), 1 - number / 100))

    whole = median_ms(lambda: Verifier(store, "derived")(query(), hits))
    bare = median_ms(lambda: [match(asked, one) for one in known])
    sizes = [len(pack(one)) / 1000 for one in known]
    spent = median_ms(lambda: describe(wall), time.thread_time)
    print(
        f"\n20 candidates {whole:.1f} ms, bare matching {bare:.1f} ms, ratio {whole / bare:.2f}; "
        f"{statistics.mean(sizes):.0f} kB a photo; {spent:.1f} ms of CPU to describe one"
    )
    assert Verifier(store, "derived")(query(), hits)[0][0].row.object_id == str(TOP - 1)
