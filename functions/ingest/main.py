"""ingest as a function: ``functions-framework --source functions/ingest/main.py --target ingest``."""

from __future__ import annotations

from functions import live
from functions.adapters.s3 import S3Store
from functions.events import BucketNotified
from functions.ingest import handler
from functions.runtime.function import function
from functions.runtime.settings import Settings, load

settings = load(Settings)
store = S3Store(settings)


@function("ingest", previous=settings.museum_write_versions == "previous")
def ingest(event: BucketNotified) -> list[handler.Ingested]:
    """A bucket's notification → one event an upload, record or removal."""
    return handler.ingest(
        event,
        store=store,
        buckets=settings.buckets,
        museum=settings.museum_default_museum,
        owner=settings.museum_default_owner,
        live=lambda: live.read(store, settings.museum_bucket_state).fingerprint,
    )
