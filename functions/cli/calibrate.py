"""``museum calibrate``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path

import click
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from functions import live, outcome
from functions.adapters.milvus import MilvusIndex
from functions.adapters.s3 import S3Store
from functions.calibration.fitted import Category, class_named, fitted
from functions.calibration.sample import Photo
from functions.catalogue.calibration import PRECISION, Calibration
from functions.catalogue.fields import BY_NAME
from functions.catalogue.hits import ObjectId
from functions.catalogue.keys import parse_catalogue
from functions.catalogue.record import MAX_RECORD, BadRecord, Record, parse
from functions.catalogue.threshold import MIN_STRANGERS
from functions.cli.common import json_option, plain, printable, settings_of, state_option
from functions.decoding import decoded
from functions.errors import MuseumError, Reject
from functions.events import upload_id
from functions.outcome import Outcome
from functions.ports import ObjectStore, VectorIndex, Vectors
from functions.runtime.settings import Settings, load
from functions.search import collection

SAMPLE = 5000
"""Photos that a calibration looks at: their 12 million pairs take seconds."""
READERS = 4
"""Objects of the store read side by side."""

UNSAID: Mapping[str, str] = {
    "similar": "whether anything is similar",
    "others": "whether an object is there already",
    "twins": "whether an object is there already",
    "duplicate": "whether an object is there already",
    "class": "how sure a class is",
    "same_object": "whether a hit is the same object",
    "same_edition": "whether a hit is of the same edition",
    "same_kind": "whether a hit is of the same kind",
    "draft": "how good a draft is",
}
"""What a search cannot say without a part of the calibration."""

Say = Callable[[str], None]
console = Console(highlight=False)


@click.command("calibrate")
@state_option
@json_option
@click.pass_context
def calibrate_command(context: click.Context, state: Path, as_json: bool) -> None:
    """Find out what scores mean in the live collection, by its own photos and records, and store it for search.

    From which score on something is similar or the object itself, what relation a hit has, how sure a class is, and how good
    drafts are. What the collection has too little for is left out, with the reason. It holds until the collection has doubled.

    \b
    Examples:
      museum calibrate
      museum calibrate --json
    """
    settings = settings_of(context, state)
    try:
        made = calibrated_by(settings, say=lambda line: click.echo(line, err=True))
    except (ValueError, MuseumError) as error:
        raise click.ClickException(printable(str(error))) from None
    if as_json:
        click.echo(json.dumps({**msgspec.to_builtins(made), **limits(made)}, ensure_ascii=False))
    else:
        show(made)


def calibrate(environment: Mapping[str, str], category: Category = class_named, say: Say = lambda _: None) -> Calibration:
    """Fit and store the live collection's calibration. Raises ``ValueError`` where it has no photo."""
    return calibrated_by(load(Settings, environment), category, say)


def calibrated_by(settings: Settings, category: Category = class_named, say: Say = lambda _: None) -> Calibration:
    """The same by settings."""
    return calibrated(
        S3Store(settings),
        MilvusIndex(settings.museum_milvus_uri, token=settings.museum_milvus_token),
        settings.museum_bucket_state,
        category,
        say,
    )


def calibrated(
    store: ObjectStore, rows: VectorIndex, state: str, category: Category = class_named, say: Say = print
) -> Calibration:
    """The same over ports."""
    fingerprint = live.read(store, state).fingerprint
    say("reading photos' vectors and records")
    photos = photos_of(store, findable(store, state, fingerprint))
    say(f"comparing {len(photos)} photos with each other")
    made = fitted(photos, fingerprint=fingerprint, size=rows.count(fingerprint), made_at=time.time(), category=category)
    collection.write(made, store=store, bucket=state)
    return made


def findable(store: ObjectStore, state: str, fingerprint: str) -> list[Outcome]:
    """The outcomes of findable photos: all, or of a large collection the first in the order of their ids, with the other
    photos of the same objects. Ids are hashes, so that this is a random sample, the same each time, and the rest is not listed.
    """
    keys = [info.key for info in islice(store.list(state, outcome.PREFIX), SAMPLE)]
    with ThreadPoolExecutor(READERS) as pool:
        found = live_ones(pool.map(lambda key: outcome_at(store, state, key), keys), fingerprint)
        if len(keys) == SAMPLE:
            objects = {(one.museum, one.object_id): one for one in found.values()}
            found |= live_ones(
                chain.from_iterable(pool.map(lambda one: siblings(store, state, one), objects.values())), fingerprint
            )
    return list(found.values())


def outcome_at(store: ObjectStore, state: str, key: str) -> Outcome | None:
    """A stored outcome; ``None`` where it is gone."""
    stored = store.get(state, key)
    return decoded(stored.body, Outcome) if stored else None


def live_ones(outcomes: Iterable[Outcome | None], fingerprint: str) -> dict[str, Outcome]:
    """By upload id those of photos that are findable by the live model."""
    there = (one for one in outcomes if one is not None and one.status == "indexed" and one.vectors)
    return {one.upload_id: one for one in there if one.fingerprint == fingerprint}


def siblings(store: ObjectStore, state: str, one: Outcome) -> list[Outcome | None]:
    """The outcomes of all photos of an object."""
    place = parse_catalogue(one.key, museum=one.museum)
    infos = [info for info in store.list(one.bucket, place.prefix) if place.owns(info.key) and info.key != place.record_key]
    return [outcome.read(store, state, upload_id(one.bucket, info.key, info.version)) for info in infos]


