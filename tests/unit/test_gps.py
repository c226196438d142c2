"""Where a photo was taken stays in the original, and in nothing that is shown."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image as Pillow
from PIL import ImageFile

from functions.catalogue.handle import object_handle
from functions.catalogue.keys import photo_key
from functions.events import Image, ImageReceived
from functions.preprocess.decode import limits_by_lane
from functions.preprocess.handler import preprocess
from tests.gateway_world import NORTH, GatewayWorld, worlds
from tests.pictures import picture

world = pytest.fixture(worlds)
LIMITS = limits_by_lane(40_000_000, 200_000_000)
GPS, LATITUDE, LONGITUDE = 0x8825, 2, 4
MAKE, XMP = "Camera of Anna", b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><exif:GPSLatitude>55,45N</exif:GPSLatitude></x:xmpmeta>'
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")


def photo(kind: str) -> bytes:
    """A photo that says where it was taken."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    exif = Pillow.Exif()
    exif[271] = MAKE
    exif[GPS] = {1: "N", LATITUDE: (55.0, 45.0, 21.0), 3: "E", LONGITUDE: (37.0, 37.0, 2.0)}
    buffer = io.BytesIO()
    more: dict[str, Any] = {"xmp": XMP} if kind in ("JPEG", "WEBP") else {}
    picture(3).save(buffer, kind, exif=exif.tobytes(), **more)
    return buffer.getvalue()


def place(body: bytes) -> dict[int, Any]:
    """The GPS directory of a picture."""
    return dict(Pillow.open(io.BytesIO(body)).getexif().get_ifd(GPS))


def prepared(world: GatewayWorld, bucket: str, key: str) -> None:
    """The step of the pipeline that reads an original and writes what is shown."""
    info = world.store.head(bucket, key)
    assert info is not None
    image = Image(bucket=bucket, key=key, version=info.version, size=info.size)
    event = ImageReceived(
        museum=NORTH, owner="anna", lane="interactive", purpose="query" if bucket == "queries" else "catalogue", upload_id="u",
        bucket=bucket, key=key, version=info.version, images=(image,),
    )  # fmt: skip
    preprocess(event, store=world.store, derived="derived", limits=LIMITS)


@pytest.fixture
def derived(world: GatewayWorld) -> Any:
    """What there is of copies for people, after the test's own steps."""

    def shown() -> dict[str, bytes]:
        found = {key: world.store.get("derived", key) for key in world.keys("derived")}
        return {key: one.body for key, one in found.items() if one is not None}

    return shown


def check(shown: dict[str, bytes]) -> None:
    """Nothing that is derived says where, when or with what."""
    assert len([key for key in shown if key.endswith(".jpg")]) == 2
    for key, body in shown.items():
        assert not any(sign in body for sign in (b"Exif\x00", b"xmpmeta", b"http://ns.adobe.com", MAKE.encode(), b"8BIM")), key
        if key.endswith(".jpg"):
            made = Pillow.open(io.BytesIO(body))
            assert isinstance(made, ImageFile.ImageFile)
            assert (made.format, dict(made.getexif())) == ("JPEG", {})
            assert not set(made.info) & {"exif", "xmp", "comment", "photoshop", "icc_profile"}


@pytest.mark.parametrize("kind", FORMATS)
def test_an_original_keeps_its_place_and_its_copies_have_none(world: GatewayWorld, derived: Any, kind: str) -> None:
    """A query's photo: byte for byte as it was sent, and shown without metadata."""
    body = photo(kind)
    assert place(body)[LATITUDE] == (55.0, 45.0, 21.0)
    query = world.queried(body)
    (key,) = world.keys("queries")
    prepared(world, "queries", key)
    stored = world.store.get("queries", key)
    assert stored is not None
    assert stored.body == body
    check(derived())
    assert world.ask("GET", f"/api/queries/{query}").status == 200


def test_a_draft_and_the_catalogue_keep_the_original_too(world: GatewayWorld, derived: Any) -> None:
    """It is the museum's own document; the page shows the copy."""
    body = photo("JPEG")
    query = world.queried(body)
    made = world.ask("POST", "/api/drafts", {"query": query}).json
    (key,) = world.keys("catalogue", f"{NORTH}/{made['object_id']}/images/")
    stored = world.store.get("catalogue", key)
    assert stored is not None
    assert stored.body == body
    prepared(world, "catalogue", key)
    check(derived())
    (image,) = world.ask("GET", f"/api/objects/{made['id']}").json["images"]
    shown = world.ask("GET", image["1280"])
    assert (shown.status, place(shown.body), b"Exif" in shown.body) == (200, {}, False)


def test_a_query_for_what_is_like_an_object_copies_no_place(world: GatewayWorld) -> None:
    """It is of the display copy: the object may be another museum's."""
    world.record("vase", Name="Ваза")
    key = photo_key(NORTH, "vase", "a.jpg")
    body = photo("JPEG")
    digest = world.photo("vase", body=body)
    prepared(world, "catalogue", key)
    assert world.keys("derived", digest)
    assert world.ask("POST", f"/api/objects/{object_handle(NORTH, 'vase')}/similar").status == 201
    (copied,) = (world.store.get("queries", one) for one in world.keys("queries") if one.endswith(".jpg"))
    assert copied is not None
    assert (place(copied.body), b"Exif" in copied.body) == ({}, False)
