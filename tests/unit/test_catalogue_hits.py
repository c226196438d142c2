"""From near rows to objects, a class and a draft."""

from __future__ import annotations

import itertools
import math

import pytest

from functions.catalogue.fields import BY_NAME, FIELDS
from functions.catalogue.hits import (
    SHOWN,
    STORED,
    TEMPERATURE,
    Became,
    Neighbour,
    ObjectHit,
    ObjectId,
    Offer,
    classify,
    draft,
    folded,
    grouped,
    neighbours_of,
)
from functions.catalogue.record import Record
from functions.ports import IndexRow, Match


def row(object_id: str, *, key: str = "1.jpg", museum: str = "m", code: int = 13) -> IndexRow:
    """A row of the index."""
    return IndexRow(
        id=f"{museum}/{object_id}/{key}",
        museum=museum,
        object_id=object_id,
        class_code=code,
        public=True,
        status="active",
        bucket="catalogue",
        key=f"{museum}/{object_id}/images/{key}",
        version="v",
        view="full",
        sha256="s",
        record_version="r",
    )


def match(object_id: str, score: float, **more: object) -> Match:
    """A row with its score."""
    return Match(row=row(object_id, **more), score=score)  # type: ignore[arg-type]


def hit(object_id: str, score: float, code: int = 13) -> ObjectHit:
    """An object with its score."""
    return ObjectHit(row=row(object_id, code=code), score=score, query_image=0)


def neighbour(object_id: str, score: float, **fields: str) -> Neighbour:
    """A hit with its record."""
    record = Record(museum="m", object_id=object_id, fields=fields)
    return Neighbour(hit=hit(object_id, score), record=record, record_key=f"m/{object_id}/record.json")


def test_an_object_counts_once_by_its_best_pair_of_views() -> None:
    """And the pair is named: which photo of the query, which of the object."""
    found = [
        (0, "full", [match("vase", 0.8, key="front.jpg"), match("coin", 0.7)]),
        (1, "crop", [match("vase", 0.9, key="back.jpg"), match("coin", 0.6)]),
    ]
    hits = grouped(found)
    assert [(one.object, one.score) for one in hits] == [(("m", "vase"), 0.9), (("m", "coin"), 0.7)]
    assert (hits[0].row.key, hits[0].query_image, hits[0].query_view) == ("m/vase/images/back.jpg", 1, "crop")


def test_objects_of_two_museums_with_the_same_number_are_two() -> None:
    """An object_id is its museum's."""
    assert len(grouped([(0, "full", [match("1", 0.9, museum="a"), match("1", 0.8, museum="b")])])) == 2


def test_the_order_does_not_depend_on_the_order_of_the_rows() -> None:
    """Ties go by name, so that a repeat gives the same result."""
    rows = [match("b", 0.5), match("a", 0.5), match("a", 0.5, key="2.jpg"), match("c", 0.6)]
    orders = {tuple(one.row.key for one in grouped([(0, "full", order)])) for order in itertools.permutations(rows)}
    assert orders == {("m/c/images/1.jpg", "m/a/images/1.jpg", "m/b/images/1.jpg")}


def test_a_hundred_objects_are_kept() -> None:
    """The best ones."""
    hits = grouped([(0, "full", [match(str(number), number / 1000) for number in range(150)])])
    assert len(hits) == STORED
    assert hits[-1].object == ("m", "50")


def test_a_class_is_voted_by_similarity_and_its_confidence_is_the_share() -> None:
    """exp(cosine / temperature), normalised."""
    vote = classify([hit("a", 0.9, 5), hit("b", 0.9 - TEMPERATURE, 13), hit("c", 0.9 - TEMPERATURE, 13)])
    assert vote is not None
    assert (vote.code, vote.name) == (5, "Предметы нумизматики")
    assert vote.confidence == pytest.approx(1 / (1 + 2 / math.e), abs=1e-4)
    (other,) = vote.runners_up
    assert other.code == 13
    assert other.confidence == pytest.approx(1 - vote.confidence, abs=1e-4)


