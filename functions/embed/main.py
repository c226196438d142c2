"""embed as a function: ``functions-framework --source functions/embed/main.py --target embed``."""

from __future__ import annotations

from functions import live
from functions.adapters.encoders import encoder_of
from functions.adapters.s3 import S3Store
from functions.embed import handler
from functions.embed.vectors import VectorCache
from functions.events import CatalogueEmbedded, ImagePreprocessed, ImageReceived, QueryEmbedded
from functions.runtime.function import function
from functions.runtime.remember import RememberedBy
from functions.runtime.settings import Settings, load

settings = load(Settings)
store = S3Store(settings)
cache = VectorCache()
live_model: RememberedBy[str, live.LiveModel] = RememberedBy(lambda bucket: live.read(store, bucket), max_age=live.MAX_AGE)


@function("embed", previous=settings.museum_write_versions == "previous")
def embed(event: ImagePreprocessed) -> QueryEmbedded | CatalogueEmbedded | ImageReceived:
    """Prepared pixels → vectors."""
    return handler.embed(
        event,
        store=store,
        derived=settings.museum_bucket_derived,
        encoder=encoder_of(settings, live_model(settings.museum_bucket_state).model),
        live=lambda: live_model(settings.museum_bucket_state),
        cache=cache,
    )
