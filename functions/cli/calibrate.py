"""``museum calibrate``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import click
import msgspec
import numpy as np
from numpy.typing import NDArray

from functions import live, outcome
from functions.adapters.s3 import S3Store
from functions.catalogue.keys import parse_catalogue
from functions.catalogue.record import Record, parse
from functions.catalogue.threshold import Calibration, fit
from functions.cli.common import json_option, running_stack, state_option
from functions.outcome import Outcome
from functions.ports import ObjectStore
from functions.runtime.settings import Settings, load
from functions.search import collection

SAMPLE = 5000
"""Photos that a calibration looks at: their 12 million pairs take seconds."""
SEED = 20260131

Category = Callable[[str], str]
"""object_id → what kind of thing it is; only things of another kind are strangers."""


@click.command("calibrate")
@state_option
@json_option
def calibrate_command(state: Path, as_json: bool) -> None:
    """Fit from which score on something is similar, by the photos of the live collection.

    Each photo's best score to objects of another class is what a stranger reaches; the threshold lets 2 % of them pass. It
    holds until the collection has doubled.

    \b
    Examples:
      museum calibrate
      museum calibrate --json
    """
    stack = running_stack(state)
    try:
        made = calibrate(stack.environment())
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    threshold = made.threshold(made.size)
    if as_json:
        click.echo(json.dumps({**asdict(made), "threshold": threshold}))
    else:
        click.echo(f"similar from a cosine of {threshold:.4f} on, by {made.strangers} photos of a collection of {made.size}")


def calibrate(environment: Mapping[str, str], category: Category | None = None) -> Calibration:
    """Fit and store the live collection's calibration. Raises ``ValueError`` where there are too few photos."""
    settings = load(Settings, environment)
    store = S3Store(settings)
    fingerprint = live.read(store, settings.museum_bucket_state).fingerprint
    outcomes = [one for one in indexed(store, settings.museum_bucket_state) if one.fingerprint == fingerprint]
    kinds = [category(one.object_id) if category else class_of(store, one) for one in outcomes]
    views = [np.stack([vector.unpack() for vector in one.vectors]) for one in outcomes]
    made = fit(strangers(views, kinds), fingerprint=fingerprint, size=sum(len(one) for one in views))
    collection.write(made, store=store, bucket=settings.museum_bucket_state)
    return made


def indexed(store: ObjectStore, bucket: str) -> list[Outcome]:
    """The outcomes of photos that are findable: all, or a fixed sample of a large collection."""
    keys = [info.key for info in store.list(bucket, outcome.PREFIX)]
    if len(keys) > SAMPLE:
        keys = [str(key) for key in np.random.default_rng(SEED).choice(keys, SAMPLE, replace=False)]
    with ThreadPoolExecutor(4) as pool:
        found = [one for one in pool.map(lambda key: store.get(bucket, key), keys) if one is not None]
    read = [msgspec.json.decode(one.body, type=Outcome) for one in found]
    return [one for one in read if one.status == "indexed" and one.vectors]


def class_of(store: ObjectStore, one: Outcome) -> str:
    """The class of an object by its record, empty where unknown."""
    place = parse_catalogue(one.key, museum=one.museum)
    found = store.get(one.bucket, place.record_key) if place.record_key else None
    record = parse(found.body, museum=one.museum, object_id=one.object_id) if found else Record(museum="", object_id="")
    return str(record.class_code or "")


def strangers(photos: Sequence[NDArray[np.float32]], kinds: Sequence[str]) -> list[float]:
    """For each photo its best cosine to photos of another kind, over all pairs of views; those of unknown kind are left out.

    ``photos``: the views of each, float32 (views, dim).
    """
    if not photos:
        return []
    vectors, names = np.concatenate(photos), np.array(kinds).repeat([len(views) for views in photos])
    best = []
    for kind, views in zip(kinds, photos, strict=True):
        others = vectors[(names != kind) & (names != "")]
        if kind and len(others):
            best.append(float((views @ others.T).max()))
    return best
