"""The demo's catalogue, from a package made here."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from functions.catalogue.classes import BY_CODE
from functions.catalogue.table import TableObject, read_table
from infra.local import stamps
from tests.servers import missing

QUERY = "symbols/money/us/coins/050kennedy-halfdollar"


def picture(seed: int, side: int = 80) -> bytes:
    """A PNG with a transparent rim."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[:4, :, 3] = 0
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG")
    return file.getvalue()


FILES = {
    f"{QUERY}.png": picture(1),
    f"{QUERY}.txt": "A coin.\nde.utf8=Eine Münze.\nru.utf8=Полдоллара «Кеннеди».\n".encode(),
    "hobbies/music/string/violin.png": picture(2),
    "hobbies/music/string/violin.txt": "A violin.\nru.utf8=Скрипка.\n".encode(),
    "animals/birds/hen.png": picture(3),
    "animals/birds/hen.txt": b"A hen.\n",
    "animals/birds/cartoon/duck.png": picture(4),
    "animals/birds/cartoon/duck.txt": b"A drawn duck.\n",
    "animals/fish/trout.png": picture(5, side=40),
    "animals/fish/trout.txt": b"Too small.\n",
    "animals/fish/pike.png": picture(6),
    "household/tools/saw_mirror.png": picture(7),
    "household/tools/saw_mirror.txt": b"Mirrored.\n",
    "household/arttools/scissors_small_open.png": picture(8),
    "household/arttools/scissors_small_open.txt": "Open scissors.\nru.utf8=Ножницы.\n".encode(),
    "household/arttools/scissors_small_close.png": picture(9),
    "symbols/math/plus.png": picture(10),
    "symbols/math/plus.txt": b"Plus.\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A Debian package with the files."""
    if shutil.which("dpkg-deb") is None:
        missing("dpkg-deb is needed: this is no Debian")
    root = tmp_path / "root"
    for name, content in FILES.items():
        path = root / stamps.ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN" / "control").write_text(
        "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m <m@example.org>\nDescription: d\n"
    )
    subprocess.run(["dpkg-deb", "-Znone", "-b", root, tmp_path / "p.deb"], check=True, capture_output=True)
    return tmp_path / "p.deb"


def test_the_catalogue_has_photographs_with_their_captions_and_classes(package: Path, tmp_path: Path) -> None:
    """No drawing, nothing small, mirrored or without a caption; what is held out is in no table."""
    demo = stamps.build(package, tmp_path / "demo")
    objects = {one.object_id: one for one in read_table(demo.table.read_bytes()) if isinstance(one, TableObject)}
    scissors = "household-arttools-scissors_small_open"
    assert set(objects) == {stamps.QUERY_OBJECT, "animals-birds-hen", scissors} == set(demo.categories)
    assert objects[stamps.QUERY_OBJECT].fields == {
        "Name": "Полдоллара «Кеннеди»",
        "ShortDescription": "A coin.",
        "TypologyGK": "5",
        "MainWord": "Монета",
        "ProductionPlace": "США",
        "PublicationLimit": "1",
    }
    assert objects["animals-birds-hen"].fields["Name"] == "A hen"
    assert objects[scissors].images == (f"{scissors}.jpg", "household-arttools-scissors_small_close.jpg")
    assert sorted(path.name for path in demo.images.iterdir()) == sorted(name for one in objects.values() for name in one.images)


def test_the_table_is_taken_without_a_single_complaint(package: Path, tmp_path: Path) -> None:
    """As `museum import` reads it."""
    demo = stamps.build(package, tmp_path / "demo")
    assert all(isinstance(one, TableObject) for one in read_table(demo.table.read_bytes()))


def test_the_queries_are_a_changed_copy_and_a_stranger(package: Path, tmp_path: Path) -> None:
    """The first is of an object in the table, the second of a category that is in none."""
    demo = stamps.build(package, tmp_path / "demo")
    with Image.open(demo.query) as query, Image.open(demo.images / f"{demo.query_object}.jpg") as original:
        assert query.size != original.size
    assert demo.stranger in demo.strangers
    assert not {path.name for path in demo.strangers} & {path.name for path in demo.images.iterdir()}


def test_a_catalogue_is_built_once(package: Path, tmp_path: Path) -> None:
    """The second time the package is not even opened."""
    first = stamps.build(package, tmp_path / "demo")
    package.unlink()
    assert stamps.build(package, tmp_path / "demo") == first


def test_a_catalogue_of_another_rule_is_made_anew(package: Path, tmp_path: Path) -> None:
    """What an older version left is replaced whole."""
    demo = stamps.build(package, tmp_path / "demo")
    (tmp_path / "demo" / stamps.BUILT).write_text('{"made_by": "older", "categories": {}}')
    (demo.images / "left-over.jpg").write_bytes(b"")
    assert stamps.build(package, tmp_path / "demo") == demo
    assert not (demo.images / "left-over.jpg").exists()


def test_a_broken_package_says_so_and_leaves_what_was_there(package: Path, tmp_path: Path) -> None:
    """And what to do."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "kept").write_text("")
    package.write_bytes(package.read_bytes()[:3000])
    with pytest.raises(stamps.DemoError, match="delete it and run again"):
        stamps.build(package, tmp_path / "demo")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "p.deb", "root"]
    assert (tmp_path / "demo" / "kept").exists()


def test_a_download_with_another_hash_is_removed(tmp_path: Path) -> None:
    """Half a file in the cache must not be there for ever."""
    (tmp_path / stamps.DEB).write_bytes(b"half")
    with pytest.raises(stamps.DemoError, match="expected sha256"):
        stamps.fetch(tmp_path)
    assert not (tmp_path / stamps.DEB).exists()


def test_stamps_are_put_on_white() -> None:
    """They are cut out along their outline."""
    made = stamps.on_white(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))
    assert made.mode == "RGB"
    assert made.getpixel((0, 0)) == (255, 255, 255)


def test_a_changed_copy_is_another_picture_and_always_the_same() -> None:
    """The seed decides."""
    image = Image.open(io.BytesIO(picture(11))).convert("RGB")
    once, again, other = (stamps.changed_copy(image, seed) for seed in (1, 1, 2))
    assert once.tobytes() == again.tobytes()
    assert once.tobytes() != other.tobytes()
    assert once.size == (480, 480)


def test_every_folders_class_is_one_of_the_15() -> None:
    """And an earlier folder does not hide a later one."""
    assert all(folder.code in BY_CODE for folder in stamps.FOLDERS)
    assert all(stamps.folder_of(f"{folder.path}/new") == folder for folder in stamps.FOLDERS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A hen.\nru.utf8=Курица.\n", stamps.Caption(en="A hen.", ru="Курица.")),
        ("A hen.\nru.utf8=\n", stamps.Caption(en="A hen.", ru="A hen.")),
        ("A hen.", stamps.Caption(en="A hen.", ru="A hen.")),
        ("", None),
        ("A h\ufffdn.", None),
    ],
)
def test_a_caption_is_its_first_line_and_the_russian_one(text: str, expected: stamps.Caption | None) -> None:
    """Without Russian, English stands for both; what cannot be read is none."""
    assert stamps.caption_of(text) == expected
