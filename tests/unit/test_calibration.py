"""What scores mean in a collection: fitted on simulated ones whose law is known."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from typing import Any

import msgspec
import numpy as np
import pytest

from functions.calibration import drafts, votes
from functions.calibration.fitted import fitted
from functions.calibration.relations import Pairs, edition_of, logistic, word_of
from functions.calibration.sample import Photo, Sample, sampled
from functions.catalogue.calibration import Calibration, Likeness, Twins, Votes, relation, verdict
from functions.catalogue.classes import BY_CODE
from functions.catalogue.figures import figure, wilson
from functions.catalogue.hits import ObjectHit, classify
from functions.catalogue.record import Record
from functions.catalogue.threshold import Tail
from functions.decoding import decoded
from functions.search.collection import Collection

CLASSES = (1, 5, 13, 17)
CHANCE = 7


def photo(identity: str, *vectors: Any, **fields: str) -> Photo:
    """A photo with views of these directions."""
    rows = np.array(vectors, np.float32)
    return Photo(
        object=("m", identity),
        vectors=rows / np.linalg.norm(rows, axis=1, keepdims=True),
        record=Record(museum="m", object_id=identity, fields=fields),
    )


def museum(
    objects: int = 200, photos: int = 2, *, classes: tuple[int, ...] = CLASSES, words: int = 5, views: int = 2, apart: float = 1.0
) -> list[Photo]:
    """Objects that lie around their word's place, which lies around their class's; ``apart``: how far from its word."""
    draw = np.random.default_rng(CHANCE)
    places = {code: draw.normal(size=48) for code in classes}
    kinds = {(code, word): draw.normal(size=48) for code in classes for word in range(words)}
    made = []
    for number in range(objects):
        code, word = classes[number % len(classes)], number // len(classes) % words
        middle = places[code] + kinds[code, word] + apart * draw.normal(size=48)
        record = {"TypologyGK": str(code), "MainWord": f"слово {word}", "Name": f"Предмет {number}", "PublicationLimit": "1"}
        for _ in range(photos):
            made.append(photo(f"o{number:04}", *(middle + 0.25 * draw.normal(size=(views, 48))), **record))
    return made


def made_of(photos: list[Photo], size: int = 0) -> Calibration:
    """The calibration of a collection."""
    return fitted(photos, fingerprint="f" * 64, size=size, made_at=0.0)


@pytest.fixture(scope="module")
def rich() -> Calibration:
    """A collection with two photos an object."""
    return made_of(museum())


def brute(photos: list[Photo], one: int, other: int) -> float:
    """Largest cosine over pairs of views."""
    return float((photos[one].vectors @ photos[other].vectors.T).max())


def test_photos_are_compared_as_search_does() -> None:
    """By the largest cosine over pairs of views, object by object, and never with themselves; photos may have 1..n views."""
    draw = np.random.default_rng(1)
    photos = [
        photo(f"o{number % 7}", *draw.normal(size=(1 + number % 3, 6)), TypologyGK=str(CLASSES[number % 7 % 3]))
        for number in range(19)
    ]
    sample = sampled(photos, lambda record: str(record.class_code))
    mine = list(sample.photos)
    for place, one in enumerate(mine):
        best: dict[str, float] = {}
        for other in range(len(mine)):
            if other != place:
                name = mine[other].object[1]
                best[name] = max(best.get(name, -1.0), brute(mine, place, other))
        own = best.pop(one.object[1], math.nan)
        assert sample.own[place] == pytest.approx(own, abs=1e-6, nan_ok=True)
        assert [sample.records[near].object_id for near in sample.near[place]] == sorted(best, key=lambda name: -best[name])
        assert sample.scores[place].tolist() == pytest.approx(sorted(best.values(), reverse=True), abs=1e-6)
        classes = {each.object[1]: each.record.class_code for each in mine}
        strange = [score for name, score in best.items() if classes[name] != one.record.class_code]
        assert sample.stranger[place] == pytest.approx(max(strange), abs=1e-6)


def test_more_photos_than_a_block_are_compared_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a block ends makes no difference."""
    photos = museum(30)
    whole = sampled(photos, lambda record: "")
    monkeypatch.setattr("functions.calibration.sample.BLOCK", 7)
    parts = sampled(photos, lambda record: "")
    assert np.allclose(whole.scores, parts.scores, atol=1e-6)
    assert np.allclose(whole.own, parts.own, atol=1e-6)


