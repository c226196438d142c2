"""What is uploaded: made by a seed, each file with bytes of its own."""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Mapping
from types import MappingProxyType

from functions.catalogue.keys import photo_key, query_key
from functions.events import upload_id
from functions.runtime.settings import Settings
from tests.integration.faults import pictures
from tests.integration.faults.ledger import Kind, Upload

OBJECTS = 10
"""Objects in the catalogue before the first fault."""
INTERACTIVE: Mapping[str, str] = MappingProxyType({"lane": "interactive"})
"""Metadata of a catalogue photo whose owner waits for it."""
ELSEWHERE = "elsewhere"
"""Museum of the new objects: queries do not see them, else one of hundreds would be more alike than what they look for."""
MIX: tuple[Kind, ...] = ("query", "import", "query", "catalogue", "query", "query", "import", "query", "broken", "spoilt")


class Maker:
    """Makes uploads and their bytes. Another seed has other objects, so that several runs may share a stack."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._rng = random.Random(seed)

    def known(self, number: int) -> tuple[Upload, bytes]:
        """The photo of an object that queries will look for."""
        museum = self._settings.museum_default_museum
        return self._catalogue("catalogue", f"{self._seed}-{number}", pictures.known(self._seed * 1000 + number), museum=museum)

    def query(self) -> tuple[Upload, bytes]:
        """A changed photo of one of the known objects."""
        number = self._rng.randrange(OBJECTS)
        body = pictures.changed(self._seed * 1000 + number, self._rng)
        return self._query("query", body, f"{self._seed}-{number}")

    def any(self, serial: int) -> tuple[Upload, bytes]:
        """Half of them queries, three new objects of ten, and files that are no photo."""
        match MIX[serial % len(MIX)]:
            case "query":
                return self.query()
            case "broken":
                return self._query("broken", self._no_photo(), "")
            case kind:
                body = self._no_photo() if kind == "spoilt" else pictures.known(self._rng.getrandbits(32))
                return self._catalogue(kind, f"{self._seed}-new-{secrets.token_hex(8)}", body, museum=ELSEWHERE)

    def _no_photo(self) -> bytes:
        return b"no photo: " + self._rng.randbytes(200)

    def _catalogue(self, kind: Kind, object_id: str, body: bytes, *, museum: str) -> tuple[Upload, bytes]:
        key = photo_key(museum, object_id, "photo.jpg")
        return _upload(kind, self._settings.museum_bucket_catalogue, key, body, object_id), body

    def _query(self, kind: Kind, body: bytes, object_id: str) -> tuple[Upload, bytes]:
        settings = self._settings
        key = query_key(settings.museum_default_museum, settings.museum_default_owner, secrets.token_hex(12), "photo.jpg")
        return _upload(kind, settings.museum_bucket_queries, key, body, object_id), body


def _upload(kind: Kind, bucket: str, key: str, body: bytes, object_id: str) -> Upload:
    version = hashlib.md5(body, usedforsecurity=False).hexdigest()
    identity = upload_id(bucket, key, version)
    return Upload(
        kind=kind, bucket=bucket, key=key, version=version, size=len(body), upload_id=identity, object_id=object_id
    )  # fmt: skip
