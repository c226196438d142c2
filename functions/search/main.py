"""search as a function: ``functions-framework --source functions/search/main.py --target search``."""

from __future__ import annotations

from functions import live
from functions.adapters.milvus import MilvusIndex
from functions.adapters.s3 import S3Store
from functions.events import QueryEmbedded
from functions.results import Announcement
from functions.runtime.function import function
from functions.runtime.remember import RememberedBy
from functions.runtime.settings import Settings, load
from functions.search import collection, handler
from functions.search.linked import LinkReader
from functions.search.records import RecordReader
from functions.search.verification import verifier_of

settings = load(Settings)
store = S3Store(settings)
rows = MilvusIndex(settings.museum_milvus_uri, token=settings.museum_milvus_token)
records = RecordReader(store, settings.museum_bucket_catalogue)
linked = LinkReader(store, settings.buckets)
verify = verifier_of(store, settings.museum_bucket_derived, rerank=settings.museum_rerank)
collections: RememberedBy[str, collection.Collection] = RememberedBy(
    lambda fingerprint: collection.read(fingerprint, store=store, rows=rows, bucket=settings.museum_bucket_state),
    max_age=collection.MAX_AGE,
)
live_model: RememberedBy[str, live.LiveModel] = RememberedBy(lambda bucket: live.read(store, bucket), max_age=live.MAX_AGE)


@function("search", previous=settings.museum_write_versions == "previous")
def search(event: QueryEmbedded) -> Announcement:
    """A query's vectors → its stored result, announced."""
    return handler.search(
        event,
        store=store,
        rows=rows,
        records=records,
        linked=linked,
        verify=verify,
        collection=collections,
        live=lambda: live_model(settings.museum_bucket_state).fingerprint,
        results=settings.museum_bucket_results,
    )
