"""A model against a data set: every query's ranking, and the figures of each set of queries. No printing, no files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from functions.calibration import votes
from functions.catalogue.figures import Figure
from functions.catalogue.hits import SHOWN, TEMPERATURE
from infra.evaluation import metrics
from infra.evaluation.dataset import Gallery, Photo
from infra.evaluation.encode import Eye, Views, each, opened
from infra.evaluation.metrics import Ranking
from infra.evaluation.variants import variant

FALSE_ACCEPTS = (0.01, 0.02, 0.05)
GROWTH = (10, 30, 100, 300, 1000, 3000, 10_000)
Step = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query: a photograph, or a synthetic variant of one."""

    photo: Photo
    set: str
    number: int = -1
    """Of the variant; -1: the photograph itself."""
    seed: int = 0

    def picture(self) -> Image.Image:
        """The picture that is searched for."""
        original = opened(self.photo.file)
        if self.number < 0:
            return original
        return variant(self.set, original, seed=self.seed, name=self.photo.file.stem, number=self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFigures:
    """One set of queries. Shares 0–1."""

    name: str
    queries: int
    objects: int
    """Different ones that are asked for."""
    gallery: int
    """Objects in the gallery."""
    recall: dict[int, Figure]
    """By rank."""
    mean_average_precision: Figure
    class_accuracy: float | None
    """Macro mean over the classes present; ``None`` where no class is known."""
    classes: int
    by_class: dict[int, Figure]
    """R@1 of the objects of each class."""
    growth: list[tuple[int, float]]
    """(gallery size, R@1)."""
    better: Figure | None = None
    """R@1 less that of what it was compared with, on the same queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All that was measured, and what it was measured with."""

    model: str
    views: str
    photos: int
    sets: list[SetFigures]
    against: str | None = None
    """What it was compared with."""
    strangers: int = 0
    gap: float | None = None
    """Over all queries and the strangers."""
    rejection: list[tuple[float, float]] = field(default_factory=list)
    """(share of strangers accepted, share of the known accepted)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Queries with what they found."""

    queries: Sequence[Query]
    ranking: Ranking
    objects: Sequence[str]
    """The gallery's, by place."""


def synthetic(photos: Sequence[Photo], kinds: Sequence[str], variants: int, seed: int) -> list[Query]:
    """``variants`` queries of each kind for each photograph."""
    numbers = range(variants)
    return [Query(photo=photo, set=kind, number=number, seed=seed) for kind in kinds for photo in photos for number in numbers]


def run(gallery: Gallery, queries: Sequence[Query], eye: Eye, *, crop: bool, workers: int, step: Step) -> Run:
    """Embed everything and rank the gallery for each query. ``step`` is called after each picture."""
    objects = sorted({photo.object_id for photo in gallery.photos})
    place = {name: number for number, name in enumerate(objects)}

    def of_photo(photo: Photo) -> Views:
        seen = eye.views(opened(photo.file))
        step()
        return seen

    def of_query(query: Query) -> Views:
        seen = eye.views(query.picture())
        step()
        return seen

    known, known_of = stacked(list(each(of_photo, gallery.photos, workers=workers)), crop)
    asked, asked_of = stacked(list(each(of_query, queries, workers=workers)), crop)
    of_object = np.array([place[photo.object_id] for photo in gallery.photos])[known_of]
    scores = metrics.best_pairs(asked, asked_of, known, of_object)
    expected = np.array([place.get(query.photo.object_id, -1) for query in queries])
    return Run(queries=queries, ranking=Ranking(scores=scores, expected=expected), objects=objects)


def stacked(views: Sequence[Views], crop: bool) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All vectors (m, dim), and whose each is (m,). Without ``crop`` the whole pictures alone."""
    wanted = [(number, vector) for number, one in enumerate(views) for view, vector in one.items() if crop or view == "full"]
    return np.stack([vector for _, vector in wanted]), np.array([number for number, _ in wanted])


def figures(
    found: Run, classes: dict[str, int], *, model: str, views: str, photos: int, against: Run | None = None
) -> Evaluation:
    """The figures of a run, set by set. ``against``: another run of the same queries."""
    names = np.array([query.set for query in found.queries])
    stranger = found.ranking.expected < 0
    sets = [
        set_figures(found, np.flatnonzero((names == name) & ~stranger), classes, against)
        for name in dict.fromkeys(names[~stranger])
    ]
    best = found.ranking.best
    return Evaluation(
        model=model,
        views=views,
        photos=photos,
        sets=sets,
        strangers=int(stranger.sum()),
        gap=metrics.gap(found.ranking) if stranger.any() else None,
        rejection=list(zip(FALSE_ACCEPTS, metrics.rejection(best[~stranger], best[stranger], FALSE_ACCEPTS), strict=True))
        if stranger.any()
        else [],
    )


def set_figures(found: Run, chosen: NDArray[np.int64], classes: dict[str, int], against: Run | None) -> SetFigures:
    """The figures of some queries."""
    queries = [found.queries[number] for number in chosen]
    ranking = found.ranking.only(chosen)
    ranks, of = ranking.ranks, [query.photo.object_id for query in queries]
    first = metrics.recall(ranks, 1)
    known = np.array([classes.get(name, 0) for name in of])
    by_class = {
        int(code): metrics.interval(first[known == code], [name for name in of if classes.get(name, 0) == code])
        for code in np.unique(known[known > 0])
    }
    return SetFigures(
        name=queries[0].set,
        queries=len(queries),
        objects=len(set(of)),
        gallery=len(found.objects),
        recall={rank: metrics.interval(metrics.recall(ranks, rank), of) for rank in metrics.RANKS},
        mean_average_precision=metrics.interval(metrics.precision(ranks), of),
        class_accuracy=class_accuracy(ranking.scores[known > 0], found.objects, classes, known[known > 0]) if by_class else None,
        classes=len(by_class),
        by_class=by_class,
        growth=metrics.growth(ranking, GROWTH),
        better=metrics.paired(metrics.recall(against.ranking.only(chosen).ranks, 1), first, of) if against else None,
    )


def class_accuracy(
    scores: NDArray[np.float32], objects: Sequence[str], classes: dict[str, int], truth: NDArray[np.int64]
) -> float:
    """Macro share of queries whose class is that of their ten nearest objects, by the vote that search takes."""
    near = np.argsort(-scores, axis=1, kind="stable")[:, :SHOWN]
    voters = np.array([classes.get(name, 0) for name in objects])[near]
    heard = (voters > 0).any(axis=1)  # a query without a voter is wrong
    right = np.zeros(len(truth))
    nearest = np.take_along_axis(scores, near, axis=1)
    if heard.any():
        right[heard] = votes.answers(nearest[heard], voters[heard], truth[heard], TEMPERATURE)[1]
    return metrics.macro(right, truth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A query whose object was not first."""

    query: Query
    rank: int
    """Of its object."""
    score: float
    own_score: float
    first: str
    """The object that was first instead."""


def failures(found: Run, count: int) -> list[Failure]:
    """The worst: those whose object came last."""
    ranks = found.ranking.ranks
    order = [number for number in np.argsort(-ranks, kind="stable") if ranks[number] > 1][:count]
    return [
        Failure(
            query=found.queries[number],
            rank=int(ranks[number]),
            score=float(found.ranking.best[number]),
            own_score=float(found.ranking.scores[number, found.ranking.expected[number]]),
            first=found.objects[int(found.ranking.scores[number].argmax())],
        )
        for number in order
    ]
