"""How a model is run so that it can be compared: ONNX Runtime on the CPU, a plan on the GPU."""

from __future__ import annotations

import importlib
import statistics
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.engine.errors import BuildError
from infra.engine.plan.compiler import Profile
from infra.engine.plan.parity import Outputs, Run
from infra.engine.plan.report import Layer, Timing, layers_of

ROUNDS = 50
"""Runs of each batch size that a timing is the median of, after ten that warm up."""
WARM_UP = 10


def onnx_on_cpu(model: bytes) -> Run:
    """The graph as ONNX Runtime runs it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(pixels: NDArray[np.uint8]) -> Outputs:
        return dict(zip(names, session.run(names, {"pixels": pixels}), strict=True))

    return run


def cuda() -> Any:
    """CUDA's runtime calls. Raises ``BuildError`` where its Python module is not installed."""
    try:
        return importlib.import_module("cuda.bindings.runtime")
    except ImportError as error:
        raise BuildError(f"cuda-python is not installed ({error}): pip install cuda-python (the extra `gpu`)") from None


class Engine:
    """A plan on this machine's GPU, with buffers for its largest batch. A context manager: the buffers are given back.

    ``trt``, ``cuda``: their Python modules. Raises ``BuildError`` in TensorRT's or CUDA's words, with nothing left on the GPU.
    """

    def __init__(self, trt: Any, cuda: Any, plan: bytes, profile: Profile) -> None:
        self._trt, self._cuda, self._profile = trt, cuda, profile
        self._log = trt.Logger(trt.Logger.ERROR)
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise BuildError("TensorRT does not read the plan: it was built by another version or for another GPU; build it here")
        self._context = self._engine.create_execution_context()
        self._shape(profile.largest)
        with ExitStack() as owned:
            self._stream = self._done(cuda.cudaStreamCreate())
            owned.callback(lambda: self._done(cuda.cudaStreamDestroy(self._stream)))
            self._buffers = {name: self._buffer(name, owned) for name in self._names()}
            self._owned = owned.pop_all()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._owned.close()

    def __call__(self, pixels: NDArray[np.uint8]) -> Outputs:
        """Run a batch."""
        self._upload(pixels)
        self._execute()
        copy = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        found = {name: self._empty(name) for name in self._names() if name != self._profile.input}
        for name, values in found.items():
            self._done(self._cuda.cudaMemcpy(values.ctypes.data, self._buffers[name], values.nbytes, copy))
        return found

    def timing(self, batch: int) -> Timing:
        """Median milliseconds of a run without the copies, as Triton overlaps these."""
        self._upload(np.zeros((batch, *self._profile.shape), np.uint8))
        spent = []
        for _ in range(WARM_UP + ROUNDS):
            started = time.perf_counter()
            self._execute()
            spent.append((time.perf_counter() - started) * 1000)
        return Timing(batch=batch, milliseconds=statistics.median(spent[WARM_UP:]))

    def layers(self) -> list[Layer]:
        """What TensorRT made of the graph."""
        inspector = self._engine.create_engine_inspector()
        return layers_of(inspector.get_engine_information(self._trt.LayerInformationFormat.JSON))

    @property
    def device_bytes(self) -> int:
        """Memory that a run takes beside the weights."""
        return int(self._engine.device_memory_size_v2)

    def _names(self) -> list[str]:
        return [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]

    def _empty(self, name: str) -> NDArray[Any]:
        return np.empty(tuple(self._context.get_tensor_shape(name)), self._trt.nptype(self._engine.get_tensor_dtype(name)))

    def _buffer(self, name: str, owned: ExitStack) -> Any:
        """Memory of the GPU for a tensor of the largest batch."""
        address = self._done(self._cuda.cudaMalloc(self._empty(name).nbytes))
        owned.callback(lambda: self._done(self._cuda.cudaFree(address)))
        self._context.set_tensor_address(name, int(address))
        return address

    def _shape(self, batch: int) -> None:
        if not self._context.set_input_shape(self._profile.input, (batch, *self._profile.shape)):
            raise BuildError(f"the plan takes no batch of {batch}: expected 1 to {self._profile.largest}")

    def _upload(self, pixels: NDArray[np.uint8]) -> None:
        pixels = np.ascontiguousarray(pixels)
        self._shape(len(pixels))
        copy = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._done(self._cuda.cudaMemcpy(self._buffers[self._profile.input], pixels.ctypes.data, pixels.nbytes, copy))

    def _execute(self) -> None:
        if not self._context.execute_async_v3(int(self._stream)):
            raise BuildError("TensorRT did not run the batch")
        self._done(self._cuda.cudaStreamSynchronize(self._stream))

    def _done(self, answer: Any) -> Any:
        """The value of a CUDA call. Raises ``BuildError`` where it failed."""
        status, *values = answer if isinstance(answer, tuple) else (answer,)
        if int(status) != 0:
            raise BuildError(f"CUDA failed with {status}")
        return values[0] if values else None