def drawn(count: int, seed: int, intercept: float, slope: float) -> Pairs:
    """Pairs whose law is known."""
    draw = np.random.default_rng(seed)
    stretched = draw.uniform(0, 4, count)
    related = draw.random(count) < 1 / (1 + np.exp(-(intercept + slope * stretched)))
    return Pairs(
        stretched=stretched,
        related=related,
        own=np.zeros(count, bool),
        weights=np.ones(count),
        objects=tuple(("m", str(number)) for number in range(count)),
    )


def test_a_known_law_of_related_pairs_is_recovered() -> None:
    """Within what 20,000 pairs tell."""
    intercept, slope = logistic(drawn(20_000, 2, -5.0, 2.5))
    assert (intercept, slope) == (pytest.approx(-5.0, abs=0.25), pytest.approx(2.5, abs=0.12))


def test_pairs_that_are_told_apart_without_error_have_a_finite_law() -> None:
    """Which is not sure of itself beyond its 40 pairs."""
    pairs = Pairs(
        stretched=np.repeat([0.5, 2.0], 20),
        related=np.repeat([False, True], 20),
        own=np.zeros(40, bool),
        weights=np.ones(40),
        objects=(("m", "a"),) * 40,
    )
    intercept, slope = logistic(pairs)
    assert 0.9 < 1 / (1 + math.exp(-(intercept + 2.0 * slope))) < 0.99


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (dataclasses.replace(drawn(100, 3, 0, 1), related=np.zeros(100, bool)), "found 0 and 100"),
        (dataclasses.replace(drawn(100, 3, 0, 1), stretched=np.full(100, 1.0)), "same score"),
        (drawn(2000, 3, 2.0, -1.5), "not make it more likely"),
    ],
    ids=["none related", "all equal", "falling"],
)
def test_scores_that_tell_nothing_make_no_law(pairs: Pairs, words: str) -> None:
    """The reason is said."""
    with pytest.raises(ValueError, match=words):
        logistic(pairs)


