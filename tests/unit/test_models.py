"""The change from one model to another: what is refused, in which order it happens, and what a failure leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from functions import live, outcome
from functions.adapters.memory import MemoryIndex, MemoryStore
from functions.adapters.triton import version_of
from functions.cli import models as commands
from functions.errors import Unavailable
from functions.events import Lane
from functions.live import LiveModel
from functions.ports import IndexRow, Pixels, Saliency, Vectors
from infra import prepare
from infra.engine import build, forms, spec, wheels
from infra.engine.build import Model
from infra.engine.errors import BuildError
from infra.local import models
from infra.local.models import Site, SwitchError
from tests.fixtures.triton import small_model

STATE = "state"
Serve = Callable[[Path], Model]


@dataclass
class Server:
    """A server that loads what the repository's configuration names, as Triton does, and remembers what it was told."""

    repository: Path
    broken: str = ""
    loaded: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def serves(self, model: str, fingerprint: str) -> bool:
        """By the version in the configuration that was loaded."""
        return version_of(fingerprint) in self.loaded.get(model, "")

    def load(self, model: str) -> None:
        """Read the configuration."""
        self.told.append(f"load {model}")
        if model == self.broken:
            raise Unavailable("triton", "failed to load")
        text = (self.repository / model / "config.pbtxt").read_text()
        self.loaded[model] = text[text.index("versions:") : text.index("] } }")]

    def unload(self, model: str) -> None:
        """Forget it."""
        self.told.append(f"unload {model}")
        if self.loaded.pop(model, None) is None:
            raise Unavailable("triton", f"{model} is not loaded")


