"""Which encoder a setting asks for."""

from __future__ import annotations

import functools

from functions.ports import Encoder
from functions.runtime.settings import Settings


@functools.cache
def encoder_of(settings: Settings, model: str) -> Encoder:
    """A model by Triton, or by ONNX Runtime in this process on platforms without Triton. Imports only what is asked for.

    One a model and process, since a client lives long; the model is the live one's, so that a switch needs no restart.
    """
    if settings.museum_encoder == "onnx":
        from functions.adapters.onnx import OnnxEncoder

        return OnnxEncoder(settings.museum_model_repository, model)
    from functions.adapters.triton import TritonEncoder

    return TritonEncoder(settings.museum_triton_url, model)