def photos_of(store: ObjectStore, outcomes: list[Outcome]) -> list[Photo]:
    """The photos with the records of their objects, each of which is read once; without those whose vectors cannot be read."""
    vectors = {one.upload_id: vectors_of(one) for one in outcomes}
    owners: dict[ObjectId, Outcome] = {(one.museum, one.object_id): one for one in outcomes}
    with ThreadPoolExecutor(READERS) as pool:
        records = dict(zip(owners, pool.map(lambda one: record_of(store, one), owners.values()), strict=True))
    return [
        Photo(
            object=(one.museum, one.object_id),
            vectors=found,
            record=records[one.museum, one.object_id],
        )
        for one in outcomes
        if (found := vectors[one.upload_id]) is not None
    ]


def vectors_of(one: Outcome) -> Vectors | None:
    """A photo's vectors, shape (views, dim); ``None`` where one is broken."""
    try:
        return np.stack([vector.unpack() for vector in one.vectors])
    except Reject:
        return None


def record_of(store: ObjectStore, one: Outcome) -> Record:
    """The record of an object, empty where it has none that can be read."""
    empty = Record(museum=one.museum, object_id=one.object_id)
    place = parse_catalogue(one.key, museum=one.museum)
    try:
        found = store.get(one.bucket, place.record_key, limit=MAX_RECORD) if place.record_key else None
        return parse(found.body, museum=one.museum, object_id=one.object_id) if found else empty
    except (BadRecord, Reject):
        return empty


def limits(made: Calibration) -> dict[str, float | None]:
    """The thresholds at the collection's present size."""
    return {
        "similar_from": made.strangers.threshold(made.size) if made.strangers else None,
        "duplicate_from": made.duplicate_from(made.size),
    }


def show(made: Calibration) -> None:
    """A calibration for people."""
    found = lines(made)
    holds = "; what is found holds until it has doubled" if found else ""
    console.print(
        f"[bold]{made.photos} photos of {made.objects} objects[/bold], in a collection of {made.size} rows{holds}", soft_wrap=True
    )
    if found:
        table = Table("what", "found", "stands on", box=None)
        for row in found:
            table.add_row(*map(plain, row))
        console.print(table)
    for line in (*unsaid(made), *doubtful(made)):
        console.print(plain(line), style="yellow", soft_wrap=True)


def unsaid(made: Calibration) -> list[str]:
    """What searches will not say and why, and what to do; nothing where they say everything."""
    if not made.missing:
        return []
    known = "not known yet:" if lines(made) else "nothing is known yet of what scores mean:"
    few = (
        f"these photos are too few to say what scores mean; from {MIN_STRANGERS} on, of several classes, some of it can be said:"
    )
    further = "import what is missing (`museum import`), then run `museum calibrate` again"
    return [
        few if made.photos < MIN_STRANGERS else known,
        *(f"  {UNSAID[name]}: {reason}" for name, reason in made.missing.items()),
        f"Until then a search shows the most alike objects and their scores, and says nothing of this: {further}.",
    ]


def doubtful(made: Calibration) -> list[str]:
    """Objects of which one photo says that they are one, and the records that they are of two classes."""
    if not made.twice:
        return []
    pairs = [f"  {'/'.join(one)} and {'/'.join(other)}" for one, other in made.twice]
    return ["the same photo is of two objects of different classes, so one record is wrong, or both are of one object:", *pairs]


def lines(made: Calibration) -> list[tuple[str, str, str]]:
    """What was found, row by row."""
    rows = []
    if made.strangers:
        found = f"from a cosine of {made.strangers.threshold(made.size):.4f} on; lets 2 % of strangers pass"
        found += f" and {made.accepted} of catalogued objects' photos" if made.accepted else ""
        rows.append(("similar", found, f"{made.strangers.strangers} photos against other classes"))
    limit = made.duplicate_from(made.size)
    if limit is not None and made.twins:
        found = f"from {limit:.4f} on, {PRECISION:.0%} precision; finds {made.twins.reached(limit):.0%}"
        rows.append(("there already", found, f"{made.twins.photos} photos of {made.twins.objects} objects"))
    for one in made.likenesses:
        true = f"; {one.precision} of claims true" if one.precision else "; nothing was claimed"
        rows.append((one.kind.replace("_", " "), f"by {one.basis}{true}", f"{one.pairs} pairs of {one.objects} objects"))
    if votes := made.votes:
        sure = "never sure" if votes.sure_from is None else f"sure from {votes.sure_from:.0%} on: {votes.answered}"
        true = f", {votes.precision} of them right" if votes.precision else ""
        found = f"{votes.accuracy} right; error of confidence {votes.ece}; {sure}{true}"
        rows.append(("class", found, f"{votes.photos} photos to fit, {votes.accuracy.count} to judge"))
    for field in made.draft:
        measure = "the same" if field.measure == "exact" else "of words (F1)"
        found = f"{field.quality} {measure}; {field.wrong} differ"
        rows.append((f"draft: {BY_NAME[field.name].ru}", found, f"{field.quality.count} drafts"))
    return rows
