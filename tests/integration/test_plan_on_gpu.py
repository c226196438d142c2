"""What only a GPU can show: a real plan, its parity, and its speed beside PyTorch's. Skipped where there is no ``nvidia-smi``."""

from __future__ import annotations

import importlib
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from infra.engine.errors import BuildError
from infra.engine.plan import __main__ as command
from infra.engine.plan import compiler, making, parity
from infra.engine.plan.compiler import Profile
from infra.engine.plan.making import Gpu
from infra.engine.plan.parity import run
from infra.engine.plan.report import rendered
from infra.engine.plan.shelf import Shelf
from tests.fixtures.graphs import Referred


def answers() -> bool:
    """Whether ``nvidia-smi`` lists a GPU: it may be installed where there is none."""
    try:
        return subprocess.run(["nvidia-smi", "-L"], check=False, capture_output=True, timeout=30).stdout.startswith(b"GPU ")
    except (OSError, subprocess.TimeoutExpired):
        return False


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not answers(), reason="no GPU here: nvidia-smi lists none"),  # before the reference is computed
]


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    """This machine's. Not ``missing``: that CI has no GPU is no mistake."""
    try:
        compiler.compute_capability()
    except BuildError as error:
        pytest.skip(str(error))
    return command.this_machine()


def test_a_real_plan_agrees_and_is_reported(
    gpu: Gpu, referred: Referred, parity_pictures: NDArray[np.uint8], tmp_path: Path
) -> None:  # fmt: skip
    """Layers, milliseconds and memory of each; kept among those that may serve."""
    profile = Profile(largest=referred.spec.max_batch)
    made = gpu.compiled(making.graph_of(referred.spec, referred.onnx), profile, b"")
    with gpu.loaded(made.plan, profile) as engine:
        found = parity.compare(referred.outputs, run(engine, parity_pictures, profile.largest), real=64)
        text = rendered(engine.layers(), [engine.timing(size) for size in making.sizes(profile.largest)], engine.device_bytes)
    print(found, text, sep="\n")
    assert found.faults == []
    assert Shelf(tmp_path).put(made, making.identity_of(referred.spec, "0" * 64, gpu), found, text).parent.name == "plans"


@pytest.mark.filterwarnings("ignore")  # PyTorch's own
def test_tensorrt_is_faster_than_pytorch_and_as_right(
    gpu: Gpu, referred: Referred, parity_pictures: NDArray[np.uint8]
) -> None:  # fmt: skip
    """TensorRT in float16, PyTorch eager in float32 and ``torch.compile`` in float16, in one run, on the same batch.

    PyTorch gets the model from ``onnx2torch``, which makes a module of the very graph that TensorRT is given.
    """
    try:
        torch, convert = importlib.import_module("torch"), importlib.import_module("onnx2torch").convert
    except ModuleNotFoundError as error:
        pytest.fail(f"{error}: on a machine with a GPU install the extra: pip install -e .[gpu]")
    largest = referred.spec.max_batch
    profile, batch = Profile(largest=largest), parity_pictures[:largest]
    pixels = torch.from_numpy(batch).cuda()
    eager = convert(onnx.load_from_string(referred.onnx)).eval().cuda()
    fast = torch.compile(eager)
    made = gpu.compiled(making.graph_of(referred.spec, referred.onnx), profile, b"")
    with torch.inference_mode(), gpu.loaded(made.plan, profile) as engine:
        seen = {"eager": first(eager(pixels)), "tensorrt": engine(batch)["embedding"]}
        spent = {"eager": milliseconds(torch, lambda: eager(pixels)), "tensorrt": engine.timing(largest).milliseconds}
        with torch.autocast("cuda", torch.float16):
            seen["compiled"] = first(fast(pixels))
            spent["compiled"] = milliseconds(torch, lambda: fast(pixels))
    print({name: f"{value:.2f} ms" for name, value in spent.items()})
    wanted = referred.outputs["embedding"][:largest]
    assert {name: (wanted * found).sum(axis=1).min() >= parity.MIN_COSINE for name, found in seen.items()} == dict.fromkeys(
        seen, True
    )
    assert spent["tensorrt"] < min(spent["eager"], spent["compiled"])


def first(answer: Any) -> NDArray[np.float32]:
    """The vectors, the first output."""
    vectors = answer[0] if isinstance(answer, tuple | list) else answer
    return np.asarray(vectors.float().cpu().numpy())


def milliseconds(torch: Any, call: Callable[[], Any]) -> float:
    """Median of 50 runs, after ten that warm up."""
    spent = []
    for _ in range(60):
        started = time.perf_counter()
        call()
        torch.cuda.synchronize()
        spent.append((time.perf_counter() - started) * 1000)
    return statistics.median(spent[10:])


def test_the_python_modules_that_a_gpu_needs_are_those_of_the_extra(gpu: Gpu) -> None:
    """Of the major version that Triton's image reads."""
    assert gpu.tensorrt.split(".")[0] == str(compiler.MAJOR)
    assert importlib.import_module("cuda.bindings.runtime")
