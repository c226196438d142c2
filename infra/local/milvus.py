"""Milvus Lite over TCP, for any number of clients.

The wheel's C++ program is run itself: its Python wrapper would be a second process, whose end leaves the first on the port.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from infra.local.part import Part, listens


def part(state: Path, *, port: int, bind: str = "127.0.0.1") -> Part:
    """The server with its data below ``state``; on the loopback, since it lets everybody in.

    Raises ``ModuleNotFoundError`` without the wheel milvus-lite.
    """
    spec = find_spec("milvus_lite")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("milvus-lite is not installed: run `make setup`")
    library = Path(spec.origin).parent / "lib"
    folder = state / "milvus"
    return Part(
        name="milvus",
        argv=(str(library / "milvus"), str(folder / "catalogue.db"), f"{bind}:{port}", "ERROR"),
        folder=folder,
        env={"LD_LIBRARY_PATH": str(library), "GLOG_log_dir": str(folder), "TMPDIR": str(folder), "GLOG_logtostderr": "1"},
        ready=lambda: None if listens(bind, port) else f"nothing answers on {bind}:{port}",
    )
