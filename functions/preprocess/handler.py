"""preprocess: photos become pixels for the encoder and display copies for people."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from functions.errors import Reject
from functions.events import Image, ImagePreprocessed, ImageReceived, Lane, PreparedImage, Region
from functions.pixels import PREPROCESSING, SIZE, cropped, pixels
from functions.ports import ObjectStore
from functions.preprocess.decode import REDUCE_TO, Budget, Decoded, Limits, decode
from functions.preprocess.display import copies
from functions.runtime.carry import carried
from functions.verify.features import describe, inside, key_of, pack

MAX_SIDE = 2560
"""Longest side in pixels that a picture keeps at most for the sake of a small region: 26 MB once it is decoded."""
files_in_hand = Budget(50_000_000)
"""Bytes of photos that the threads of one process may hold; a master of 200 MB is read alone."""

writers = ThreadPoolExecutor(8, thread_name_prefix="put")
"""The four files of a photo are written side by side: with three, 11 ms instead of 20."""


def preprocess(event: ImageReceived, *, store: ObjectStore, derived: str, limits: Mapping[Lane, Limits]) -> ImagePreprocessed:
    """Each photo is read once, decoded once, and stored as pixels, two display copies and local features."""
    images = tuple(
        prepared(image, event.region if number == 0 else None, limits[event.lane], store=store, derived=derived)
        for number, image in enumerate(event.images)
    )
    return ImagePreprocessed(**carried(event), images=images, region=event.region, ask=event.ask)


def prepared(image: Image, region: Region | None, limits: Limits, *, store: ObjectStore, derived: str) -> PreparedImage:
    """One photo. Raises ``Reject`` for what cannot be decoded, is gone, or was overwritten before it was read."""
    with files_in_hand.of(image.size or limits.max_bytes):
        version, digest, picture = picture_of(image, region, limits, store)
    shown = copies(picture.image)
    name = f"{digest}/{PREPROCESSING}{region_name(region)}.npy"
    files = {name: (npy(pixels(cropped(picture.image, region))), "application/octet-stream")}
    features = key_of(digest, region_name(region))
    files[features] = (pack(inside(describe(picture.image), region)), "application/octet-stream")
    files |= {f"{digest}/display-{size}.jpg": (body, "image/jpeg") for size, body in shown.items()}
    written = [writers.submit(store.put, derived, key, body, content_type=kind) for key, (body, kind) in files.items()]
    for one in written:
        one.result()
    return PreparedImage(
        bucket=image.bucket,
        key=image.key,
        version=version,
        sha256=digest,
        width=picture.width,
        height=picture.height,
        format=picture.format,
        preprocessing=PREPROCESSING,
        pixels=name,
        display=f"{digest}/display-",
        features=features,
    )


def picture_of(image: Image, region: Region | None, limits: Limits, store: ObjectStore) -> tuple[str, str, Decoded]:
    """Version, sha256 and picture of a photo; its bytes are let go on return."""
    found = store.get(image.bucket, image.key, limit=limits.max_bytes)
    if found is None:
        raise Reject("gone", "the photo was deleted before it was read: upload it again")
    if image.version and found.info.version != image.version:
        raise Reject("superseded", "the photo was overwritten before it was read: the newer one is taken instead")
    return found.info.version, hashlib.sha256(found.body).hexdigest(), decode(found.body, limits, side=side_for(region))


def side_for(region: Region | None) -> int:
    """Longest side in pixels that a picture must keep, so that its region still fills the encoder's input twice over."""
    if region is None:
        return REDUCE_TO
    return max(REDUCE_TO, min(MAX_SIDE, int(2 * SIZE / max(region.width, region.height))))


def region_name(region: Region | None) -> str:
    """What tells the pixels of one region from those of another."""
    if region is None:
        return ""
    return f"-{region.left:.4f}-{region.top:.4f}-{region.width:.4f}-{region.height:.4f}"


def npy(array: np.ndarray) -> bytes:
    """An array as a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
