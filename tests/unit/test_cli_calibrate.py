"""`museum calibrate`: over the pipeline in memory, from stored outcomes to what a search says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from functions import live, outcome
from functions.catalogue.calibration import Calibration, Relation, Verdict, Votes
from functions.catalogue.figures import Figure
from functions.catalogue.keys import photo_key, record_key
from functions.cli import calibrate as command
from functions.cli import searching
from functions.cli.client import Found
from functions.cli.searching import likeness
from functions.decoding import decoded
from functions.events import upload_id
from functions.results import Hit, Result, decode, encode
from functions.search import collection
from tests.unit.world import FINGERPRINT, World

BEFORE = Path(__file__).with_name("result_before_calibration.json")


def quiet(_: str) -> None:
    """Nothing is said."""


def catalogue() -> World:
    """60 objects of two classes and six words, two photos each, whose likeness goes by their number."""
    world = World()
    for number in range(60):
        fields = {"TypologyGK": "5" if number < 30 else "17", "MainWord": f"слово {number // 10}", "Name": f"Предмет {number}"}
        key = world.add(f"o{number:02}", 4 * number, **fields)
        world.put("catalogue", key.replace("a.jpg", "b.jpg"), bytes([4 * number + 1]))
    world.run(limit=10_000)
    live.write(world.store, "state", world.live())
    return world


def calibrated(world: World) -> Calibration:
    """The calibration of a world's collection."""
    return command.calibrated(world.store, world.rows, "state", say=quiet)


def test_a_search_says_by_the_calibration_what_its_scores_mean() -> None:
    """Before it nothing; after it a relation with its probability, whether it is there already, and how sure the class is."""
    world = catalogue()
    silent = world.query(100)
    world.run()
    before = world.result(silent)
    assert before["verdict"]["similar"] is None
    assert {(hit["relation"], hit["duplicate"]) for hit in before["hits"]} == {(None, None)}
    assert before["class"]["sure"] is None

    made = calibrated(world)
    assert (made.photos, made.objects, made.size, made.fingerprint) == (120, 60, 120, FINGERPRINT)
    asked = world.query(100, "again.jpg")
    world.run()
    result = world.result(asked)
    assert result["verdict"]["similar"] is True
    assert result["verdict"]["accepted"]["objects"] == 60
    kinds = [hit["relation"]["kind"] for hit in result["hits"]]
    assert kinds[0] == "same_object"
    assert set(kinds) == {"same_object", "same_kind", "looks_alike"}
    assert "class" in made.missing, "60 objects are too few"
    assert result["class"]["sure"] is None


def test_that_an_object_is_there_already_is_said_of_the_searchers_own_museum_alone() -> None:
    """The same photo published by another museum is a likeness, and no answer to whether it is catalogued here."""
    world = catalogue()
    world.add("theirs", 100, museum="east", PublicationLimit="1")
    world.run()
    calibrated(world)
    asked = world.query(100)
    world.run()
    said = {hit["object_id"]: hit["duplicate"] for hit in world.result(asked)["hits"]}
    assert (said["o25"], said.pop("theirs")) == (True, None)
    assert None not in said.values()


@pytest.mark.parametrize(("sure_from", "sure"), [(0.5, True), (0.9999, False), (None, False)])
def test_a_search_votes_at_the_fitted_temperature_and_says_whether_it_is_sure(sure_from: float | None, sure: bool) -> None:
    """At a temperature of 1000 all ten neighbours count alike: six of them are coins."""
    world = catalogue()
    always = Figure(value=1.0, low=0.9, high=1.0, count=10, objects=10)
    fitted = Votes(
        temperature=1000.0, sure_from=sure_from, photos=9, objects=9, ece=always, accuracy=always, precision=None, answered=always
    )
    made = dataclasses.replace(calibrated(world), votes=fitted)
    collection.write(made, store=world.store, bucket="state")
    asked = world.query(4 * 28 + 2)
    world.run()
    found = world.result(asked)["class"]
    coins = sum(hit["class_code"] == 5 for hit in world.result(asked)["hits"][:10])
    assert 5 < coins < 10
    assert found["code"] == 5
    assert found["confidence"] == pytest.approx(coins / 10, abs=1e-3)
    assert found["sure"] is sure


