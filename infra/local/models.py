"""Which models there are, which one is live, and the change from one to another without a gap."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from functions import live, outcome
from functions.adapters.triton import version_of
from functions.errors import Unavailable
from functions.live import LiveModel
from functions.pixels import SIZE
from functions.ports import Encoder, ObjectStore, VectorIndex
from infra.engine import build, forms
from infra.engine.build import Model
from infra.engine.errors import BuildError
from infra.engine.spec import Spec

if TYPE_CHECKING:
    from infra.local.stack import Stack

Say = Callable[[str], None]
GREY = 127
"""Of the picture that a model has to answer before it is made live."""
GRACE = live.MAX_AGE + 1
"""Seconds that the model before stays loaded: a process may ask for it until it reads again which one is live."""


class SwitchError(RuntimeError):
    """A model that is not made live; the message says why, and what to do."""


class Server(Protocol):
    """What runs models. Raises ``Unavailable`` where it does not answer, or cannot load."""

    def serves(self, model: str, fingerprint: str) -> bool:
        """Whether a request for this fingerprint would be answered."""

    def load(self, model: str) -> None:
        """Load what the repository has of a model."""

    def unload(self, model: str) -> None:
        """Let a model go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InProcess:
    """Functions that run models themselves, without a server: what is in the repository is served."""

    repository: Path

    def serves(self, model: str, fingerprint: str) -> bool:
        """See :class:`Server`."""
        return (self.repository / model / version_of(fingerprint)).is_dir()

    def load(self, model: str) -> None:
        """See :class:`Server`."""

    def unload(self, model: str) -> None:
        """See :class:`Server`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where models serve."""

    store: ObjectStore
    state: str
    """The bucket with the live model and the outcomes."""
    rows: VectorIndex
    server: Server
    repository: Path | None
    """What the server reads; ``None`` where it is somebody else's."""
    encoder: Callable[[str], Encoder]
    """A client of the model of a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model in ``museum models list``. ``served``, ``live`` and ``vectors`` are ``None`` where no stack is up."""

    name: str
    tier: str
    fingerprint: str | None
    """``None`` where it is not built."""
    note: str
    """Why it cannot be built."""
    served: bool | None = None
    live: bool | None = None
    vectors: int | None = None
    """Rows of its collection: one or two a photo."""


def site_of(stack: Stack) -> Site:
    """Of a stack that is up."""
    from functions.adapters.encoders import encoder_of
    from functions.adapters.milvus import MilvusIndex
    from functions.adapters.s3 import S3Store
    from functions.adapters.triton import TritonModels

    settings = stack.settings()
    inside = settings.museum_encoder == "onnx"
    own = inside or "MUSEUM_TRITON_URL" not in stack.state.external
    return Site(
        store=S3Store(settings),
        state=settings.museum_bucket_state,
        rows=MilvusIndex(settings.museum_milvus_uri, token=settings.museum_milvus_token),
        server=InProcess(repository=stack.repository) if inside else TritonModels(settings.museum_triton_url),
        repository=stack.repository if own else None,
        encoder=lambda model: encoder_of(settings, model),
    )


def entry(spec: Spec, cache: Path, site: Site | None = None) -> Entry:
    """What is known of a model."""
    try:
        folder = build.folder_of(spec, cache)
        fingerprint = build.read(folder).fingerprint if (folder / build.NOTE).exists() else None
        note = ""
    except BuildError as error:
        fingerprint, note = None, str(error)
    if site is None or fingerprint is None:
        unknown = None if site is None else False
        return Entry(name=spec.name, tier=spec.tier, fingerprint=fingerprint, note=note, served=unknown, live=unknown)
    return Entry(
        name=spec.name,
        tier=spec.tier,
        fingerprint=fingerprint,
        note=note,
        served=site.server.serves(spec.name, fingerprint),
        live=live.read(site.store, site.state).fingerprint == fingerprint,
        vectors=site.rows.count(fingerprint),
    )


def alive(model: Model) -> LiveModel:
    """A built model as the object that makes it live."""
    return LiveModel(model=model.name, fingerprint=model.fingerprint, preprocessing=model.preprocessing, saliency=model.saliency)


def refused(store: ObjectStore, state: str, rows: VectorIndex, wanted: LiveModel) -> str | None:
    """Why a model must not be made live, or ``None``: searches would find nothing of a catalogue that other vectors describe."""
    if store.get(state, live.KEY) is None:
        return None
    before = live.read(store, state)
    if before.fingerprint == wanted.fingerprint or rows.count(wanted.fingerprint):
        return None
    if next(store.list(state, outcome.PREFIX), None) is None:
        return None
    return (
        f"the catalogue was embedded by {before.model} {before.fingerprint[:12]} and has no vector of "
        f"{wanted.model} {wanted.fingerprint[:12]}: `museum up --detach --state NEW --model {wanted.model}` and then "
        "`museum import … --state NEW` fill its collection beside this one; made live all the same, `museum reconcile "
        "--rebuild` embeds the catalogue anew, and until then searches find what is done"
    )


def activate(
    built: Path, site: Site, say: Say, *, note: Callable[[str], None], wait: Callable[[float], None] = time.sleep
) -> None:
    """Make a built model the live one: load it beside the one before, see it answer, write the live object, let the other go.

    ``note`` is told the name of the model that the next start serves. Raises ``SwitchError`` where it would leave searches
    without a catalogue or does not serve, ``BuildError``, ``Unavailable``; then the one before goes on as it was.
    """
    model = build.read(built)
    before, after = live.read(site.store, site.state), alive(model)
    if reason := refused(site.store, site.state, site.rows, after):
        raise SwitchError(reason)
    started = time.monotonic()
    try:
        _load(built, model, before, site)
        site.encoder(model.name).encode(np.full((1, SIZE, SIZE, 3), GREY, np.uint8), fingerprint=model.fingerprint)
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(Unavailable):  # a server that is down starts with the one before: that alone lies there now
            _leave(before, after, site)
        raise
    say(f"{model.name} {model.fingerprint[:12]} serves after {time.monotonic() - started:.1f} s")
    live.write(site.store, site.state, after)
    note(model.name)
    say(f"it is live, with {site.rows.count(model.fingerprint)} vectors")
    if before.fingerprint != after.fingerprint:
        wait(GRACE)
        _leave(after, before, site)
        say(f"{before.model} {before.fingerprint[:12]} is unloaded; `museum models activate {before.model}` goes back")


def _load(built: Path, model: Model, before: LiveModel, site: Site) -> None:
    """Serve a model beside the one before."""
    if site.repository is not None:
        beside = [before.fingerprint] if before.model == model.name else []
        forms.assemble(built, site.repository, beside=beside)
        site.server.load(model.name)
    if not site.server.serves(model.name, model.fingerprint):
        raise SwitchError(
            f"Triton serves no {model.name} {model.fingerprint[:12]}: a Triton that is not the stack's own loads it first"
        )


def _leave(stays: LiveModel, goes: LiveModel, site: Site) -> None:
    """Serve one of two models alone, also after a restart."""
    if site.repository is None or stays.fingerprint == goes.fingerprint:
        return
    folder = site.repository / stays.model / version_of(stays.fingerprint)
    forms.alone(site.repository, build.read(folder))
    if goes.model != stays.model:
        site.server.unload(goes.model)
    else:
        site.server.load(stays.model)
