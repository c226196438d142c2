"""Presigned POST forms of an S3 server: another may upload exactly one key and type, of at most so many bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.adapters.s3 import S3Store
from functions.ports import UploadForm
from functions.runtime.settings import Settings


class S3Forms:
    """See :class:`functions.ports.Forms`. ``settings`` name the server as browsers reach it."""

    def __init__(self, settings: Settings) -> None:
        self._store = S3Store(settings)

    def form(
        self, bucket: str, key: str, *, content_type: str, max_bytes: int, metadata: Mapping[str, str] = {}, seconds: int
    ) -> UploadForm:
        """See :class:`functions.ports.Forms`."""
        fields = {"Content-Type": content_type, **{f"x-amz-meta-{name}": value for name, value in metadata.items()}}
        conditions: list[Any] = [["content-length-range", 1, max_bytes], *({name: value} for name, value in fields.items())]
        made = self._store.client.generate_presigned_post(
            bucket, key, Fields=dict(fields), Conditions=conditions, ExpiresIn=seconds
        )
        return UploadForm(url=made["url"], fields=made["fields"])
