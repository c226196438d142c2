"""ONNX Runtime in this process, for platforms without Triton. The only importer of onnxruntime here."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from functions.adapters.triton import checked, checked_saliency, version_of
from functions.errors import Retry, Unavailable
from functions.events import Lane
from functions.ports import Pixels, Saliency, Vectors

CPUINFO = Path("/proc/cpuinfo")


def exact(options: Any) -> None:
    """Let a session sum products of eight bits exactly, so that a vector is the same on every processor.

    Without VNNI, the kernel of unsigned and signed factors adds two products in 16 bits and cuts what is too large. Another
    kernel does not; with VNNI it would take twice as long for nothing.
    """
    try:
        vnni = "vnni" in CPUINFO.read_text()
    except OSError:
        vnni = False
    if not vnni:
        options.add_session_config_entry("session.x64quantprecision", "1")


class OnnxEncoder:
    """A built model of a repository folder: ``<repository>/<model>/<version>/`` with graphs and ``model.json``."""

    def __init__(self, repository: str, model: str, *, threads: int = 1) -> None:
        self._model = Path(repository) / model
        self._threads = threads
        self._lock = threading.Lock()
        self._opened: tuple[str, dict[str, Any]] = ("", {})

    def encode(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> Vectors:
        """See :class:`functions.ports.Encoder`."""
        return checked(self._run(pixels, fingerprint)["embedding"], len(pixels))

    def encode_with_saliency(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> tuple[Vectors, Saliency]:
        """See :class:`functions.ports.Encoder`. Raises ``Retry`` for a model without."""
        made = self._run(pixels, fingerprint)
        vectors, decoder = made.pop("embedding"), self._session(fingerprint, "decoder.onnx")
        if decoder is None:
            raise Retry(f"the model of fingerprint {fingerprint[:12]} has no saliency")
        (saliency,) = decoder.run(["saliency"], made)
        return checked(vectors, len(pixels)), checked_saliency(saliency, len(pixels))

    def _run(self, pixels: Pixels, fingerprint: str) -> dict[str, Any]:
        """What the encoder gives: the vectors, and what the decoder takes where there is one."""
        session = self._session(fingerprint, "encoder.onnx")
        if session is None:
            raise Unavailable("encoder", f"{self._model} has no model of fingerprint {fingerprint[:12]}: run `make setup`")
        expected = session.get_inputs()[0].shape[1:]
        if list(pixels.shape[1:]) != expected:
            raise Retry(f"expected pixels of shape (n, {', '.join(map(str, expected))}), found {pixels.shape}")
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, {"pixels": pixels}), strict=True))

    def _session(self, fingerprint: str, graph: str) -> Any:
        """A graph of the model, opened on first use; ``None`` where it has none. Those of another fingerprint are let go."""
        with self._lock:
            if self._opened[0] != fingerprint:
                self._opened = fingerprint, {}
            sessions = self._opened[1]
            if graph not in sessions:
                sessions[graph] = self._open(fingerprint, graph)
            return sessions[graph]

    def _open(self, fingerprint: str, graph: str) -> Any:
        import onnxruntime

        folder = self._model / version_of(fingerprint)
        described = folder / "model.json"
        if not described.exists() or json.loads(described.read_text())["fingerprint"] != fingerprint:
            return None
        if not (folder / graph).exists():
            return None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        exact(options)
        return onnxruntime.InferenceSession(str(folder / graph), options, providers=["CPUExecutionProvider"])
