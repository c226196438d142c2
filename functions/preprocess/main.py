"""preprocess as a function: ``functions-framework --source functions/preprocess/main.py --target preprocess``."""

from __future__ import annotations

from functions.adapters.s3 import S3Store
from functions.events import ImagePreprocessed, ImageReceived
from functions.preprocess import handler
from functions.preprocess.decode import limits_by_lane
from functions.preprocess.memory import give_back_large_blocks
from functions.runtime.function import function
from functions.runtime.settings import Settings, load

give_back_large_blocks()
settings = load(Settings)
store = S3Store(settings)
limits = limits_by_lane(settings.museum_max_bytes, settings.museum_max_master_bytes)


@function("preprocess", previous=settings.museum_write_versions == "previous")
def preprocess(event: ImageReceived) -> ImagePreprocessed:
    """Photos → pixels for the encoder and display copies."""
    return handler.preprocess(event, store=store, derived=settings.museum_bucket_derived, limits=limits)
