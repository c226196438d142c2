"""Pictures become vectors as in production: decoded, letterboxed, embedded, the object cut out and embedded too.

What was embedded is kept on disk by content and model, so that an evaluation can be interrupted and run again.
"""

from __future__ import annotations

import hashlib
import io
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from functions.adapters.onnx import exact
from functions.embed.crop import LARGEST, RULE, proposed
from functions.embed.view import object_of
from functions.pixels import pixels
from functions.preprocess.decode import decode, limits_by_lane
from functions.preprocess.display import copies
from functions.runtime.settings import Settings

T = TypeVar("T")

LIMITS = limits_by_lane(Settings().museum_max_bytes, Settings().museum_max_master_bytes)["bulk"]
Views = dict[str, NDArray[np.float32]]
"""Vectors, shape (dim,), by view."""
See = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32] | None]]
"""One picture uint8 (224, 224, 3) → its vector (dim,) and its saliency map (n, n), where the model has one."""


class Kept:
    """Vectors by key in a file. Thread-safe."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(file, check_same_thread=False)
        self._database.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, body BLOB)")

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def get(self, key: str) -> Views | None:
        """What is known."""
        with self._lock:
            found = self._database.execute("SELECT body FROM vectors WHERE key = ?", (key,)).fetchone()
        if found is None:
            return None
        with np.load(io.BytesIO(found[0]), allow_pickle=False) as stored:
            return dict(stored)

    def put(self, key: str, views: Views) -> None:
        """Remember."""
        body = io.BytesIO()
        np.savez(body, **views)  # type: ignore[arg-type]  # numpy's own parameter is not among the names
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?)", (key, body.getvalue()))


class Eye:
    """A model that looks at pictures."""

    def __init__(self, see: See, name: str, kept: Kept) -> None:
        self._see = see
        self._name = name
        self._kept = kept

    def views(self, picture: Image.Image) -> Views:
        """The vectors of an upright RGB picture: ``full``, and ``crop`` where an object stands out."""
        whole = pixels(picture)
        content = hashlib.sha256(whole.tobytes() + repr(picture.size).encode()).hexdigest()
        key = f"{self._name} {RULE} {content}"
        known = self._kept.get(key)
        if known is None:
            known = self._look(picture, whole)
            self._kept.put(key, known)
        return known

    def _look(self, picture: Image.Image, whole: NDArray[np.uint8]) -> Views:
        vector, saliency = self._see(whole)
        box = None if saliency is None else proposed(saliency, *picture.size)
        if box is None:
            return {"full": vector}
        return {"full": vector, "crop": self._see(object_of(copies(picture)[LARGEST], box))[0]}


def opened(file: Path) -> Image.Image:
    """A photograph as preprocess decodes it. Raises ``Reject`` for what is none."""
    return decode(file.read_bytes(), LIMITS).image


def onnx_see(file: Path, *, vector: str = "embedding") -> See:
    """A built model in ONNX Runtime, one thread a call: several threads may call at once. ``vector``: the output's name."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    exact(options)
    session: Any = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def see(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        found = dict(zip(names, session.run(names, {"pixels": picture[None]}), strict=True))
        return found[vector][0], found["saliency"][0] if "saliency" in found else None

    return see


def each(work: Callable[[T], Views], items: Iterable[T], *, workers: int) -> Iterator[Views]:
    """The views of each item, in order, several at a time."""
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(work, items)
