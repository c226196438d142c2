"""What preprocess makes of a photo is kept by the sha256 of its bytes: uploads of the same bytes share it.

So whether it may go is known only by a look at all uploads. Who erases a photo leaves a note, and the hourly sweep looks once for
all notes: nobody waits for a listing of a catalogue of millions.

    state    erased/<sha256>.json    a photo that was erased, its copies perhaps of use to another upload (:class:`Erased`)
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict

import msgspec

from functions.decoding import decoded
from functions.ports import ObjectInfo, ObjectStore, StoredObject
from functions.runtime.settings import Buckets

NOTES = "erased/"
SETTLE = 120.0
"""Seconds for which a step may still be at work on a photo that it had read before it was erased: preprocess has 60."""


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """A photo of a query, and what tells the same bytes in another upload."""

    key: str
    size: int
    etag: str
    etag_is_md5: bool
    """Else it tells nothing of the bytes: of an upload in parts, or an encrypted one."""
    after: float = 0.0
    """Seconds since the epoch: before, copies may still be written."""


def erased(store: ObjectStore, buckets: Buckets, photo: StoredObject, *, settle: float = SETTLE) -> None:
    """Note that a photo is about to be erased. ``settle``: seconds for which it may be in a step's hands."""
    md5, info = hashlib.md5(photo.body, usedforsecurity=False).hexdigest(), photo.info
    note = Erased(key=info.key, size=info.size, etag=info.etag, etag_is_md5=info.etag == md5, after=time.time() + settle)
    key = f"{NOTES}{hashlib.sha256(photo.body).hexdigest()}.json"
    store.put(buckets.state, key, msgspec.json.encode(note), content_type="application/json")


def clear(store: ObjectStore, buckets: Buckets, *, now: float) -> int:
    """Remove the copies of erased photos that no upload has any more, whoever may see it. Returns of how many photos.

    One listing of both buckets of uploads, and none where nothing was erased. A photo that a step may still have in its hands
    is left to the next time: what it writes later would stay for ever.
    """
    notes = {info.key.removeprefix(NOTES).removesuffix(".json"): info.key for info in store.list(buckets.state, NOTES)}
    found = {digest: store.get(buckets.state, key) for digest, key in notes.items()}
    read = {digest: decoded(one.body, Erased) for digest, one in found.items() if one is not None}
    wanted = {digest: note for digest, note in read.items() if note.after <= now}
    uploads = _of_sizes(store, buckets, {note.size for note in wanted.values()})
    cleared = 0
    for digest, note in wanted.items():
        if any(info.key == note.key for info in uploads[note.size]):
            continue  # it is not erased yet
        if not any(_same(store, info, digest, note) for info in uploads[note.size]):
            cleared += 1
            for info in list(store.list(buckets.derived, f"{digest}/")):
                store.delete(buckets.derived, info.key)
        store.delete(buckets.state, notes[digest])
    return cleared


def _of_sizes(store: ObjectStore, buckets: Buckets, sizes: set[int]) -> defaultdict[int, list[ObjectInfo]]:
    """The uploads of some sizes in bytes."""
    by_size: defaultdict[int, list[ObjectInfo]] = defaultdict(list)
    for bucket in (buckets.catalogue, buckets.queries) if sizes else ():
        for info in store.list(bucket):
            if info.size in sizes:
                by_size[info.size].append(info)
    return by_size


def _same(store: ObjectStore, info: ObjectInfo, digest: str, note: Erased) -> bool:
    """By the eTags where they are the bytes' md5, else by the bytes."""
    if info.etag == note.etag:
        return True
    if note.etag_is_md5 and "-" not in info.etag:
        return False
    found = store.get(info.bucket, info.key)
    return found is not None and hashlib.sha256(found.body).hexdigest() == digest
