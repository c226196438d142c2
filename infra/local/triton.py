"""A real Triton on one machine, out of the wheel nvidia-pytriton, with the Python backend."""

from __future__ import annotations

import shutil
import sys
import urllib.request
import zipfile
from pathlib import Path

from infra.local.part import Part

WHEEL = "nvidia-pytriton==0.7.0"
SERVER = "pytriton/tritonserver/"
LIBRARIES = "nvidia_pytriton.libs/"
WATCH = Path(__file__).with_name("triton_watch.py")
STUB = "pytriton/tritonserver/python_backend_stubs/3.11/triton_python_backend_stub"


def install(wheel: Path, cache: Path) -> Path:
    """Unpack the server and its Python backend from the wheel into the cache; returns the folder. Done once."""
    folder = cache / "triton-2.51"
    if folder.exists():
        return folder
    beside = folder.with_suffix(".part")
    shutil.rmtree(beside, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith((f"{SERVER}bin/", f"{SERVER}backends/python/", LIBRARIES, STUB)) and not name.endswith("/"):
                archive.extract(name, beside)
    root = beside / SERVER
    shutil.copy(beside / STUB, root / "backends/python/triton_python_backend_stub")
    for program in (root / "bin/tritonserver", root / "backends/python/triton_python_backend_stub"):
        program.chmod(0o755)
    beside.replace(folder)
    return folder


def part(
    state: Path,
    *,
    installed: Path,
    repository: Path,
    model: str,
    python: Path,
    grpc: int,
    http: int,
    metrics: int,
) -> Part:
    """The server, on the loopback: it lets everybody in. It serves what lies in ``repository``; ``model`` says when it is ready.

    ``python`` is the bin folder of an environment with numpy < 2 and onnxruntime, which the stub finds by PATH.
    """
    root = installed / SERVER
    shared_memory = f"museum-{grpc}-"
    folder = state / "triton"

    def ready() -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{http}/v2/models/{model}/ready", timeout=1):
                return None
        except OSError as error:
            return f"model {model} is not ready: {error}"

    return Part(
        name="triton",
        argv=(
            sys.executable, "-S", "-E", str(WATCH), shared_memory,
            str(root / "bin/tritonserver"), "--model-repository", str(repository), "--backend-directory", str(root / "backends"),
            "--model-control-mode", "explicit", "--load-model", "*", "--disable-auto-complete-config",
            "--http-address", "127.0.0.1", "--http-port", str(http), "--http-thread-count", "2",
            "--grpc-address", "127.0.0.1", "--grpc-port", str(grpc), "--metrics-address", "127.0.0.1",
            "--metrics-port", str(metrics), "--metrics-interval-ms", "10000", "--allow-gpu-metrics", "false",
            "--log-warning", "true", "--log-info", "false", "--exit-timeout-secs", "5",
            "--backend-config", f"python,shm-region-prefix-name={shared_memory}",
        ),
        folder=folder,
        env={
            "PATH": f"{python}:/usr/bin:/bin",
            "VIRTUAL_ENV": str(python.parent),
            "OMP_NUM_THREADS": "1",
        },
        ready=ready,
        grace=20.0,  # it stops in steps of a second: 5 s, 13 s were seen on a busy machine
    )  # fmt: skip
