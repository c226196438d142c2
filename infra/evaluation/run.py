"""``museum evaluate`` without its command line: folders in, figures out, with progress."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from infra.engine import build, spec, wheels
from infra.evaluation import report
from infra.evaluation.dataset import DatasetError, Gallery, gallery_of, queries_of, strangers_of, together
from infra.evaluation.encode import Eye, Kept, onnx_see
from infra.evaluation.evaluate import Evaluation, Query, Run, failures, figures, run, synthetic
from infra.evaluation.progress import progress
from infra.evaluation.split import half_of
from infra.local import stamps

DEMO, WITHOUT_CROP = "demo", "full"
SHOWN = 60
"""Failures on a contact sheet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to measure."""

    dataset: Path
    galleries: tuple[str, ...]
    model: str
    """Name, tier, or a file with a graph."""
    against: str | None
    """Another one to compare with, or ``full``: the same without the crop."""
    variants: int
    kinds: tuple[str, ...]
    split: Literal["test", "train", "all"]
    crop: bool
    strangers: Path | None
    seed: int
    sheet: Path | None
    workers: int


def evaluated(asked: Asked) -> Evaluation:
    """Measure. Raises ``DatasetError``, and ``Reject`` for a photograph that cannot be read."""
    own = gallery_of(asked.dataset)
    gallery = together([own, *(more_of(name) for name in asked.galleries)])
    queries = wanted(asked, own)
    found = searched(asked, asked.model, asked.crop, gallery, queries)
    against = compared(asked, gallery, queries) if asked.against else None
    made = figures(
        found, gallery.classes, model=asked.model, views="full+crop" if asked.crop else "full", photos=len(gallery.photos),
        against=against,
    )  # fmt: skip
    if asked.sheet:
        files = {photo.object_id: photo.file for photo in gallery.photos}
        asked.sheet.write_text(report.sheet(f"Failures of {asked.model}", failures(found, SHOWN), files), encoding="utf-8")
    return replace(made, against=asked.against)


def compared(asked: Asked, gallery: Gallery, queries: list[Query]) -> Run:
    """The same queries by another model, or by this one without the crop."""
    if asked.against == WITHOUT_CROP:
        return searched(asked, asked.model, False, gallery, queries)
    return searched(asked, asked.against or "", asked.crop, gallery, queries)


def searched(asked: Asked, model: str, crop: bool, gallery: Gallery, queries: list[Query]) -> Run:
    """Every query's ranking by a model: a name, a tier, or a file with a graph."""
    onnx = Path(model) if model.endswith(".onnx") else build.build(spec.chosen(model), wheels.cache_folder()) / build.WHOLE
    if not onnx.is_file():
        raise DatasetError(f"expected a model, a tier or a file with a graph, found {model}, which is not there")
    with (
        Kept(wheels.cache_folder() / "evaluation" / "vectors.sqlite") as kept,
        progress(len(gallery.photos) + len(queries)) as step,
    ):
        eye = Eye(onnx_see(onnx), wheels.sha256_of(onnx), kept)
        return run(gallery, queries, eye, crop=crop, workers=asked.workers, step=step)


def wanted(asked: Asked, own: Gallery) -> list[Query]:
    """The queries that count. Raises ``DatasetError`` where none is left."""
    inside = [photo for photo in own.photos if asked.split in ("all", half_of(photo.object_id))]
    photographed = [
        Query(photo=photo, set=photo.set)
        for photo in queries_of(asked.dataset, {photo.object_id for photo in own.photos})
        if not photo.object_id or asked.split in ("all", half_of(photo.object_id))
    ]
    found = photographed + synthetic(inside, asked.kinds, asked.variants, asked.seed)
    if asked.strangers:
        found += [Query(photo=photo, set=photo.set) for photo in strangers_of(asked.strangers)]
    if not found:
        raise DatasetError(
            f"{asked.dataset}: no query is left of the half `{asked.split}`: choose another --split, or --variants"
        )
    return found


def more_of(name: str) -> Gallery:
    """A further gallery: a folder, or the demo's catalogue."""
    if name != DEMO:
        return gallery_of(Path(name))
    cache = wheels.cache_folder()
    return gallery_of(stamps.build(stamps.fetch(cache), cache / "demo").table.parent)


def as_data(made: Evaluation) -> dict[str, object]:
    """All of it as JSON values."""
    return {
        "model": made.model,
        "views": made.views,
        "against": made.against,
        "photos": made.photos,
        "sets": [report.as_data(one) for one in made.sets],
        "strangers": made.strangers,
        "GAP": made.gap,
        "rejection": made.rejection,
    }
