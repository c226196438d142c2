"""In-memory twins of S3, its forms and Milvus, held to the same contract suites as the real ones."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.errors import Reject, Unavailable
from functions.ports import IndexRow, Match, ObjectInfo, Scope, StoredObject, UploadForm, Vectors


class MemoryStore:
    """An S3 server in a dict, each change of which is one step of the interpreter and needs no lock, but for a conditional one.

    The version is the eTag: md5 of the body, as S3 has it for a plain PUT.
    """

    def __init__(self, *buckets: str) -> None:
        self._buckets: dict[str, dict[str, StoredObject]] = {name: {} for name in buckets}
        self._replacing = threading.Lock()

    def _bucket(self, name: str) -> dict[str, StoredObject]:
        if name not in self._buckets:
            raise Reject("unknown-bucket", f"there is no bucket {name}")
        return self._buckets[name]

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """See :class:`functions.ports.ObjectStore`."""
        found = self._bucket(bucket).get(key)
        return found.info if found else None

    def get(self, bucket: str, key: str, *, limit: int | None = None) -> StoredObject | None:
        """See :class:`functions.ports.ObjectStore`."""
        found = self._bucket(bucket).get(key)
        if found is not None and limit is not None and found.info.size > limit:
            raise Reject("too-large", f"expected at most {limit} bytes, {bucket}/{key} has {found.info.size}")
        return found

    def put(self, bucket: str, key: str, body: bytes, *, content_type: str, metadata: Mapping[str, str] = {}) -> str:
        """See :class:`functions.ports.ObjectStore`."""
        stored = _stored(bucket, key, body, metadata)
        self._bucket(bucket)[key] = stored
        return stored.info.version

    def create(self, bucket: str, key: str, body: bytes, *, content_type: str) -> bool:
        """See :class:`functions.ports.ObjectStore`."""
        stored = _stored(bucket, key, body, {})
        return self._bucket(bucket).setdefault(key, stored) is stored

    def replace(self, bucket: str, key: str, body: bytes, *, content_type: str, etag: str) -> bool:
        """See :class:`functions.ports.ObjectStore`."""
        with self._replacing:
            found = self._bucket(bucket).get(key)
            if found is None or found.info.etag != etag:
                return False
            self.put(bucket, key, body, content_type=content_type)
            return True

    def honours_conditions(self) -> bool:
        """See :class:`functions.ports.ObjectStore`."""
        return True

    def delete(self, bucket: str, key: str) -> None:
        """See :class:`functions.ports.ObjectStore`."""
        self._bucket(bucket).pop(key, None)

    def list(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """See :class:`functions.ports.ObjectStore`."""
        found = sorted(self._bucket(bucket).copy().items(), key=lambda item: item[0].encode())
        for key, stored in found:
            if key.startswith(prefix) and key.encode() > after.encode():
                yield replace(stored.info, metadata={})


def _stored(bucket: str, key: str, body: bytes, metadata: Mapping[str, str]) -> StoredObject:
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    info = ObjectInfo(
        bucket=bucket,
        key=key,
        version=etag,
        etag=etag,
        size=len(body),
        modified=time.time(),
        metadata={name.lower(): value for name, value in metadata.items()},
    )
    return StoredObject(info=info, body=bytes(body))


class MemoryForms:
    """Forms that a test sends with :meth:`send`. What they allow stands in their fields, unsigned."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def form(
        self, bucket: str, key: str, *, content_type: str, max_bytes: int, metadata: Mapping[str, str] = {}, seconds: int
    ) -> UploadForm:
        """See :class:`functions.ports.Forms`."""
        kept = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        return UploadForm(url=bucket, fields={"key": key, "Content-Type": content_type, "most": str(max_bytes), **kept})

    def send(self, form: Mapping[str, Any], body: bytes) -> None:
        """Upload by a form, as JSON has it. Raises ``Reject`` for a size that it does not allow."""
        fields = form["fields"]
        if not 1 <= len(body) <= int(fields["most"]):
            raise Reject("too-large", f"expected 1 to {fields['most']} bytes, found {len(body)}")
        kept = {name.removeprefix("x-amz-meta-"): value for name, value in fields.items() if name.startswith("x-amz-meta-")}
        self._store.put(form["url"], fields["key"], body, content_type=fields["Content-Type"], metadata=kept)


