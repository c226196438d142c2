"""Which encoder a setting asks for."""

from __future__ import annotations

from functions.ports import Encoder
from functions.runtime.settings import Settings


def encoder_of(settings: Settings) -> Encoder:
    """Triton, or ONNX Runtime in this process on platforms without Triton. Imports only what is asked for."""
    if settings.museum_encoder == "onnx":
        from functions.adapters.onnx import OnnxEncoder

        return OnnxEncoder(settings.museum_model_repository, settings.museum_model)
    from functions.adapters.triton import TritonEncoder

    return TritonEncoder(settings.museum_triton_url, settings.museum_model)
