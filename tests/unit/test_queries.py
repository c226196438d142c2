"""Query files: what they may ask for, whose photos they may name, and how they are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.catalogue.keys import parse_query
from functions.errors import Reject
from functions.events import Ask, Filter, ObjectName, Region
from functions.queries import MAX_BYTES, QueryFile, decode, encode, may_name

FILE = parse_query("local/ann/r2/again.query.json", museum="local", owner="local")
PHOTOS = ("local/ann/r1/parts/1.jpg",)


def body(**more: Any) -> bytes:
    """A query file of one photo."""
    return json.dumps({"photos": PHOTOS, **more}).encode()


@pytest.mark.parametrize(
    "wanted",
    [
        QueryFile(photos=PHOTOS),
        QueryFile(photos=PHOTOS * 8, scope="mine", filter=Filter()),
        QueryFile(
            photos=PHOTOS,
            region=Region(left=0.1, top=0, width=0.5, height=1),
            scope="others",
            filter=Filter(classes=(1, 13), museums=("Музей «Ваза»",), period=(-480, 1850)),
            exclude=ObjectName(museum="local", object_id="ваза/1"),
        ),
    ],
)
def test_a_query_file_is_read_as_it_was_written(wanted: QueryFile) -> None:
    """By the gateway, and by ingest."""
    assert decode(encode(wanted)) == wanted


def test_what_a_query_file_leaves_out_is_not_asked_for() -> None:
    """All that may be seen is searched; null says the same."""
    assert decode(body()).ask == Ask()
    assert decode(body(region=None, filter=None, exclude=None)).ask == Ask()
    assert json.loads(encode(QueryFile(photos=PHOTOS))) == {"photos": list(PHOTOS), "scope": "all"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"colour": "red"}, "unknown fields colour: known are photos, region"),
        ({"filter": {"colour": "red", "classes": [5]}}, "unknown fields filter.colour"),
        ({"exclude": {"museum": "m", "object_id": "o", "why": ""}, "x": 1}, "unknown fields exclude.why, x"),
        ({"region": {"left": 0, "top": 0, "width": 1, "height": 1, "angle": 3}}, "region.angle"),
        ({"region": {"left": 0, "top": 0, "width": 2, "height": 1}}, "region.width"),
        ({"scope": "theirs"}, "theirs"),
        ({"filter": {"classes": [4, 13, 99]}}, "filter.classes: expected some of 1, 2, 3, 5"),
        ({"filter": {"classes": ["13"]}}, "filter.classes"),
        ({"filter": {"classes": [13] * 16}}, "length <= 15"),
        ({"filter": {"museums": ["m"] * 33}}, "length <= 32"),
        ({"filter": {"museums": ["m" * 201]}}, "length <= 200"),
        ({"filter": {"period": [1900, 1850]}}, "found 1900 and 1850"),
        ({"filter": {"period": [1850]}}, "filter.period"),
        ({"filter": {"period": [-10000, 1850]}}, "-9999"),
        ({"exclude": {"museum": "m"}}, "object_id"),
        ({"exclude": {"museum": "m", "object_id": "o" * 1025}}, "length <= 1024"),
        ({"photos": []}, "photos"),
        ({"photos": PHOTOS * 9}, "length <= 8"),
    ],
)
def test_a_query_file_is_refused_with_what_is_wrong(more: dict[str, Any], said: str) -> None:
    """What it asks for would not be done: it is not searched without."""
    with pytest.raises(Reject) as refused:
        decode(body(**more))
    assert refused.value.code == "broken-query-file"
    assert said in refused.value.reason


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[]", b'"x"', b"null", b"[" * 50_000, b" " * (MAX_BYTES + 1)])
def test_what_is_no_query_file_is_refused(raw: bytes) -> None:
    """Whatever it is."""
    with pytest.raises(Reject, match="broken-query-file"):
        decode(raw)


def test_a_query_file_that_would_be_refused_is_not_written() -> None:
    """Who asks hears it at once."""
    with pytest.raises(Reject, match="found 1900 and 1850"):
        encode(QueryFile(photos=PHOTOS, filter=Filter(period=(1900, 1850))))
    with pytest.raises(Reject, match="length <= 8"):
        encode(QueryFile(photos=PHOTOS * 9))


@pytest.mark.parametrize(
    ("photo", "may"),
    [
        ("local/ann/r2/parts/1.jpg", True),
        ("local/ann/r1/parts/1.jpg", True),
        ("local/ann/r1/vase.jpg", True),
        ("local/ann/r1/more/vase.jpg", True),
        ("local/ann/r1/parts/x.query.json", True),  # a part whatever its name
        ("local/ann/r1/x.query.json", False),
        ("local/ann/r1/parts/", False),
        ("local/ann/r1/", False),
        ("local/ann/vase.jpg", False),
        ("vase.jpg", False),
        ("", False),
        ("local/bob/r1/vase.jpg", False),
        ("local/bob/r2/parts/1.jpg", False),
        ("local/annabel/r1/vase.jpg", False),
        ("east/ann/r1/vase.jpg", False),
        ("local/ann/../bob/r1/vase.jpg", False),
        ("local/ann/r1/../../bob/r1/vase.jpg", False),
        ("local/ann/r1/parts/../../../bob/r1/vase.jpg", False),
        ("local/ann/./r1/vase.jpg", False),
    ],
)
def test_a_query_file_names_photos_of_its_own_museum_and_owner_alone(photo: str, may: bool) -> None:
    """Of this query or an earlier one; another owner's would be shown to somebody else."""
    assert may_name(FILE, photo) is may


@pytest.mark.parametrize("photo", ["vase.jpg", "parts/vase.jpg", "local/local/r/vase.jpg"])
def test_a_query_file_at_a_key_of_another_shape_names_nothing(photo: str) -> None:
    """Whose it is was assumed, not said."""
    assert not may_name(parse_query("again.query.json", museum="local", owner="local"), photo)
