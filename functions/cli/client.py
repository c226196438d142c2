"""A photo into the bucket, and the result of exactly that upload."""

from __future__ import annotations

import mimetypes
import queue
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.adapters.s3 import S3Store
from functions.catalogue.keys import new_query_id, query_key
from functions.cli.announcements import Announcements
from functions.events import upload_id
from functions.results import Result, read_result
from functions.runtime.settings import Settings, load

ENDS = ("search.completed.v1.#", "image.rejected.v1.#", "query.failed.v1.#")
LOOK_EVERY = 2.0
"""Seconds between looks into the results bucket, should an announcement be missed."""


class TimedOut(RuntimeError):
    """No result came; the message says what that may mean."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of one photo, and how long it took from the end of the upload."""

    photo: str
    seconds: float
    result: Result


class Searcher:
    """Uploads photos and waits for their results. Use as a context manager."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._settings = load(Settings, environment)
        self._store = S3Store(self._settings)
        self._ended: queue.Queue[str] = queue.Queue()
        exchange = environment["MUSEUM_EVENTS_EXCHANGE"]
        self._announcements = Announcements(environment["MUSEUM_AMQP_URL"], exchange, ENDS, self._heard)

    def __enter__(self) -> Searcher:
        self._announcements.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._announcements.__exit__(*details)

    def _heard(self, _key: str, data: dict[str, Any]) -> None:
        if isinstance(identity := data.get("query_id"), str):
            self._ended.put(identity)

    def search(self, photo: Path, *, timeout: float = 60.0) -> Found:
        """Put one photo under a new key and wait. Raises ``TimedOut``, ``OSError`` for a file that cannot be read."""
        body = photo.read_bytes()
        settings = self._settings
        key = query_key(
            settings.museum_default_museum,
            settings.museum_default_owner,
            new_query_id(time.time_ns() // 1_000_000, secrets.token_hex(8)),
            photo.name,
        )
        kind = mimetypes.guess_type(photo.name)[0] or "application/octet-stream"
        version = self._store.put(settings.museum_bucket_queries, key, body, content_type=kind)
        started = time.monotonic()
        wanted = upload_id(settings.museum_bucket_queries, key, version)
        while (waited := time.monotonic() - started) < timeout:
            if self._told(wanted, min(LOOK_EVERY, timeout - waited)) or time.monotonic() - started > LOOK_EVERY:
                result = read_result(self._store, settings.museum_bucket_results, wanted)
                if result is not None:
                    return Found(str(photo), time.monotonic() - started, result)
        raise TimedOut(
            f"no result for {photo.name} after {timeout:.0f} s. The upload is in s3://{settings.museum_bucket_queries}/{key}; "
            "is the bucket's notification in place, and is the stack well (`museum status`)?"
        )

    def _told(self, wanted: str, seconds: float) -> bool:
        try:
            return self._ended.get(timeout=max(0.05, seconds)) == wanted
        except queue.Empty:
            return False
