"""What a key says, and how an object's keys are made."""

from __future__ import annotations

import pytest

from functions.catalogue import keys
from functions.catalogue.keys import CatalogueKey, QueryKey, parse_catalogue, parse_query

ODD_IDS = ["КП-1234/5", "a b+c%20&?#", ".", "..", "...", "%2E", "%2F", "ваза №7", "🏺", "a/b", "a", "/", "~", "record.json", "0"]


@pytest.mark.parametrize("object_id", ODD_IDS)
def test_any_object_id_comes_back_from_its_record_key_and_photo_key(object_id: str) -> None:
    """Quoting is reversible, whatever the letters."""
    record = parse_catalogue(keys.record_key("ermitage", object_id), museum="local")
    photo = parse_catalogue(keys.photo_key("ermitage", object_id, "вид 1.jpg"), museum="local")
    assert (record.museum, record.object_id, record.kind) == ("ermitage", object_id, "record")
    assert (photo.museum, photo.object_id, photo.kind) == ("ermitage", object_id, "photo")
    assert photo.record_key == keys.record_key("ermitage", object_id)


def test_no_key_of_one_object_is_the_beginning_of_a_path_of_another() -> None:
    """A store may refuse both `a` and `a/b`, and `.` or `..` as a part."""
    made = [key for object_id in ODD_IDS for key in (keys.record_key("m", object_id), keys.photo_key("m", object_id, "1.jpg"))]
    assert len(set(made)) == len(made)
    assert not [(one, other) for one in made for other in made if other.startswith(f"{one}/")]
    assert not {".", "..", ""} & {part for key in made for part in key.split("/")}


def test_an_empty_object_id_has_no_key() -> None:
    """It would make an empty part."""
    with pytest.raises(ValueError, match="may not be empty"):
        keys.record_key("m", "")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b.jpg"])
def test_a_photos_name_is_one_part_of_its_key(name: str) -> None:
    """Else one photo's key could begin another's."""
    with pytest.raises(ValueError, match="one part of a key"):
        keys.photo_key("m", "vase", name)


def test_a_photos_name_stays_as_it_is() -> None:
    """S3 keeps the bytes of a key."""
    assert keys.photo_key("m", "vase", "вид +1 %20.jpg") == "m/vase/images/вид +1 %20.jpg"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("m/ivan/x1/photo.jpg", QueryKey(museum="m", owner="ivan", random="x1", kind="photo")),
        ("m/ivan/x1/deep/photo.jpg", QueryKey(museum="m", owner="ivan", random="x1", kind="photo")),
        ("m/ivan/x1/parts/1.jpg", QueryKey(museum="m", owner="ivan", random="x1", kind="part")),
        ("m/ivan/x1/two.query.json", QueryKey(museum="m", owner="ivan", random="x1", kind="file")),
        ("m/ivan/x1/parts/two.query.json", QueryKey(museum="m", owner="ivan", random="x1", kind="part")),
        ("photo.jpg", QueryKey(museum="local", owner="nobody", random="", kind="photo")),
        ("a/b.jpg", QueryKey(museum="local", owner="nobody", random="", kind="photo")),
        ("a//b/c.jpg", QueryKey(museum="local", owner="nobody", random="", kind="photo")),
        ("a/b/c/", QueryKey(museum="local", owner="nobody", random="", kind="photo")),
        ("two.query.json", QueryKey(museum="local", owner="nobody", random="", kind="file")),
    ],
)
def test_a_key_of_queries_says_whose_it_is_and_what(key: str, expected: QueryKey) -> None:
    """Another shape belongs to the bucket's defaults."""
    assert parse_query(key, museum="local", owner="nobody") == expected


@pytest.mark.parametrize(
    "key", ["parts/photo.jpg", "m/parts/x1/photo.jpg", "parts/ivan/x1/photo.jpg", "m/ivan/x1/sub/parts/1.jpg"]
)
def test_a_folder_that_happens_to_be_named_parts_does_not_swallow_an_upload(key: str) -> None:
    """Parts trigger nothing, so only `<random>/parts/` may hold them."""
    assert parse_query(key, museum="local", owner="nobody").kind == "photo"


@pytest.mark.parametrize(
    "key",
    [
        "photo.jpg",
        "m/photo.jpg",
        "m/vase/photo.jpg",
        "m/vase/",
        "m/vase/images/",
        "m//images/1.jpg",
        "/vase/images/1.jpg",
        "m/Ваза 1/images/1.jpg",
    ],
)
def test_a_catalogue_key_of_another_shape_stands_for_an_object_of_its_own(key: str) -> None:
    """Also one whose object_id is not quoted as ours are: it would be a second prefix of one object."""
    place = parse_catalogue(key, museum="local")
    assert place == CatalogueKey(museum="local", object_id=key, prefix=key, kind="photo")
    assert place.record_key == ""
    assert place.owns(key)
    assert not place.owns(f"{key}/more")


def test_an_object_owns_its_record_and_its_photos_alone() -> None:
    """Whatever else lies below its prefix is not its."""
    place = parse_catalogue("m/vase/images/1.jpg", museum="local")
    assert place.owns("m/vase/record.json")
    assert place.owns("m/vase/images/2.jpg")
    assert not place.owns("m/vase/notes.txt")
    assert not place.owns("m/vase2/images/1.jpg")