class MemoryIndex:
    """Milvus in a dict."""

    def __init__(self) -> None:
        self._collections: dict[str, dict[str, tuple[IndexRow, NDArray[np.float32]]]] = {}
        self._lock = threading.Lock()

    def _held(self, fingerprint: str) -> list[tuple[IndexRow, NDArray[np.float32]]]:
        with self._lock:
            return list(self._collections.get(fingerprint[:12], {}).values())

    def collections(self) -> Sequence[str]:
        """See :class:`functions.ports.VectorIndex`."""
        with self._lock:
            return sorted(self._collections)

    def upsert(self, fingerprint: str, rows: Sequence[tuple[IndexRow, NDArray[np.float32]]]) -> None:
        """See :class:`functions.ports.VectorIndex`."""
        if not rows:
            return
        with self._lock:
            held = self._collections.get(fingerprint[:12], {})
            dim = next((vector.size for _, vector in held.values()), rows[0][1].size)
            for _, vector in rows:
                if vector.size != dim:
                    raise Reject("wrong-dimension", f"the collection has dimension {dim}, the vector {vector.size}")
            held.update({row.id: (row, np.array(vector, dtype=np.float32)) for row, vector in rows})
            self._collections[fingerprint[:12]] = held

    def delete(self, fingerprint: str, ids: Sequence[str]) -> None:
        """See :class:`functions.ports.VectorIndex`."""
        with self._lock:
            for identity in ids:
                self._collections.get(fingerprint[:12], {}).pop(identity, None)

    def rows(self, fingerprint: str, museum: str, object_id: str) -> Sequence[IndexRow]:
        """See :class:`functions.ports.VectorIndex`."""
        return [row for row, _ in self._held(fingerprint) if (row.museum, row.object_id) == (museum, object_id)]

    def search(self, fingerprint: str, vectors: Vectors, *, scope: Scope, limit: int) -> Sequence[Sequence[Match]]:
        """See :class:`functions.ports.VectorIndex`."""
        visible = [(row, vector) for row, vector in self._held(fingerprint) if scope.admits(row)]
        if any(vector.size != query.size for query in vectors for _, vector in visible):
            raise Reject("wrong-dimension", "the query's vector has another dimension than the collection's")
        found = []
        for query in vectors:
            matches = [Match(row=row, score=float(np.dot(query, vector))) for row, vector in visible]
            found.append(sorted(matches, key=lambda match: (-match.score, match.row.id))[:limit])
        return found

    def count(self, fingerprint: str) -> int:
        """See :class:`functions.ports.VectorIndex`."""
        return len(self._held(fingerprint))


class MemorySocket:
    """See :class:`functions.ports.Socket`: a trigger that binds at once, and announces what it is told."""

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self._frames: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def send(self, frame: dict[str, Any]) -> None:
        """See :class:`functions.ports.Socket`."""
        if topic := frame.get("watch"):
            self.topics.add(topic)
            self._frames.put_nowait({"bound": topic})
        self.topics.discard(frame.get("unwatch", ""))

    async def frames(self) -> AsyncIterator[dict[str, Any]]:
        """See :class:`functions.ports.Socket`."""
        while (frame := await self._frames.get()) is not None:
            yield frame

    def tell(self, frame: dict[str, Any] | None) -> None:
        """A frame comes; ``None``: the connection ends."""
        self._frames.put_nowait(frame)


class MemorySockets:
    """See :class:`functions.ports.Sockets`. ``there``: whether anybody answers."""

    def __init__(self) -> None:
        self.there = True
        self.open_now: list[MemorySocket] = []
        self.opened = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[MemorySocket]:
        """See :class:`functions.ports.Sockets`."""
        if not self.there:
            raise Unavailable("trigger", "nobody answers")
        socket = MemorySocket()
        self.opened += 1
        self.open_now.append(socket)
        try:
            yield socket
        finally:
            self.open_now.remove(socket)

    def announce(self, kind: str, topic: str, data: Any = None) -> None:
        """An announcement for everybody who is bound to its topic; ``kind`` as ``search.completed``."""
        for socket in self.open_now:
            if topic in socket.topics:
                socket.tell({"event": {"type": f"io.museumsearch.{kind}.v1", "topic": topic, "data": data or {}}})

    def cut(self) -> None:
        """Every connection ends."""
        for socket in self.open_now:
            socket.tell(None)
