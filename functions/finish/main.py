"""finish as a function: ``functions-framework --source functions/finish/main.py --target finish``."""

from __future__ import annotations

from functions.adapters.s3 import S3Store
from functions.events import DeliveryDead, ImageRejected
from functions.finish import handler
from functions.runtime.function import function
from functions.runtime.settings import Settings, load

settings = load(Settings)
store = S3Store(settings)


@function("finish", previous=settings.museum_write_versions == "previous")
def finish(event: ImageRejected | DeliveryDead) -> list[handler.Finished]:
    """A rejection or a dead delivery → a stored end, announced."""
    return handler.finish(
        event,
        store=store,
        buckets=settings.buckets,
        museum=settings.museum_default_museum,
        owner=settings.museum_default_owner,
    )
