"""The photos that a calibration looks at, compared with each other as search would compare them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from functions.catalogue.hits import SHOWN, ObjectId
from functions.catalogue.record import Record

BLOCK = 256
"""Photos compared at once: against 10,000 rows that takes 20 MB."""
SAME_PHOTO = 0.95
"""Cosine from which on photos of two objects are one photo, catalogued twice. Where the two are of different classes,
neither is a stranger to anything: one such pair moved the limit of what is similar, which is fitted to the largest scores, from
0.55 to 0.85 (402 photos)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photo:
    """One photo of the collection."""

    object: ObjectId
    vectors: NDArray[np.float32]
    """Shape (views, dim), of unit length."""
    record: Record
    """Of its object."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Photos in the order of their objects, with what each would find if it were searched while it is not there itself."""

    photos: Sequence[Photo]
    records: Sequence[Record]
    """Of the objects."""
    of: NDArray[np.int64]
    """Shape (photos,): place of each photo's object."""
    rows: int
    """Vectors in all."""
    own: NDArray[np.float32]
    """Shape (photos,): best score to the other photos of the same object, NaN where there are none."""
    stranger: NDArray[np.float32]
    """Shape (photos,): best score to objects of another category, NaN where there are none or its own is not known."""
    strange_rows: int
    """Rows of those objects, on average."""
    near: NDArray[np.int64]
    """Shape (photos, at most 10): places of the most alike other objects, the best first."""
    scores: NDArray[np.float32]
    """Shape of ``near``: their scores."""
    twice: Sequence[tuple[ObjectId, ObjectId]] = ()
    """Objects of two categories with one photo: one of the records is wrong, or they are of one object."""

    @property
    def groups(self) -> list[ObjectId]:
        """Each photo's object."""
        return [photo.object for photo in self.photos]

    @property
    def twins(self) -> NDArray[np.int64]:
        """Places of photos whose object has other photos."""
        return np.flatnonzero(np.isfinite(self.own))


def sampled(photos: Sequence[Photo], category: Callable[[Record], str]) -> Sample:
    """Compare all photos with each other. Raises ``ValueError`` without photos, or where a vector is none."""
    if not photos:
        raise ValueError("no photo of the live model is findable: import a catalogue first (`museum import`)")
    ordered = sorted(photos, key=lambda photo: photo.object)
    dims = {photo.vectors.shape[1] for photo in ordered}
    if len(dims) > 1 or not all(np.isfinite(photo.vectors).all() for photo in ordered):
        raise ValueError(f"expected vectors of one dimension whose values are numbers, found dimensions {sorted(dims)}")
    names, firsts, of = np.unique([repr(photo.object) for photo in ordered], return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(firsts))  # np.unique sorts by repr, the photos are sorted by object
    of = place[of]
    records = [ordered[first].record for first in np.sort(firsts)]
    objects = [ordered[first].object for first in np.sort(firsts)]
    kinds = np.array([category(record) for record in records])
    views = np.array([len(photo.vectors) for photo in ordered])
    starts = np.concatenate([[0], np.cumsum(views)[:-1]])
    kept = min(SHOWN, len(names) - 1)
    own, stranger = np.full((2, len(ordered)), np.nan, np.float32)
    near, scores = np.zeros((len(ordered), kept), np.int64), np.zeros((len(ordered), kept), np.float32)
    same: dict[int, set[int]] = defaultdict(set)
    blocks = partial(compared, ordered, starts, views, np.sort(firsts))
    for first, by_object in blocks():
        block = slice(first, first + len(by_object))
        inside = np.arange(len(by_object))
        own[block] = by_object[inside, of[block]]
        by_object[inside, of[block]] = -np.inf
        strange = other_kind(kinds, of[block])
        for at, other in np.argwhere(strange & (by_object >= SAME_PHOTO)).tolist():
            same[int(of[first + at])].add(other)
        stranger[block] = np.where(strange, by_object, -np.inf).max(axis=1)
        near[block] = np.argsort(-by_object, axis=1, kind="stable")[:, :kept]
        scores[block] = np.take_along_axis(by_object, near[block], axis=1)
    kinds[list(same)] = ""  # of what they are nothing is known
    for first, by_object in blocks() if same else ():
        block = slice(first, first + len(by_object))
        stranger[block] = np.where(other_kind(kinds, of[block]), by_object, -np.inf).max(axis=1)
    own[np.isneginf(own)] = np.nan
    stranger[np.isneginf(stranger)] = np.nan
    return Sample(
        photos=ordered, records=records, of=of, rows=int(views.sum()), own=own, stranger=stranger,
        strange_rows=mean_strange_rows(kinds[of], views), near=near, scores=scores,
        twice=[(objects[one], objects[other]) for one in sorted(same) for other in sorted(same[one]) if one < other],
    )  # fmt: skip


def compared(
    photos: Sequence[Photo], starts: NDArray[np.int64], views: NDArray[np.int64], objects: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Blocks of (first photo, largest cosines over pairs of views, shape (photos, objects)); a photo is not compared with itself.

    ``starts`` and ``views``: first row and number of rows of each photo; ``objects``: first photo of each object.
    """
    rows = np.concatenate([photo.vectors for photo in photos])
    for first in range(0, len(photos), BLOCK):
        inside = range(first, min(first + BLOCK, len(photos)))
        begin, end = starts[inside[0]], starts[inside[-1]] + views[inside[-1]]
        by_photo = np.maximum.reduceat(rows[begin:end] @ rows.T, starts[inside] - begin, axis=0)
        by_photo = np.maximum.reduceat(by_photo, starts, axis=1)
        by_photo[np.arange(len(inside)), list(inside)] = -np.inf
        yield first, np.maximum.reduceat(by_photo, objects, axis=1)


def other_kind(kinds: NDArray[np.str_], of: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which objects are of another known category than each photo's own, shape (photos, objects)."""
    own = kinds[of][:, None]
    return np.asarray((kinds[None, :] != own) & (kinds != "")[None, :] & (own != ""))


def mean_strange_rows(kinds: NDArray[np.str_], views: NDArray[np.int64]) -> int:
    """Rows of another known category than a photo's own, averaged over photos of a known one."""
    known = kinds != ""
    total = int(views[known].sum())
    others = [total - int(views[kinds == kind].sum()) for kind in kinds[known]]
    return round(float(np.mean(others))) if others else 0
