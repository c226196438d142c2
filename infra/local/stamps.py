"""The demo's catalogue: real photographs from Debian's package ``tuxpaint-stamps-default`` (GPL-2), none of them committed.

``fetch`` downloads the pinned package and checks its hash, ``build`` makes of it a table of the hackathon's form with a
folder of photos, as ``museum import`` takes them. One category is held out of the table: its photos are strangers.

Nothing in a record is made up: names and descriptions are the package's own captions in Russian and English; class, object
name and country say what the folder that a stamp lies in says.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

PACKAGE = "tuxpaint-stamps-default"
VERSION = "2022.06.04-1"
DEB = f"{PACKAGE}_{VERSION}_all.deb"
DEB_HASH = "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34"
DEB_BYTES = 160_880_444
ROOT = "./usr/share/tuxpaint/stamps/"
MIN_SIDE = 50
"""Pixels of the longer side. Below it nothing is left to recognise once a phone photo of it has been cropped."""
QUALITY = 92
"""JPEG quality of the photos."""
HELD_OUT = "hobbies/music"
"""Folder whose photos are in no table: the demo's strangers."""
QUERY_OBJECT = "symbols-money-us-coins-050kennedy-halfdollar"
"""The object of which the demo's query is a changed copy."""
BUILT = "built.json"
"""Says what made a built catalogue; the last file that is written."""
STRANGER = "hobbies/music/string/violin"
"""The photo that the demo expects to be refused."""

Say = Callable[[str], None]


class DemoError(RuntimeError):
    """The demo's catalogue cannot be had; the message says what is missing and the cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder of the package whose stamps are photographs, and what it says of them."""

    path: str
    code: int
    """Class of the State Catalogue."""
    word: str = ""
    """Object name, where it is true of all stamps below the folder."""
    place: str = ""
    """Place of production, where it is true of all."""

    def holds(self, stamp: str) -> bool:
        """Whether a stamp lies in the folder or below it."""
        return stamp.startswith(f"{self.path}/")


FOLDERS: tuple[Folder, ...] = (
    Folder(path="animals/mammals/bears/toys", code=13, word="Игрушка"),
    Folder(path="animals/birds", code=10, word="Птица"),
    Folder(path="animals", code=10),
    Folder(path="clothes", code=13),
    Folder(path="food/nuts", code=10, word="Орех"),
    Folder(path="food", code=10),
    Folder(path="hobbies/music", code=13, word="Музыкальный инструмент"),
    Folder(path="hobbies", code=11),
    Folder(path="household/tools", code=11, word="Инструмент"),
    Folder(path="household", code=13),
    Folder(path="medical", code=11),
    Folder(path="military/ammunition", code=8),
    Folder(path="military/vehicles", code=11),
    Folder(path="naturalforces", code=17, word="Фотография"),
    Folder(path="people/toys", code=13, word="Игрушка"),
    Folder(path="plants/flowers", code=10, word="Цветок"),
    Folder(path="plants/mushrooms", code=10, word="Гриб"),
    Folder(path="plants", code=10),
    Folder(path="seasonal/halloween", code=3, word="Надгробие"),
    Folder(path="seasonal", code=13),
    Folder(path="space/moon", code=17, word="Фотография"),
    Folder(path="space/planets", code=17, word="Фотография"),
    Folder(path="space", code=11),
    Folder(path="sports", code=13),
    Folder(path="symbols/money/canadian/coins", code=5, word="Монета", place="Канада"),
    Folder(path="symbols/money/euro/coins", code=5, word="Монета"),
    Folder(path="symbols/money/japanese", code=5, word="Монета", place="Япония"),
    Folder(path="symbols/money/us/coins", code=5, word="Монета", place="США"),
    Folder(path="town", code=12),
    Folder(path="vehicles/auto", code=11, word="Автомобиль"),
    Folder(path="vehicles", code=11),
)
"""The first that holds a stamp counts."""

