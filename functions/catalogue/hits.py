"""From near rows to what a person sees: objects, a class, a draft. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from functions.catalogue.calibration import Votes
from functions.catalogue.classes import BY_CODE, UnknownClass, class_of, plain
from functions.catalogue.fields import OFFERED
from functions.catalogue.record import Record
from functions.ports import IndexRow, Match

STORED = 100
"""Objects that a result keeps."""
SHOWN = 10
"""Objects that people see first, and that class and draft are made from."""
TEMPERATURE = 0.05
"""Of the vote's weights: a neighbour 0.05 less alike counts e times less. Wu et al. 2018 (arXiv:1805.01978) weigh
k-nearest-neighbour votes by exp(cosine / 0.07). Used where none was fitted to the collection."""
UNHEARD = 0.01
"""Weight, beside the nearest's, below which a neighbour offers nothing: the one record that has a field would be all of its vote,
however little alike it is."""
RUNNERS_UP = 3
"""Further classes that a vote names."""
MAX_VALUES = 5
"""Values that a draft offers for one field."""

ObjectId = tuple[str, str]
"""(museum, object_id)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHit:
    """One object that is like the query, by its most alike photo."""

    row: IndexRow
    score: float
    query_image: int
    """Which of the query's photos was nearest."""
    query_view: str = "full"
    """Which view of it: the whole photo, or ``crop``, the object in it."""

    @property
    def object(self) -> ObjectId:
        """Whose photo it is."""
        return self.row.museum, self.row.object_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Became:
    """The record that a card became."""

    object: ObjectId
    record_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerUp:
    """A class that got fewer votes."""

    code: int
    name: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassVote:
    """The class the neighbours speak for."""

    code: int
    name: str
    confidence: float
    """Share of the vote, 0–1: a probability where the vote was calibrated."""
    runners_up: tuple[RunnerUp, ...] = ()
    sure: bool | None = None
    """Whether at least 90 % were right among votes as clear as this; ``None`` where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A record that a value came from."""

    museum: str
    object_id: str
    record: str
    """Its key in the catalogue bucket."""
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One value for one field of a draft."""

    value: str
    support: float
    """Similarity-weighted share of the neighbours that have this value among those that have any, 0–1."""
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A hit with the part of its record that the searcher may see."""

    hit: ObjectHit
    record: Record
    record_key: str

    @property
    def source(self) -> Source:
        """Where a value of this neighbour came from."""
        museum, object_id = self.hit.object
        return Source(museum=museum, object_id=object_id, record=self.record_key, score=self.hit.score)


def grouped(found: Iterable[tuple[int, str, Sequence[Match]]]) -> list[ObjectHit]:
    """The objects behind rows found for each of the query's vectors (image number, view, matches), best first.

    An object counts once, by its best pair of views; ties go by name, so that a repeat gives the same order.
    """
    pairs = (
        ObjectHit(row=match.row, score=match.score, query_image=image, query_view=view)
        for image, view, matches in found
        for match in matches
    )
    best: dict[ObjectId, ObjectHit] = {}
    for hit in sorted(pairs, key=order):
        best.setdefault(hit.object, hit)
    return list(best.values())[:STORED]


def folded(hits: Sequence[ObjectHit], became: Mapping[ObjectId, Became]) -> list[ObjectHit]:
    """A card and the record that it became are one object: under the record's name, by the nearer photo of both."""
    classes = {hit.object: hit.row.class_code for hit in hits}
    best: dict[ObjectId, ObjectHit] = {}
    for hit in hits:
        into = became.get(hit.object)
        if into is not None:
            museum, object_id = into.object
            code = classes.get(into.object, hit.row.class_code)
            row = replace(hit.row, museum=museum, object_id=object_id, record_version=into.record_version, class_code=code)
            best.setdefault(into.object, replace(hit, row=row))
        else:
            best.setdefault(hit.object, hit)
    return list(best.values())


def order(hit: ObjectHit) -> tuple[object, ...]:
    """The most alike first; the rest only tells equals apart."""
    return -hit.score, hit.object, hit.row.key, hit.row.view, hit.query_image, hit.query_view


def weights(hits: Sequence[ObjectHit], temperature: float = TEMPERATURE) -> list[float]:
    """How much each hit's voice counts: ``exp(cosine / temperature)``, divided so that the sum is 1."""
    top = max((hit.score for hit in hits), default=0.0)
    raw = [math.exp((hit.score - top) / temperature) for hit in hits]
    total = sum(raw)
    return [value / total for value in raw]