def test_many_neighbours_outvote_one_that_is_hardly_nearer() -> None:
    """A vote, not the nearest one's class."""
    vote = classify([hit("a", 0.91, 5), hit("b", 0.9, 13), hit("c", 0.9, 13)])
    assert vote is not None
    assert vote.code == 13


def test_a_tie_goes_to_the_lower_code_in_any_order() -> None:
    """The same neighbours always give the same class."""
    hits = [hit("a", 0.9, 13), hit("b", 0.9, 5), hit("c", 0.8, 13), hit("d", 0.8, 5)]
    assert {vote.code for order in itertools.permutations(hits) if (vote := classify(order))} == {5}


def test_objects_without_a_known_class_do_not_vote() -> None:
    """Nor do retired codes."""
    vote = classify([hit("a", 0.99, 0), hit("b", 0.98, 9), hit("c", 0.5, 6)])
    assert vote is not None
    assert (vote.code, vote.confidence) == (6, 1.0)
    assert classify([hit("a", 0.99, 0)]) is None
    assert classify([]) is None


def test_only_the_shown_hits_vote() -> None:
    """The eleventh has no voice, whatever its class."""
    vote = classify([hit(str(number), 0.9, 5) for number in range(SHOWN)] + [hit("last", 0.9, 6)])
    assert vote is not None
    assert vote.runners_up == ()


def test_a_voted_field_has_each_value_with_its_support_and_sources() -> None:
    """Values that differ only in case, ё and spaces are one, as the nearest writes it."""
    offers = draft(
        [
            neighbour("a", 0.9, MainWord="Жёлтая  ваза"),
            neighbour("b", 0.9, MainWord="желтая ваза"),
            neighbour("c", 0.9, MainWord="Кувшин"),
            neighbour("d", 0.9),
        ]
    )["MainWord"]
    assert [(one.value, one.support) for one in offers] == [("Жёлтая  ваза", 0.6667), ("Кувшин", 0.3333)]
    assert [source.record for source in offers[0].sources] == ["m/a/record.json", "m/b/record.json"]
    assert [(source.museum, source.object_id, source.score) for source in offers[1].sources] == [("m", "c", 0.9)]


def test_a_class_written_by_code_and_by_name_is_one_value() -> None:
    """Two ways of writing are no disagreement."""
    offers = draft([neighbour("a", 0.9, TypologyGK="5"), neighbour("b", 0.9, TypologyGK="Нумизматика")])["TypologyGK"]
    assert [(one.value, one.support) for one in offers] == [("5", 1.0)]


def test_the_nearer_neighbours_value_has_more_support() -> None:
    """Similarity-weighted."""
    offers = draft([neighbour("a", 0.8, Authors="Иванов"), neighbour("b", 0.9, Authors="Петров")])["Authors"]
    assert [one.value for one in offers] == ["Петров", "Иванов"]
    assert offers[0].support == pytest.approx(1 / (1 + math.exp(-0.1 / TEMPERATURE)), abs=1e-4)


def test_a_name_is_one_samples_whole_text_and_never_voted_on() -> None:
    """Three records say "Монета", which is one offer; the one full text is offered before it."""
    full = {
        "Name": "Рубль 1725 г., «солнечный»",
        "Authors": "Монетный двор",
        "CreationTime": "1725",
        "MainWord": "монета",
    }
    poor = [neighbour(f"poor{number}", 0.9, Name="Монета") for number in range(3)]
    offers = draft([*poor, neighbour("full", 0.89, **full)])["Name"]
    assert offers[0].value == full["Name"]
    assert [one.value for one in offers[1:]] == ["Монета"]
    assert [[source.object_id for source in one.sources] for one in offers] == [["full"], ["poor0", "poor1", "poor2"]]
    assert sum(one.support for one in offers) == pytest.approx(1, abs=1e-3)


def test_a_fuller_record_of_a_quite_other_thing_does_not_win() -> None:
    """Likeness counts as in the vote: 0.98 against 0.91 is much more, though the cosines' ratio is 1.08."""
    near = neighbour("camera", 0.98, Name="Фотоаппарат", TypologyGK="11")
    far = neighbour("pickup", 0.91, Name="Пикап", TypologyGK="11", MainWord="Автомобиль", ShortDescription="A pickup")
    assert draft([near, far])["Name"][0].value == "Фотоаппарат"


