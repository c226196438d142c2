"""A model's plan: built, compared, kept, laid out for Triton. Where none agrees, ONNX serves under the same name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from functions.pixels import SIZE
from infra.engine import build, forms, spec
from infra.engine.plan import parity
from infra.engine.plan.compiler import Compiled, Profile
from infra.engine.plan.parity import Outputs, Parity, Run
from infra.engine.plan.report import Layer, Timing, rendered
from infra.engine.plan.runners import onnx_on_cpu
from infra.engine.plan.shelf import Identity, Shelf
from infra.engine.plan.typed import typed
from infra.engine.spec import Spec


class Loaded(Protocol):
    """A plan that runs: ``infra.engine.plan.runners.Engine``."""

    def __call__(self, pixels: NDArray[np.uint8]) -> Outputs:
        """Run a batch."""

    def layers(self) -> list[Layer]:
        """What it consists of."""

    def timing(self, batch: int) -> Timing:
        """How long a batch takes."""

    @property
    def device_bytes(self) -> int:
        """Memory that a run takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """The machine that builds and serves."""

    tensorrt: str
    """Version."""
    compute_capability: str
    compiled: Callable[[bytes, Profile, bytes], Compiled]
    """Graph, profile and timing cache → plan."""
    loaded: Callable[[bytes, Profile], AbstractContextManager[Loaded]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of a build. Where ``parity`` is ``None`` the plan was there already."""

    folder: Path
    parity: Parity | None
    report: str

    @property
    def faults(self) -> list[str]:
        """Why it does not serve; empty where it does."""
        return self.parity.faults if self.parity else []


def described(word: str) -> Spec:
    """The model of a name, a tier or a folder. Raises ``BuildError`` with what there is."""
    folder = Path(word)
    return spec.read(folder) if (folder / spec.FILE).is_file() else spec.chosen(word)


def graph_of(model: Spec, onnx_bytes: bytes) -> bytes:
    """What TensorRT is given: the graph in the precision of its ``model.toml``. Raises ``BuildError``."""
    if model.tensorrt.precision == "fp32":
        return onnx_bytes
    return bytes(typed(onnx.load_from_string(onnx_bytes), model.tensorrt.fp32).SerializeToString())


def identity_of(model: Spec, onnx_sha256: str, gpu: Gpu) -> Identity:
    """All that the plan of this machine depends on."""
    return Identity(
        onnx_sha256=onnx_sha256,
        tensorrt=gpu.tensorrt,
        compute_capability=gpu.compute_capability,
        largest=model.max_batch,
        precision=model.tensorrt.precision,
        fp32=model.tensorrt.fp32,
    )


def make(model: Spec, built: Path, target: Path, gpu: Gpu, plans: Shelf, pictures: NDArray[np.uint8]) -> Made:
    """Build unless it is kept already, compare, keep, and lay out below ``target`` what may serve.

    ``built``: the model's folder with its ONNX. ``pictures``: real ones, uint8 (n, 224, 224, 3). Raises ``BuildError`` where
    nothing can be built or laid out; what was served before is then untouched.
    """
    about = build.read(built)
    file = build.checked(built, build.WHOLE, about)
    wanted = identity_of(model, about.onnx_sha256, gpu)
    if known := plans.found(wanted):
        made = Made(folder=known.parent, parity=None, report="already built\n")
    else:
        made = _built(model, file.read_bytes(), wanted, gpu, plans, pictures)
    if made.faults:
        forms.assemble(built, target, form="onnxruntime")
    else:
        forms.assemble(built, target, form="plan", plans=plans.siblings(wanted))
    return made


def _built(model: Spec, body: bytes, wanted: Identity, gpu: Gpu, plans: Shelf, pictures: NDArray[np.uint8]) -> Made:
    """A plan that is new, compared and kept."""
    profile = Profile(largest=model.max_batch)
    compiled = gpu.compiled(graph_of(model, body), profile, plans.timing_cache(wanted))
    reference: Run = onnx_on_cpu(body)
    with gpu.loaded(compiled.plan, profile) as engine:
        found = parity.measured(reference, engine, pictures, parity.hard_pictures(SIZE), batch=model.max_batch)
        report = rendered(engine.layers(), [engine.timing(size) for size in sizes(model.max_batch)], engine.device_bytes)
    return Made(folder=plans.put(compiled, wanted, found, report), parity=found, report=report)


def sizes(largest: int) -> list[int]:
    """Batches that are timed: powers of two, and the largest."""
    return sorted({*(1 << power for power in range(largest.bit_length())), largest})