NO_PHOTOGRAPHS = frozenset(
    (
        "animals/fish/shrimp",
        "animals/insects/bee",
        "animals/mammals/echidna",
        "animals/mammals/hedgehog",
        "clothes/button",
        "clothes/hats",
        "clothes/t_baseballcap",
        "clothes/t_glove",
        "clothes/t_jacket",
        "clothes/t_pants",
        "clothes/t_poloshirt",
        "clothes/t_scarf",
        "clothes/t_shirt",
        "clothes/t_sock",
        "clothes/t_tshirt",
        "food/pizza",
        "household/arttools/highlighter",
        "household/dishes/glass",
        "household/dishes/mug",
        "household/key",
        "medical/tooth",
        "naturalforces/lightningbolt",
        "plants/trees/holly_leaves",
        "seasonal/christmas/Santa",
        "seasonal/christmas/bow",
        "seasonal/christmas/candy_cane",
        "seasonal/christmas/star",
        "seasonal/christmas/stocking",
        "seasonal/christmas/tree",
        "seasonal/easter",
        "seasonal/halloween/ghost",
        "seasonal/halloween/jackolantern_mean",
        "seasonal/hanukkah",
        "seasonal/newyears",
        "space/planets/0_sun",
        "sports/rugby_goal_posts",
        "town/flags",
        "town/houses",
        "town/monuments/inukshuk-outline",
        "town/roadsigns",
        "vehicles/7spoke256",
        "vehicles/emergency/sedan_police",
    )
)
"""Stamps and folders within :data:`FOLDERS` that are drawings or renderings, or hardly visible on white: seen by looking at all.
Folders named ``cartoon`` and mirrored copies (``…_mirror``, made by software) are left out by their names."""

OF_OTHER_CLASS = frozenset(
    (
        "plants/flowers/plastic",
        "seasonal/christmas/Candy_cane_photo_1",
        "seasonal/christmas/Candy_cane_photo_2",
        "seasonal/christmas/Christmas_pudding",
        "seasonal/christmas/Mince_Pie",
        "seasonal/christmas/Roast_turkey",
        "space/spacewalk",
    )
)
"""Photographs of which their folder's class would be untrue: dishes of food, a plastic flower among flowers."""

SAME_THING: Mapping[str, str] = {
    "animals/mammals/bovines/gnu-baby-stand": "animals/mammals/bovines/gnu-baby",
    "household/arttools/scissors_small_close": "household/arttools/scissors_small_open",
}
"""Further views of one thing: view → its object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What the package says of a stamp."""

    en: str
    ru: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A photograph of the package."""

    path: str
    """Below the package's folder of stamps, without suffix."""
    image: Image.Image
    """RGB on white."""
    caption: Caption
    folder: Folder

    @property
    def object_id(self) -> str:
        """The object that it is a view of."""
        return object_id_of(SAME_THING.get(self.path, self.path))

    @property
    def photo(self) -> str:
        """Name of its photo."""
        return f"{object_id_of(self.path)}.jpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCatalogue:
    """What was built."""

    table: Path
    """CSV of the hackathon's form, UTF-8 with a byte order mark."""
    images: Path
    """Folder of its photos."""
    categories: Mapping[str, str]
    """Category of each object: what a threshold's strangers must not share."""
    query: Path
    """A changed copy of an object's photo."""
    query_object: str
    stranger: Path
    """A photo of the category that is held out."""
    strangers: tuple[Path, ...] = field(repr=False)
    """All photos of that category."""


def fetch(cache: Path, say: Say = print) -> Path:
    """The package, from the cache or from Debian's mirror. Raises ``DemoError`` with the cure.

    ``apt-get download`` needs no root and installs nothing; where apt knows no packages yet, root lets it fetch its lists.
    """
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / DEB
    if not target.exists():
        need_room(cache, DEB_BYTES)
        if not known():
            update_lists(say)
        with tempfile.TemporaryDirectory(dir=cache) as beside:
            download(Path(beside), say).replace(target)
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != DEB_HASH:
        target.unlink()
        raise DemoError(f"{DEB}: expected sha256 {DEB_HASH}, found {digest}; it was removed, run again")
    return target


def need_room(folder: Path, size: int) -> None:
    """Raises ``DemoError`` where the disk has not that many bytes left."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise DemoError(f"the demo's catalogue needs {size / 1e6:.0f} MB in {folder}, {free / 1e6:.0f} MB are free")


def known() -> bool:
    """Whether apt's lists name the package."""
    shown = subprocess.run(["apt-cache", "show", f"{PACKAGE}={VERSION}"], check=False, capture_output=True)
    return shown.returncode == 0


def update_lists(say: Say) -> None:
    """Fetch apt's lists. Raises ``DemoError`` without root, or where the package is still unknown."""
    if os.geteuid() != 0:
        raise DemoError(f"apt does not know {PACKAGE}: run `sudo apt-get update`, then this again")
    say("fetching apt's package lists")
    answer = subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True, text=True)
    if not known():
        detail = answer.stderr.strip() or f"the mirror does not have version {VERSION}, which is Debian 12's"
        raise DemoError(f"apt does not know {PACKAGE}: {detail}")


