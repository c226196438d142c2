"""What becomes of each kind of file: the right colours, upright, or a reason in the user's words."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from functions.errors import Reject
from functions.preprocess.decode import Budget, Decoded, decode, limits_by_lane
from functions.preprocess.display import copies

pytestmark = pytest.mark.filterwarnings("ignore:::PIL")  # Pillow warns of the odd metadata that these files have

LIMITS = limits_by_lane(40_000_000, 200_000_000)
PERSON, MASTER = LIMITS["interactive"], LIMITS["bulk"]
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)


def quadrants(width: int = 64, height: int = 32) -> Image.Image:
    """Red, green / blue, white: no two of its eight turns are alike."""
    image = Image.new("RGB", (width, height), WHITE)
    for colour, place in ((RED, (0, 0)), (GREEN, (width // 2, 0)), (BLUE, (0, height // 2))):
        image.paste(colour, (*place, place[0] + width // 2, place[1] + height // 2))
    return image


def plain(colour: Any, mode: str = "RGB", size: tuple[int, int] = (32, 32)) -> Image.Image:
    """One colour."""
    return Image.new(mode, size, colour)


def file_of(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif_of(orientation: int) -> bytes:
    """EXIF with an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def colour_at(picture: Decoded, x: float, y: float) -> tuple[int, ...]:
    """The colour at a place given in fractions of width and height."""
    image = picture.image
    found = image.getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(found, tuple)
    return found


def near(found: tuple[int, ...], wanted: tuple[int, ...], by: int = 12) -> bool:
    """Whether two colours are alike, but for compression."""
    return all(abs(a - b) <= by for a, b in zip(found, wanted, strict=True))


def refusal(body: bytes, limits: Any = PERSON) -> Reject:
    """The rejection of a file."""
    with pytest.raises(Reject) as caught:
        decode(body, limits)
    return caught.value


STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera held that way stores the scene."""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_is_upright_however_the_camera_was_held(kind: str, orientation: int) -> None:
    """EXIF orientation 1–8 in every format that carries it."""
    turn = STORED[orientation]
    stored = quadrants() if turn is None else quadrants().transpose(turn)
    picture = decode(file_of(stored, kind, exif=exif_of(orientation), quality=95), PERSON)
    assert (picture.width, picture.height, picture.image.size) == (64, 32, (64, 32))
    corners = [colour_at(picture, x, y) for y in (0.25, 0.75) for x in (0.25, 0.75)]
    assert all(near(found, wanted, 25) for found, wanted in zip(corners, (RED, GREEN, BLUE, WHITE), strict=True)), corners


@pytest.mark.parametrize("orientation", [6, 8])
def test_width_and_height_are_those_of_the_upright_original(orientation: int) -> None:
    """Also where the picture was reduced while it was decoded."""
    picture = decode(file_of(plain(RED, size=(4000, 3000)), "JPEG", exif=exif_of(orientation)), PERSON)
    assert (picture.width, picture.height, picture.image.size) == (3000, 4000, (960, 1280))


def clear_palette() -> bytes:
    """A palette whose only colour in use is transparent."""
    image = plain(0, "P")
    image.putpalette([*RED, *GREEN])
    return file_of(image, "PNG", transparency=0)


def grey16(value: int, **options: Any) -> bytes:
    """Grey of 16 bits, with one white pixel to show the range."""
    pixels = np.full((32, 32), value, np.uint16)
    pixels[0, 0] = 65535
    return file_of(Image.fromarray(pixels), "PNG", **options)


def floating() -> bytes:
    """From black to white, as 0–1."""
    return file_of(Image.fromarray(np.tile(np.linspace(0, 1, 32, dtype=np.float32), (32, 1))), "TIFF")


COLOURS: dict[str, tuple[Callable[[], bytes], tuple[int, ...]]] = {
    "JPEG": (lambda: file_of(plain(RED), "JPEG"), RED),
    "progressive JPEG": (lambda: file_of(plain(RED), "JPEG", progressive=True), RED),
    "CMYK JPEG": (lambda: file_of(plain((0, 255, 255, 0), "CMYK"), "JPEG"), RED),
    "CMYK TIFF": (lambda: file_of(plain((0, 255, 255, 0), "CMYK"), "TIFF"), RED),
    "grey JPEG": (lambda: file_of(plain(100, "L"), "JPEG"), (100, 100, 100)),
    "grey with alpha": (lambda: file_of(plain((0, 0), "LA"), "PNG"), WHITE),
    "clear red": (lambda: file_of(plain((255, 0, 0, 0), "RGBA"), "PNG"), WHITE),
    "half clear red": (lambda: file_of(plain((255, 0, 0, 128), "RGBA"), "PNG"), (255, 127, 127)),
    "half clear red WebP": (lambda: file_of(plain((255, 0, 0, 128), "RGBA"), "WEBP"), (255, 127, 127)),
    "half clear red AVIF": (lambda: file_of(plain((255, 0, 0, 128), "RGBA"), "AVIF"), (255, 127, 127)),
    "WebP": (lambda: file_of(plain(RED), "WEBP"), RED),
    "lossless WebP": (lambda: file_of(plain(GREEN), "WEBP", lossless=True), GREEN),
    "palette": (lambda: file_of(plain(GREEN).quantize(4), "PNG"), GREEN),
    "clear palette": (clear_palette, WHITE),
    "clear colour": (lambda: file_of(plain(RED), "PNG", transparency=RED), WHITE),
    "another clear colour": (lambda: file_of(plain(RED), "PNG", transparency=GREEN), RED),
    "one bit": (lambda: file_of(plain(1, "1"), "PNG"), WHITE),
    "one bit TIFF": (lambda: file_of(plain(1, "1"), "TIFF", compression="group4"), WHITE),
    "16 bits": (lambda: grey16(0x8000), (128, 128, 128)),
    "16 bits, clear": (lambda: grey16(0x8000, transparency=0x8000), WHITE),
    "12 bits in 16": (lambda: file_of(Image.fromarray(np.full((32, 32), 2048, np.uint16)), "TIFF"), (128, 128, 128)),
    "32 bits": (lambda: file_of(Image.fromarray(np.full((32, 32), 0x8000, np.int32)), "TIFF"), (127, 127, 127)),
    "floating": (floating, (131, 131, 131)),
    "Lab": (lambda: file_of(plain((137, 209, 195), "LAB"), "TIFF"), (251, 0, 0)),
    "GIF": (lambda: file_of(plain(GREEN), "GIF"), GREEN),
    "BMP": (lambda: file_of(plain(GREEN), "BMP"), GREEN),
    "HEIC": (lambda: file_of(plain(GREEN), "HEIF"), GREEN),
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_are_what_a_person_sees(name: str) -> None:
    """Every mode comes as 8-bit RGB, with white behind what is transparent."""
    make, wanted = COLOURS[name]
    picture = decode(make(), PERSON)
    assert picture.image.mode == "RGB"
    assert near(colour_at(picture, 0.5, 0.5), wanted), colour_at(picture, 0.5, 0.5)


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_transparency_holds_in_a_picture_that_is_reduced(mode: str) -> None:
    """The colour below what is transparent does not bleed into its edge."""
    image = plain((0, 0, 0, 0), "RGBA", (2600, 2600))
    image.paste((*RED, 255), (0, 0, 1301, 2600))
    picture = decode(file_of(image if mode == "RGBA" else image.quantize(4), "PNG"), PERSON)
    assert near(colour_at(picture, 0.2, 0.5), RED)
    assert near(colour_at(picture, 0.8, 0.5), WHITE)
    assert np.asarray(picture.image)[..., 0].min() > 240, "black came through"


def swapped_profile() -> bytes:
    """A profile in which red and green have changed places."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = bytearray(made.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be")).replace(b"sRGB", b"swap"))
    count = struct.unpack_from(">I", profile, 128)[0]
    entries = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = profile[green + 4 : green + 12], profile[red + 4 : red + 12]
    return bytes(profile)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_embedded_profile_is_followed(kind: str) -> None:
    """Red of a profile whose red is green comes out green."""
    picture = decode(file_of(plain(RED), kind, icc_profile=swapped_profile(), quality=95), PERSON)
    assert near(colour_at(picture, 0.5, 0.5), (0, 255, 0)), colour_at(picture, 0.5, 0.5)


