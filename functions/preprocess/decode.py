"""A file becomes an upright picture in sRGB, or a reason in the user's words. Pure, but for a lock that bounds memory."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pillow_heif
from PIL import (  # the plugins register themselves
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    _webp,
)

from functions.errors import Reject
from functions.events import Lane
from functions.preprocess.display import SIZES, shrunk

pillow_heif.register_heif_opener(thumbnails=False)
OPENED_PIXELS = 50_000_000
Image.MAX_IMAGE_PIXELS = OPENED_PIXELS // 2  # Pillow refuses twice that: its GIF reader takes memory before our limits are asked
warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd metadata, which is not used

PLUGINS = (
    AvifImagePlugin, BmpImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, TiffImagePlugin,
    WebPImagePlugin,
)  # fmt: skip
"""Imported so that Pillow knows them without loading its other forty."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF", "GIF", "BMP")
"""Nearly all of Pillow's 2026 CVEs are in decoders outside this list. JPEG's reader finds MPO by itself."""
REDUCIBLE = ("JPEG", "MPO")
"""Formats that shrink while they are decoded, so that the whole picture is never in memory."""
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
"""Formats whose further frames are an animation; those of MPO, HEIF and TIFF are other pictures, and the first is the photo."""
REDUCE_TO = SIZES[0]
"""Longest side in pixels that a picture keeps: the largest display copy."""
MIN_SIDE = 8
"""Pixels: below it there is nothing to compare."""
MAX_SCANS = 64
"""A progressive JPEG has about 10 scans; each takes 0.04 s on 50 MP, and a file of 1 MB can hold thousands."""
MEMORY = 420_000_000
"""Bytes that one file and its decoding may take: with 75 MB for the process itself it stays below 512 MB."""
AT_ONCE = 250_000_000
"""Bytes that decoders may take side by side in one process; one that needs more runs alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a lane takes."""

    max_bytes: int
    reducible_pixels: int
    other_pixels: int


