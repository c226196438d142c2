"""Triton is unpacked from its wheel so that it can be run, once."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from infra.local import triton

PROGRAMS = (f"{triton.SERVER}bin/tritonserver", f"{triton.SERVER}backends/python/triton_python_backend_stub")


def wheel(folder: Path, *, without: str = "") -> Path:
    """A wheel with files of the same names as the real one's, and some that are of no use here."""
    files = {
        f"{triton.SERVER}bin/tritonserver": "server",
        f"{triton.SERVER}backends/python/libtriton_python.so": "backend",
        f"{triton.SERVER}backends/python/triton_python_backend_stub": "stub of another Python",
        triton.STUB: "stub of 3.11",
        "pytriton/tritonserver/python_backend_stubs/3.12/triton_python_backend_stub": "stub of 3.12",
        f"{triton.LIBRARIES}libz.so": "library",
        "pytriton/client/client.py": "not needed",
    }
    path = folder / "nvidia_pytriton.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            if name != without:
                archive.writestr(name, text)
    return path


def test_server_and_stub_can_be_run_and_the_stub_is_of_this_python(tmp_path: Path) -> None:
    """Zip files from PyPI carry no run bits; what is not needed stays in the wheel."""
    folder = triton.install(wheel(tmp_path), tmp_path / "cache")
    assert all(os.access(folder / name, os.X_OK) for name in PROGRAMS)
    assert (folder / PROGRAMS[1]).read_text() == "stub of 3.11"
    assert (folder / triton.LIBRARIES / "libz.so").exists()
    assert not list(folder.rglob("client.py"))
    assert not list(folder.rglob("3.12"))


def test_what_is_installed_is_not_unpacked_again(tmp_path: Path) -> None:
    """The wheel may be gone by then."""
    file = wheel(tmp_path)
    folder = triton.install(file, tmp_path / "cache")
    file.unlink()
    assert triton.install(file, tmp_path / "cache") == folder


def test_a_wheel_without_its_stub_leaves_nothing_that_looks_installed(tmp_path: Path) -> None:
    """It fails each time, and is installed by the first whole wheel."""
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="python_backend_stubs"):
            triton.install(wheel(tmp_path, without=triton.STUB), tmp_path / "cache")
    assert triton.install(wheel(tmp_path), tmp_path / "cache").is_dir()