def classify(hits: Sequence[ObjectHit], calibrated: Votes | None = None) -> ClassVote | None:
    """A similarity-weighted vote of the shown hits; objects without a class do not vote. ``None``: nobody votes.

    A class's confidence is the sum of its voters' :func:`weights`. Equal votes: the lower code is first.
    """
    votes: dict[int, float] = defaultdict(float)
    voters = [hit for hit in hits[:SHOWN] if hit.row.class_code in BY_CODE]
    temperature = calibrated.temperature if calibrated else TEMPERATURE
    for hit, weight in zip(voters, weights(voters, temperature), strict=True):
        votes[hit.row.class_code] += weight
    if not votes:
        return None
    ranked = sorted(votes, key=lambda code: (-round(votes[code], 9), code))
    first, *others = [RunnerUp(code=code, name=BY_CODE[code].ru, confidence=round(votes[code], 4)) for code in ranked]
    sure = None if calibrated is None else calibrated.sure(first.confidence)
    return ClassVote(
        code=first.code, name=first.name, confidence=first.confidence, runners_up=tuple(others[:RUNNERS_UP]), sure=sure
    )


def draft(neighbours: Sequence[Neighbour]) -> dict[str, list[Offer]]:
    """For each offered field the neighbours' values, with their support and the records they came from.

    Nothing is made up: every value stands in a neighbour's record just so.
    """
    offers = {
        item.name: whole(item.name, neighbours) if item.choice == "whole" else voted(item.name, neighbours) for item in OFFERED
    }
    return {name: values for name, values in offers.items() if values}


def whole(name: str, neighbours: Sequence[Neighbour]) -> list[Offer]:
    """Whole texts of single samples, ranked by likeness (its share of the vote) × completeness of the sample's record.

    Of bare cosines, which lie within 0.1 of each other, the fuller record of a quite other thing would win. Samples with one text
    are one offer.
    """
    having = [one for one in neighbours if one.record.fields.get(name)]
    shares = weights([one.hit for one in having])
    ranked = sorted(
        zip(having, shares, strict=True),
        key=lambda pair: (-pair[1] * pair[0].record.completeness, pair[0].hit.object),
    )
    by_text: dict[str, list[tuple[Neighbour, float]]] = defaultdict(list)
    for one, share in ranked:
        by_text[plain(one.record.fields[name])].append((one, share))
    return [
        Offer(
            value=same[0][0].record.fields[name],
            support=round(sum(share for _, share in same), 4),
            sources=tuple(one.source for one, _ in same),
        )
        for same in list(by_text.values())[:MAX_VALUES]
    ]


def voted(name: str, neighbours: Sequence[Neighbour]) -> list[Offer]:
    """Values by support. Values that differ in letters' case, ё and spaces alone are one, shown as the nearest writes it."""
    having = [one for one in neighbours if one.record.fields.get(name)]
    support: dict[str, float] = defaultdict(float)
    by_value: dict[str, list[Neighbour]] = defaultdict(list)
    for one, share in zip(having, weights([one.hit for one in having]), strict=True):
        value = compared(name, one.record.fields[name])
        support[value] += share
        by_value[value].append(one)
    ranked = sorted(support, key=lambda value: (-round(support[value], 9), value))[:MAX_VALUES]
    return [
        Offer(
            value=by_value[value][0].record.fields[name],
            support=round(support[value], 4),
            sources=tuple(one.source for one in by_value[value]),
        )
        for value in ranked
    ]


def compared(name: str, value: str) -> str:
    """A field's value as it is compared with others; a class may be written by code or by name."""
    if name == "TypologyGK":
        try:
            return str(class_of(value).code)
        except UnknownClass:
            return plain(value)
    return plain(value)


def neighbours_of(
    hits: Sequence[ObjectHit],
    records: Mapping[ObjectId, Record],
    record_keys: Mapping[ObjectId, str],
    *,
    threshold: float | None,
    matched: Container[ObjectId] = (),
) -> list[Neighbour]:
    """The shown hits that a draft is made from, best first: similar ones whose record the searcher may see.

    ``threshold``: score from which on anything is similar; ``None`` where that is not known. ``matched``: objects whose photo
    shows the same thing, whatever their score.
    """
    shown = hits[:SHOWN]
    least = max((hit.score for hit in shown), default=0.0) + TEMPERATURE * math.log(UNHEARD)
    return [
        Neighbour(hit=hit, record=records[hit.object], record_key=record_keys[hit.object])
        for hit in shown
        if hit.object in records
        and (hit.object in matched or (hit.score >= least and (threshold is None or hit.score >= threshold)))
    ]
