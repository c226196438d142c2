"""What preprocess makes of a photo is kept by the sha256 of its bytes: uploads of the same bytes share it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection

from functions.ports import ObjectInfo, ObjectStore, StoredObject
from functions.runtime.settings import Buckets


class Others:
    """The uploads beside some that are about to be erased, whoever may see them: a listing of both buckets of uploads."""

    def __init__(self, store: ObjectStore, buckets: Buckets, going: Collection[ObjectInfo]) -> None:
        self._store = store
        self._by_size: defaultdict[int, list[ObjectInfo]] = defaultdict(list)
        sizes, keys = {info.size for info in going}, {(info.bucket, info.key) for info in going}
        for bucket in (buckets.catalogue, buckets.queries) if going else ():
            for info in store.list(bucket):
                if info.size in sizes and (bucket, info.key) not in keys:
                    self._by_size[info.size].append(info)

    def have(self, photo: StoredObject) -> bool:
        """Whether one of them has the same bytes."""
        return any(self._same(info, photo) for info in self._by_size[photo.info.size])

    def _same(self, info: ObjectInfo, photo: StoredObject) -> bool:
        """By the eTag where it is the md5; a multipart upload's, and an encrypted one's, is not: then the bytes are compared."""
        if info.etag == photo.info.etag:
            return True
        if "-" not in info.etag and photo.info.etag == hashlib.md5(photo.body, usedforsecurity=False).hexdigest():
            return False
        found = self._store.get(info.bucket, info.key)
        return found is not None and found.body == photo.body
