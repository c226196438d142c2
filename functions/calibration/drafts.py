"""How good drafts are: each photo's draft from other objects' records, compared with its own record. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict

from functions.calibration.sample import Sample
from functions.catalogue.calibration import Calibration, Drafted, verdict
from functions.catalogue.classes import plain
from functions.catalogue.fields import OFFERED
from functions.catalogue.figures import figure
from functions.catalogue.hits import ObjectHit, Offer, compared, draft, neighbours_of
from functions.catalogue.record import Record, visible
from functions.ports import IndexRow

MIN_OBJECTS = 20
"""Below that a field's figure says nothing."""


def measured(sample: Sample, calibration: Calibration) -> tuple[Drafted, ...]:
    """Each field's quality, over the photos that search would make a draft for. Raises ``ValueError`` where there is none."""
    quality: dict[str, list[float]] = defaultdict(list)
    wrong: dict[str, list[float]] = defaultdict(list)
    objects: dict[str, list[object]] = defaultdict(list)
    for place, photo in enumerate(sample.photos):
        for name, offers in drafted(sample, place, calibration).items():
            if own := photo.record.fields.get(name):
                differs = compared(name, offers[0].value) != compared(name, own)
                wrong[name].append(float(differs))
                quality[name].append(f1(offers[0].value, own) if whole(name) else float(not differs))
                objects[name].append(photo.object)
    found = tuple(
        Drafted(name=item.name, measure="f1" if item.choice == "whole" else "exact", quality=good, wrong=bad)
        for item in OFFERED
        if (good := figure(quality[item.name], objects[item.name])) is not None
        and (bad := figure(wrong[item.name], objects[item.name])) is not None
        and good.objects >= MIN_OBJECTS
    )
    if not found:
        raise ValueError(f"found no field that is filled in the records of at least {MIN_OBJECTS} objects and offered for them")
    return found


def whole(name: str) -> bool:
    """Whether a field is one sample's whole text."""
    return any(item.name == name and item.choice == "whole" for item in OFFERED)


def drafted(sample: Sample, place: int, calibration: Calibration) -> dict[str, list[Offer]]:
    """The draft that a photo would get if its object were not in the collection; nothing where nothing is similar."""
    museum = sample.photos[place].object[0]
    hits = [
        ObjectHit(row=row_of(sample.records[other]), score=float(score), query_image=0)
        for other, score in zip(sample.near[place], sample.scores[place], strict=True)
    ]
    judged = verdict(hits[0].score if hits else None, calibration, calibration.size)
    if judged.similar is False:
        return {}
    found = {hit.object: visible(sample.records[other], museum) for hit, other in zip(hits, sample.near[place], strict=True)}
    seen = {identity: record for identity, record in found.items() if record is not None}
    return draft(neighbours_of(hits, seen, dict.fromkeys(seen, ""), threshold=judged.threshold))


def row_of(record: Record) -> IndexRow:
    """What a draft needs of a row: whose it is."""
    return IndexRow(
        id="", museum=record.museum, object_id=record.object_id, class_code=record.class_code, public=record.public,
        status="active", bucket="", key="", version="", view="full", sha256="", record_version="",
    )  # fmt: skip


def f1(offered: str, own: str) -> float:
    """Harmonic mean of the shares of words that two texts have in common (Rajpurkar et al. 2016, arXiv:1606.05250, section 6)."""
    one, other = Counter(plain(offered).split()), Counter(plain(own).split())
    return 2 * (one & other).total() / (one.total() + other.total())
