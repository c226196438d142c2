"""Drafts as storage has them. All methods block.

    state       drafts/<museum>/<object_id, quoted>.json            the card (:class:`functions.catalogue.draft.Draft`)
                batches/<museum>/<digest of the batch>/<quoted>     which drafts a batch has
                settings/<museum>.json                              the museum's own fields, and the order of a copied card
    catalogue   <museum>/<object_id, quoted>/record.json, images/…  what it is found by, as any object

The card is the master: its record.json is made of it, and written again where it says otherwise. An object without a card was
imported. What is written in the catalogue says ``lane: interactive``, since a person waits to find it.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import msgspec

from functions.catalogue.draft import PREFIX, Draft, card_key, projected
from functions.catalogue.fields import FIELDS
from functions.catalogue.keys import IMAGES, photo_key, quoted, record_key
from functions.decoding import decoded
from functions.ports import ObjectInfo, ObjectStore, StoredObject
from functions.runtime.settings import Buckets

JSON = "application/json"
LANE = {"lane": "interactive"}
ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A draft as it was read."""

    museum: str
    object_id: str
    draft: Draft
    etag: str


class MuseumSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a museum has set."""

    own: dict[str, str] = {}
    copy_order: tuple[str, ...] = tuple(field.name for field in FIELDS)


class Cards:
    """The drafts of one museum."""

    def __init__(self, store: ObjectStore, buckets: Buckets, museum: str) -> None:
        self._store = store
        self._buckets = buckets
        self._museum = museum

    # what there is

    def read(self, object_id: str) -> Card | None:
        """A draft; ``None`` for an object that was imported, or is not there."""
        if not object_id.startswith(PREFIX):
            return None
        found = self._store.get(self._buckets.state, card_key(self._museum, object_id))
        if found is None:
            return None
        draft = decoded(found.body, Draft)
        return Card(museum=self._museum, object_id=object_id, draft=draft, etag=found.info.etag)

    def ids(self, *, batch: str | None = None, after: str = "") -> Iterator[str]:
        """object_ids of drafts, newest first; of one batch where it is given; only those after one."""
        prefix = f"drafts/{self._museum}/" if batch is None else self._batch(batch)
        ending = ".json" if batch is None else ""
        begin = f"{prefix}{quoted(after)}{ending}" if after else ""
        for info in self._store.list(self._buckets.state, prefix, after=begin):
            yield unquote(info.key.removeprefix(prefix).removesuffix(ending))

    def images(self, object_id: str) -> list[ObjectInfo]:
        """The photos of an object, by name."""
        return list(self._store.list(self._buckets.catalogue, self.folder(object_id)))

    def folder(self, object_id: str) -> str:
        """What the keys of an object's photos begin with."""
        return f"{self._museum}/{quoted(object_id)}/{IMAGES}"

    def settings(self) -> MuseumSettings:
        """The museum's settings."""
        found = self._store.get(self._buckets.state, f"settings/{self._museum}.json")
        return decoded(found.body, MuseumSettings) if found else MuseumSettings()

    # what is changed

    def create(self, object_id: str, draft: Draft) -> bool:
        """Begin a draft. False where there is one. The card is first: without it the object would look imported."""
        return self._store.create(
            self._buckets.state, card_key(self._museum, object_id), msgspec.json.encode(draft), content_type=JSON
        )

    def enlist(self, object_id: str, batch: str) -> None:
        """Say that a batch has a draft."""
        self._store.put(self._buckets.state, self._batch(batch) + quoted(object_id), b"", content_type="text/plain")

    def replace(self, card: Card, draft: Draft) -> bool:
        """Store a changed draft. False where somebody else changed it since it was read."""
        key, body = card_key(self._museum, card.object_id), msgspec.json.encode(draft)
        if self._store.replace(self._buckets.state, key, body, content_type=JSON, etag=card.etag):
            return True
        found = self._store.get(self._buckets.state, key)
        return found is not None and found.body == body  # written, and the answer lost

    def publish(self, object_id: str) -> None:
        """Make the record.json say what the card says; whoever changes the card meanwhile does so too, and the last is right."""
        key = record_key(self._museum, object_id)
        for _ in range(ROUNDS):
            card = self.read(object_id)
            if card is None:
                return
            body = msgspec.json.encode(projected(card.draft))
            found = self._store.get(self._buckets.catalogue, key)
            if found is not None and found.body == body:
                return
            self._store.put(self._buckets.catalogue, key, body, content_type=JSON, metadata=LANE)

    def take_photo(self, object_id: str, name: str, photo: StoredObject) -> str:
        """Put a copy of a photo into the catalogue, as an upload that a person waits for. Returns its sha256."""
        key = photo_key(self._museum, object_id, name)
        kind = mimetypes.guess_type(name)[0] or "image/jpeg"
        self._store.put(self._buckets.catalogue, key, photo.body, content_type=kind, metadata=LANE)
        return hashlib.sha256(photo.body).hexdigest()

    def drop_photo(self, object_id: str, name: str) -> bool:
        """Remove a photo. False where there is none of that name."""
        key = photo_key(self._museum, object_id, name)
        if self._store.head(self._buckets.catalogue, key) is None:
            return False
        self._store.delete(self._buckets.catalogue, key)
        return True

    def erase(self, card: Card) -> None:
        """Remove a draft with its photos; the card last, so that what was broken off can be repeated."""
        for info in self.images(card.object_id):
            self._store.delete(self._buckets.catalogue, info.key)
        self._store.delete(self._buckets.catalogue, record_key(self._museum, card.object_id))
        if card.draft.batch:
            self._store.delete(self._buckets.state, self._batch(card.draft.batch) + quoted(card.object_id))
        self._store.delete(self._buckets.state, card_key(self._museum, card.object_id))

    def set(self, settings: MuseumSettings) -> None:
        """Keep the museum's settings."""
        body = msgspec.json.encode(settings)
        self._store.put(self._buckets.state, f"settings/{self._museum}.json", body, content_type=JSON)

    # within

    def _batch(self, batch: str) -> str:
        return f"batches/{self._museum}/{hashlib.sha256(batch.encode()).hexdigest()[:32]}/"


def image_name(key: str) -> str:
    """A photo's name within its object; of a key of another shape its last part."""
    parts = key.split("/", 3)
    return parts[3] if len(parts) == 4 and parts[2] + "/" == IMAGES else key.rpartition("/")[2]


def in_order(infos: Sequence[ObjectInfo], order: Sequence[str]) -> list[ObjectInfo]:
    """Photos as a card has them: those it names first, the others by name."""
    places = {name: place for place, name in enumerate(order)}
    return sorted(infos, key=lambda info: (places.get(name := image_name(info.key), len(places)), name))
