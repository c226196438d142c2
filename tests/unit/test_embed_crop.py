"""Where the object is in a photo."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from functions.embed.crop import proposed
from functions.embed.view import object_of
from functions.events import Region
from functions.pixels import SIZE

CELLS = 64


def marked(top: int, bottom: int, left: int, right: int, height: float = 0.9) -> np.ndarray:
    """A map with one block."""
    saliency = np.full((CELLS, CELLS), 0.01, np.float32)
    saliency[top:bottom, left:right] = height
    return saliency


def test_the_box_holds_what_the_map_marks_with_a_margin() -> None:
    """On a square picture cells are fractions of it."""
    box = proposed(marked(16, 32, 32, 48), 1000, 1000)
    assert box is not None
    assert box.left < 0.5 < box.left + 0.05
    assert box.left + box.width > 0.75
    assert (box.top < 0.25, box.top + box.height > 0.5) == (True, True)
    assert box.width < 0.35


@pytest.mark.parametrize(("width", "height"), [(1000, 500), (500, 1000)])
def test_the_black_of_the_letterbox_is_taken_off(width: int, height: int) -> None:
    """What lies in the middle of the square lies in the middle of the picture, and twice as large on its short side."""
    box = proposed(marked(28, 36, 28, 36), width, height)
    assert box is not None
    assert box.left + box.width / 2 == pytest.approx(0.5)
    assert box.top + box.height / 2 == pytest.approx(0.5)
    assert box.height / box.width == pytest.approx(width / height)


def test_a_mark_on_the_letterbox_itself_stays_inside_the_picture() -> None:
    """The map may be wrong; a box never reaches beyond the photo."""
    box = proposed(marked(0, 40, 10, 30), 1000, 500)
    assert box is not None
    assert box.top >= 0
    assert box.top + box.height <= 1
    assert proposed(marked(0, 10, 10, 30), 1000, 500) is None, "it is wholly on the black"


@pytest.mark.parametrize(
    ("saliency", "size"),
    [
        (np.zeros((CELLS, CELLS), np.float32), (1000, 1000)),
        (marked(10, 20, 10, 20, height=0.1), (1000, 1000)),
        (marked(2, 62, 2, 62), (1000, 1000)),
        (marked(30, 32, 30, 32), (100, 100)),
        (marked(30, 34, 30, 34), (20_000, 300)),
    ],
    ids=["nothing", "faint", "all of it", "few pixels", "few pixels of a strip"],
)
def test_where_a_crop_would_show_nothing_new_there_is_none(saliency: np.ndarray, size: tuple[int, int]) -> None:
    """Its vector would be the whole picture's, or noise."""
    assert proposed(saliency, *size) is None


def test_the_black_bars_are_no_object_however_salient_they_are() -> None:
    """The map of a letterboxed picture marks them, and the ragged edge beside them."""
    saliency = marked(28, 36, 20, 30, height=0.6)
    saliency[:16], saliency[-16:] = 0.95, 0.95
    box = proposed(saliency, 1000, 500)
    assert box is not None
    assert box.left == pytest.approx(20 / 64, abs=0.02)
    assert box.top + box.height / 2 == pytest.approx(0.5)
    assert box.height < 0.35


def test_a_speck_beside_the_object_is_left_out() -> None:
    """A label, a switch: the box is of what is large."""
    saliency = marked(10, 40, 10, 40)
    saliency[50:53, 50:53] = 0.9
    box = proposed(saliency, 1000, 1000)
    assert box is not None
    assert box.left + box.width < 0.7
    assert box.top + box.height < 0.7


def test_the_object_alone_fills_the_input() -> None:
    """A red square on grey is cut out of the display copy: what the encoder sees is red."""
    picture = Image.new("RGB", (1280, 960), (128, 128, 128))
    picture.paste((250, 10, 10), (640, 480, 960, 800))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    seen = object_of(file.getvalue(), Region(left=0.5, top=0.5, width=0.25, height=1 / 3))
    assert seen.shape == (SIZE, SIZE, 3)
    assert np.abs(seen[10:-10, 10:-10].astype(int) - (250, 10, 10)).max() < 12