def test_what_is_claimed_of_unseen_photos_is_true_as_often_as_is_said() -> None:
    """Probabilities of relations, on the other half of a simulated collection, are right on average to 6 points."""
    photos = museum(800, words=50, apart=0.8)
    learned, judged = made_of(photos[: len(photos) // 2]), sampled(photos[len(photos) // 2 :], lambda record: "")
    said, true = [], []
    for place in range(len(judged.photos)):
        for near, score in zip(judged.near[place], judged.scores[place], strict=True):
            found = relation(float(score), learned, judged.rows)
            assert found is not None
            same = word_of(judged.photos[place].record) == word_of(judged.records[near])
            said.append(found.probability)
            true.append({"same_kind": same, "looks_alike": not same, "same_object": False}[found.kind])
    assert np.mean(said) == pytest.approx(np.mean(true), abs=0.06)


def test_each_claim_names_its_pairs_objects_and_basis(rich: Calibration) -> None:
    """So that a reader can judge the judgement."""
    by_kind = {one.kind: one for one in rich.likenesses}
    assert set(by_kind) == {"same_object", "same_kind"}
    assert (by_kind["same_object"].pairs, by_kind["same_object"].objects) == (400, 200)
    assert "several photos" in by_kind["same_object"].basis
    assert "MainWord" in by_kind["same_kind"].basis
    assert all(one.precision is not None and one.precision.objects > 20 for one in rich.likenesses)
    assert "0 related pairs" in rich.missing["same_edition"]


def test_the_closest_relation_that_is_more_likely_than_not_is_named(rich: Calibration) -> None:
    """From the same object down to a mere likeness, as the score falls; and never the relation that has no pairs."""
    named = [relation(score, rich, rich.size) for score in np.linspace(0.999, -0.5, 200)]
    kinds = [one.kind for one in named if one]
    assert list(dict.fromkeys(kinds)) == ["same_object", "same_kind", "looks_alike"]
    assert all(one and one.probability >= 0.5 for one in named)


def test_the_same_score_says_less_in_a_larger_collection(rich: Calibration) -> None:
    """The odds of the same object fall as the others that reach a score become more."""
    law = next(one for one in rich.likenesses if one.kind == "same_object")
    near, far = (law.probability(0.9, size) for size in (rich.size, 10 * rich.size))
    assert (far / (1 - far)) / (near / (1 - near)) == pytest.approx(0.1)


def test_without_second_photos_the_same_object_is_not_claimed() -> None:
    """Neither as a relation, nor as a duplicate, nor as a share of true photos; what to do is said."""
    made = made_of(museum(photos=1))
    assert {one.kind for one in made.likenesses} == {"same_kind"}
    assert "import further photos" in made.missing["same_object"]
    assert "0 related pairs" in made.missing["same_object"]
    assert made.twins is None
    assert verdict(0.99, made, made.size).accepted is None
    assert made.duplicate_from(made.size) is None
    named = relation(0.9999, made, made.size)
    assert named is not None
    assert named.kind == "same_kind"


def test_two_photos_of_one_object_do_not_sway_the_law_of_kinds() -> None:
    """They would count as half of all searches."""
    photos = museum(photos=1)
    again = dataclasses.replace(photos[0], vectors=-photos[0].vectors)
    one, other = made_of(photos).likenesses[0], made_of([*photos, again]).likenesses[0]
    assert one.slope == pytest.approx(other.slope, rel=0.1)


def test_where_even_kinds_are_unknown_nothing_is_said() -> None:
    """Not even that something merely looks alike."""
    bare = [photo(one.object[1], *one.vectors) for one in museum(photos=1)]
    made = made_of(bare)
    assert made.likenesses == ()
    assert relation(0.9, made, made.size) is None
    assert relation(0.9, None, 10) is None


def test_without_words_kinds_go_by_class_and_say_so() -> None:
    """A wider sense of the word."""
    bare = [photo(one.object[1], *one.vectors, TypologyGK=one.record.fields["TypologyGK"]) for one in museum(photos=1)]
    assert [(one.kind, one.basis) for one in made_of(bare).likenesses] == [("same_kind", "same class")]


def edition(**fields: str) -> Any:
    """What a coin of these fields shares with its series."""
    coin = {"TypologyGK": "5", "Name": "5 копеек", "CreationTime": "1924", "MaterialandTechnique": "Медь; чеканка"}
    return edition_of(Record(museum="m", object_id="o", fields={**coin, **fields}))


def test_an_edition_shares_name_and_two_of_maker_time_and_material() -> None:
    """In classes where editions exist; a bare name is none."""
    assert edition() == edition(Name="5  КОПЕЕК", Dimensions="d 32", InvNumber="7")
    assert edition() != edition(CreationTime="1926")
    assert edition() != edition(TypologyGK="11")
    assert edition(CreationTime="") is None
    assert edition(Name="") is None
    assert edition(TypologyGK="1") is None, "two paintings of one name are two paintings"


def test_copies_of_an_edition_are_told_from_a_kind() -> None:
    """By the records' fields alone."""
    photos = []
    for one in museum(300, 1, apart=1.0):
        number = int(one.object[1][1:])
        fields = {"Name": f"Монета {number}", "CreationTime": "1900", "MaterialandTechnique": "медь", "TypologyGK": "5"}
        twin = one.vectors + 0.06 * np.random.default_rng(number).normal(size=one.vectors.shape)
        photos += [photo(f"a{number}", *one.vectors, **fields), photo(f"b{number}", *twin, **fields)]
    made = made_of(photos)
    law = next(one for one in made.likenesses if one.kind == "same_edition")
    assert law.pairs >= 550
    found = relation(0.97, made, made.size)
    assert found is not None
    assert found.kind == "same_edition"


def test_the_head_of_a_name_stands_for_a_missing_word() -> None:
    """What stands before the first sign; class and word are one key, since a "head" may be a statue's or an axe's."""
    plate = Record(museum="m", object_id="o", fields={"TypologyGK": "13", "Name": "Тарелка «Ситец»"})
    assert word_of(plate) == (13, "тарелка")
    assert word_of(dataclasses.replace(plate, fields={"Name": "Тарелка"})) is None


def test_two_percent_of_strangers_and_most_own_photos_are_similar() -> None:
    """On photos of five classes that the collection lacks, which the fit has not seen."""
    photos = museum(1500, classes=tuple(BY_CODE))
    known = [one for one in photos if one.record.class_code < 14]
    made = made_of(known)
    rows = np.concatenate([one.vectors for one in known])
    strangers = [one for one in photos if one.record.class_code >= 14]
    passed = np.mean([bool(verdict(float((one.vectors @ rows.T).max()), made, made.size).similar) for one in strangers])
    assert passed <= 0.05
    assert made.accepted is not None
    assert made.accepted.value > 0.95
    assert verdict(0.99, made, made.size).accepted == made.accepted


def test_a_photo_that_two_classes_have_does_not_move_the_limit() -> None:
    """One object in two records of different classes, as after a card came back with another class: named, and no stranger."""
    photos = museum(400)
    again = photo("o0000-again", *photos[0].vectors, TypologyGK="17")
    before, after = made_of(photos), made_of([*photos, again])
    assert photos[0].record.class_code != 17
    assert after.twice == ((("m", "o0000"), ("m", "o0000-again")),)
    assert before.twice == ()
    assert before.strangers is not None
    assert after.strangers is not None
    assert after.strangers.threshold(after.size) == pytest.approx(before.strangers.threshold(before.size), abs=0.01)


def test_a_warning_that_an_object_is_there_is_right_in_95_of_100() -> None:
    """Half of the new photos are of objects that are there, as is assumed; on a half of the objects that was not seen."""
    photos = museum(600)
    learned, judged = made_of(photos[: len(photos) // 2]), sampled(photos[len(photos) // 2 :], lambda record: "")
    limit = learned.duplicate_from(judged.rows)
    assert limit is not None
    there, strange = float(np.mean(judged.own >= limit)), float(np.mean(judged.scores[:, 0] >= limit))
    assert there / (there + strange) > 0.93
    state = Collection(size=judged.rows, calibration=learned, duplicate_from=limit)
    assert (state.duplicate(limit), state.duplicate(limit - 1e-4)) == (True, False)


def test_the_warning_needs_a_higher_score_in_a_larger_collection_and_ends() -> None:
    """Where no score is precise enough, nothing is claimed."""
    others = Tail(compared=100, strangers=100, start=1.0, share=0.3, scale=0.2)
    made = Calibration(
        version=2, fingerprint="f", size=100, photos=1, objects=1, made_at=0, others=others,
        twins=Twins(scores=tuple(np.linspace(0.7, 0.95, 50).tolist()), photos=50, objects=25),
    )  # fmt: skip
    small, large = made.duplicate_from(100), made.duplicate_from(1000)
    assert small is not None
    assert large is not None
    assert small < large
    assert made.duplicate_from(10**9) is None
    assert Collection(size=10**9, calibration=made).duplicate(0.94) is None


def simulated_votes(temperature: float, photos: int = 4000) -> Sample:
    """A sample whose classes are drawn as votes of that temperature say."""
    draw = np.random.default_rng(11)
    codes = np.array([CLASSES[place % 4] for place in range(photos)])
    near = draw.integers(0, photos, (photos, 5))
    scores = -np.sort(-draw.uniform(0.3, 0.9, (photos, 5)), axis=1).astype(np.float32)
    shares = votes.votes(scores, codes[near], temperature)
    chosen = (draw.random(photos)[:, None] < np.cumsum(shares, axis=1)).argmax(axis=1)
    truth = codes[near[np.arange(photos), chosen]]
    # each photo's own class is that of a record which nobody votes by
    owners = [
        Photo(object=("m", f"q{place}"), vectors=np.zeros((1, 2), np.float32), record=Record(museum="m", object_id=""))
        for place in range(photos)
    ]
    records = [Record(museum="m", object_id=str(code), fields={"TypologyGK": str(code)}) for code in [*codes, *truth]]
    return Sample(
        photos=owners, records=records, of=np.arange(photos, 2 * photos), rows=photos, own=np.full(photos, np.nan, np.float32),
        stranger=np.zeros(photos, np.float32), strange_rows=photos, near=near, scores=scores,
    )  # fmt: skip


@pytest.mark.parametrize("temperature", [0.03, 0.1, 0.3])
def test_the_temperature_that_classes_were_drawn_with_is_recovered(temperature: float) -> None:
    """And the confidence is then calibrated on the other half."""
    found = votes.fitted(simulated_votes(temperature))
    assert found.temperature == pytest.approx(temperature, rel=0.2)
    assert found.ece.low <= 0.03


def test_a_vote_is_sure_where_nine_in_ten_were_right() -> None:
    """On the half that the limit was not chosen on, too, within its interval."""
    found = votes.fitted(simulated_votes(0.03))
    assert found.sure_from is not None
    assert found.precision is not None
    assert found.precision.high >= 0.9
    assert found.precision.value > found.accuracy.value
    assert 0 < found.answered.value < 1


def test_a_limit_that_no_vote_reaches_leaves_all_unsure() -> None:
    """Rather than a limit by three lucky ones."""
    assert votes.sure_from(np.linspace(0, 1, 100), np.arange(100) % 2 == 0) is None
    assert votes.sure_from(np.linspace(0, 1, 19), np.ones(19, bool)) is None
    assert votes.sure_from(np.repeat([0.2, 0.8], 50), np.repeat([False, True], 50)) == 0.8


def test_the_fit_votes_as_search_does() -> None:
    """Confidence and class are those of :func:`classify` at that temperature; neighbours without a class do not vote."""
    draw = np.random.default_rng(5)
    scores = -np.sort(-draw.uniform(0.2, 0.9, (50, 10)), axis=1).astype(np.float32)
    voters = draw.choice([0, *CLASSES], (50, 10))
    voters[:, 0] = 5
    right = Votes(
        temperature=0.08, sure_from=0.5, photos=1, objects=1, ece=UNIT, accuracy=UNIT, precision=None, answered=UNIT
    )  # fmt: skip
    truth = np.full(50, 5)
    confident, correct = votes.answers(scores, voters, truth, 0.08)
    for place in range(50):
        found = classify([hit(float(score), int(code)) for score, code in zip(scores[place], voters[place], strict=True)], right)
        assert found is not None
        assert found.confidence == pytest.approx(confident[place], abs=1e-3)
        assert (found.code == 5) == correct[place]
        assert found.sure is (found.confidence >= 0.5)
    assert classify([hit(0.9, 5)]).sure is None  # type: ignore[union-attr]


UNIT = figure([1.0], ["a"]) or pytest.fail("a figure of one value")


def hit(score: float, code: int, identity: str = "o") -> ObjectHit:
    """A hit of a class."""
    record = Record(museum="m", object_id=identity, fields={"TypologyGK": str(code)})
    return ObjectHit(row=drafts.row_of(record), score=score, query_image=0)


def test_drafts_are_judged_without_the_objects_own_record() -> None:
    """Words are right within a class's kind, names never are, and classes mostly."""
    made = made_of(museum(photos=1))
    by_name = {one.name: one for one in made.draft}
    assert by_name["TypologyGK"].quality.value > 0.9
    assert by_name["TypologyGK"].wrong.value == pytest.approx(1 - by_name["TypologyGK"].quality.value)
    assert by_name["Name"].measure == "f1"
    assert by_name["Name"].wrong.value == 1, "every name has its own number"
    assert by_name["Name"].quality.value == pytest.approx(0.5), "one of two words"
    assert "Authors" not in by_name, "no record has it"


@pytest.mark.parametrize(
    ("one", "other", "share"), [("а б", "А Б", 1.0), ("а", "б", 0.0), ("а б в", "а", 0.5), ("а а", "а", 2 / 3)]
)
def test_texts_share_words(one: str, other: str, share: float) -> None:
    """Counted as often as they stand there."""
    assert drafts.f1(one, other) == pytest.approx(share)


@pytest.mark.parametrize(
    ("photos", "missing"),
    [
        (museum(3), {"similar", "others", "twins", "class", "same_object", "same_edition", "same_kind", "draft"}),
        (museum(100, classes=(5,)), {"similar", "class", "same_edition"}),
        ([photo(f"o{n}", [1.0, 0.0], TypologyGK=str(CLASSES[n % 4]), MainWord="а", Name="б") for n in range(120)],
         {"similar", "others", "twins", "same_object", "same_edition", "same_kind"}),
        ([photo("o", [1.0, 0.0])],
         {"similar", "others", "twins", "class", "same_object", "same_edition", "same_kind", "draft"}),
    ],
    ids=["three objects", "one class", "all scores equal", "one photo"],
)  # fmt: skip
def test_what_has_too_little_to_stand_on_is_left_out_with_the_reason(photos: list[Photo], missing: set[str]) -> None:
    """And nothing is claimed by it."""
    made = made_of(photos)
    assert set(made.missing) == missing
    assert all(len(reason) > 20 for reason in made.missing.values())
    if "similar" in missing:
        assert verdict(0.99, made, made.size).similar is None


def test_an_empty_collection_and_broken_vectors_are_refused() -> None:
    """With what to do."""
    with pytest.raises(ValueError, match="museum import"):
        made_of([])
    broken = dataclasses.replace(museum(3)[0], vectors=np.full((1, 48), np.nan, np.float32))
    with pytest.raises(ValueError, match="numbers"):
        made_of([broken, *museum(3)])
    with pytest.raises(ValueError, match=r"\[2, 48\]"):
        made_of([photo("x", [1.0, 0.0]), *museum(3)])


def test_a_calibration_is_the_same_each_time_and_survives_json(rich: Calibration) -> None:
    """In whatever order the photos come."""
    photos = museum()
    assert made_of(photos[::-1]) == rich
    assert decoded(msgspec.json.encode(rich), Calibration) == rich
    assert (rich.photos, rich.objects, rich.size) == (400, 200, 800)


def test_a_collection_that_has_doubled_is_not_calibrated(rich: Calibration) -> None:
    """One row less, and it is."""
    assert not rich.stale(2 * rich.size - 1)
    assert rich.stale(2 * rich.size)


def test_a_collection_that_has_grown_is_judged_at_its_size_now(rich: Calibration) -> None:
    """More strangers are there to be mistaken for something, long before the calibration is stale."""
    before, now = verdict(0.9, rich, rich.size), verdict(0.9, rich, 2 * rich.size - 1)
    assert now.threshold > before.threshold  # type: ignore[operator]
    assert (before.collection_size, now.collection_size) == (rich.size, 2 * rich.size - 1)


def test_a_sample_of_a_large_collection_is_judged_at_its_size(rich: Calibration) -> None:
    """45 million rows have a higher threshold than the 800 that were looked at."""
    large = made_of(museum(), size=45_000_000)
    assert large.strangers is not None
    assert rich.strangers is not None
    assert large.strangers == rich.strangers
    assert verdict(0.9, large, large.size).threshold > verdict(0.9, rich, rich.size).threshold  # type: ignore[operator]
    assert not large.stale(50_000_000)


def test_intervals_hold_the_truth_in_most_draws() -> None:
    """95 of 100 by their name; photos of one object are alike and are not counted twice."""
    draw = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        objects = np.repeat(draw.random(40) < 0.8, 5).astype(float)
        found = figure(objects.tolist(), np.repeat(np.arange(40), 5).tolist())
        assert found is not None
        held += found.low <= 0.8 <= found.high
    assert held >= 275
    assert figure([], []) is None
    assert wilson(0.0, 20)[0] == 0
    assert wilson(1.0, 20)[0] == pytest.approx(0.839, abs=1e-3)


def test_a_law_is_bounded_for_any_score() -> None:
    """Also for a copy, and for what points the other way."""
    law = Likeness(
        kind="same_object", basis="", intercept=-5.0, slope=9.0, compared=10, pairs=1, objects=1, precision=None
    )  # fmt: skip
    for score, size in itertools.product((-1.0, 0.0, 1.0), (0, 1, 10**12)):
        assert 0 <= law.probability(score, size) <= 1


def test_the_stored_form_is_plain_json(rich: Calibration) -> None:
    """For whoever reads it elsewhere."""
    stored = json.loads(msgspec.json.encode(rich))
    assert stored["version"] == 2
    assert {"value", "low", "high", "count", "objects"} == set(stored["accepted"])
