"""Every file of the shared image folder ends as the right picture or as a reason, quickly and in little memory."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from functions.adapters.onnx import OnnxEncoder
from functions.events import upload_id
from functions.pixels import SIZE, pixels
from functions.preprocess.decode import MIN_SIDE, decode
from functions.results import Result
from functions.results import decode as decode_result
from tests.fixtures.stack import Running, wait_for
from tests.fixtures.triton import Served
from tests.integration.each_image import LIMITS, Outcome
from tests.servers import missing

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "images"
MAX_SECONDS = 5.0
MAX_MB = 512

pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

TAKEN = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP")


@pytest.fixture(scope="module", autouse=True)
def shared_images() -> None:
    """Skips, or fails in CI, where the folder is not beside the checkout."""
    if not FOLDER.is_dir():
        missing(f"no shared images: put them into {FOLDER}")


def run(folder: Path, *more: str) -> list[Outcome]:
    """What the module each_image says of a folder."""
    argv = [sys.executable, "-m", "tests.integration.each_image", str(folder), *more]
    answer = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=100)
    return [Outcome(**json.loads(line)) for line in answer.stdout.splitlines()]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """What became of each file, by its name."""
    return {outcome.name: outcome for outcome in run(FOLDER) if not outcome.name.endswith(".md")}


def picture(name: str, *, size: tuple[int, int] | None = None) -> NDArray[np.float64]:
    """A decoded file as float64 (height, width, 3), brought to a size."""
    image = decode((FOLDER / name).read_bytes(), LIMITS).image
    return np.asarray(image if size is None else image.resize(size, Image.Resampling.BOX), np.float64)


def psnr(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Peak signal-to-noise ratio in dB: 40 is what the eye does not see, unrelated pictures have about 10."""
    return float(10 * np.log10(255**2 / max(float(np.mean((one - other) ** 2)), 1e-9)))


def test_every_file_ends_as_a_picture_or_as_a_reason(outcomes: dict[str, Outcome]) -> None:
    """634 files; no decoder takes its process along, and each reason is a sentence that says what to do."""
    assert len(outcomes) == 634
    assert [outcome for outcome in outcomes.values() if outcome.code == "crash"] == []
    refused = [outcome for outcome in outcomes.values() if outcome.code]
    assert all(":" in outcome.reason for outcome in refused)
    codes = {"broken", "truncated", "animated", "too-small", "too-many-pixels", "not-an-image", "unsupported-format"}
    assert set(Counter(outcome.code for outcome in refused)) == codes


def test_none_takes_long_or_much_memory(outcomes: dict[str, Outcome]) -> None:
    """5 s and 512 MB for the worst of them."""
    assert {name: outcome.seconds for name, outcome in outcomes.items() if outcome.seconds > MAX_SECONDS} == {}
    assert {name: outcome.peak_mb for name, outcome in outcomes.items() if outcome.peak_mb > MAX_MB} == {}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_file_reaches_its_end_through_the_whole_stack(outcomes: dict[str, Outcome], running: Running) -> None:
    """Uploaded four at a time: completed, or rejected with the reason that decoding gives; none failed, no worker died."""
    before = running.stack.status()
    run_id = f"{time.time_ns():x}"

    def upload(name: str) -> tuple[str, str]:
        key = f"local/tests/{run_id}-{Path(name).parent}/{Path(name).name}"
        version = running.store.put("queries", key, (FOLDER / name).read_bytes(), content_type="application/octet-stream")
        return name, f"{upload_id('queries', key, version)}.json"

    def result(key: str) -> Result:
        return decode_result(wait_for(f"the result {key}", lambda: running.store.get("results", key), seconds=180).body)

    with ThreadPoolExecutor(4) as pool:
        uploads = dict(pool.map(upload, outcomes))
    assert len(set(uploads.values())) == 634
    results = {name: result(key) for name, key in uploads.items()}
    assert {name: one.reason for name, one in results.items() if one.status == "failed"} == {}
    assert all(one.reason for one in results.values() if one.status == "rejected")
    assert {name: one.code or "" for name, one in results.items()} == {name: one.code for name, one in outcomes.items()}
    after = running.stack.status()
    assert all(part.ready for part in after)
    assert [(part.name, part.pid, part.restarts) for part in after] == [(part.name, part.pid, part.restarts) for part in before]


