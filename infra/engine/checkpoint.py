"""The tensors of a PyTorch checkpoint, without PyTorch, and without running what a pickle may carry.

Two formats are read: the file of pickles that ``torch.save`` wrote before version 1.6, and the zip archive since. Both hold a
pickle that refers to its storages by key; it may name an ordered dictionary and tensors, and nothing else is looked up.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.engine.errors import BuildError

MAGIC: Final = 0x1950A86A20F9469CFC6C
"""First number of a file of pickles."""
DTYPES: Final[Mapping[str, str]] = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1", "BoolStorage": "?",
}  # fmt: skip

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Storage:
    """A run of numbers of one type, named by key."""

    key: str
    dtype: str
    length: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage; offset and strides in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(body: bytes) -> dict[str, Array]:
    """The tensors of a state dictionary by name. Raises ``BuildError`` for anything else."""
    try:
        tensors, storages = _archived(body) if zipfile.is_zipfile(io.BytesIO(body)) else _pickled(body)
        return {name: _array(tensor, storages[tensor.storage.key]) for name, tensor in tensors.items()}
    except BuildError:
        raise
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise BuildError(f"expected a PyTorch checkpoint of {len(body)} bytes to be whole, found: {error!r}") from error


def _archived(body: bytes) -> tuple[dict[str, _Tensor], dict[str, bytes]]:
    """The zip archive: ``<name>/data.pkl`` beside ``<name>/data/<key>``."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        pickled = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if pickled is None:
            raise BuildError(f"expected data.pkl in the checkpoint, found {', '.join(archive.namelist()[:5])}")
        tensors = _tensors(_Restricted(io.BytesIO(archive.read(pickled))).load())
        folder = pickled.removesuffix(".pkl")
        return tensors, {key: archive.read(f"{folder}/{key}") for key in {one.storage.key for one in tensors.values()}}


def _pickled(body: bytes) -> tuple[dict[str, _Tensor], dict[str, bytes]]:
    """The file of pickles: number, version, machine, tensors, keys; then each storage as length (int64) and values."""
    file = io.BytesIO(body)
    magic, _, machine, found, keys = (_Restricted(file).load() for _ in range(5))
    if magic != MAGIC or not machine["little_endian"]:
        raise BuildError(f"expected a PyTorch checkpoint of a little-endian machine, found the number {magic}")
    tensors = _tensors(found)
    dtypes = {one.storage.key: np.dtype(one.storage.dtype) for one in tensors.values()}
    storages = {}
    for key in keys:
        length = int.from_bytes(file.read(8), "little")
        storages[key] = file.read(length * dtypes[key].itemsize)
    return tensors, storages


def _tensors(found: object) -> dict[str, _Tensor]:
    if not isinstance(found, dict) or not all(isinstance(value, _Tensor) for value in found.values()):
        raise BuildError("expected a dictionary of tensors in the checkpoint")
    return dict(found)


def _array(tensor: _Tensor, values: bytes) -> Array:
    flat = np.frombuffer(values, tensor.storage.dtype)
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    if len(flat) != tensor.storage.length or not 0 <= tensor.offset <= last < len(flat) or min((0, *tensor.strides)) < 0:
        raise BuildError(f"expected a tensor of shape {tensor.shape} in its storage of {len(flat)} values")
    strides = [stride * flat.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides).copy()


def _rebuilt(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _Tensor:
    """What ``torch._utils._rebuild_tensor_v2`` is called with; gradients and hooks are left out."""
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _Restricted(pickle.Unpickler):
    """Knows tensors and ordered dictionaries. Any other name is refused before it is imported."""

    KNOWN: Final[Mapping[tuple[str, str], Callable[..., object]]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
    }

    def find_class(self, module: str, name: str) -> Any:
        """One of the known names, a storage's type as its own name, or ``BuildError``."""
        if module == "torch" and name in DTYPES:
            return name
        if (module, name) not in self.KNOWN:
            raise BuildError(f"the checkpoint asks for {module}.{name}: expected tensors alone")
        return self.KNOWN[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage: ``("storage", type, key, place, length)``."""
        _, kind, key, _, length = pid[:5]
        return _Storage(str(key), DTYPES[kind], int(length))
