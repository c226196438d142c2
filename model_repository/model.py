"""Triton's Python backend over ONNX Runtime: the form of a model that needs no GPU and no container.

``pixels`` uint8 (n, 224, 224, 3) → ``embedding`` float32 (n, dim) and, where the model has it, ``saliency`` float32 (n, 64, 64).
"""

import json
import os
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

BATCH = 4
"""Images a run: larger ones gain nothing on a CPU and grow the arena."""


def vnni() -> bool:
    """Whether the processor sums products of eight bits exactly; functions.adapters.onnx, which is not here, says more."""
    try:
        with open("/proc/cpuinfo") as file:
            return "vnni" in file.read()
    except OSError:
        return False


class TritonPythonModel:
    """One instance: one process with its own sessions."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the graphs with the threads that the configuration names."""
        config = json.loads(args["model_config"])
        self.threads = int(config["parameters"]["threads"]["string_value"])
        folder = os.path.join(args["model_repository"], args["model_version"])
        self.encoder = self._session(os.path.join(folder, "encoder.onnx"))
        decoder = os.path.join(folder, "decoder.onnx")
        self.decoder = self._session(decoder) if os.path.exists(decoder) else None

    def _session(self, path: str) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not vnni():
            options.add_session_config_entry("session.x64quantprecision", "1")
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run all requests that Triton batched as one; the decoder, a quarter of the time, only for those that ask for it."""
        parts = [pb_utils.get_input_tensor_by_name(request, "pixels").as_numpy() for request in requests]
        asked = [self.decoder is not None and "saliency" in request.requested_output_names() for request in requests]
        joined, rows = np.concatenate(parts), np.repeat(asked, [len(part) for part in parts])
        starts = range(0, len(joined), BATCH)
        runs = [self._run(joined[start : start + BATCH], rows[start : start + BATCH]) for start in starts]
        vectors, maps = (np.concatenate(found) for found in zip(*runs, strict=True))
        responses, start, seen = [], 0, 0
        for part, wants in zip(parts, asked, strict=True):
            tensors = [pb_utils.Tensor("embedding", vectors[start : start + len(part)])]
            start += len(part)
            if wants:
                tensors.append(pb_utils.Tensor("saliency", maps[seen : seen + len(part)]))
                seen += len(part)
            responses.append(pb_utils.InferenceResponse(tensors))
        return responses

    def _run(self, pixels: Any, asked: Any) -> tuple[Any, Any]:
        """Vectors of all pictures, (n, dim), and the maps of those that are asked for, (m, 64, 64)."""
        names = [output.name for output in self.encoder.get_outputs()]
        made = dict(zip(names, self.encoder.run(names, {"pixels": pixels}), strict=True))
        vectors = made.pop("embedding")
        if not asked.any():
            return vectors, np.zeros((0, 64, 64), np.float32)
        (maps,) = self.decoder.run(["saliency"], {name: tokens[asked] for name, tokens in made.items()})
        return vectors, maps