def readable(file: Path) -> bool:
    """Whether Pillow alone, without any limit of ours, reads a file as one still photo of a format that we take."""
    try:
        with Image.open(file, formats=TAKEN) as image:
            if image.width * image.height > LIMITS.other_pixels:
                return False
            image.load()
            still = image.format in ("MPO", "TIFF") or getattr(image, "n_frames", 1) == 1
            return still and min(image.size) >= MIN_SIDE
    except Exception:  # what Pillow cannot read is not asked for here
        return False


def test_no_photo_that_can_be_read_is_refused(outcomes: dict[str, Outcome]) -> None:
    """A valid photo that ends refused counts as lost."""
    lost = {name: outcome.reason for name, outcome in outcomes.items() if outcome.code and readable(FOLDER / name)}
    assert lost == {}


def test_nothing_corrupt_passes_for_a_photo(outcomes: dict[str, Outcome]) -> None:
    """The deliberately damaged files of PngSuite; one has a wrong checksum over pixels that are right."""
    passed = [name for name, outcome in outcomes.items() if name.startswith("pngsuite/x") and not outcome.code]
    assert passed == ["pngsuite/xcsn0g01.png"]


@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_the_nine_orientations_show_the_same_picture(kind: str) -> None:
    """Stored in eight ways, seen in one; the number in the middle differs."""
    first = decode((FOLDER / f"orientation/{kind}_1.jpg").read_bytes(), LIMITS)
    assert (first.width > first.height) == (kind == "Landscape")
    size = (90, 60) if kind == "Landscape" else (60, 90)
    reference = picture(f"orientation/{kind}_1.jpg", size=size)
    for number in range(9):
        name = f"orientation/{kind}_{number}.jpg"
        found = decode((FOLDER / name).read_bytes(), LIMITS)
        assert (found.width, found.height) == (first.width, first.height), name
        assert psnr(picture(name, size=size), reference) > 25, name
    turned = reference[::-1, ::-1]
    assert psnr(turned, reference) < 20, "a wrong turn would be seen"


ALIKE = {
    "formats/hopper.png": [
        "hopper.bmp", "hopper.gif", "hopper.tif", "hopper.webp", "hopper.jpg", "hopper.avif", "hopper_lzw.tif", "hopper_lzma.tif",
        "hopper_jpg.tif", "hopper_bigtiff.tif", "hopper.Lab.tif", "hopper_rle8.bmp", "hopper_16bit_qtables.jpg",
        "hopper_idat_after_image_end.png", "hopper_zero_comment_subblocks.gif", "hopper_float_dpi_2.tif", "hopper.iccprofile.tif",
        *(f"hopper_orientation_{number}.{kind}" for number in range(2, 9) for kind in ("jpg", "webp")),
    ],
    "formats/g4_orientation_1.tif": [f"g4_orientation_{number}.tif" for number in range(2, 9)],
    "formats/rot0mir0.avif": [f"rot{turn}mir{mirror}.avif" for turn in range(4) for mirror in range(2)],
    "formats/tiff_adobe_deflate.png": [
        "tiff_adobe_deflate.tif", "tiff_strip_raw.tif", "tiff_tiled_raw.tif", "tiff_strip_planar_lzw.tiff",
        "tiff_tiled_planar_lzw.tiff",
    ],
    "formats/tiff_16bit_RGB_target.png": [
        "tiff_16bit_RGB.tiff", "tiff_strip_planar_16bit_RGB.tiff", "tiff_tiled_planar_16bit_RGB.tiff",
    ],
    "formats/tiff_16bit_RGBa_target.png": [
        "tiff_16bit_RGBa.tiff", "tiff_strip_planar_16bit_RGBa.tiff", "tiff_tiled_planar_16bit_RGBa.tiff",
    ],
    "formats/flower.jpg": ["flower.webp", "tiff_strip_ycbcr_jpeg_2x2_sampling.tif", "tiff_tiled_ycbcr_jpeg_2x2_sampling.tif"],
    "formats/flower2.jpg": ["flower2.webp", "tiff_strip_ycbcr_jpeg_1x1_sampling.tif", "tiff_tiled_ycbcr_jpeg_1x1_sampling.tif"],
    "formats/transparent.png": ["transparent.gif", "transparent.webp"],
    "formats/pil_sample_rgb.jpg": ["pil_sample_cmyk.jpg"],
}  # fmt: skip
"""One picture in several formats, modes and turns."""


