"""What was measured, for people: a table, and a contact sheet of the worst failures."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from functions.catalogue.classes import BY_CODE
from infra.evaluation.encode import opened
from infra.evaluation.evaluate import Evaluation, Failure, SetFigures

THUMB = 240
STYLE = (
    "body{font:15px system-ui;margin:2rem;background:#fff;color:#111}figure{display:inline-block;margin:0 1rem 1rem 0}"
    "img{max-width:240px;max-height:240px}section{border-top:1px solid #ccc;padding:1rem 0}figcaption{max-width:240px}"
)


def table(made: Evaluation) -> Iterator[str]:
    """Lines of text. Shares in per cent, with their 95 % interval."""
    yield f"{made.model}, views {made.views}, {made.photos} catalogued photographs"
    for one in made.sets:
        yield ""
        yield f"{one.name}: {one.queries} queries of {one.objects} objects in a gallery of {one.gallery}"
        yield "  " + "   ".join(f"R@{rank} {figure}" for rank, figure in one.recall.items())
        yield f"  mAP {one.mean_average_precision}"
        if one.better is not None:
            yield f"  R@1 less that of {made.against}: {one.better}"
        if one.class_accuracy is not None:
            yield f"  class right, mean of {one.classes} class{'es' if one.classes > 1 else ''}: {one.class_accuracy * 100:.1f}"
        yield "  R@1 by class: " + ", ".join(f"{BY_CODE[code].ru} {figure}" for code, figure in one.by_class.items())
        yield "  R@1 by gallery size: " + ", ".join(f"{share * 100:.1f} of {size}" for size, share in one.growth)
    if made.gap is not None:
        yield ""
        yield f"with {made.strangers} strangers: GAP {made.gap * 100:.1f}"
        yield "  " + ", ".join(
            f"{known * 100:.1f} % of the known accepted at {false * 100:.0f} %" for false, known in made.rejection
        )


def sheet(title: str, failures: list[Failure], photos: Mapping[str, Path]) -> str:
    """A page with the query, the object that was first and the one expected: no script, nothing from elsewhere."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        f"<title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>",
        "" if failures else "<p>Every object was first.</p>",
    ]
    for one in failures:
        own = one.query.photo.object_id
        pictures = (
            (one.query.picture(), f"query: {one.query.set}"),
            (opened(photos[one.first]), f"first: {one.first}, {one.score:.4f}"),
            (opened(photos[own]), f"expected: {own}, rank {one.rank}, {one.own_score:.4f}"),
        )
        parts.append("<section>" + "".join(figure(picture, said) for picture, said in pictures) + "</section>")
    return "\n".join(parts) + "</html>\n"


def figure(picture: Image.Image, said: str) -> str:
    """A picture with its words."""
    small = picture.convert("RGB")
    small.thumbnail((THUMB, THUMB))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    source = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
    words = html.escape(said, quote=True)
    return f'<figure><img src="{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'


def as_data(made: SetFigures) -> dict[str, object]:
    """A set's figures as JSON values."""
    return {
        "set": made.name,
        "queries": made.queries,
        "objects": made.objects,
        "gallery": made.gallery,
        **{f"R@{rank}": [figure.value, figure.low, figure.high] for rank, figure in made.recall.items()},
        "mAP": made.mean_average_precision.value,
        "class_accuracy": made.class_accuracy,
        "classes": made.classes,
        "growth": made.growth,
        "better": made.better and [made.better.value, made.better.low, made.better.high],
    }
