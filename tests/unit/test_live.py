"""Which model is live, and the moment after it was changed."""

from __future__ import annotations

import pytest

from functions import live
from functions.adapters.memory import MemoryStore
from functions.live import LiveModel


@pytest.mark.parametrize(("age", "waits"), [(0.0, [6.0]), (2.0, [4.0]), (-30.0, [6.0]), (5.5, []), (4000.0, [])])
def test_a_switch_is_waited_for_until_every_process_has_seen_it(age: float, waits: list[float]) -> None:
    """Also where the store's clock is ahead; one that was long ago is not."""
    store = MemoryStore("state")
    live.write(store, "state", LiveModel(model="m", fingerprint="f" * 64, preprocessing="p"))
    info = store.head("state", live.KEY)
    assert info is not None
    waited: list[float] = []
    live.settle(store, "state", now=info.modified + age, wait=waited.append)
    assert waited == pytest.approx(waits)


def test_where_no_model_is_live_there_is_nothing_to_wait_for() -> None:
    """The next step says so."""
    live.settle(MemoryStore("state"), "state", wait=lambda _: pytest.fail("it waits"))
