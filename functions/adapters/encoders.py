"""Which encoder a setting asks for."""

from __future__ import annotations

import functools
import threading

from functions.ports import Encoder
from functions.runtime.settings import Settings

_making = threading.Lock()


def encoder_of(settings: Settings, model: str) -> Encoder:
    """A model by Triton, or by ONNX Runtime in this process on platforms without Triton. Imports only what is asked for.

    One a model and process: a client lives long, a session is large. The model is the live one's: a switch needs no restart.
    """
    with _making:  # a cache lets each of several threads make one
        return _made(settings, model)


@functools.cache
def _made(settings: Settings, model: str) -> Encoder:
    if settings.museum_encoder == "onnx":
        from functions.adapters.onnx import OnnxEncoder

        return OnnxEncoder(settings.museum_model_repository, model)
    from functions.adapters.triton import TritonEncoder

    return TritonEncoder(settings.museum_triton_url, model)
