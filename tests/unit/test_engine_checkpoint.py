"""PyTorch checkpoints without PyTorch: tensors are read, and nothing of a pickle is run."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.engine import checkpoint
from infra.engine.errors import BuildError

TENSOR = (
    b"\x80\x02ccollections\nOrderedDict\n)R(X\x06\0\0\0weightctorch._utils\n_rebuild_tensor_v2\n("
    b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQ"
    b"K%cK\x02K\x03\x86K\x01K\x02\x86\x89ccollections\nOrderedDict\n)RtRu."
)
"""As ``torch.save`` pickles a 2 × 3 tensor that is a transposed view of six floats, from an offset on (``%c``)."""


def archive(pickled: bytes, values: bytes = b"", name: str = "data.pkl") -> bytes:
    """A checkpoint as a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(f"model/{name}", pickled)
        file.writestr("model/data/0", values)
    return buffer.getvalue()


def test_a_tensor_is_read_by_its_shape_and_strides() -> None:
    """A transposed view comes out transposed."""
    body = archive(TENSOR.replace(b"%c", b"\0"), np.arange(6, dtype="<f4").tobytes())
    assert checkpoint.read(body)["weight"].tolist() == [[0, 2, 4], [1, 3, 5]]


@pytest.mark.parametrize(("offset", "values"), [(b"\x01", 6), (b"\0", 5), (b"\0", 0)])
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(offset: bytes, values: int) -> None:
    """Else it would be read from memory that is somebody else's."""
    with pytest.raises(BuildError, match=r"expected a tensor of shape \(2, 3\) in its storage of \d values"):
        checkpoint.read(archive(TENSOR.replace(b"%c", offset), np.arange(values, dtype="<f4").tobytes()))


def test_a_checkpoint_that_would_run_code_is_refused_before_it_does(tmp_path: Path) -> None:
    """Only tensors are looked up; the name that was asked for is in the message."""

    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    with pytest.raises(BuildError, match=r"the checkpoint asks for .*: expected tensors alone"):
        checkpoint.read(archive(pickle.dumps({"weight": Evil()})))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("body", [pickle.dumps({"weight": 1}), pickle.dumps([1])])
def test_a_checkpoint_of_something_else_than_tensors_is_refused(body: bytes) -> None:
    """A whole training state, say."""
    with pytest.raises(BuildError, match="expected a dictionary of tensors"):
        checkpoint.read(archive(body))


def test_an_archive_without_a_pickle_is_refused() -> None:
    """With what is in it."""
    with pytest.raises(BuildError, match=r"expected data\.pkl in the checkpoint, found model/other, model/data/0"):
        checkpoint.read(archive(b"", name="other"))