def test_what_is_not_findable_any_more_does_not_count() -> None:
    """Neither a removed photo nor one of another model."""
    world = catalogue()
    world.delete("catalogue", photo_key("local", "o00", "a.jpg"))
    world.run()
    key = photo_key("local", "o01", "a.jpg")
    info = world.store.head("catalogue", key)
    assert info is not None
    one = outcome.read(world.store, "state", upload_id("catalogue", key, info.version))
    assert one is not None
    outcome.write(world.store, "state", dataclasses.replace(one, fingerprint="0" * 64))
    assert calibrated(world).photos == 118


def test_a_sample_has_all_photos_of_its_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large collection some photos are looked at, with the others of the same objects; the size is the collection's."""
    monkeypatch.setattr(command, "SAMPLE", 20)
    world = catalogue()
    made = calibrated(world)
    assert 20 < made.photos == 2 * made.objects <= 40
    assert made.size == 120


def test_a_broken_vector_and_a_broken_record_hurt_only_themselves() -> None:
    """The photo is left out; the object has no fields."""
    world = catalogue()
    first = next(info.key for info in world.store.list("state", outcome.PREFIX))
    stored = world.store.get("state", first)
    assert stored is not None
    one = decoded(stored.body, outcome.Outcome)
    outcome.write(world.store, "state", dataclasses.replace(one, vectors=(dataclasses.replace(one.vectors[0], base64="!"),)))
    world.store.put("catalogue", record_key("local", "o59"), b"{", content_type="application/json")
    assert calibrated(world).photos == 119


def test_an_empty_collection_is_refused_and_nothing_is_stored() -> None:
    """With the command that fills it."""
    world = World()
    live.write(world.store, "state", world.live())
    with pytest.raises(ValueError, match="museum import"):
        calibrated(world)
    assert world.store.get("state", collection.calibration_key(FINGERPRINT)) is None


def test_a_calibration_of_before_or_of_half_the_size_is_none() -> None:
    """What cannot be read, and what is stale, says nothing; a new one is a command away."""
    world = catalogue()
    made = calibrated(world)

    def known() -> Calibration | None:
        return collection.read(FINGERPRINT, store=world.store, rows=world.rows, bucket="state").calibration

    assert known() == made
    collection.write(dataclasses.replace(made, size=61), store=world.store, bucket="state")
    assert known() is not None
    collection.write(dataclasses.replace(made, size=60), store=world.store, bucket="state")
    assert known() is None
    old = {"fingerprint": FINGERPRINT, "size": 120, "strangers": 120, "start": 0.5, "share": 0.3, "scale": 0.1}
    for body in (json.dumps(old), "[]", "{", json.dumps({**msgspec.to_builtins(made), "version": 3})):
        world.store.put("state", collection.calibration_key(FINGERPRINT), body.encode(), content_type="application/json")
        assert known() is None


def test_a_result_of_before_is_still_read() -> None:
    """Its hits have no relation, its class no sureness, its verdict no share."""
    result = decode(BEFORE.read_bytes())
    assert (result.hits[0].relation, result.hits[0].duplicate) == (None, None)
    assert result.verdict is not None
    assert result.verdict.accepted is None
    assert (result.photos, result.region, result.scope, result.filter, result.exclude) == ([], None, "all", None, None)
    assert decode(encode(result)) == result
    assert result.class_ is not None
    assert result.class_.sure is None


def test_each_number_is_printed_with_its_interval_and_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    """And each part that is absent with the reason."""
    made = calibrated(catalogue())
    rows = {what: (found, ground) for what, found, ground in command.lines(made)}
    assert "% (" in rows["same object"][0]
    assert rows["same object"][1] == "120 pairs of 60 objects"
    assert "2 % of strangers" in rows["similar"][0]
    printed = Console(width=200, record=True, file=None, quiet=False)
    monkeypatch.setattr(command, "console", printed)
    with printed.capture() as shown:
        command.show(made)
    assert "not known yet:" in shown.get()
    assert "  whether a hit is of the same edition: found 0 related pairs" in shown.get()
    assert "120 photos of 60 objects" in shown.get()