def limits_by_lane(interactive_bytes: int, master_bytes: int) -> dict[Lane, Limits]:
    """A person's upload, and an import's master: there, what cannot shrink while it is decoded is bounded by ``MEMORY``."""
    return {
        "interactive": Limits(max_bytes=interactive_bytes, reducible_pixels=50_000_000, other_pixels=25_000_000),
        "bulk": Limits(max_bytes=master_bytes, reducible_pixels=150_000_000, other_pixels=OPENED_PIXELS),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A picture: RGB in sRGB, upright, perhaps already reduced."""

    image: Image.Image
    width: int
    height: int
    """Of the upright original."""
    format: str


class Budget:
    """Lets so many bytes be in use at once; what is larger waits until it is alone. First come, first served."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._changed = threading.Condition()
        self._turn = threading.Lock()

    @contextmanager
    def of(self, wanted: int) -> Iterator[None]:
        """Take a share for the time of the block."""
        share = min(wanted, self._total)
        with self._turn, self._changed:  # the turn is kept while waiting, else small pictures would pass a large one for ever
            self._changed.wait_for(lambda: self._used + share <= self._total)
            self._used += share
        try:
            yield
        finally:
            with self._changed:
                self._used -= share
                self._changed.notify_all()


budget = Budget(AT_ONCE)


def decode(body: bytes, limits: Limits, *, side: int = REDUCE_TO) -> Decoded:
    """Decode a file by its content, whatever its name says. Raises ``Reject`` with a code and a reason.

    A picture whose longest side is above ``side`` is reduced to it.
    """
    if not body:
        raise Reject("empty", "the file is empty: upload the photo again")
    image = opened(body)
    width, height = image.size
    kind = image.format or ""
    checked(image, limits)
    if kind in REDUCIBLE:
        checked_scans(body)
        image.draft(None, draft_size(image.size, side))
    need = memory_of(image, (width, height), body)
    if len(body) + need > MEMORY:
        raise Reject(
            "too-large",
            f"the photo is a {kind} of {width} × {height} pixels; reading it takes {(len(body) + need) / 1e6:.0f} MB of memory "
            f"where {MEMORY / 1e6:.0f} MB are allowed: save it as a JPEG that is not progressive, or send a smaller copy",
        )
    with budget.of(need):
        picture, turn = loaded(image, body, side)
    if turn in SIDEWAYS:
        width, height = height, width
    return Decoded(image=picture, width=width, height=height, format=kind)


def opened(body: bytes) -> Image.Image:
    """The file with its header read."""
    try:
        if body.startswith(JPEG):  # not by Image.open, which refuses the 150 megapixels of a master
            return JpegImagePlugin.jpeg_factory(io.BytesIO(body))
        try:
            return Image.open(io.BytesIO(body), formats=FORMATS)
        except ValueError:  # Pillow refuses a PNG for a comment of more than 1 MB
            return Image.open(io.BytesIO(without_texts(body)), formats=FORMATS)
    except Image.DecompressionBombError:
        raise Reject(
            "too-many-pixels", f"the photo has more than {OPENED_PIXELS / 1e6:.0f} megapixels: send a smaller copy"
        ) from None
    except Exception:  # decoders raise anything at all on a hostile header
        raise unreadable(body) from None


def without_texts(body: bytes) -> bytes:
    """A PNG without its texts and profile; anything else as it is."""
    kept, place = [body[:8]], 8
    while body.startswith(PNG) and place + 8 <= len(body):
        length = int.from_bytes(body[place : place + 4]) + 12
        if body[place + 4 : place + 8] not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            kept.append(body[place : place + length])
        place += length
    return b"".join(kept) if len(kept) > 1 else body


PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
ACCEPTED = ((0, JPEG, "JPEG"), (0, PNG, "PNG"), (8, b"WEBP", "WebP"), (0, b"II*\0", "TIFF"), (0, b"MM\0*", "TIFF"),
            (4, b"ftyphei", "HEIC"), (4, b"ftypmif1", "HEIC"), (4, b"ftypavi", "AVIF"), (0, b"GIF8", "GIF"))  # fmt: skip
"""(place, bytes, name) of what photos begin with."""
OTHERS = ((0, b"%PDF", "a PDF"), (0, b"PK\x03\x04", "a ZIP or an office document"), (0, b"<svg", "an SVG drawing"),
          (0, b"8BPS", "a Photoshop file"), (8, b"CR\x02", "a camera's raw file"), (4, b"ftypcrx", "a camera's raw file"),
          (0, b"FUJIFILM", "a camera's raw file"), (4, b"jP  ", "JPEG 2000"), (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
          (0, b"\0\0\x01\0", "an icon"), (0, b"icns", "an icon"), (4, b"ftyp", "a video"), (8, b"AVI ", "a video"))  # fmt: skip
"""The same of what people send instead."""


def begins(body: bytes, table: tuple[tuple[int, bytes, str], ...]) -> str | None:
    """The first name of the table whose bytes are at their place."""
    return next((name for place, magic, name in table if body.startswith(magic, place)), None)


def unreadable(body: bytes) -> Reject:
    """Why no decoder takes the file: it is something else, or a photo that is damaged at its beginning."""
    expected = "expected a photo as JPEG, PNG, WebP, TIFF, HEIC, AVIF, GIF or BMP"
    if (photo := begins(body, ACCEPTED)) and not body.startswith(b"CR", 8):
        return Reject("broken", f"the file begins as a {photo} and is damaged or cut: save it anew as JPEG and upload it again")
    if other := begins(body, OTHERS):
        return Reject("unsupported-format", f"{expected}; the file is {other}: save it as JPEG and upload that")
    return Reject("not-an-image", f"{expected}; the file is none of these: choose another file")


def broken(error: Exception) -> Reject:
    """The rejection of a photo that a decoder gave up."""
    return Reject("broken", f"the photo cannot be read ({brief(error)}): save it anew as JPEG and upload it again")


def checked(image: Image.Image, limits: Limits) -> None:
    """Refuse by the header what should not be decoded."""
    width, height = image.size
    kind = image.format or ""
    limit = limits.reducible_pixels if kind in REDUCIBLE else limits.other_pixels
    if max(width * height, tile_of(image)) > limit:
        raise Reject(
            "too-many-pixels",
            f"the photo has {width} × {height} = {width * height / 1e6:.0f} megapixels; a {kind} may have {limit / 1e6:.0f}: "
            "send a smaller copy",
        )
    if min(width, height) < MIN_SIDE:
        raise Reject(
            "too-small", f"the photo has {width} × {height} pixels; it needs at least {MIN_SIDE} on each side: send a larger one"
        )
    frames = frames_of(image)
    if frames > 1:
        raise Reject("animated", f"the file is an animation of {frames} frames: send one still photo")


def frames_of(image: Image.Image) -> int:
    """Frames of a format that is animated, else 1. A GIF is read through to its end, which may be broken."""
    if image.format not in ANIMATED:
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception as error:  # decoders raise anything at all on hostile data
        raise broken(error) from None


def tile_of(image: Image.Image) -> int:
    """Pixels of one tile of a TIFF, which the decoder holds whole, however small the picture is; 0 where there are none."""
    tags: Any = getattr(image, "tag_v2", {})
    width, height = tags.get(TILE_WIDTH, 0), tags.get(TILE_HEIGHT, 0)
    return width * height if isinstance(width, int) and isinstance(height, int) else 0


TILE_WIDTH, TILE_HEIGHT = 322, 323


def checked_scans(body: bytes) -> None:
    """Refuse a JPEG that would keep its decoder busy: the marker cannot occur inside compressed data."""
    scans = body.count(b"\xff\xda")
    if scans > MAX_SCANS:
        raise Reject("broken", f"the JPEG has {scans} scans where {MAX_SCANS} are allowed: save it anew and upload it again")


def draft_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size to ask of a reducing decoder: at least ``side`` on the longest side."""
    scale = min(1.0, side / max(size))
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def memory_of(image: Image.Image, original: tuple[int, int], body: bytes) -> int:
    """Bytes that decoding takes at its peak beside the file itself, as measured on 24.5 megapixels of each format."""
    pixels = image.width * image.height
    if image.format not in REDUCIBLE:
        by_mode = {"1": 2.5, "L": 1.5, "RGB": 4.5, "CMYK": 4.5}.get(image.mode, 9.5)
        return int(pixels * {"WEBP": 15.0, "AVIF": 12.5, "HEIF": 12.5}.get(image.format or "", by_mode))
    return int(pixels * 9) + (coefficients_of(image, original) if scanned_twice(image, body) else 0)


def scanned_twice(image: Image.Image, body: bytes) -> bool:
    """Whether a JPEG comes in several scans, progressive or a scan a colour: then all of it is held before the first pixel."""
    return "progressive" in image.info or (image.mode != "L" and body.count(b"\xff\xda\0\x08\x01") > 1)


def coefficients_of(image: Image.Image, original: tuple[int, int]) -> int:
    """Bytes of a whole JPEG's coefficients, two each."""
    layers: Any = getattr(image, "layer", None) or [(0, 1, 1, 0)] * 4
    widest, highest = max(layer[1] for layer in layers), max(layer[2] for layer in layers)
    share = sum(layer[1] * layer[2] for layer in layers) / (widest * highest or 1)
    return int(original[0] * original[1] * 2 * share)


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What puts a picture upright, by its EXIF orientation."""
SIDEWAYS = (5, 6, 7, 8)


def turn_of(image: Image.Image) -> int:
    """The EXIF orientation; 1, upright, where there is none or the metadata is damaged, which is no reason to lose a photo."""
    if image.format == "HEIF":  # its decoder turns it, and keeps the tag
        return 1
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # the metadata of a hostile file raises anything at all
        return 1


ORIENTATION = 0x0112


def loaded(image: Image.Image, body: bytes, side: int) -> tuple[Image.Image, int]:
    """Decode the pixels, reduced, RGB, sRGB, on white and upright, with the EXIF orientation that they had."""
    try:
        image = read(image, body)
        turn = turn_of(image)
        picture = in_srgb(reduced(eight_bits(image), side))
        return picture.transpose(TURNS[turn]) if turn in TURNS else picture, turn
    except MemoryError:
        raise Reject("too-large", "the photo needs more memory than one may take: send a smaller copy") from None
    except Exception as error:  # decoders raise anything at all on hostile data
        if "truncated" in str(error).lower():
            raise Reject("truncated", "the file ends before the picture does: upload it again") from None
        raise broken(error) from None


def read(image: Image.Image, body: bytes) -> Image.Image:
    """The picture as the file has it.

    A WebP is taken from its decoder without the copies that Pillow makes: 15 bytes a pixel instead of 18.6.
    """
    if image.format == "WEBP":
        frame = _webp.WebPAnimDecoder(body).get_next()
        if frame is None:
            raise OSError("truncated")
        mode = "RGBA" if image.mode == "RGBA" else "RGBX"
        picture = Image.frombuffer(mode, image.size, frame[0], "raw", mode, 0, 1)
        picture.info = image.info
        return picture
    try:
        image.load()
    except ValueError:  # Pillow refuses a PNG for a comment of more than 1 MB, here behind the pixels
        if image.format != "PNG":
            raise
        image = Image.open(io.BytesIO(without_texts(body)), formats=["PNG"])
        image.load()
    return image


TWELVE_BITS = 4095
"""X-ray and microscope cameras store this as 16 bits without saying so: it would be all but black."""


def eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating grey as 8-bit grey; their range is what the picture uses."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        shift = 8 if values.max() > TWELVE_BITS else 4
        grey = Image.fromarray((values >> shift).astype(np.uint8))
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            return Image.merge("LA", (grey, Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8))))
        grey.info = image.info
        return grey
    if image.mode not in ("I", "F"):
        return image
    low, high = (float(end) for end in image.getextrema())  # type: ignore[arg-type]  # one channel: two numbers
    if low >= 0 and high <= 65535:
        low, high = 0.0, next(end for end in (1.0, 255.0, 65535.0) if high <= end and (end > 1 or image.mode == "F"))
    scale = 255 / ((high - low) or 1)
    grey = image.convert("F").point(lambda value: value * scale - low * scale).convert("L")
    grey.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return grey


def reduced(image: Image.Image, side: int) -> Image.Image:
    """The picture with its longest side at most ``side``: all that follows is then cheap, a profile 15 ms a megapixel."""
    info = image.info
    if "transparency" in info or image.mode == "PA":
        image = image.convert("RGBA")
    elif image.mode in ("P", "1"):
        image = image.convert("RGB" if image.mode == "P" else "L")
    image = shrunk(image, side)
    image.info = info
    return image


def in_srgb(image: Image.Image) -> Image.Image:
    """RGB in sRGB, by the embedded profile where it fits the picture; what is transparent on white."""
    profile = image.info.get("icc_profile")
    alpha = image.convert("RGBA").getchannel("A") if image.mode in ("RGBA", "LA", "La", "RGBa") else None
    if alpha is not None or image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("RGB")
    if profile or image.mode == "LAB":
        image = by_profile(image, profile)
    if image.mode != "RGB":
        image = image.convert("RGB")
    if alpha is None:
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=alpha)
    return white


def by_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture moved from its profile to sRGB; a profile that is broken or of another kind is passed over."""
    try:
        source = LAB if image.mode == "LAB" else ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        if is_srgb(source):
            return image
        moved: Any = ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return moved if isinstance(moved, Image.Image) else image


LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
SRGB = ImageCms.createProfile("sRGB")


def is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Most embedded profiles are sRGB itself, and moving to it would cost 20 ms a photo."""
    return "sRGB" in (profile.profile.profile_description or "")


def brief(error: Exception) -> str:
    """An error in a few words."""
    return (str(error) or type(error).__name__)[:120]
