"""Triton by gRPC. The only importer of tritonclient."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from functions.errors import Retry, Unavailable
from functions.ports import Pixels, Vectors

if TYPE_CHECKING:
    from tritonclient.grpc import InferenceServerClient

TIMEOUT = 25.0
"""Seconds for one batch: Triton's own queue gives up after 20."""
MAX_BATCH = 8


class TritonEncoder:
    """A model that Triton serves. One long-lived client a process, made on first use since gRPC does not survive a fork."""

    def __init__(self, url: str, model: str, *, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._model = model
        self._timeout = timeout
        self._lock = threading.Lock()
        self._made: InferenceServerClient | None = None

    @property
    def client(self) -> InferenceServerClient:
        """The gRPC client."""
        with self._lock:
            if self._made is None:
                from tritonclient.grpc import InferenceServerClient

                # the default waits up to 2 min between attempts to connect again
                options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]
                self._made = InferenceServerClient(self._url, channel_args=options)
            return self._made

    def encode(self, pixels: Pixels, *, fingerprint: str) -> Vectors:
        """See :class:`functions.ports.Encoder`."""
        runs = [self._infer(pixels[start : start + MAX_BATCH], fingerprint) for start in range(0, len(pixels), MAX_BATCH)]
        return checked(np.concatenate(runs), len(pixels))

    def _infer(self, batch: Pixels, fingerprint: str) -> Vectors:
        from tritonclient.grpc import InferInput, InferRequestedOutput
        from tritonclient.utils import InferenceServerException

        tensor = InferInput("pixels", list(batch.shape), "UINT8")
        tensor.set_data_from_numpy(np.ascontiguousarray(batch))
        outputs, version = [InferRequestedOutput("embedding")], version_of(fingerprint)
        try:
            answer = self.client.infer(self._model, [tensor], version, outputs, client_timeout=self._timeout)
        except InferenceServerException as error:
            status = str(error.status())
            if "INVALID_ARGUMENT" in status:
                raise Retry(f"Triton refuses the batch: {error.message()}") from None
            if "NOT_FOUND" in status:
                wanted = f"{self._model} of fingerprint {fingerprint[:12]}"
                raise Unavailable("triton", f"{self._url} serves no {wanted}, which is live: {error.message()}") from None
            # INTERNAL too: it is a dead process behind the server, never one batch, since all have the same shape
            raise Unavailable("triton", f"{self._url}: {error.message()}") from None
        vectors: Vectors | None = answer.as_numpy("embedding")
        if vectors is None:
            raise Retry("Triton's answer has no embedding")
        return vectors


def version_of(fingerprint: str) -> str:
    """The version under which Triton serves a fingerprint: its first 60 bits as a number.

    A request that names it is never answered by another model, not even by one that was loaded a moment ago.
    """
    try:
        return str(int(fingerprint[:15], 16))
    except ValueError:
        raise Unavailable("triton", f"expected the live fingerprint as sha256 in hex, found {fingerprint!r}") from None


def checked(vectors: Vectors, count: int) -> Vectors:
    """The vectors, if they are what a model may answer: one unit vector a picture. Raises ``Retry``."""
    if vectors.ndim != 2 or len(vectors) != count:
        raise Retry(f"expected {count} vectors, the model answered shape {vectors.shape}")
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.isfinite(lengths).all() or np.abs(lengths - 1).max() > 1e-2:
        raise Retry(f"expected vectors of length 1, the model answered lengths {lengths.min()} to {lengths.max()}")
    return vectors
