"""Evaluation: figures against cases that are known, and data sets that are wrong."""

from __future__ import annotations

import hashlib
import html.parser
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from functions.cli.evaluate import evaluate_command
from infra.evaluation import evaluate, report, run
from infra.evaluation.dataset import DatasetError, gallery_of, queries_of, strangers_of, together
from infra.evaluation.encode import Eye, Kept
from infra.evaluation.evaluate import Query, failures, figures, synthetic
from infra.evaluation.metrics import Ranking, best_pairs, gap, growth, interval, paired, precision, recall, rejection
from infra.evaluation.split import half_of
from infra.evaluation.variants import KINDS, homography, variant

# figures


def ranking(scores: list[list[float]], expected: list[int]) -> Ranking:
    """Queries × objects."""
    return Ranking(scores=np.array(scores, np.float32), expected=np.array(expected))


def test_recall_and_mean_average_precision_are_those_of_the_textbook() -> None:
    """First, second, third, and one that is not there."""
    found = ranking([[0.9, 0.1, 0.2], [0.9, 0.8, 0.2], [0.9, 0.8, 0.7], [0.9, 0.1, 0.2]], [0, 1, 2, -1])
    assert found.ranks.tolist() == [1, 2, 3, 0]
    assert recall(found.ranks, 1).tolist() == [1, 0, 0, 0]
    assert recall(found.ranks, 2).tolist() == [1, 1, 0, 0]
    assert precision(found.ranks).tolist() == pytest.approx([1, 1 / 2, 1 / 3, 0])


def test_a_model_that_gives_everything_the_same_score_finds_nothing() -> None:
    """Ties count against it."""
    assert ranking([[0.5] * 10], [3]).ranks.tolist() == [10]


def test_global_average_precision_punishes_strangers_with_high_scores() -> None:
    """Both answers are right; one stranger between them costs the second a half, above them both."""
    right = [[0.9, 0.1], [0.1, 0.7]]
    assert gap(ranking(right, [0, 1])) == 1
    assert gap(ranking([*right, [0.8, 0.1]], [0, 1, -1])) == pytest.approx((1 + 2 / 3) / 2)
    assert gap(ranking([*right, [0.95, 0.1]], [0, 1, -1])) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert gap(ranking([[0.9, 0.1]], [-1])) == 0


def test_rejection_accepts_no_more_strangers_than_it_says() -> None:
    """Of 100 strangers 0.00 to 0.99, the best two may pass."""
    strangers = np.arange(100, dtype=np.float32) / 100
    known = np.array([0.5, 0.975, 0.985, 1.0], np.float32)
    assert rejection(known, strangers, [0.0, 0.02, 0.5]) == [0.25, 0.75, 1.0]


def test_recall_falls_as_the_gallery_grows() -> None:
    """Random scores: among n objects the own one is first once in n."""
    rng = np.random.default_rng(0)
    found = ranking(rng.random((400, 100)).tolist(), rng.integers(0, 100, 400).tolist())
    curve = dict(growth(found, [2, 10, 1000]))
    assert set(curve) == {2, 10, 100}
    assert curve[10] == pytest.approx(1 / 10, abs=0.03)
    assert curve[2] > curve[10] > curve[100]


def test_the_interval_takes_an_objects_queries_for_one() -> None:
    """Ten copies of a query are no more evidence than one."""
    single = np.array([1.0, 0.0] * 10)
    one = interval(single, [str(number) for number in range(20)])
    ten = interval(single.repeat(10), [str(number) for number in range(20) for _ in range(10)])
    assert (one.low, one.high) == (ten.low, ten.high)
    assert one.low < 0.5 < one.high
    alone = interval(single.repeat(10), [str(number) for number in range(200)])
    assert alone.high - alone.low < one.high - one.low


def test_a_paired_difference_sees_what_two_intervals_hide() -> None:
    """Both models fail on the same objects; one is better by 10 points everywhere."""
    base = np.random.default_rng(1).random(100)
    better = paired(base, base + 0.1, [str(number) for number in range(100)])
    assert better.low == pytest.approx(0.1)
    assert better.high == pytest.approx(0.1)


def test_an_object_counts_by_its_best_pair_of_views() -> None:
    """The query's crop meets the second photo of the object."""
    queries = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    gallery = np.eye(3, dtype=np.float32)[[2, 1, 0]]
    scores = best_pairs(queries, np.array([0, 0, 1]), gallery, np.array([0, 1, 1]))
    assert scores.tolist() == [[0, 1], [1, 0]]


