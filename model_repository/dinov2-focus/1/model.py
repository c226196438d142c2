"""Triton's Python backend over ONNX Runtime: ``pixels`` uint8 (n, 224, 224, 3) → ``embedding`` float32 (n, 1536)."""

import json
import os
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

BATCH = 4
"""Images a run: larger ones gain nothing on a CPU and grow the arena."""


class TritonPythonModel:
    """One instance: one process with its own session."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the graph with the threads that the configuration names."""
        config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(config["parameters"]["threads"]["string_value"])
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run all requests that Triton batched as one."""
        parts = [pb_utils.get_input_tensor_by_name(request, "pixels").as_numpy() for request in requests]
        joined = np.concatenate(parts)
        runs = [
            self.session.run(["embedding"], {"pixels": joined[start : start + BATCH]})[0]
            for start in range(0, len(joined), BATCH)
        ]
        vectors = np.concatenate(runs)
        responses, start = [], 0
        for part in parts:
            tensor = pb_utils.Tensor("embedding", vectors[start : start + len(part)])
            responses.append(pb_utils.InferenceResponse([tensor]))
            start += len(part)
        return responses
