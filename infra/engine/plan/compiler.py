"""TensorRT's builder: a typed graph becomes a plan.

Two flavours share these calls. ``tensorrt`` is what Triton's image carries, and needs the GPU that will serve. ``tensorrt-rtx``
compiles without a GPU, which is how a CPU proves that TensorRT's own parser and compiler take the graph; its plans serve nothing
here.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Literal

from infra.engine.errors import BuildError

Flavour = Literal["tensorrt", "tensorrt-rtx"]
MODULES: dict[Flavour, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx_bindings"}
MAJOR = 10
"""Of the Triton image that the chart runs on GPUs (25.10, TensorRT 10.13), which reads no plan of another major version."""
WORKSPACE = 2 << 30
"""Bytes that a tactic may take while it is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The batches that a plan takes: 1 to ``largest``, tuned for ``largest``."""

    largest: int
    input: str = "pixels"
    shape: tuple[int, ...] = (224, 224, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A plan, and what the next build of the same GPU saves time with."""

    plan: bytes
    timing_cache: bytes
    layers: int
    """Of the network, before the compiler fuses them."""


def load(flavour: Flavour = "tensorrt") -> Any:
    """TensorRT's Python module. Raises ``BuildError`` where it is not installed, or of another major version."""
    try:
        module = importlib.import_module(MODULES[flavour])
    except ImportError as error:
        cure = f"pip install 'tensorrt=={MAJOR}.*' (the extra `gpu`)" if flavour == "tensorrt" else "run `make setup-dev`"
        raise BuildError(f"{flavour} is not installed ({error}): {cure}") from None
    if flavour == "tensorrt":
        check_version(str(module.__version__))
    return module


def check_version(version: str) -> None:
    """Raise ``BuildError`` unless it is the major version that Triton's image reads."""
    if version.partition(".")[0] != str(MAJOR):
        raise BuildError(
            f"Triton's image reads plans of TensorRT {MAJOR}, installed is {version}: build inside that image, "
            f"or pip install 'tensorrt=={MAJOR}.*'"
        )


def compute_capability() -> str:
    """That of this machine's first GPU, such as ``8.6``. Raises ``BuildError`` where there is none."""
    if shutil.which("nvidia-smi") is None:
        raise BuildError("no GPU here (no nvidia-smi): a plan is built on the GPU that serves it; on a CPU ONNX serves")
    argv = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    answer = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)
    lines = answer.stdout.split()
    if answer.returncode or not lines:
        raise BuildError(f"nvidia-smi names no GPU: {(answer.stderr or answer.stdout).strip()[:200]}")
    return lines[0]


def compiled(trt: Any, onnx: bytes, profile: Profile, *, timing_cache: bytes | None = None) -> Compiled:
    """Parse and compile. Raises ``BuildError`` with TensorRT's own words.

    ``timing_cache``: of an earlier build, perhaps empty; ``None`` for the RTX flavour, which measures nothing.
    """
    log = _log(trt)
    builder = trt.Builder(log)
    flags = trt.NetworkDefinitionCreationFlag
    network = builder.create_network(1 << int(flags.STRONGLY_TYPED) if hasattr(flags, "STRONGLY_TYPED") else 0)
    parser = trt.OnnxParser(network, log)
    if not parser.parse(onnx):
        told = "; ".join(str(parser.get_error(number)) for number in range(parser.num_errors))
        raise BuildError(f"TensorRT cannot read the graph: {told or log.last}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    shapes = builder.create_optimization_profile()
    largest = (profile.largest, *profile.shape)
    shapes.set_shape(profile.input, (1, *profile.shape), largest, largest)
    config.add_optimization_profile(shapes)
    if timing_cache is not None:  # one of another GPU or version is ignored
        config.set_timing_cache(config.create_timing_cache(timing_cache), ignore_mismatch=True)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BuildError(f"TensorRT cannot compile the graph: {log.last or 'it does not say why'}")
    measured = b"" if timing_cache is None else bytes(config.get_timing_cache().serialize())
    return Compiled(plan=bytes(plan), timing_cache=measured, layers=int(network.num_layers))


def _log(trt: Any) -> Any:
    """TensorRT's logger, silent, with the last error remembered."""

    class Log(trt.ILogger):  # type: ignore[misc]  # its base is known when TensorRT is loaded
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.last = message[:500]

    return Log()
