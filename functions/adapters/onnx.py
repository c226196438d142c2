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


class OnnxEncoder:
    """A built model of a repository folder: ``<repository>/<model>/<version>/model.onnx`` with its ``model.json``."""

    def __init__(self, repository: str, model: str, *, threads: int = 1) -> None:
        self._model = Path(repository) / model
        self._threads = threads
        self._lock = threading.Lock()
        self._opened: tuple[str, Any] = ("", None)

    def encode(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> Vectors:
        """See :class:`functions.ports.Encoder`."""
        (vectors,) = self._run(pixels, fingerprint, ["embedding"])
        return checked(vectors, len(pixels))

    def encode_with_saliency(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> tuple[Vectors, Saliency]:
        """See :class:`functions.ports.Encoder`."""
        vectors, saliency = self._run(pixels, fingerprint, ["embedding", "saliency"])
        return checked(vectors, len(pixels)), checked_saliency(saliency, len(pixels))

    def _run(self, pixels: Pixels, fingerprint: str, outputs: list[str]) -> Any:
        import onnxruntime

        session = self._session_of(fingerprint)
        expected = session.get_inputs()[0].shape[1:]
        if list(pixels.shape[1:]) != expected:
            raise Retry(f"expected pixels of shape (n, {', '.join(map(str, expected))}), found {pixels.shape}")
        only = onnxruntime.RunOptions()
        only.only_execute_path_to_fetches = True  # a vector alone does not pay for the saliency's decoder
        return session.run(outputs, {"pixels": pixels}, only)

    def _session_of(self, fingerprint: str) -> Any:
        with self._lock:
            if self._opened[0] != fingerprint:
                self._opened = fingerprint, self._open(fingerprint)
            return self._opened[1]

    def _open(self, fingerprint: str) -> Any:
        import onnxruntime

        folder = self._model / version_of(fingerprint)
        described = folder / "model.json"
        if not described.exists() or json.loads(described.read_text())["fingerprint"] != fingerprint:
            raise Unavailable("encoder", f"{self._model} has no model of fingerprint {fingerprint[:12]}: run `make setup`")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