@pytest.mark.parametrize("profile", [b"no profile at all", swapped_profile()[:200], swapped_profile()[:-40]])
def test_a_broken_profile_is_passed_over(profile: bytes) -> None:
    """The picture is taken as sRGB, or as what can still be read of the profile; the photo is not lost."""
    assert decode(file_of(plain(BLUE), "JPEG", icc_profile=profile), PERSON).image.size == (32, 32)


def test_a_profile_of_another_kind_is_passed_over() -> None:
    """A profile for RGB in a CMYK file."""
    picture = decode(file_of(plain((0, 255, 255, 0), "CMYK"), "JPEG", icc_profile=swapped_profile()), PERSON)
    assert near(colour_at(picture, 0.5, 0.5), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + b"\xff" * 60_000])
def test_damaged_exif_does_not_lose_a_photo(kind: str, exif: bytes) -> None:
    """It is taken as upright."""
    assert near(colour_at(decode(file_of(quadrants(), kind, exif=exif, quality=95), PERSON), 0.1, 0.1), RED, 25)


@pytest.mark.parametrize("behind", [False, True])
def test_a_huge_text_does_not_lose_a_png(behind: bool) -> None:
    """Pillow refuses a PNG with a compressed text of more than 1 MB, before or behind the pixels."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 5_000_000, zip=True)
    whole = file_of(plain(GREEN), "PNG", pnginfo=text)
    if behind:
        place = whole.index(b"zTXt") - 4
        chunk = whole[place : place + 12 + int.from_bytes(whole[place : place + 4])]
        without = whole.replace(chunk, b"")
        whole = without[:-12] + chunk + without[-12:]
    assert near(colour_at(decode(whole, PERSON), 0.5, 0.5), GREEN)


def png_header(width: int, height: int) -> bytes:
    """A PNG that says a size and holds nothing."""
    data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + data + struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 4) + b"IDAT" + b"\0\0\0\0" * 2


def jpeg_of_size(width: int, height: int, **options: Any) -> bytes:
    """A small JPEG whose header says another size."""
    body = bytearray(file_of(plain(RED), "JPEG", **options))
    place = max(body.find(b"\xff\xc0"), body.find(b"\xff\xc2"))
    body[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(body)


def tiff_with_tile(side: int) -> bytes:
    """A TIFF of 64 × 64 pixels that is one tile of another size."""
    tags = [(256, 64), (257, 64), (258, 8), (259, 1), (262, 1), (277, 1), (322, side), (323, side), (324, 0), (325, 4096)]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags) + struct.pack("<I", 0) + bytes(4096)


def huge_gif() -> bytes:
    """A GIF of 16 × 16 pixels whose frame is 60 000 × 60 000, to be cleared: Pillow fills that much while it opens it."""
    clear = b"\x21\xf9\x04\x08\0\0\0\0"
    frame = b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x4c\x01\0;"
    return b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + bytes((0, 0, 0, 255, 255, 255)) + clear + frame


def animation(kind: str) -> bytes:
    """Three frames."""
    frames = [plain(colour) for colour in (RED, GREEN, BLUE)]
    return file_of(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (128, 128, 3), dtype=np.uint8))

REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "nothing": (lambda: b"", "empty", "empty"),
    "a text": (lambda: b"not a picture at all, but long enough", "not-an-image", "none of these"),
    "a PDF": (lambda: b"%PDF-1.7 and so on", "unsupported-format", "a PDF"),
    "an office document": (lambda: b"PK\x03\x04" + bytes(40), "unsupported-format", "office"),
    "a camera's raw file": (lambda: b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), "unsupported-format", "raw"),
    "JPEG 2000": (lambda: file_of(NOISE, "JPEG2000"), "unsupported-format", "JPEG 2000"),
    "a video": (lambda: b"\0\0\0\x18ftypmp42" + bytes(40), "unsupported-format", "video"),
    "an icon": (lambda: file_of(NOISE, "ICO"), "unsupported-format", "icon"),
    "half a JPEG": (lambda: file_of(NOISE, "JPEG")[:4000], "truncated", "ends before"),
    "half a PNG": (lambda: file_of(NOISE, "PNG")[:20_000], "truncated", "ends before"),
    "half a WebP": (lambda: file_of(NOISE, "WEBP")[:2000], "broken", "WebP"),
    "half a TIFF": (lambda: file_of(NOISE, "TIFF")[:2000], "truncated", "ends before"),
    "half a HEIC": (lambda: file_of(NOISE, "HEIF")[:900], "broken", ""),
    "half an AVIF": (lambda: file_of(NOISE, "AVIF")[:900], "broken", ""),
    "a JPEG's first bytes": (lambda: b"\xff\xd8\xff\xe0" + bytes(40), "broken", "JPEG"),
    "60 megapixels of JPEG": (lambda: jpeg_of_size(10_000, 6_000), "too-many-pixels", "60 megapixels; a JPEG may have 50"),
    "36 megapixels of PNG": (lambda: png_header(6_000, 6_000), "too-many-pixels", "36 megapixels; a PNG may have 25"),
    "a decompression bomb": (lambda: png_header(60_000, 60_000), "too-many-pixels", "more than 50 megapixels"),
    "a GIF that clears a huge frame": (huge_gif, "too-many-pixels", "more than 50 megapixels"),
    "a TIFF with a huge tile": (lambda: tiff_with_tile(32_768), "too-many-pixels", "TIFF"),
    "one pixel": (lambda: file_of(plain(RED, size=(1, 1)), "PNG"), "too-small", "1 × 1"),
    "a line": (lambda: file_of(plain(RED, size=(2000, 2)), "PNG"), "too-small", "2000 × 2"),
    "an animated GIF": (lambda: animation("GIF"), "animated", "3 frames"),
    "an animated PNG": (lambda: animation("PNG"), "animated", "3 frames"),
    "an animated WebP": (lambda: animation("WEBP"), "animated", "3 frames"),
    "an animated AVIF": (lambda: animation("AVIF"), "animated", "3 frames"),
    "a GIF broken after its first frame": (lambda: animation("GIF")[:-60] + b"\x2c\0\0", "broken", "save it anew"),
    "a JPEG of endless scans": (lambda: file_of(NOISE, "JPEG") + b"\xff\xda\0\x08\x01" * 5000, "broken", "5001 scans"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_a_photo_is_refused_with_its_reason(name: str) -> None:
    """A stable code, and one sentence that says what was found."""
    make, code, words = REFUSED[name]
    refused = refusal(make())
    assert refused.code == code, refused.reason
    assert words in refused.reason
    assert ":" in refused.reason, "says what to do"


def test_a_master_may_have_150_megapixels_as_jpeg() -> None:
    """A JPEG shrinks while it is decoded: 140 megapixels take 2 MB."""
    picture = decode(jpeg_of_size(14_000, 10_000), MASTER)
    assert (picture.width, picture.height, picture.image.size) == (14_000, 10_000, (1280, 914))
    assert refusal(jpeg_of_size(14_000, 11_000), MASTER).code == "too-many-pixels"


@pytest.mark.parametrize(
    "make",
    [lambda: jpeg_of_size(14_000, 10_000, progressive=True), lambda: file_of(plain((0, 0, 0, 0), "RGBA", (7_000, 7_000)), "PNG")],
    ids=["JPEG", "PNG"],
)
def test_a_master_that_memory_cannot_hold_is_refused_before_it_is_decoded(make: Callable[[], bytes]) -> None:
    """A progressive JPEG is held whole at 3 bytes a pixel, a PNG with transparency at 9."""
    refused = refusal(make(), MASTER)
    assert refused.code == "too-large"
    assert "420 MB are allowed" in refused.reason


def test_the_first_picture_of_an_mpo_and_of_a_tiff_is_the_photo() -> None:
    """A camera's depth map or a scan's further pages are no reason to refuse it."""
    for kind in ("MPO", "TIFF"):
        body = file_of(plain(RED), kind, save_all=True, append_images=[plain(GREEN)])
        assert near(colour_at(decode(body, PERSON), 0.5, 0.5), RED), kind


def test_a_small_picture_keeps_its_size_and_a_large_one_comes_to_1280() -> None:
    """Never enlarged."""
    assert decode(file_of(plain(RED, size=(900, 600)), "JPEG"), PERSON).image.size == (900, 600)
    for kind in ("JPEG", "PNG"):
        picture = decode(file_of(plain(RED, size=(3000, 2000)), kind), PERSON)
        assert (picture.width, picture.height, picture.image.size) == (3000, 2000, (1280, 853))
    assert decode(file_of(plain(RED, size=(3000, 2000)), "JPEG"), PERSON, side=2560).image.size == (2560, 1707)


def test_reduction_while_decoding_shows_the_same_picture() -> None:
    """DCT scaling against a full decode: at least 40 dB, what the eye does not see."""
    small = Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    scene = small.resize((3000, 2000), Image.Resampling.BICUBIC)
    body = file_of(scene, "JPEG", quality=92)
    full = Image.open(io.BytesIO(body)).resize((1280, 853), Image.Resampling.BICUBIC)
    difference = np.asarray(decode(body, PERSON).image, np.float64) - np.asarray(full, np.float64)
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 40


def test_display_copies_are_small_jpegs_without_metadata() -> None:
    """320 and 1280 px on the longest side, from a picture that carried a profile and EXIF."""
    body = file_of(plain(RED, size=(2000, 3000)), "JPEG", icc_profile=swapped_profile(), exif=exif_of(6), comment="secret")
    made = {size: Image.open(io.BytesIO(copy)) for size, copy in copies(decode(body, PERSON).image).items()}
    assert {size: image.size for size, image in made.items()} == {1280: (1280, 853), 320: (320, 213)}
    for image in made.values():
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert not set(image.info) & {"exif", "icc_profile", "comment", "xmp"}


def test_a_display_copy_is_never_enlarged() -> None:
    """A photo of 200 px stays one."""
    assert [Image.open(io.BytesIO(copy)).size for copy in copies(plain(RED, size=(200, 100))).values()] == [(200, 100)] * 2


def test_a_large_picture_gets_its_turn_before_small_ones_that_came_later() -> None:
    """Else a stream of small pictures would keep it waiting for ever."""
    budget, order, entered, leave = Budget(100), [], threading.Event(), threading.Event()

    def first() -> None:
        with budget.of(50):
            entered.set()
            assert leave.wait(10)

    def take(name: str, share: int) -> None:
        with budget.of(share):
            order.append(name)

    threads = [threading.Thread(target=first)]
    threads[0].start()
    assert entered.wait(10)
    threads.append(threading.Thread(target=take, args=("large", 500)))
    threads[1].start()
    while not budget._turn.locked():
        assert threads[1].is_alive()
    threads.append(threading.Thread(target=take, args=("small", 1)))
    threads[2].start()
    assert order == []
    leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["large", "small"]


def test_a_share_is_given_back_when_decoding_fails() -> None:
    """A broken photo must not narrow the budget for those after it."""
    budget = Budget(10)
    with pytest.raises(ZeroDivisionError), budget.of(10):
        raise ZeroDivisionError
    with budget.of(10):
        pass
