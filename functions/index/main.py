"""index as a function: ``functions-framework --source functions/index/main.py --target index``."""

from __future__ import annotations

from functions import live
from functions.adapters.milvus import MilvusIndex
from functions.adapters.s3 import S3Store
from functions.events import CatalogueEmbedded, ImageIndexed, ImageRemoved, ObjectChanged
from functions.index import handler
from functions.index.listings import Listings
from functions.runtime.function import function
from functions.runtime.remember import RememberedBy
from functions.runtime.settings import Settings, load

settings = load(Settings)
store = S3Store(settings)
rows = MilvusIndex(settings.museum_milvus_uri, token=settings.museum_milvus_token)
listings = Listings(store)
collections: RememberedBy[str, list[str]] = RememberedBy(
    lambda bucket: handler.known(rows, live.read(store, bucket).fingerprint), max_age=live.MAX_AGE
)


@function("index", previous=settings.museum_write_versions == "previous")
def index(event: CatalogueEmbedded | ImageRemoved | ObjectChanged) -> ImageIndexed:
    """An object's vectors and record → its rows."""
    return handler.index(
        event,
        store=store,
        rows=rows,
        listings=listings,
        buckets=settings.buckets,
        collections=lambda: collections(settings.museum_bucket_state),
    )