def test_a_draft_has_offered_fields_alone() -> None:
    """A full record gives away neither its own fields nor its accounting facts."""
    everything = {field.name: "1" for field in FIELDS}
    made = draft([neighbour("a", 0.9, **everything)])
    assert {BY_NAME[name].kind for name in made} == {"offered"}
    assert len(made) == 11


def test_every_offered_value_stands_in_a_record_just_so() -> None:
    """Not one invented word, no value cut or changed."""
    neighbours = [
        neighbour("a", 0.9, Name="Ваза <b>", Authors="ИВАНОВ", MainWord="ваза"),
        neighbour("b", 0.7, Name="ваза  <b>", Authors="иванов", MainWord="Кувшин"),
    ]
    written = {(name, value) for one in neighbours for name, value in one.record.fields.items()}
    offered = {(name, offer.value) for name, offers in draft(neighbours).items() for offer in offers}
    assert offered
    assert offered <= written


def test_records_that_the_searcher_may_not_see_contribute_nothing() -> None:
    """Whoever is not among the records given is no neighbour."""
    hits = [hit("seen", 0.9), hit("unseen", 0.95)]
    records = {("m", "seen"): Record(museum="m", object_id="seen", fields={"Name": "Ваза"})}
    neighbours = neighbours_of(hits, records, {one.object: "key" for one in hits}, threshold=None)
    assert [one.hit.object for one in neighbours] == [("m", "seen")]
    assert [offer.value for offer in draft(neighbours)["Name"]] == ["Ваза"]


@pytest.mark.parametrize(
    ("threshold", "matched", "heard"),
    [
        (None, set(), ["near", "less"]),
        (0.85, set(), ["near"]),
        (0.85, {("m", "far")}, ["near", "far"]),
    ],
)
def test_what_is_hardly_alike_offers_nothing(threshold: float | None, matched: set[ObjectId], heard: list[str]) -> None:
    """The one record that has a field would be all of its vote; what shows the same thing is heard whatever its score."""
    hits = [hit("near", 0.9), hit("less", 0.8), hit("far", 0.6)]
    records = {one.object: Record(museum="m", object_id=one.object[1], fields={"Name": "x"}) for one in hits}
    made = neighbours_of(hits, records, {one.object: "key" for one in hits}, threshold=threshold, matched=matched)
    assert [one.hit.object[1] for one in made] == heard


def test_no_neighbours_make_an_empty_draft() -> None:
    """Nothing is made up."""
    assert draft([]) == {}


def test_the_support_of_a_fields_values_is_at_most_one() -> None:
    """It is a share of the neighbours that fill the field."""
    offers: list[Offer] = draft([neighbour(str(number), 0.5 + number / 30, Authors=str(number % 3)) for number in range(10)])[
        "Authors"
    ]
    assert sum(one.support for one in offers) == pytest.approx(1, abs=1e-3)


def test_a_card_and_the_record_that_it_became_are_one_object() -> None:
    """Under the record's name, class and version, by the nearer photo of both; a record without photos is found by the card's."""
    became = {("m", f"draft-{number}"): Became(object=("m", name), record_version="new") for number, name in enumerate("abc")}
    found = [
        hit("draft-0", 0.9, 1),
        hit("other", 0.8),
        hit("a", 0.7, 2),
        hit("b", 0.6, 3),
        hit("draft-1", 0.5, 1),
        hit("draft-2", 0.4),
    ]
    made = folded(found, became)
    assert [(one.object[1], one.score, one.row.class_code) for one in made] == [
        ("a", 0.9, 2), ("other", 0.8, 13), ("b", 0.6, 3), ("c", 0.4, 13),
    ]  # fmt: skip
    assert [one.row.key for one in made[:3]] == ["m/draft-0/images/1.jpg", "m/other/images/1.jpg", "m/b/images/1.jpg"]
    assert [one.row.record_version for one in made] == ["new", "r", "r", "new"]
