"""Classes, fields and records."""

from __future__ import annotations

import json

import pytest

from functions.catalogue.classes import CLASSES, UnknownClass, class_of
from functions.catalogue.fields import BY_NAME, FIELDS, PUBLIC
from functions.catalogue.record import BadRecord, Listing, Record, listing_of, parse, visible
from functions.ports import UNKNOWN_YEAR

OFFERED = """Name ShortDescription MainWord Authors ProductionOrg ProductionPlace CreationTime CreationTimeStart CreationTimeEnd
MaterialandTechnique TypologyGK"""
OWN = "OwnershipType IncomingMethod EntranceSource ActNumberandDate FZK OrderDate OrderNumber PublicationLimit"
NEVER = """KPNumber KPDate InvNumber GKNumber MusSystemID SpecNumber Dimensions Weight Quantity Provenance FindPlace Category
Condition Fund"""


@pytest.mark.parametrize(("kind", "names"), [("offered", OFFERED), ("own", OWN), ("never", NEVER)])
def test_every_field_of_the_register_is_of_its_kind(kind: str, names: str) -> None:
    """The register's fields, with condition and fund, which its XML lacks."""
    assert {field.name for field in FIELDS if field.kind == kind} == set(names.split())


def test_a_field_is_in_the_table_once_and_has_both_labels() -> None:
    """Names are keys; labels are shown."""
    assert len({field.name for field in FIELDS}) == len(FIELDS)
    assert all(field.ru and field.en for field in FIELDS)


def test_accounting_facts_are_not_public() -> None:
    """Who gave a thing, what it is worth and where it was found is nobody else's."""
    private = {"EntranceSource", "Provenance", "FindPlace", "Category", "SpecNumber", "KPDate", "Condition", "Fund", "FZK"}
    assert not PUBLIC & private


def test_name_and_description_are_taken_whole() -> None:
    """All else is voted on."""
    assert {field.name for field in FIELDS if field.choice == "whole"} == {"Name", "ShortDescription"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OwnershipType", "5"),
        ("IncomingMethod", "дар"),
        ("PublicationLimit", "да"),
        ("Category", "0"),
        ("CreationTimeStart", "XIX в."),
        ("CreationTimeStart", "12345"),
        ("KPDate", "31.02"),
        ("KPDate", "31.02.1956"),
        ("KPDate", "13.1956"),
        ("OrderDate", "1956-13-01"),
        ("OrderDate", "0000"),
        ("Quantity", "один"),
        ("Quantity", "0"),
        ("Quantity", "-1"),
        ("Quantity", "1,5"),
    ],
)
def test_a_code_or_year_that_makes_no_sense_is_named_with_what_was_expected(name: str, value: str) -> None:
    """In the user's words."""
    problem = BY_NAME[name].problem(value)
    assert problem is not None
    assert name in problem
    assert repr(value) in problem
    assert "expected" in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IncomingMethod", "1"),
        ("CreationTimeEnd", "-480"),
        ("CreationTime", "XIX в."),
        ("KPDate", "29.02.1956"),
        ("KPDate", "3.1956"),
        ("KPDate", "1956"),
        ("KPDate", "март 1956 г."),
        ("OrderDate", "1956-03-12"),
        ("OrderDate", "1956-03"),
        ("Quantity", "1"),
        ("Quantity", "10 (десять)"),
        ("Quantity", "2 предмета"),
    ],
)
def test_what_makes_sense_is_no_problem(name: str, value: str) -> None:
    """Texts are free."""
    assert BY_NAME[name].problem(value) is None


def test_there_are_15_classes_with_the_registers_codes() -> None:
    """4, 7 and 9 are retired."""
    assert [item.code for item in CLASSES] == [1, 2, 3, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (5, 5), ("5", 5), (" 05 ", 5), ("Живопись", 1), ("  предметы   НУМИЗМАТИКИ ", 5), ("Археология", 6), ("ДПИ", 13),
        ("Нумизматика", 5), ("natural history", 10), ("4", 13), (7, 13), ("Редкие книги", 14),
    ],
)  # fmt: skip
def test_a_class_is_found_by_code_name_or_label(text: str | int, code: int) -> None:
    """Case and spaces do not matter; retired 4 and 7 became 13."""
    assert class_of(text).code == code


