"""A plan on the GPU: the bookkeeping of shapes, buffers and errors, with a TensorRT and a CUDA that are fakes in memory."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from infra.engine.errors import BuildError
from infra.engine.plan.compiler import Profile
from infra.engine.plan.runners import Engine

PROFILE = Profile(largest=4, shape=(2, 2, 3))


class Cuda:
    """Memory is host memory; ``room`` allocations fit."""

    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)  # noqa: N815  # CUDA's name

    def __init__(self, room: int = 9) -> None:
        self.room = room
        self.held: dict[int, Any] = {}
        self.streams = 0

    def cudaStreamCreate(self) -> tuple[int, int]:  # noqa: N802
        """One more."""
        self.streams += 1
        return 0, 7

    def cudaStreamDestroy(self, stream: int) -> tuple[int]:  # noqa: N802
        """One less."""
        self.streams -= 1
        return (0,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[int]:  # noqa: N802
        """Done at once."""
        return (0,)

    def cudaMalloc(self, size: int) -> tuple[int, int]:  # noqa: N802
        """2 is CUDA's "out of memory"."""
        if len(self.held) == self.room:
            return 2, 0
        memory = ctypes.create_string_buffer(size)
        self.held[ctypes.addressof(memory)] = memory
        return 0, ctypes.addressof(memory)

    def cudaFree(self, address: int) -> tuple[int]:  # noqa: N802
        """An error for what is not held."""
        return (0 if self.held.pop(address, None) else 1,)

    def cudaMemcpy(self, target: int, source: int, size: int, kind: int) -> tuple[int]:  # noqa: N802
        """Never beyond a buffer."""
        ours = self.held[target if kind == 1 else source]
        assert size <= len(ours)
        ctypes.memmove(target, source, size)
        return (0,)


class Context:
    """Computes the mean of a picture, as ``embedding`` of one value."""

    def __init__(self) -> None:
        self.batch = 0
        self.addresses: dict[str, int] = {}
        self.runs = True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        """Within the profile."""
        self.batch = shape[0]
        return 1 <= shape[0] <= PROFILE.largest

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        """Of the present batch."""
        return (self.batch, *PROFILE.shape) if name == "pixels" else (self.batch, 1)

    def set_tensor_address(self, name: str, address: int) -> None:
        """Where a tensor lies."""
        self.addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        """Read and write the buffers."""
        count = self.batch * 12
        pixels = np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(self.addresses["pixels"]))
        found = np.ctypeslib.as_array((ctypes.c_float * self.batch).from_address(self.addresses["embedding"]))
        found[:] = pixels.reshape(self.batch, -1).mean(axis=1)
        return self.runs


def tensorrt(context: Context, *, reads: bool = True) -> Any:
    """TensorRT's module, as far as a run needs it."""
    engine = SimpleNamespace(
        num_io_tensors=2,
        get_tensor_name=["pixels", "embedding"].__getitem__,
        get_tensor_dtype={"pixels": np.uint8, "embedding": np.float32}.__getitem__,
        create_execution_context=lambda: context,
        device_memory_size_v2=4096,
    )
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda plan: engine if reads else None)
    logger = type("Logger", (), {"ERROR": 1, "__init__": lambda self, level: None})
    return SimpleNamespace(Logger=logger, Runtime=lambda log: runtime, nptype=lambda kind: kind)


def test_batches_of_any_size_are_answered_and_the_memory_is_given_back() -> None:
    """A smaller batch after a larger one is answered with its own."""
    cuda = Cuda()
    with Engine(tensorrt(Context()), cuda, b"plan", PROFILE) as engine:
        assert len(cuda.held) == 2
        for batch in (4, 1, 3):
            pixels = np.arange(batch * 12, dtype=np.uint8).reshape(batch, 2, 2, 3)
            found = engine(pixels)
            assert found.keys() == {"embedding"}
            assert found["embedding"].tolist() == pixels.reshape(batch, -1).mean(axis=1, keepdims=True).tolist()
        assert engine.timing(2).batch == 2
        assert engine.device_bytes == 4096
    assert (cuda.held, cuda.streams) == ({}, 0)


def test_a_batch_beyond_the_profile_is_refused_before_it_is_copied() -> None:
    """It would be written behind the buffer."""
    with (
        Engine(tensorrt(Context()), Cuda(), b"plan", PROFILE) as engine,
        pytest.raises(BuildError, match="no batch of 5: expected 1 to 4"),
    ):
        engine(np.zeros((5, 2, 2, 3), np.uint8))


def test_a_gpu_without_room_is_an_error_and_nothing_stays_on_it() -> None:
    """The first buffer fits and the second does not."""
    cuda = Cuda(room=1)
    with pytest.raises(BuildError, match="CUDA failed with 2"):
        Engine(tensorrt(Context()), cuda, b"plan", PROFILE)
    assert (cuda.held, cuda.streams) == ({}, 0)


def test_a_plan_of_another_gpu_is_refused_by_name() -> None:
    """TensorRT returns nothing and says why in its log."""
    with pytest.raises(BuildError, match="another version or for another GPU"):
        Engine(tensorrt(Context(), reads=False), Cuda(), b"plan", PROFILE)


def test_a_run_that_fails_is_an_error() -> None:
    """And not the answer to the batch before."""
    context, cuda = Context(), Cuda()
    with Engine(tensorrt(context), cuda, b"plan", PROFILE) as engine:
        context.runs = False
        with pytest.raises(BuildError, match="did not run"):
            engine(np.zeros((1, 2, 2, 3), np.uint8))
    assert cuda.held == {}