def download(folder: Path, say: Say) -> Path:
    """Download the package into a folder, and say each 10 % how far it is. Raises ``DemoError`` with apt's reason."""
    argv = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", f"{PACKAGE}={VERSION}"]
    done = threading.Event()
    with subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        watcher = threading.Thread(target=watch, args=(folder, say, done), daemon=True)
        watcher.start()
        try:
            _, complaint = process.communicate()
        finally:
            done.set()
            watcher.join()
    found = next(folder.glob("*.deb"), None)
    if process.returncode or found is None:
        raise DemoError(f"{PACKAGE} cannot be downloaded: {complaint.strip() or 'apt-get gave no reason'}")
    return found


def watch(folder: Path, say: Say, done: threading.Event) -> None:
    """Say each tenth of the download that has come."""
    said = -1
    while not done.wait(0.5):
        size = max((file.stat().st_size for file in folder.rglob("*.deb*")), default=0)
        tenth = min(10, size * 10 // DEB_BYTES)
        if tenth > said:
            said = tenth
            say(f"demo photographs: {size / 1e6:.0f} of {DEB_BYTES / 1e6:.0f} MB")


def build(source: Path, target: Path) -> DemoCatalogue:
    """Make table, photos and queries in the folder ``target``, once: 8 s, in which the package is read as a stream.

    Another package or another rule here makes them anew. Raises ``DemoError`` where the package lacks what the demo shows.
    """
    made_by = hashlib.sha256(Path(__file__).read_bytes() + DEB_HASH.encode()).hexdigest()
    built = read_built(target)
    if built is None or built["made_by"] != made_by:
        with replaced(target) as made:
            for name in ("images", "queries", "strangers"):
                (made / name).mkdir()
            stamps = list(stamps_of(members(source)))
            write_queries(made, stamps)
            built = {"made_by": made_by, "categories": write_catalogue(made, stamps)}
            (made / BUILT).write_text(json.dumps(built))
    return DemoCatalogue(
        table=target / "catalogue.csv",
        images=target / "images",
        categories=built["categories"],
        query=target / "queries" / "changed-copy.jpg",
        query_object=QUERY_OBJECT,
        stranger=target / "strangers" / f"{object_id_of(STRANGER)}.jpg",
        strangers=tuple(sorted((target / "strangers").iterdir())),
    )


def read_built(target: Path) -> dict[str, Any] | None:
    """What an earlier build says of itself, or ``None``."""
    try:
        built: dict[str, Any] = json.loads((target / BUILT).read_text())
    except FileNotFoundError:
        return None
    return built


@contextlib.contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``target`` when the block ends well; interrupted, nothing has changed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as beside:
        made = Path(beside) / target.name
        made.mkdir()
        yield made
        if target.exists():
            target.rename(Path(beside) / "old")
        made.rename(target)


def write_catalogue(made: Path, stamps: list[Stamp]) -> dict[str, str]:
    """Write the table and its photos; returns the category of each object."""
    kept = [stamp for stamp in stamps if not held_out(stamp.path)]
    for stamp in kept:
        stamp.image.save(made / "images" / stamp.photo, quality=QUALITY)
    (made / "catalogue.csv").write_text(table(kept), encoding="utf-8-sig")
    return {stamp.object_id: category_of(stamp.path) for stamp in kept}


def write_queries(made: Path, stamps: list[Stamp]) -> None:
    """Write the changed copy and the strangers."""
    by_id = {stamp.object_id: stamp for stamp in stamps}
    missing = [wanted for wanted in (QUERY_OBJECT, object_id_of(STRANGER)) if wanted not in by_id]
    if missing:
        raise DemoError(f"{DEB} has no photograph {' and '.join(missing)}: the package is another than expected")
    changed_copy(by_id[QUERY_OBJECT].image, seed=1).save(made / "queries" / "changed-copy.jpg", quality=85)
    for stamp in stamps:
        if held_out(stamp.path):
            stamp.image.save(made / "strangers" / stamp.photo, quality=QUALITY)


def object_id_of(path: str) -> str:
    """A stamp's path as an object_id: the folders are kept, since names repeat (``deer`` is an animal twice)."""
    return path.replace("/", "-")


def category_of(path: str) -> str:
    """What a stamp shows, roughly: its folder, to two levels where the first says little."""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] in ("animals", "hobbies") and len(parts) > 2 else parts[0]


def held_out(path: str) -> bool:
    """Whether a stamp belongs to the category that no table has."""
    return path.startswith(f"{HELD_OUT}/")


