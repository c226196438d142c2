"""embed: which vectors a photo gets."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from functions.adapters.memory import MemoryStore
from functions.adapters.memory_encoder import MemoryEncoder
from functions.embed.handler import embed
from functions.embed.vectors import VectorCache
from functions.errors import Unavailable
from functions.events import CatalogueEmbedded, ImagePreprocessed, ImageReceived, Lane, PreparedImage, QueryEmbedded, Region
from functions.live import LiveModel
from functions.pixels import PREPROCESSING, SIZE, pixels
from functions.ports import Pixels, Saliency, Vectors
from functions.preprocess.handler import npy

FINGERPRINT = "a" * 64


class Counting(MemoryEncoder):
    """A model that notes the size of each batch and its lane."""

    def __init__(self) -> None:
        super().__init__(FINGERPRINT)
        self.batches: list[tuple[int, Lane]] = []

    def encode(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> Vectors:
        """Count, and embed."""
        self.batches.append((len(pixels), lane))
        return super().encode(pixels, fingerprint=fingerprint, lane=lane)

    def encode_with_saliency(self, pixels: Pixels, *, fingerprint: str, lane: Lane = "bulk") -> tuple[Vectors, Saliency]:
        """As the twin does."""
        return super().encode_with_saliency(pixels, fingerprint=fingerprint, lane=lane)


class Desk:
    """One embed function with its storage."""

    def __init__(self, *, saliency: bool) -> None:
        self.store = MemoryStore("derived")
        self.encoder = Counting()
        self.live = LiveModel(model="m", fingerprint=FINGERPRINT, preprocessing=PREPROCESSING, saliency=saliency)
        self.cache = VectorCache()

    def photo(self, name: str, picture: Image.Image) -> PreparedImage:
        """A photo as preprocess leaves it."""
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=90)
        self.store.put("derived", f"{name}/display-1280.jpg", file.getvalue(), content_type="image/jpeg")
        self.store.put("derived", f"{name}/pixels.npy", npy(pixels(picture)), content_type="x/y")
        return PreparedImage(
            bucket="b", key=name, version="1", sha256="0" * 64, width=picture.width, height=picture.height, format="JPEG",
            preprocessing=PREPROCESSING, pixels=f"{name}/pixels.npy", display=f"{name}/display-",
        )  # fmt: skip

    def embed(
        self, *photos: PreparedImage, region: Region | None = None, lane: Lane = "interactive"
    ) -> QueryEmbedded | CatalogueEmbedded | ImageReceived:
        """Run the handler."""
        event = ImagePreprocessed(
            museum="m", owner="o", lane=lane, purpose="query", upload_id="u", bucket="b", key="k", version="1",
            images=photos, region=region,
        )  # fmt: skip
        return embed(event, store=self.store, derived="derived", encoder=self.encoder, live=lambda: self.live, cache=self.cache)

    def views(self, *photos: PreparedImage, region: Region | None = None) -> list[tuple[int, str]]:
        """(image, view) of each vector."""
        event = self.embed(*photos, region=region)
        assert isinstance(event, QueryEmbedded)
        return [(vector.image, vector.view) for vector in event.vectors]


def on_a_wall() -> Image.Image:
    """A bright thing on a dark wall, a sixth of its width."""
    picture = Image.new("RGB", (1200, 900), (12, 12, 20))
    picture.paste((240, 200, 40), (200, 200, 400, 500))
    return picture


def test_an_object_that_stands_out_is_a_second_view() -> None:
    """And it looks as if it had been photographed alone."""
    desk = Desk(saliency=True)
    event = desk.embed(desk.photo("wall", on_a_wall()))
    assert isinstance(event, QueryEmbedded)
    assert [vector.view for vector in event.vectors] == ["full", "crop"]
    alone = desk.encoder.encode(
        pixels(on_a_wall().crop((200, 200, 400, 500)))[None], fingerprint=FINGERPRINT
    )[0]  # fmt: skip
    full, crop = (float(vector.unpack() @ alone) for vector in event.vectors)
    assert crop > full + 0.3


def test_a_photo_without_a_standing_object_has_one_view() -> None:
    """Its crop would be itself."""
    desk = Desk(saliency=True)
    assert desk.views(desk.photo("plain", Image.new("RGB", (600, 600), (200, 200, 200)))) == [(0, "full")]


def test_a_model_that_knows_no_saliency_gives_one_view() -> None:
    """The fast tier; and a model that was activated before there were views."""
    desk = Desk(saliency=False)
    assert desk.views(desk.photo("wall", on_a_wall())) == [(0, "full")]


def test_a_region_that_a_person_chose_is_not_cropped_again() -> None:
    """The other photos of the object are."""
    desk = Desk(saliency=True)
    first, second = desk.photo("first", on_a_wall()), desk.photo("second", on_a_wall().rotate(90, expand=True))
    region = Region(left=0.1, top=0.1, width=0.5, height=0.5)
    assert desk.views(first, second, region=region) == [(0, "full"), (1, "full"), (1, "crop")]


def test_all_photos_of_a_query_are_two_batches_in_its_lane() -> None:
    """One of the whole pictures, one of the objects in them."""
    desk = Desk(saliency=True)
    desk.views(*(desk.photo(name, on_a_wall().rotate(turn, expand=True)) for name, turn in [("a", 0), ("b", 90), ("c", 180)]))
    assert desk.encoder.batches == [(3, "interactive"), (3, "interactive")]


def test_a_photo_that_was_embedded_a_moment_ago_costs_nothing() -> None:
    """All of its views are remembered."""
    desk = Desk(saliency=True)
    photo = desk.photo("wall", on_a_wall())
    first = desk.views(photo)
    batches = len(desk.encoder.batches)
    assert desk.views(photo) == first
    assert len(desk.encoder.batches) == batches


@pytest.mark.parametrize("gone", ["wall/pixels.npy", "wall/display-1280.jpg"])
def test_a_derived_file_that_is_gone_is_made_again(gone: str) -> None:
    """The event goes back to preprocess."""
    desk = Desk(saliency=True)
    photo = desk.photo("wall", on_a_wall())
    desk.store.delete("derived", gone)
    assert isinstance(desk.embed(photo), ImageReceived)


def test_pixels_of_another_preprocessing_wait() -> None:
    """Release N meets the pixels of N+1: the message is handed back, and nothing is counted."""
    desk = Desk(saliency=True)
    desk.live = LiveModel(model="m", fingerprint=FINGERPRINT, preprocessing="other")
    with pytest.raises(Unavailable, match="other"):
        desk.embed(desk.photo("wall", on_a_wall()))


def test_the_input_is_a_whole_number_of_the_twins_cells() -> None:
    """Else its map would not cover the picture."""
    _, saliency = MemoryEncoder(FINGERPRINT).encode_with_saliency(
        np.zeros((1, SIZE, SIZE, 3), np.uint8), fingerprint=FINGERPRINT
    )  # fmt: skip
    assert saliency.shape == (1, 56, 56)
