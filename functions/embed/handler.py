"""embed: pixels become unit vectors, by the model that is live now."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from functions.embed.crop import LARGEST, proposed
from functions.embed.vectors import VectorCache, Views
from functions.embed.view import object_of
from functions.errors import Unavailable
from functions.events import (
    CatalogueEmbedded,
    Image,
    ImagePreprocessed,
    ImageReceived,
    Lane,
    PreparedImage,
    QueryEmbedded,
    Region,
    Vector,
)
from functions.live import LiveModel
from functions.ports import Encoder, ObjectStore
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
    """The vectors of each photo: of the whole, and of the object in it where the model shows one.

    A region that a person chose is a whole. Where a derived file is gone the event goes back to be prepared again.
    """
    model = live()
    for image in event.images:
        if image.preprocessing != model.preprocessing:
            raise Unavailable(
                "live model", f"it expects preprocessing {model.preprocessing}, the photo has {image.preprocessing}"
            )
    photos = {image.pixels: image for image in event.images}
    known = {key: views for key in photos if (views := cache.get((model.fingerprint, key))) is not None}
    missing = [image for key, image in photos.items() if key not in known]
    if missing:
        chosen = event.images[0].pixels if event.region else None
        made = views_of(missing, chosen, event.lane, store=store, derived=derived, encoder=encoder, model=model)
        if made is None:
            return received_again(event)
        known |= made
        for key, views in made.items():
            cache.put((model.fingerprint, key), views)
    vectors = tuple(
        Vector.pack(vector, image=number, view=view)
        for number, image in enumerate(event.images)
        for view, vector in known[image.pixels].items()
    )
    made_of = {**carried(event), "images": event.images, "fingerprint": model.fingerprint, "vectors": vectors}
    if event.purpose == "catalogue":
        return CatalogueEmbedded(**made_of)
    return QueryEmbedded(**made_of, region=event.region, ask=event.ask)


def views_of(
    photos: Sequence[PreparedImage],
    chosen: str | None,
    lane: Lane,
    *,
    store: ObjectStore,
    derived: str,
    encoder: Encoder,
    model: LiveModel,
) -> dict[str, Views] | None:
    """The vectors of each photo by its pixels' key, or ``None`` where a derived file is gone. ``chosen`` has no second view."""
    stored = [store.get(derived, photo.pixels) for photo in photos]
    if any(found is None for found in stored):
        return None
    whole = np.stack([unpacked(found.body) for found in stored if found is not None])
    if not model.saliency:
        vectors = encoder.encode(whole, fingerprint=model.fingerprint, lane=lane)
        return {photo.pixels: {"full": vector} for photo, vector in zip(photos, vectors, strict=True)}
    vectors, saliency = encoder.encode_with_saliency(whole, fingerprint=model.fingerprint, lane=lane)
    made: dict[str, Views] = {photo.pixels: {"full": vector} for photo, vector in zip(photos, vectors, strict=True)}
    boxes: list[tuple[PreparedImage, Region]] = [
        (photo, box)
        for photo, seen in zip(photos, saliency, strict=True)
        if photo.pixels != chosen and (box := proposed(seen, photo.width, photo.height)) is not None
    ]
    pictures = [store.get(derived, f"{photo.display}{LARGEST}.jpg") for photo, _ in boxes]
    if any(found is None for found in pictures):
        return None
    if boxes:
        objects = np.stack([object_of(found.body, box) for found, (_, box) in zip(pictures, boxes, strict=True) if found])
        crops = encoder.encode(objects, fingerprint=model.fingerprint, lane=lane)
        for (photo, _), vector in zip(boxes, crops, strict=True):
            made[photo.pixels]["crop"] = vector
    return made


def unpacked(body: bytes) -> NDArray[np.uint8]:
    """Pixels of a .npy file, uint8 (height, width, 3). Never unpickles."""
    array: NDArray[np.uint8] = np.load(io.BytesIO(body), allow_pickle=False)
    return array


def received_again(event: ImagePreprocessed) -> ImageReceived:
    """The event from which preprocess makes the missing files anew."""
    images = tuple(Image(bucket=image.bucket, key=image.key, version=image.version) for image in event.images)
    return ImageReceived(**carried(event), images=images, region=event.region, ask=event.ask)