def test_class_accuracy_is_a_mean_of_classes() -> None:
    """A hundred coins do not hide one sword."""
    classes = {**{f"coin-{number}": 5 for number in range(12)}, "sword": 8, "thing": 0}
    objects = [*classes]
    scores = np.full((101, 14), 0.1, np.float32)
    scores[:, :12] = 0.9  # coins are near whatever is asked for
    truth = np.array([5] * 100 + [8])
    assert evaluate.class_accuracy(scores, objects, classes, truth) == 0.5
    alone = evaluate.class_accuracy(scores[:, 13:], ["thing"], classes, truth)
    assert alone == 0, "where nobody votes nothing is right"


# the split and the generator


def test_the_split_is_the_parity_of_sha1() -> None:
    """As whoever fits a model reads it."""
    for name in ("100001", "100002", "ваза"):
        odd = int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), 16) % 2
        assert half_of(name) == ("test" if odd else "train")


def gradient() -> Image.Image:
    """A picture that is nowhere the same."""
    x, y = np.meshgrid(np.arange(300), np.arange(200))
    return Image.fromarray(np.stack([x * 255 // 300, y * 255 // 200, (x + y) % 256], axis=2).astype(np.uint8))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_variant_is_the_same_each_time_and_another_for_each_number(kind: str) -> None:
    """A figure can be had again."""
    one, again, other = (variant(kind, gradient(), seed=1, name="a", number=number) for number in (0, 0, 1))
    assert one.tobytes() == again.tobytes()
    assert one.tobytes() != other.tobytes()
    assert variant(kind, gradient(), seed=2, name="a", number=0).tobytes() != one.tobytes()
    assert max(one.size) <= 900


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("size", [(1, 1), (2000, 9), (9, 2000)])
def test_odd_pictures_have_variants_too(kind: str, size: tuple[int, int]) -> None:
    """A sword, a thread."""
    assert variant(kind, Image.new("RGB", size, (9, 9, 9)), seed=1, name="a", number=0).mode == "RGB"


def test_a_homography_maps_corners_onto_corners() -> None:
    """As Pillow reads its eight coefficients."""
    target = np.array([(0, 0), (10, 0), (10, 10), (0, 10)], float)
    source = np.array([(1, 2), (9, 1), (11, 10), (0, 8)], float)
    a, b, c, d, e, f, g, h = homography(target, source)
    for (x, y), (u, v) in zip(target, source, strict=True):
        divisor = g * x + h * y + 1
        assert ((a * x + b * y + c) / divisor, (d * x + e * y + f) / divisor) == pytest.approx((u, v))


# data sets


def dataset(folder: Path, objects: list[str], *, group: str = "Нумизматика") -> Path:
    """A folder with a flat picture for each object."""
    (folder / "images").mkdir(parents=True)
    rows = ["object_id;name;description;group;img_name"]
    for number, name in enumerate(objects):
        colour = tuple(int(value) for value in np.random.default_rng(number).integers(0, 255, 3))
        Image.new("RGB", (64, 48), colour).save(folder / "images" / f"{name}.png")
        rows.append(f"{name};Монета {name};;{group};{name}.png")
    (folder / "catalogue.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_queries_come_from_a_table_or_from_views(tmp_path: Path) -> None:
    """An empty object_id is a stranger."""
    folder = dataset(tmp_path / "set", ["a", "b"])
    assert queries_of(folder, {"a", "b"}) == []
    (folder / "views").mkdir()
    Image.new("RGB", (9, 9)).save(folder / "views" / "a_v1.jpg")
    assert [(one.object_id, one.set) for one in queries_of(folder, {"a", "b"})] == [("a", "views")]
    (folder / "queries").mkdir()
    for name in ("x.jpg", "y.jpg"):
        Image.new("RGB", (9, 9)).save(folder / "queries" / name)
    (folder / "queries.csv").write_text("img_name;object_id;set\nx.jpg;b;phones\ny.jpg;;\n")
    assert [(one.object_id, one.set) for one in queries_of(folder, {"a", "b"})] == [("b", "phones"), ("", "queries")]


def test_a_wrong_data_set_says_what_is_wrong(tmp_path: Path) -> None:
    """No table, no picture, an unknown object, an empty folder, the same object twice."""
    with pytest.raises(DatasetError, match=r"expected catalogue\.csv"):
        gallery_of(tmp_path)
    folder = dataset(tmp_path / "set", ["a", "b"])
    gallery = gallery_of(folder)
    with pytest.raises(DatasetError, match="two galleries have an object a"):
        together([gallery, gallery])
    (folder / "views").mkdir()
    (folder / "views" / "zzz_v1.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match="zzz, which is not in the gallery"):
        queries_of(folder, {"a", "b"})
    (folder / "images" / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"names b\.png, which is not in"):
        gallery_of(folder)
    (folder / "catalogue.csv").write_text("object_id;name;description;group;img_name\n")
    with pytest.raises(DatasetError, match="found none"):
        gallery_of(folder)
    with pytest.raises(DatasetError, match="found none"):
        strangers_of(folder / "views" / "empty")
    (folder / "queries.csv").write_text("a;b\n")
    with pytest.raises(DatasetError, match="img_name, object_id"):
        queries_of(folder, {"a"})


# a whole evaluation


class Colour:
    """A model that sees the mean colour, and takes the bright part for the object."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """A vector of four and a map."""
        self.looks += 1
        values = np.append(picture.reshape(-1, 3).mean(axis=0) / 255 - 0.5, 0.2)
        cells = picture.reshape(56, 4, 56, 4, 3).mean(axis=(1, 3, 4)) / 255
        return np.asarray(values / np.linalg.norm(values), np.float32), np.asarray(cells, np.float32)


def test_an_evaluation_says_the_gallerys_size_and_can_go_on(tmp_path: Path) -> None:
    """What was embedded is not embedded again."""
    gallery = gallery_of(dataset(tmp_path / "set", ["a", "b", "c", "d"]))
    queries = [
        *synthetic(gallery.photos, ["copy"], 3, seed=1),
        Query(photo=strangers_of(tmp_path / "set" / "images")[0], set="s"),
    ]
    see, steps = Colour(), []
    with Kept(tmp_path / "kept.sqlite") as kept:
        found = evaluate.run(gallery, queries, Eye(see, "m", kept), crop=True, workers=2, step=lambda: steps.append(1))
    assert len(steps) == 4 + 13
    looks = see.looks
    with Kept(tmp_path / "kept.sqlite") as kept:
        again = evaluate.run(gallery, queries, Eye(see, "m", kept), crop=True, workers=1, step=lambda: None)
    assert see.looks == looks
    assert (again.ranking.scores == found.ranking.scores).all()
    made = figures(found, gallery.classes, model="m", views="full+crop", photos=4)
    (one,) = made.sets
    assert (one.queries, one.objects, one.gallery, one.classes) == (12, 4, 4, 1)
    assert one.class_accuracy == 1
    assert made.strangers == 1
    text = "\n".join(report.table(made))
    assert "12 queries of 4 objects in a gallery of 4" in text
    blind = evaluate.Run(
        queries=queries, ranking=Ranking(scores=-found.ranking.scores, expected=found.ranking.expected), objects=found.objects
    )  # fmt: skip
    (better,) = figures(found, gallery.classes, model="m", views="full", photos=4, against=blind).sets
    assert better.better is not None
    assert better.better.value == pytest.approx(one.recall[1].value - recall(blind.ranking.ranks[:12], 1).mean())
    assert "GAP" in text
    json.dumps(run.as_data(made))


class Pictures(html.parser.HTMLParser):
    """What a page shows."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name == "src"]


def test_the_contact_sheet_shows_the_worst_and_trusts_no_name(tmp_path: Path) -> None:
    """Three pictures a failure, all of them in the page; a name with a tag in it stays text."""
    evil = "<script>alert(1)<!--"
    folder = dataset(tmp_path / "set", ["a", "b"])
    gallery = gallery_of(folder)
    photo = gallery.photos[0]
    stranger = Query(photo=type(photo)(object_id=evil, file=photo.file, set="<b>"), set="<b>")
    found = evaluate.Run(queries=[stranger], ranking=ranking([[0.5, 0.9]], [0]), objects=[evil, "b"])
    page = report.sheet("a & b", failures(found, 10), {evil: photo.file, "b": photo.file})
    seen = Pictures()
    seen.feed(page)
    assert seen.tags.count("img") == 3
    assert "script" not in seen.tags
    assert all(source.startswith("data:image/jpeg;base64,") for source in seen.sources)
    assert "rank 2" in page


def test_the_command_names_what_is_wrong(tmp_path: Path) -> None:
    """As a sentence, not a traceback."""
    told = CliRunner().invoke(evaluate_command, [str(tmp_path)])
    assert told.exit_code == 1
    assert "expected catalogue.csv" in told.output
    dataset(tmp_path / "set", ["a", "b"])
    told = CliRunner().invoke(evaluate_command, [str(tmp_path / "set"), "--model", "absent.onnx", "--split", "all"])
    assert "absent.onnx, which is not there" in told.output
    assert "Examples" in CliRunner().invoke(evaluate_command, ["--help"]).output