def test_objects_of_two_classes_with_one_photo_are_named() -> None:
    """An import that gave a card another class than the draft it came of: whoever runs this has to know."""
    made = dataclasses.replace(calibrated(catalogue()), twice=((("m", "draft-1"), ("m", "KP-1")),))
    assert command.doubtful(made)[1:] == ["  m/draft-1 and m/KP-1"]
    assert command.doubtful(dataclasses.replace(made, twice=())) == []


def test_of_nine_objects_it_is_said_what_is_there_what_is_needed_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, without the parts' names; no table of nothing."""
    world = World()
    for number in range(9):
        world.add(
            f"o{number}",
            4 * number + (200 if number >= 5 else 0),
            TypologyGK="5" if number < 5 else "17",
            Name=f"Предмет {number}",
        )
    world.run(limit=10_000)
    live.write(world.store, "state", world.live())
    made = calibrated(world)
    said = "\n".join(command.unsaid(made))
    assert said.startswith("these photos are too few to say what scores mean; from 50 on")
    assert (
        "whether anything is similar: found 9 photos that can be compared with objects of another class, at least 50 are needed; "
        "import objects of several classes"
    ) in said
    assert "related pairs (several photos of one object) of 0 objects, at least 30 are needed, of at least 20 objects" in said
    assert said.endswith("import what is missing (`museum import`), then run `museum calibrate` again.")
    assert not [name for name in ("twins", "others", "same_object", "same_edition", "same_kind") if name in said]
    printed = Console(width=200, record=True, quiet=False)
    monkeypatch.setattr(command, "console", printed)
    with printed.capture() as shown:
        command.show(made)
    assert "stands on" not in shown.get()


def test_every_part_that_may_be_missing_has_words() -> None:
    """Of an empty collection's sample, and of parts that are refused after all."""
    assert set(calibrated(catalogue()).missing) <= set(command.UNSAID)
    assert command.unsaid(dataclasses.replace(calibrated(catalogue()), missing={})) == []


def hit(relation: Relation | None, *, duplicate: bool | None = None) -> Hit:
    """A hit that is so related."""
    return Hit(
        rank=1, museum="m", object_id="o", score=0.9, image="", display="", query_image=0, view="full", class_code=1,
        relation=relation, duplicate=duplicate,
    )  # fmt: skip


def test_a_search_prints_the_relation_or_a_dash() -> None:
    """Nothing is made of what is not known."""
    assert likeness(hit(None)) == "–"
    assert likeness(hit(Relation(kind="looks_alike", probability=0.7))) == "looks alike 70%"
    assert likeness(hit(Relation(kind="same_object", probability=0.98), duplicate=True)) == "same object 98%, there already"


def test_a_score_below_0_is_printed_as_0_and_kept_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cosine has no other side for a person; a program is given what was measured."""
    hits = [dataclasses.replace(hit(None), rank=rank, score=score) for rank, score in ((1, 0.0312), (2, -0.0001), (3, -0.2))]
    result = Result(
        query_id="q", museum="m", owner="o", status="completed", bucket="queries", key="k", version="1", hits=hits,
        verdict=Verdict(similar=True, threshold=-0.3, collection_size=3),
    )  # fmt: skip
    found = Found(photo="a.jpg", result=result, seconds=1.0)
    printed = Console(width=200, record=True, quiet=False)
    monkeypatch.setattr(searching, "console", printed)
    with printed.capture() as shown:
        searching.show(found, 10)
    assert [line.split()[1] for line in shown.get().splitlines() if line.split()[0] in ("1", "2", "3")] == [
        "0.0312",
        "0.0000",
        "0.0000",
    ]
    assert [one["score"] for one in searching.as_data(found, 10)["hits"]] == [0.0312, -0.0001, -0.2]