@dataclass
class Answers:
    """An encoder of a model that is served, or does not answer."""

    fails: bool = False

    def encode(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> Vectors:
        """Unit vectors."""
        if self.fails:
            raise Unavailable("triton", "no answer")
        return np.eye(len(pixels), 8, dtype=np.float32)

    def encode_with_saliency(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> tuple[Vectors, Saliency]:
        """Not asked for."""
        raise NotImplementedError


@dataclass
class World:
    """A site in memory with the model ``old`` live and served."""

    site: Site
    server: Server
    encoder: Answers
    old: Model
    folder: Path
    said: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    next: list[str] = field(default_factory=list)

    def built(self, name: str, preprocessing: str = "other") -> Path:
        """Another built model."""
        return small_model(self.folder / f"{name}-{preprocessing}", preprocessing, name)

    def activate(self, built: Path) -> None:
        """The command."""

        def wait(seconds: float) -> None:
            self.waited.append(seconds)
            assert self.server.serves(self.old.name, self.old.fingerprint), "unloaded while a process may still ask for it"
            assert self.live == build.read(built).fingerprint

        models.activate(built, self.site, self.said.append, note=self.next.append, wait=wait)

    @property
    def live(self) -> str:
        """The live fingerprint."""
        return live.read(self.site.store, STATE).fingerprint

    @property
    def restarted(self) -> dict[str, list[str]]:
        """What a Triton that starts anew would load: every folder with its versions."""
        return {
            folder.name: sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
            for folder in self.server.repository.iterdir()
        }

    def catalogue(self) -> None:
        """A photo that was indexed."""
        self.site.store.put(STATE, f"{outcome.PREFIX}aa/x.json", b"{}", content_type="application/json")

    def vector_of(self, model: Model) -> None:
        """A row in the collection of a model."""
        row = IndexRow(
            id="a", museum="m", object_id="o", class_code=0, public=True, status="active", bucket="b", key="k", version="v",
            view="full", sha256="", record_version="",
        )  # fmt: skip
        self.site.rows.upsert(model.fingerprint, [(row, np.eye(1, 8, dtype=np.float32)[0])])


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With an empty catalogue."""
    repository = tmp_path / "served"
    server, encoder = Server(repository), Answers()
    site = Site(
        store=MemoryStore(STATE), state=STATE, rows=MemoryIndex(), server=server, repository=repository, encoder=lambda _: encoder
    )
    old = forms.assemble(small_model(tmp_path / "old", "small", "old"), repository)
    server.load("old")
    server.told.clear()
    live.write(site.store, STATE, models.alive(old))
    return World(site, server, encoder, old, tmp_path)


def test_the_new_model_serves_before_it_is_live_and_the_old_one_until_nobody_asks_for_it(world: World) -> None:
    """Loaded beside, answered, made live, then six seconds, then the old one goes; a restart serves the new one alone."""
    built = world.built("new")
    new = build.read(built)
    world.activate(built)
    assert world.server.told == ["load new", "unload old"]
    assert world.waited == [models.GRACE]
    assert live.MAX_AGE < models.GRACE
    assert live.read(world.site.store, STATE) == models.alive(new)
    assert world.restarted == {"new": [version_of(new.fingerprint)]}
    assert world.next == ["new"]


def test_two_versions_of_one_model_are_served_side_by_side_during_the_switch(world: World) -> None:
    """Another whitening, say: the same name in Triton."""
    built = world.built("old")
    new = build.read(built)
    world.activate(built)
    assert world.server.told == ["load old", "load old"]
    assert not world.server.serves("old", world.old.fingerprint)
    assert world.restarted == {"old": [version_of(new.fingerprint)]}


def test_activating_the_one_before_goes_back(world: World) -> None:
    """It is loaded anew, and the other one goes."""
    world.activate(world.built("new"))
    models.activate(world.folder / "old", world.site, world.said.append, note=world.next.append, wait=world.waited.append)
    assert world.live == world.old.fingerprint
    assert world.restarted == {"old": [version_of(world.old.fingerprint)]}
    assert world.next == ["new", "old"]


def test_a_model_without_vectors_of_the_catalogue_is_refused_with_what_fills_it(world: World) -> None:
    """Nothing was loaded. With vectors, or without a catalogue, it is taken."""
    built = world.built("new")
    world.catalogue()
    with pytest.raises(SwitchError, match=r"has no vector of new .*museum up --detach --state NEW --model new.*museum import"):
        world.activate(built)
    assert (world.live, world.server.told) == (world.old.fingerprint, [])
    world.vector_of(build.read(built))
    world.activate(built)
    assert world.live == build.read(built).fingerprint


def test_a_model_that_does_not_load_leaves_the_one_before_as_it_was(world: World) -> None:
    """Also for a server that starts anew."""
    world.server.broken = "new"
    with pytest.raises(Unavailable, match="failed to load"):
        world.activate(world.built("new"))
    assert world.live == world.old.fingerprint
    assert world.server.serves("old", world.old.fingerprint)
    assert world.restarted == {"old": [version_of(world.old.fingerprint)]}
    assert world.next == []


@pytest.mark.parametrize("name", ["new", "old"])
def test_a_model_that_loads_and_does_not_answer_is_not_made_live(world: World, name: str) -> None:
    """Asked for one picture before the switch."""
    world.encoder.fails = True
    with pytest.raises(Unavailable, match="no answer"):
        world.activate(world.built(name))
    assert world.live == world.old.fingerprint
    assert world.server.serves("old", world.old.fingerprint)
    assert world.restarted == {"old": [version_of(world.old.fingerprint)]}


def test_the_live_model_may_be_activated_again(world: World) -> None:
    """Nothing is unloaded."""
    world.activate(world.folder / "old")
    assert world.server.told == ["load old"]
    assert world.waited == []


def test_a_server_of_somebody_else_is_asked_whether_it_serves_the_model(world: World) -> None:
    """Its repository is not ours to write."""
    site = Site(
        store=world.site.store,
        state=STATE,
        rows=world.site.rows,
        server=world.server,
        repository=None,
        encoder=world.site.encoder,
    )
    built = world.built("new")
    with pytest.raises(SwitchError, match=r"serves no new .*a Triton that is not the stack's own loads it first"):
        models.activate(built, site, world.said.append, note=world.next.append, wait=world.waited.append)
    forms.assemble(built, world.server.repository)
    world.server.load("new")
    models.activate(built, site, world.said.append, note=world.next.append, wait=world.waited.append)
    assert world.live == build.read(built).fingerprint
    assert world.server.serves("old", world.old.fingerprint)


def test_a_start_with_another_model_asks_the_same_question(world: World) -> None:
    """`museum up --model`: refused with the cure unless it is insisted on; without a live model it is the first."""
    store, rows, new = world.site.store, world.site.rows, models.alive(build.read(world.built("new")))
    world.catalogue()
    with pytest.raises(SystemExit, match=r"finds? what is done\. `museum up --activate` switches all the same"):
        prepare.switch(store, STATE, rows, new, activate=False)
    assert world.live == world.old.fingerprint
    prepare.switch(store, STATE, rows, new, activate=True)
    assert world.live == new.fingerprint
    empty = MemoryStore(STATE)
    prepare.switch(empty, STATE, rows, new, activate=False)
    assert live.read(empty, STATE) == LiveModel(model="new", fingerprint=new.fingerprint, preprocessing="other")


def test_a_list_without_a_stack_says_what_is_built_and_no_more(tmp_path: Path) -> None:
    """What only servers know is unknown, not false."""
    for one in spec.all_of().values():
        found = models.entry(one, tmp_path)
        assert (found.fingerprint, found.served, found.live, found.vectors) == (None, None, None, None)


def test_the_list_says_which_model_is_served_and_live_and_how_many_vectors_it_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a stack that is up; what is not built is neither."""
    (quality, *_) = spec.all_of().values()
    monkeypatch.setattr(build, "folder_of", lambda one, _: world.folder / one.name)
    assert models.entry(quality, world.folder, world.site).live is False
    built = small_model(world.folder / quality.name, "other", quality.name)
    model = build.read(built)
    world.vector_of(model)
    found = models.entry(quality, world.folder, world.site)
    assert (found.fingerprint, found.served, found.live, found.vectors) == (model.fingerprint, False, False, 1)
    world.activate(built)
    found = models.entry(quality, world.folder, world.site)
    assert (found.served, found.live) == (True, True)


def test_the_build_command_builds_the_others_where_one_cannot_be_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It says what it did, on stderr beside the data, and fails in the end."""
    made = {"dinov2-focus": small_model(tmp_path / "made", "small", "dinov2-focus")}

    def built(one: spec.Spec, _: Path) -> Path:
        if one.name not in made:
            raise BuildError("whitening.npz is not there")
        return made[one.name]

    monkeypatch.setattr(build, "build", built)
    monkeypatch.setattr(build, "folder_of", built)
    monkeypatch.setattr(wheels, "cache_folder", lambda: tmp_path)
    answer = CliRunner().invoke(commands.models_command, ["build", "--json"])
    assert answer.exit_code == 1
    (row,) = json.loads(answer.stdout)
    assert row == {
        "name": "dinov2-focus", "tier": "quality", "fingerprint": build.read(made["dinov2-focus"]).fingerprint,
        "built_now": False, "folder": str(made["dinov2-focus"]),
    }  # fmt: skip
    assert "dinov2-focus (quality): already built, 256 values" in answer.stderr
    assert "efficientnet-lite0: whitening.npz is not there" in answer.stderr
    assert "not built: dinov2-focus-int8, efficientnet-lite0" in answer.stderr


def test_a_model_that_is_not_there_is_named_with_those_that_are() -> None:
    """By the build command."""
    answer = CliRunner().invoke(commands.models_command, ["build", "slow"])
    assert answer.exit_code == 1
    assert "there are dinov2-focus (quality)" in answer.stderr
