"""``museum search``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from functions.adapters.s3 import S3Store
from functions.catalogue.classes import BY_CODE, UnknownClass, class_of
from functions.catalogue.fields import BY_NAME
from functions.catalogue.hits import SHOWN
from functions.cli.client import Found, Searcher, TimedOut
from functions.cli.common import json_option, plain, printable, running_stack, state_option
from functions.decoding import decoded
from functions.errors import MuseumError
from functions.gateway.records import record_of
from functions.ports import ObjectStore
from functions.results import Hit, Result, encode
from functions.runtime.settings import Buckets

console = Console(highlight=False)

SURE = {True: "sure: ", False: "unsure: ", None: ""}
"""What is said of a class's confidence; nothing where it is not calibrated."""


@click.command("search")
@state_option
@json_option
@click.option("--top", default=SHOWN, show_default=True, type=click.IntRange(1, 100), help="How many objects to show.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for each result.")
@click.argument("photos", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
def search_command(state: Path, as_json: bool, top: int, timeout: float, photos: tuple[Path, ...]) -> None:
    """Find the catalogued objects most similar to PHOTOS, one search a photo.

    The photo is put into the queries bucket; nothing but that upload starts the search.

    \b
    Examples:
      museum search vase.jpg
      museum search *.jpg --json > results.json
      museum search coin.jpg --top 30
    """
    stack = running_stack(state)
    settings = stack.settings()
    store = S3Store(settings)
    failed = False
    listed: list[dict[str, Any]] = []
    with Searcher(stack.environment()) as searcher:
        for photo in photos:
            try:
                found = searcher.search(photo, timeout=timeout)
                found = replace(found, result=with_records(found.result, top, store, settings.buckets))
            except (TimedOut, OSError, MuseumError) as error:
                failed = True
                unread = isinstance(error, OSError) and error.strerror
                reason = f"the photo cannot be read: {unread}" if unread else str(error)
                click.echo(printable(f"{photo}: {reason}"), err=True)
                status = "timed out" if isinstance(error, TimedOut) else "failed"
                listed.append({"photo": str(photo), "status": status, "reason": reason})
                continue
            failed |= found.result.status != "completed"
            if as_json:
                listed.append(as_data(found, top))
            else:
                show(found, top)
    if as_json:
        click.echo(json.dumps(listed, ensure_ascii=False, indent=2))
    raise SystemExit(1 if failed else 0)


def with_records(result: Result, top: int, store: ObjectStore, buckets: Buckets) -> Result:
    """The result with the records of ``top`` hits: search reads those of the first ten, and who wants more waits for more."""
    return replace(
        result, hits=[with_record(hit, result.museum, store, buckets) if hit.rank <= top else hit for hit in result.hits]
    )


def with_record(hit: Hit, viewer: str, store: ObjectStore, buckets: Buckets) -> Hit:
    """A hit with the fields of its record that the searcher may see; without where it cannot be read."""
    return replace(hit, record=record_of(hit, viewer, store, buckets))


def as_data(found: Found, top: int) -> dict[str, Any]:
    """A result as JSON values, with the photo it is of."""
    data: dict[str, Any] = decoded(encode(found.result))
    data["hits"] = data["hits"][:top]
    return {"photo": found.photo, **data}


def show(found: Found, top: int) -> None:
    """A result for people."""
    result = found.result
    console.print(f"[bold]{plain(Path(found.photo).name)}[/bold]  {found.seconds:.2f} s after the upload", soft_wrap=True)
    if result.status != "completed":
        console.print(printable(f"{result.status} in {result.step}: {result.reason}"), style="red", markup=False)
        return
    if said := result.reason or judged(result):
        console.print(printable(said), style="yellow" if result.reason else "", markup=False)
    table = Table("", "score", "likeness", Column("object", overflow="fold"), "name", "class", box=None)
    for hit in result.hits[:top]:
        name = (hit.record or {}).get("Name", "")
        kind = BY_CODE[hit.class_code].ru if hit.class_code in BY_CODE else ""
        table.add_row(str(hit.rank), written(hit.score), likeness(hit), plain(hit.object_id), plain(name), kind)
    if result.hits:
        console.print(table)
    if result.class_ is not None:
        console.print(
            f"class: {result.class_.name} ({SURE[result.class_.sure]}{result.class_.confidence:.0%} of the neighbours' vote)"
        )
    if result.draft:
        draft = Table("draft of the card", "value", "support", Column("from", overflow="fold"), box=None)
        for name, offers in result.draft.items():
            best = offers[0]
            sources = ", ".join(source.object_id for source in best.sources[:3])
            value = class_named(best.value) if name == "TypologyGK" else best.value
            draft.add_row(BY_NAME[name].ru, plain(value[:90]), f"{best.support:.0%}", plain(sources))
        console.print(draft)


def written(score: float) -> str:
    """A score for people: below 0 two photos have nothing in common either. ``--json`` and the result keep the cosine."""
    return f"{max(0.0, score):.4f}"


def likeness(hit: Hit) -> str:
    """A hit's relation with its probability; a dash where nothing can be said."""
    if hit.relation is None:
        return "–"
    there = ", there already" if hit.duplicate else ""
    return f"{hit.relation.kind.replace('_', ' ')} {hit.relation.probability:.0%}{there}"


def judged(result: Result) -> str:
    """What the scores mean, where that is known."""
    if result.verdict is None or not result.hits:
        return ""
    if result.verdict.similar is None:
        return (
            "whether anything is similar is not known in this collection yet: from some 50 photos of several classes on "
            "`museum calibrate` finds from which score on it is"
        )
    return f"similar: the best score {written(result.hits[0].score)} is not below {result.verdict.threshold:.4f}"


def class_named(value: str) -> str:
    """A class by its name; what is none of the 15 as it is."""
    try:
        return class_of(value).ru
    except UnknownClass:
        return value