@pytest.mark.parametrize("item", CLASSES)
def test_each_class_is_found_by_both_its_names(item: object) -> None:
    """No label hides a name."""
    assert class_of(item.ru) == class_of(item.en) == item  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["", "Керамика", "0", "19", "-5", "5.0"])
def test_an_unknown_class_says_what_would_be_one(text: str) -> None:
    """Never guessed."""
    with pytest.raises(UnknownClass, match="none of the 15 classes"):
        class_of(text)


def test_retired_class_9_is_not_mapped_by_itself() -> None:
    """It became two."""
    with pytest.raises(UnknownClass, match=r"14 .* or 15"):
        class_of(9)


def record_of(**fields: str) -> Record:
    """A record of the museum ``m``."""
    return parse(json.dumps(fields).encode(), museum="m", object_id="1")


def test_a_record_is_texts_by_field_without_empty_ones() -> None:
    """Numbers are written as text."""
    body = b'{"Name": " <img onerror=alert(1)> ", "CreationTimeStart": 1850, "Authors": "", "Weight": null}'
    record = parse(body, museum="m", object_id="1")
    assert record.fields == {"Name": "<img onerror=alert(1)>", "CreationTimeStart": "1850"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[]", "found a list"),
        (b'"text"', "found a text"),
        (b"null", "found null"),
        (b'{"Authors": ["A", "B"]}', r"Authors \(автор \(мастер\)\): expected a text or a number, found a list"),
        (b'{"Name": true}', "found true or false"),
        (b'{"Title": "x"}', "unknown fields Title"),
    ],
)
def test_a_record_that_cannot_be_read_says_why(body: bytes, words: str) -> None:
    """The field, what was expected, what was found."""
    with pytest.raises(BadRecord, match=words):
        parse(body, museum="m", object_id="1")


@pytest.mark.parametrize(("limit", "public"), [("1", True), ("0", False), ("", False), ("да", False), ("true", False)])
def test_only_publication_limit_1_means_public(limit: str, public: bool) -> None:
    """In the register's XML 1 means publish; unknown means not public."""
    assert record_of(PublicationLimit=limit).public is public


def test_a_museum_sees_its_own_record_whole() -> None:
    """Published or not."""
    record = record_of(Name="Ваза", Provenance="от князя")
    assert visible(record, "m") == record


def test_another_museum_sees_the_public_fields_of_a_published_record() -> None:
    """An allow-list."""
    everything = {field.name: "1" for field in FIELDS}
    seen = visible(record_of(**everything), "other")
    assert seen is not None
    assert set(seen.fields) == PUBLIC


@pytest.mark.parametrize("limit", ["", "0"])
def test_another_museum_sees_nothing_of_an_unpublished_record(limit: str) -> None:
    """Not even that it is there."""
    assert visible(record_of(Name="Ваза", PublicationLimit=limit), "other") is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"TypologyGK": "4", "PublicationLimit": "1"}', Listing(class_code=13, public=True)),
        ('{"TypologyGK": "Нумизматика"}'.encode(), Listing(class_code=5, public=False)),
        (b'{"TypologyGK": "99"}', Listing()),
        (b'{"CreationTimeStart": "1850", "CreationTimeEnd": 1870}', Listing(year_from=1850, year_to=1870)),
        (b'{"CreationTimeStart": "-480", "CreationTimeEnd": "-400"}', Listing(year_from=-480, year_to=-400)),
        (b'{"CreationTimeStart": "1850"}', Listing(year_from=1850, year_to=1850)),
        (b'{"CreationTimeStart": "XIX", "CreationTimeEnd": "0"}', Listing(year_from=0, year_to=0)),
        (b'{"CreationTimeStart": "1870", "CreationTimeEnd": "1850"}', Listing()),
        (b'{"CreationTimeStart": "18500", "CreationTime": "1850"}', Listing(year_from=UNKNOWN_YEAR, year_to=UNKNOWN_YEAR)),
        (None, Listing()),
    ],
)
def test_an_object_without_a_readable_record_is_listed_without_class_and_not_public(
    body: bytes | None, expected: Listing
) -> None:
    """What is not known is not shown."""
    assert listing_of(body) == expected


def test_a_broken_record_is_listed_with_what_is_wrong() -> None:
    """For the person who can mend it."""
    listing = listing_of(b'{"Name": []}')
    assert (listing.class_code, listing.public) == (0, False)
    assert "found a list" in listing.problem
