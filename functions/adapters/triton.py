"""Triton by gRPC. The only importer of tritonclient."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from functions.errors import Retry, Unavailable
from functions.events import Lane
from functions.ports import Pixels, Saliency, Vectors
from functions.runtime import tracing

if TYPE_CHECKING:
    from tritonclient.grpc import InferenceServerClient

Array = NDArray[np.float32]
T = TypeVar("T")

TIMEOUT = 25.0
"""Seconds for one batch: Triton's own queue gives up after 20."""
CONTROL = 120.0
"""Seconds for loading a model: 3 on an idle machine."""
RENEWED = 60.0
"""Seconds for which one client is used: a server that was added then waits no longer for its share of the requests."""
MAX_BATCH = 8
PRIORITY: Mapping[Lane, int] = {"interactive": 1, "bulk": 2}
"""Triton's levels, the lower one first. Where both lanes wait, a person's photo is next, and an import fills what is left."""


@dataclass(slots=True, eq=False)
class _Held:
    """A client, since when, and how many requests are in it."""

    client: InferenceServerClient
    since: float
    requests: int = 0


class Clients:
    """One client for all threads, made on first use since gRPC does not survive a fork, and made anew after ``RENEWED`` s.

    gRPC looks a name up again only when a connection breaks: a server that came later would never be asked. An old client goes
    with its last request. A new one takes over the connections that are still good, so it costs one look-up.
    """

    def __init__(self, make: Callable[[], InferenceServerClient], now: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._now = now
        self._lock = threading.Lock()
        self._current: _Held | None = None

    @contextlib.contextmanager
    def one(self) -> Iterator[InferenceServerClient]:
        """The client for one request, which stays open until the block ends."""
        held = self._take()
        try:
            yield held.client
        finally:
            self._give_back(held)

    def _take(self) -> _Held:
        with self._lock:
            old = self._current
            if old is None or self._now() - old.since >= RENEWED:
                self._current = _Held(self._make(), self._now())
                if old is not None and not old.requests:
                    old.client.close()
            held = self._current
            assert held is not None
            held.requests += 1
            return held

    def _give_back(self, held: _Held) -> None:
        with self._lock:
            held.requests -= 1
            if held is not self._current and not held.requests:
                held.client.close()


class TritonEncoder:
    """A model that Triton serves, wherever its name leads: to each of several servers in turn."""

    def __init__(self, url: str, model: str, *, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._model = model
        self._timeout = timeout
        self._clients = Clients(lambda: connected(url))

    def encode(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> Vectors:
        """See :class:`functions.ports.Encoder`."""
        (vectors,) = self._batches(pixels, fingerprint, lane, ("embedding",))
        return checked(vectors, len(pixels))

    def encode_with_saliency(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> tuple[Vectors, Saliency]:
        """See :class:`functions.ports.Encoder`."""
        vectors, saliency = self._batches(pixels, fingerprint, lane, ("embedding", "saliency"))
        return checked(vectors, len(pixels)), checked_saliency(saliency, len(pixels))

    def _batches(self, pixels: Pixels, fingerprint: str, lane: Lane, outputs: Sequence[str]) -> list[Array]:
        """The named outputs of all pictures."""
        starts = range(0, len(pixels), MAX_BATCH)
        runs = [self._infer(pixels[start : start + MAX_BATCH], fingerprint, lane, outputs) for start in starts]
        return [np.concatenate(parts) for parts in zip(*runs, strict=True)]

    def _infer(self, batch: Pixels, fingerprint: str, lane: Lane, names: Sequence[str]) -> list[Array]:
        from tritonclient.grpc import InferInput, InferRequestedOutput
        from tritonclient.utils import InferenceServerException

        tensor = InferInput("pixels", list(batch.shape), "UINT8")
        tensor.set_data_from_numpy(np.ascontiguousarray(batch))
        outputs, version = [InferRequestedOutput(name) for name in names], version_of(fingerprint)
        try:
            span = tracing.client("Triton infer", {"museum.model": self._model, "museum.pictures": len(batch)})
            with span, self._clients.one() as client:
                answer = client.infer(
                    self._model, [tensor], version, outputs, priority=PRIORITY[lane], client_timeout=self._timeout
                )
        except InferenceServerException as error:
            status = str(error.status())
            if "INVALID_ARGUMENT" in status:
                raise Retry(f"Triton refuses the batch: {error.message()}") from None
            if "NOT_FOUND" in status:
                wanted = f"{self._model} of fingerprint {fingerprint[:12]}"
                raise Unavailable("triton", f"{self._url} serves no {wanted}, which is live: {error.message()}") from None
            # INTERNAL too: it is a dead process behind the server, never one batch, since all have the same shape
            raise Unavailable("triton", f"{self._url}: {error.message()}") from None
        found = {name: answer.as_numpy(name) for name in names}
        if missing := [name for name, values in found.items() if values is None]:
            raise Retry(f"Triton's answer has no {' and no '.join(missing)}")
        return list(found.values())


class TritonModels:
    """What a Triton in explicit control mode serves, and the switch."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = connected(url)

    def serves(self, model: str, fingerprint: str) -> bool:
        """Whether a request for this fingerprint would be answered. Raises ``Unavailable`` where nothing answers."""
        return bool(self._call(lambda: self._client.is_model_ready(model, version_of(fingerprint), client_timeout=CONTROL)))

    def load(self, model: str) -> None:
        """Load what the repository has of a model; what it served goes on until then. Raises ``Unavailable`` with the reason."""
        self._call(lambda: self._client.load_model(model, client_timeout=CONTROL))

    def unload(self, model: str) -> None:
        """Let a model go, after the requests that it has."""
        self._call(lambda: self._client.unload_model(model, client_timeout=CONTROL))

    def _call(self, call: Callable[[], T]) -> T:
        from tritonclient.utils import InferenceServerException

        try:
            return call()
        except InferenceServerException as error:
            raise Unavailable("triton", f"{self._url}: {error.message()}") from None


def connected(url: str) -> InferenceServerClient:
    """A gRPC client."""
    from tritonclient.grpc import InferenceServerClient

    # the default waits up to 2 min between attempts to connect again
    backoff = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)]
    # a name of several addresses, as a headless Service has: each request takes the next, and not all the first
    options = [*backoff, ("grpc.lb_policy_name", "round_robin")]
    return InferenceServerClient(url, channel_args=options)


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


def checked_saliency(maps: Saliency, count: int) -> Saliency:
    """The maps, if they are what a model may answer: one square of numbers between 0 and 1 a picture. Raises ``Retry``."""
    if maps.ndim != 3 or len(maps) != count or maps.shape[1] != maps.shape[2]:
        raise Retry(f"expected {count} square saliency maps, the model answered shape {maps.shape}")
    if not (np.isfinite(maps).all() and maps.min() >= 0 and maps.max() <= 1):
        raise Retry(f"expected saliency between 0 and 1, the model answered {maps.min()} to {maps.max()}")
    return maps