def folder_of(path: str) -> Folder | None:
    """The folder of a stamp that is a photograph, or ``None``."""
    parents = {str(parent) for parent in PurePosixPath(path).parents}
    if "cartoon" in path.split("/") or path.endswith("_mirror") or (NO_PHOTOGRAPHS | OF_OTHER_CLASS) & {path, *parents}:
        return None
    return next((folder for folder in FOLDERS if folder.holds(path)), None)


def members(package: Path) -> Iterator[tuple[str, bytes]]:
    """Names (below the folder of stamps) and bytes of the package's pictures and captions. Raises ``DemoError``."""
    argv = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    if member.isfile() and member.name.startswith(ROOT) and member.name.endswith((".png", ".txt")):
                        content = archive.extractfile(member)
                        assert content is not None
                        yield member.name.removeprefix(ROOT), content.read()
        except tarfile.ReadError as error:
            complaint = process.stderr.read().decode(errors="replace").strip()
            raise DemoError(f"{package} cannot be unpacked: {complaint or error}; delete it and run again") from None


def stamps_of(files: Iterator[tuple[str, bytes]]) -> Iterator[Stamp]:
    """The photographs among the package's files, by name, each with its caption."""
    pictures: dict[str, bytes] = {}
    captions: dict[str, Caption] = {}
    for name, content in files:
        path = name.rsplit(".", 1)[0]
        if folder_of(path) is None:
            continue
        if name.endswith(".png"):
            pictures[path] = content
        elif (caption := caption_of(content.decode("utf-8", errors="replace"))) is not None:
            captions[path] = caption
    for path in sorted(pictures):
        folder = folder_of(path)
        caption = captions.get(path) or captions.get(SAME_THING.get(path, path))
        picture = Image.open(io.BytesIO(pictures[path]))
        if folder is not None and caption is not None and max(picture.size) >= MIN_SIDE:
            yield Stamp(path=path, image=on_white(picture), caption=caption, folder=folder)


def caption_of(text: str) -> Caption | None:
    """A caption file: English in the first line, ``ru.utf8=`` in Russian. Without Russian, English stands for both."""
    lines = [line.strip() for line in text.splitlines()]
    english = lines[0] if lines else ""
    russian = next((line.partition("=")[2].strip() for line in lines if line.startswith("ru.utf8=")), "")
    if not english or "�" in english + russian:
        return None
    return Caption(en=english, ru=russian or english)


def on_white(picture: Image.Image) -> Image.Image:
    """A stamp on a white ground, RGB; stamps are cut out along their outline."""
    layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, layer).convert("RGB")


def table(stamps: list[Stamp]) -> str:
    """The hackathon's CSV, a row a view, with some further fields of the record."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(["object_id", "name", "description", "group", "img_name", "MainWord", "ProductionPlace", "PublicationLimit"])
    first: dict[str, Stamp] = {stamp.path: stamp for stamp in stamps}
    for stamp in sorted(stamps, key=lambda one: (one.object_id, one.path in SAME_THING)):
        caption = first.get(SAME_THING.get(stamp.path, stamp.path), stamp).caption
        folder = stamp.folder
        name = caption.ru.removesuffix(".")
        writer.writerow([stamp.object_id, name, caption.en, folder.code, stamp.photo, folder.word, folder.place, 1])
    return text.getvalue()


def changed_copy(image: Image.Image, seed: int) -> Image.Image:
    """What a phone might make of the same thing: another angle, closer, other light. RGB in, RGB out, 480 px wide.

    The corners of a crop of 80–95 % a side move by up to 8 % (perspective), brightness changes by a factor of 0.75–1.2, its
    colour temperature by ±8 % in red and blue. The same seed gives the same picture.
    """
    random = np.random.default_rng(seed)
    width, height = image.size
    share = random.uniform(0.80, 0.95)
    left, top = random.uniform(0, 1 - share, size=2)
    corners = np.array([(left, top), (left, top + share), (left + share, top + share), (left + share, top)])
    corners += random.uniform(-0.08, 0.08, size=(4, 2))
    quad = tuple(float(value) for value in (corners * (width, height)).ravel())
    size = 480, max(1, round(480 * height / width))
    seen = image.transform(size, Image.Transform.QUAD, quad, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    warmth = random.uniform(-0.08, 0.08)
    light = random.uniform(0.75, 1.2) * np.array([1 + warmth, 1.0, 1 - warmth])
    return Image.fromarray(np.clip(np.asarray(seen) * light, 0, 255).astype(np.uint8))
