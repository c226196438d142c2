"""embed: pixels become unit vectors, by the model that is live now."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from functions.embed.vectors import VectorCache
from functions.errors import Unavailable
from functions.events import (
    CatalogueEmbedded,
    Image,
    ImagePreprocessed,
    ImageReceived,
    PreparedImage,
    QueryEmbedded,
    Vector,
)
from functions.live import LiveModel
from functions.ports import Encoder, ObjectStore, Vectors
from functions.runtime.carry import carried


def embed(
    event: ImagePreprocessed,
    *,
    store: ObjectStore,
    derived: str,
    encoder: Encoder,
    live: Callable[[], LiveModel],
    cache: VectorCache,
) -> QueryEmbedded | CatalogueEmbedded | ImageReceived:
    """One vector a photo. Where the prepared pixels are gone the event goes back to be prepared again."""
    model = live()
    for image in event.images:
        if image.preprocessing != model.preprocessing:
            raise Unavailable(
                "live model", f"it expects preprocessing {model.preprocessing}, the photo has {image.preprocessing}"
            )
    known = {image.pixels: cache.get((model.fingerprint, image.pixels)) for image in event.images}
    missing = [key for key, vector in known.items() if vector is None]
    stored = [store.get(derived, key) for key in missing]
    if any(found is None for found in stored):
        return received_again(event)
    if missing:
        batch = np.stack([unpacked(found.body) for found in stored if found is not None])
        made: Vectors = encoder.encode(batch, fingerprint=model.fingerprint)
        for key, vector in zip(missing, made, strict=True):
            known[key] = vector
            cache.put((model.fingerprint, key), vector)
    kind = QueryEmbedded if event.purpose == "query" else CatalogueEmbedded
    return kind(
        **carried(event),
        images=event.images,
        fingerprint=model.fingerprint,
        vectors=tuple(packed(number, image, known) for number, image in enumerate(event.images)),
    )


def packed(number: int, image: PreparedImage, known: dict[str, NDArray[np.float32] | None]) -> Vector:
    """The vector of one photo, ready to travel."""
    vector = known[image.pixels]
    assert vector is not None
    return Vector.pack(vector, image=number)


def unpacked(body: bytes) -> NDArray[np.uint8]:
    """Pixels of a .npy file, uint8 (height, width, 3). Never unpickles."""
    array: NDArray[np.uint8] = np.load(io.BytesIO(body), allow_pickle=False)
    return array


def received_again(event: ImagePreprocessed) -> ImageReceived:
    """The event from which preprocess makes the missing files anew."""
    images = tuple(Image(bucket=image.bucket, key=image.key, version=image.version) for image in event.images)
    return ImageReceived(**carried(event), images=images, region=event.region)