@pytest.mark.parametrize("reference", ALIKE)
def test_one_picture_looks_the_same_in_every_format(reference: str) -> None:
    """At least 20 dB: palettes and compression differ, a wrong colour or turn has 10."""
    wanted = picture(reference)
    size = wanted.shape[1], wanted.shape[0]
    found = {name: round(psnr(picture(f"formats/{name}", size=size), wanted)) for name in ALIKE[reference]}
    assert {name: level for name, level in found.items() if level < 20} == {}


def png_pairs() -> list[tuple[str, str]]:
    """PngSuite's files that hold the same picture: interlaced, in many chunks, packed otherwise, with a background."""
    pairs = [
        (f"basi{rest}", f"basn{rest}")
        for rest in ("0g01", "0g08", "0g16", "2c08", "2c16", "3p08", "4a08", "4a16", "6a08", "6a16")
    ]
    pairs += [(f"s{size}i3p04", f"s{size}n3p04") for size in range(32, 41)]
    pairs += [(f"oi{number}n{rest}", f"oi1n{rest}") for number in (2, 4, 9) for rest in ("0g16", "2c16")]
    pairs += [(f"z0{level}n2c08", "z00n2c08") for level in (3, 6, 9)]
    pairs += [("bgwn6a08", "basn6a08"), ("bgan6a08", "basn6a08"), ("bggn4a16", "basn4a16"), ("bgyn6a16", "basn6a16")]
    return pairs


@pytest.mark.parametrize(("one", "other"), png_pairs())
def test_pngsuite_pairs_are_equal(one: str, other: str) -> None:
    """To the pixel."""
    assert np.array_equal(picture(f"pngsuite/{one}.png"), picture(f"pngsuite/{other}.png"))


@pytest.mark.parametrize("name", ["tbbn0g04", "tbbn2c16", "tbbn3p08", "tbgn2c16", "tbrn2c08", "tbwn0g16", "tbwn3p08", "tp1n3p08"])
def test_what_is_transparent_in_pngsuite_is_white(name: str) -> None:
    """Palettes, a transparent colour of 8 and of 16 bits; the file's own background colour is not used."""
    found = picture(f"pngsuite/{name}.png")
    assert np.all(found[0, 0] == 255)
    assert np.any(found < 200), "and the rest is not"


def test_four_threads_of_large_photos_stay_within_memory(tmp_path: Path) -> None:
    """Twelve files whose decoding takes 200–340 MB each, four at once in one process."""
    scene = Image.fromarray(np.tile(np.linspace(0, 255, 5700, dtype=np.uint8)[None, :, None], (4300, 1, 3)))
    scene.resize((8600, 5800), Image.Resampling.NEAREST).save(tmp_path / "0.jpg", progressive=True, subsampling=0, quality=50)
    scene.convert("RGBA").save(tmp_path / "0.png", compress_level=1)
    scene.getchannel("R").convert("P").save(tmp_path / "0.gif")
    for number in range(1, 4):
        for kind in ("jpg", "png", "gif"):
            shutil.copy(tmp_path / f"0.{kind}", tmp_path / f"{number}.{kind}")
    (outcome,) = run(tmp_path, "4")
    assert outcome.code.strip() == "", "all are decoded"
    assert outcome.peak_mb <= MAX_MB


def test_the_embedding_of_a_reduced_photo_is_that_of_a_full_decode(real_model: Served) -> None:
    """Cosine of at least 0.999 where the photo is decoded at half its size, brought to 1280 px and from there to 224."""
    encoder = OnnxEncoder(str(real_model.repository), real_model.model.name)
    for name in ("orientation/Landscape_1.jpg", "orientation/Portrait_1.jpg", "formats/flower.jpg"):
        scene = Image.open(io.BytesIO((FOLDER / name).read_bytes())).convert("RGB")
        scale = 4000 / max(scene.size)
        buffer = io.BytesIO()
        scene.resize((round(scene.width * scale), round(scene.height * scale)), Image.Resampling.LANCZOS).save(
            buffer, "JPEG", quality=92
        )
        full = Image.open(buffer).convert("RGB")
        shape = round(full.width * SIZE / 4000), round(full.height * SIZE / 4000)
        reference = pixels(full.resize(shape, Image.Resampling.BICUBIC))
        both = np.stack([pixels(decode(buffer.getvalue(), LIMITS).image), reference])
        one, other = encoder.encode(both, fingerprint=real_model.model.fingerprint)
        assert float(one @ other) > 0.999, name
