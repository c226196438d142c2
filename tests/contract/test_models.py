"""The change from one model to another in a running Triton, while pictures are embedded."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from functions import live
from functions.adapters.memory import MemoryIndex, MemoryStore
from functions.adapters.triton import TritonEncoder, TritonModels
from functions.errors import Unavailable
from functions.pixels import SIZE
from infra.engine import build, forms
from infra.engine.wheels import sha256_of
from infra.local import models
from infra.local.models import Site
from infra.local.part import free_port, running
from tests.fixtures.stack import wait_for
from tests.fixtures.triton import small_model, triton_part

STATE = "state"


class Visitor:
    """Somebody who goes on asking the live model for vectors, and remembers whom he asked."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._turn = threading.Condition()
        self._rounds = 0
        self.ended = threading.Event()
        self.asked: list[str] = []

    def ask(self) -> None:
        """Until it is enough. Raises whatever stands between him and a vector."""
        photo = np.full((1, SIZE, SIZE, 3), 7, np.uint8)
        while not self.ended.is_set():
            model = live.read(self._site.store, STATE)
            self._site.encoder(model.model).encode(photo, fingerprint=model.fingerprint)
            self.asked.append(model.fingerprint)
            with self._turn:
                self._rounds += 1
                self._turn.notify_all()

    def round(self, _: float = 0) -> None:
        """Wait until he has read the live model again, and was answered: in place of the seconds that processes are given."""
        with self._turn:
            goal = self._rounds + 2
            assert self._turn.wait_for(lambda: self._rounds >= goal, timeout=20)


@pytest.mark.parametrize("name", ["new", "old"])
def test_nobody_waits_for_or_misses_a_vector_while_the_model_is_changed_and_changed_back(tmp_path: Path, name: str) -> None:
    """Another model, and another version of the same: no request fails, and each is answered by the model that it names."""
    repository, port = tmp_path / "served", free_port()
    old = forms.assemble(first := small_model(tmp_path / "first", "first", "old"), repository)
    second = small_model(tmp_path / "second", "second", name)
    url = f"127.0.0.1:{port}"
    encoders = {model: TritonEncoder(url, model) for model in ("old", "new")}
    with running(triton_part(tmp_path, repository, port, "old")), ThreadPoolExecutor(1) as pool:
        site = Site(
            store=MemoryStore(STATE), state=STATE, rows=MemoryIndex(), server=TritonModels(url), repository=repository,
            encoder=lambda model: encoders[model],
        )  # fmt: skip
        live.write(site.store, STATE, models.alive(old))
        visitor = Visitor(site)
        asking = pool.submit(visitor.ask)
        try:
            visitor.round()
            for built in (second, first):
                models.activate(built, site, lambda _: None, note=lambda _: None, wait=visitor.round)
                visitor.round()
        finally:
            visitor.ended.set()
        asking.result()
        new = build.read(second)
        assert not site.server.serves(name, new.fingerprint)
        assert site.server.serves("old", old.fingerprint)
    changes = [at for at, before in zip(visitor.asked[1:], visitor.asked, strict=False) if at != before]
    assert changes == [new.fingerprint, old.fingerprint]


def test_a_model_that_triton_cannot_load_leaves_the_live_one_serving(tmp_path: Path) -> None:
    """The message has Triton's reason; the server serves the one before, also when it starts anew."""
    repository, port = tmp_path / "served", free_port()
    old = forms.assemble(small_model(tmp_path / "first", "first", "old"), repository)
    part, url = triton_part(tmp_path, repository, port, "old"), f"127.0.0.1:{port}"
    damaged = small_model(tmp_path / "second", "second", "new")
    (damaged / build.ENCODER).write_bytes(b"no graph")
    described = json.loads((damaged / build.NOTE).read_text())
    described["files"][build.ENCODER] = sha256_of(damaged / build.ENCODER)
    (damaged / build.NOTE).write_text(json.dumps(described))
    with running(part):
        site = Site(
            store=MemoryStore(STATE), state=STATE, rows=MemoryIndex(), server=TritonModels(url), repository=repository,
            encoder=lambda model: TritonEncoder(url, model),
        )  # fmt: skip
        live.write(site.store, STATE, models.alive(old))
        with pytest.raises(Unavailable, match="new"):
            models.activate(damaged, site, lambda _: None, note=lambda _: None)
        assert site.server.serves("old", old.fingerprint)
        assert live.read(site.store, STATE) == models.alive(old)
    with running(part):
        assert wait_for("the one before", lambda: served_again(url, old.fingerprint), seconds=10)


def served_again(url: str, fingerprint: str) -> bool | None:
    """Whether a server that was away serves a model; nothing while the client waits before it connects again, up to 1 s."""
    try:
        return TritonModels(url).serves("old", fingerprint)
    except Unavailable:
        return None


def test_a_triton_that_is_down_is_unavailable() -> None:
    """With its address."""
    url = f"127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=url):
        TritonModels(url).serves("model", "ab" * 32)
