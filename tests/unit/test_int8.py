"""Products in eight bits: how near they are, what they do not depend on, and when a model of them is refused."""

from __future__ import annotations

import json
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from functions.adapters import onnx as onnx_adapter
from functions.pixels import SIZE
from infra.engine import build, fitting, int8, ranging, recipes, wheels
from infra.engine import spec as specs
from infra.engine.errors import BuildError
from infra.engine.graph import OPSET, Graph
from infra.engine.int8 import Range
from infra.engine.plan.parity import MIN_PICTURES
from infra.engine.ranging import Seen
from infra.engine.spec import Spec
from infra.engine.whitening import WhiteningError

WIDE, NARROW = 96, 24
Floats = NDArray[np.float32]

RECIPE = """
    import numpy as np
    from infra.engine.graph import Encoded

    def write(source, graph, ranges=None):
        planes = graph.normalised(1 / 255, float(source))
        flat = graph.reshaped(planes, [-1, 3 * 224 * 224], name="flat")
        bounds = [graph.constant(name, [value], np.int64) for name, value in (("start", 0), ("end", 12), ("axis", 1))]
        first = graph.node("Slice", flat, *bounds, name="first")
        if ranges is not None:
            first = graph.node("Mul", first, graph.constant("scale", ranges["first"].scale), name="even")
        return Encoded(features=graph.unit(first, name="unit"))
"""
TOML = """
    tier = "fast"
    licence = "none"
    recipe = "toy"
    {reference}
    features = 12
    whitening = true
    dim = 8
    saliency = false
    max_batch = 64
    [source]
    wheel = "toy-weights==1.0"
    sha256 = "{sha256}"
    member = "toy/weights"
    [tensorrt]
    precision = "fp32"
    fp32 = []
"""
Make = Callable[..., Spec]


def sizes(seed: int = 0) -> Floats:
    """Of channels: a few are forty times as large as the others."""
    made = np.random.default_rng(seed).uniform(0.5, 1.5, WIDE)
    made[:3] *= 40
    return made.astype(np.float32)


def tokens(count: int = 33, seed: int = 1) -> Floats:
    """Float32 (1, count, 96)."""
    return (np.random.default_rng(seed).normal(size=(1, count, WIDE)) * sizes()).astype(np.float32)


def layer() -> tuple[Floats, Floats]:
    """Weight and bias of a linear layer."""
    rng = np.random.default_rng(2)
    return (rng.normal(size=(WIDE, NARROW)) / sizes()[:, None] ** 0.3).astype(np.float32), rng.normal(size=NARROW).astype(
        np.float32
    )


def range_of(values: Floats, scale: Floats | None = None) -> Range:
    """As it would have been measured."""
    scale = np.ones(WIDE, np.float32) if scale is None else scale
    even = values / scale
    return Range(scale=scale, low=float(even.min()), high=float(even.max()), first=float(np.abs(even).max()) * 2)


def product(values: Floats, known: Range, *, single: bool = False, exact: str = "0") -> Floats:
    """What the graph makes of the layer: of all tokens, or of a single one in 16 bits."""
    graph, (weight, bias) = Graph("test"), layer()
    even = graph.node("Div", "x", graph.constant("scale", known.scale), name="even")
    behind = weight * known.scale[:, None]
    if single:
        made = int8.fine(graph, even, known, behind, bias, name="made")
    else:
        made = int8.linear(graph, int8.quantised(graph, even, known, name="even"), behind, bias, name="made")
    nodes, constants = graph._needed([made], "x")
    ends = ([helper.make_tensor_value_info(name, TensorProto.FLOAT, None)] for name in ("x", made))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(int8.DOMAIN, 1)]
    model = helper.make_model(helper.make_graph(nodes, "test", *ends, constants), opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", exact)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([made], {"x": values})[0])


def error(found: Floats, values: Floats) -> float:
    """Relative to the product's own size."""
    weight, bias = layer()
    wanted = values @ weight + bias
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def test_scales_of_channels_make_the_product_several_times_as_exact() -> None:
    """A few large channels else take the steps of all others."""
    values, (weight, _) = tokens(), layer()
    even = ranging.moved(np.abs(values[0]).max(axis=0), np.abs(weight).max(axis=1))
    assert np.log(even).mean() == pytest.approx(0, abs=1e-5)
    plain, scaled = product(values, range_of(values)), product(values, range_of(values, even))
    assert error(scaled, values) < 0.02
    assert error(plain, values) > 3 * error(scaled, values)


def test_a_single_token_has_sixteen_bits() -> None:
    """What its weights' steps leave is left; its own are not seen."""
    values, many = tokens(1), tokens()
    assert error(product(values, range_of(many), single=True), values) < error(product(values, range_of(many)), values) / 4


def test_a_product_does_not_depend_on_its_neighbours() -> None:
    """Bounds are measured beforehand: the same bits alone and in a batch."""
    values, known = tokens(), range_of(tokens())
    batch = np.concatenate([values, values * 0.1])
    assert (product(batch, known)[0] == product(values, known)[0]).all()


def test_weights_are_signed() -> None:
    """The kernel of unsigned ones takes twice as long."""
    graph = Graph("test")
    int8.linear(graph, int8.quantised(graph, "pixels", range_of(tokens()), name="even"), *layer(), name="made")
    assert graph._constants["made/weight"].data_type == TensorProto.INT8


@pytest.mark.parametrize(("flags", "asked"), [("fma avx512_vnni", ""), ("fma avx_vnni", ""), ("fma avx2", "1"), (None, "1")])
def test_a_processor_without_vnni_is_asked_for_exact_sums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None, asked: str
) -> None:
    """Its own kernel cuts them, and the vectors would be others than those of the catalogue."""
    monkeypatch.setattr(onnx_adapter, "CPUINFO", tmp_path / "cpuinfo")
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"processor: 0\nflags: {flags}\n")
    options = onnxruntime.SessionOptions()
    onnx_adapter.exact(options)
    try:
        found = options.get_session_config_entry("session.x64quantprecision")
    except RuntimeError:  # it was not set
        found = ""
    assert found == asked


@pytest.mark.parametrize("single", [False, True])
def test_exact_sums_are_those_of_a_processor_with_vnni(single: bool) -> None:
    """Bit for bit: an import there and a search here meet."""
    if "vnni" not in onnx_adapter.CPUINFO.read_text():
        pytest.skip("this processor has no VNNI")
    values = tokens(1) if single else tokens()
    quick, exact = (product(values, range_of(tokens()), single=single, exact=word) for word in ("0", "1"))
    assert (quick == exact).all()


def test_ranges_are_read_as_they_were_written(make: Make) -> None:
    """In float32."""
    model = make("toy", reference="full")
    wanted = range_of(tokens(), sizes())
    model.ranges_file.write_bytes(int8.written({"block1/norm1": wanted}))
    found = int8.of(int8.read(model), "block1/norm1", WIDE)
    assert (found.scale == wanted.scale).all()
    assert (found.low, found.high, found.first) == pytest.approx((wanted.low, wanted.high, wanted.first))


def test_ranges_that_are_missing_or_of_another_width_are_refused(make: Make, cache: Path) -> None:
    """With the command that measures them."""
    model = make("toy", reference="full")
    with pytest.raises(BuildError, match="expected block1/norm1 of 96 channels, found nothing"):
        int8.of({}, "block1/norm1", WIDE)
    with pytest.raises(BuildError, match="expected a of 12 channels, found 96 channels"):
        int8.of({"a": range_of(tokens())}, "a", 12)
    model.ranges_file.unlink()
    with pytest.raises(BuildError, match=r"ranges\.npz is not there: `python -m infra\.engine\.ranging toy` measures it"):
        build.build(model, cache)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a/scale": np.ones(3)}, "expected the arrays scale and bounds of each tensor"),
        ({"a/scale": np.ones(3), "a/bounds": np.ones(2)}, r"a: expected a scale a channel and 3 bounds, found \(3,\) and \(2,\)"),
        ({"a/scale": np.zeros(3), "a/bounds": np.ones(3)}, "a: expected bounds and positive scales, found .* and 0.0 at least"),
        ({"a/scale": np.ones(3), "a/bounds": np.full(3, np.nan)}, "a: expected bounds and positive scales, found .nan nan nan"),
    ],
    ids=["no bounds", "two bounds", "a scale of 0", "NaN"],
)
def test_ranges_that_are_no_ranges_are_refused(make: Make, arrays: dict[str, NDArray[np.float64]], said: str) -> None:
    """The tensor is named."""
    model = make("toy", reference="full")
    np.savez(model.ranges_file, **arrays)  # type: ignore[arg-type]
    with pytest.raises(BuildError, match=said):
        int8.read(model)


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 cut off"])
def test_a_file_that_is_cut_off_is_refused(make: Make, body: bytes) -> None:
    """An interrupted copy, say."""
    model = make("toy", reference="full")
    model.ranges_file.write_bytes(body)
    with pytest.raises(BuildError, match="expected the arrays scale and bounds of each tensor"):
        int8.read(model)


def test_bounds_leave_room_where_a_clipped_token_would_cost_most() -> None:
    """The early perceptrons; and GELU's own minimum is always inside."""
    seen = Seen(low=np.full(4, -0.1), high=np.array([8, 1, 1, 1.0]), first_low=np.zeros(4), first_high=np.full(4, 2.0))
    found = ranging.ranges({"block1/gelu": seen, "block7/gelu": seen}, weights=None)  # type: ignore[arg-type]
    early, late = found["block1/gelu"], found["block7/gelu"]
    assert late.scale.tolist() == pytest.approx([1, ranging.FLOOR, ranging.FLOOR, ranging.FLOOR])
    assert (early.high, late.high) == pytest.approx((8 * 1.6, 8 * 1.15))
    assert late.low == pytest.approx(-0.17 / ranging.FLOOR)
    assert late.first == pytest.approx(2 * 2 / ranging.FLOOR)


# the build


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache."""
    return tmp_path / "cache"


@pytest.fixture
def make(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Models in a repository of their own; one with a reference multiplies its features by the scales of its ranges."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "toy.py").write_text(textwrap.dedent(RECIPE))
    monkeypatch.setattr(recipes, "__path__", [*recipes.__path__, str(tmp_path / "recipes")])
    monkeypatch.delitem(sys.modules, "infra.engine.recipes.toy", raising=False)
    shown = np.random.default_rng(4).integers(0, 256, (MIN_PICTURES, SIZE, SIZE, 3), dtype=np.uint8)
    monkeypatch.setattr(ranging, "compared", lambda cache: shown)
    file = cache / "wheels" / "toy_weights-1.0-py3-none-any.whl"
    file.parent.mkdir(parents=True)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("toy/weights", "0.1")

    def made(name: str, *, reference: str = "", scale: float = 1.0) -> Spec:
        if reference and not (tmp_path / "repository" / reference).exists():
            made(reference)
        folder = tmp_path / "repository" / name
        folder.mkdir(parents=True, exist_ok=True)
        line = f'reference = "{reference}"' if reference else ""
        (folder / "model.toml").write_text(textwrap.dedent(TOML).format(sha256=wheels.sha256_of(file), reference=line))
        if reference:
            scales = np.ones(12, np.float32)
            scales[0] = scale
            (folder / "ranges.npz").write_bytes(int8.written({"first": Range(scale=scales, low=0, high=1, first=0)}))
        else:
            np.savez(folder / "whitening.npz", mean=np.full(12, 0.1, np.float32), matrix=np.eye(12, 8, dtype=np.float16))
        return specs.read(folder)

    return made


def test_a_model_that_agrees_with_its_reference_is_built_with_what_was_found(make: Make, cache: Path) -> None:
    """By the reference's whitening; it is another model all the same."""
    model = make("toy", reference="full", scale=1.0001)
    folder = build.build(model, cache)
    reference = build.build(specs.read(model.folder.parent / "full"), cache)
    found = json.loads((folder / build.PARITY).read_text())
    assert (found["pictures"], found["hard"]) == (MIN_PICTURES, 64)
    assert found["min_cosine"] > 0.999
    assert build.read(folder).fingerprint != build.read(reference).fingerprint
    assert not (reference / build.PARITY).exists()


def test_a_model_that_does_not_agree_with_its_reference_is_refused_and_leaves_nothing(make: Make, cache: Path) -> None:
    """So that it is never laid out for Triton."""
    with pytest.raises(BuildError, match=r"toy is not full in eight bits: REFUSED: expected a cosine of 0\.995 at least"):
        build.build(make("toy", reference="full", scale=30), cache)
    assert [entry.name.partition("-")[0] for entry in (cache / "models").iterdir()] == ["full"]


def test_other_ranges_or_another_whitening_of_the_reference_are_another_model(make: Make, cache: Path) -> None:
    """Nothing that changes a vector is left out of the folder's name."""
    model = make("toy", reference="full")
    folders = {build.folder_of(model, cache)}
    folders.add(build.folder_of(make("toy", reference="full", scale=1.0001), cache))
    np.savez(model.whitening_file, mean=np.full(12, 0.2, np.float32), matrix=np.eye(12, 8, dtype=np.float16))
    folders.add(build.folder_of(model, cache))
    assert len(folders) == 3


def test_a_whitening_is_fitted_to_the_reference(make: Make, cache: Path) -> None:
    """There is one for both."""
    with pytest.raises(WhiteningError, match="toy has the whitening of full: fit that one"):
        fitting.whiten(make("toy", reference="full"), [], cache=cache, workers=1, step=lambda: None)


def test_ranges_are_measured_for_a_model_with_a_reference(make: Make, cache: Path) -> None:
    """Another has no use for them."""
    with pytest.raises(BuildError, match="full has no reference"):
        ranging.measure(make("full"), cache)


def test_a_reference_has_none_itself_and_the_same_vectors(make: Make) -> None:
    """Refused by name, also where two refer to each other."""
    first, second = make("first"), make("second", reference="first")
    file = first.folder / "model.toml"
    text = file.read_text()
    for line, instead, said in (
        ('recipe = "toy"', 'recipe = "toy"\nreference = "first"', "expected another model of .*, found 'first'"),
        ('recipe = "toy"', 'recipe = "toy"\nreference = "absent"', "expected another model of .*, found 'absent'"),
        (
            'recipe = "toy"',
            'recipe = "toy"\nreference = "second"',
            "expected a model without one, found second, which refers to first",
        ),
    ):
        file.write_text(text.replace(line, instead))
        with pytest.raises(BuildError, match=said):
            specs.read(first.folder)
    file.write_text(text.replace("dim = 8", "dim = 7"))
    with pytest.raises(BuildError, match=r"expected features, whitening, dim and saliency of first, .*7.*, found .*8"):
        specs.read(second.folder)


def test_the_operator_of_eight_bits_is_declared_where_it_is_used() -> None:
    """A graph without it names no other domain than ONNX's own."""
    for quantised in (False, True):
        graph = Graph("test")
        flat = graph.reshaped(graph.normalised(1, 0), [-1, 1, 3 * SIZE * SIZE], name="flat")
        if quantised:
            known = Range(scale=np.ones(1, np.float32), low=0, high=255, first=0)
            weight = np.ones((3 * SIZE * SIZE, 2), np.float32)
            flat = int8.linear(graph, int8.quantised(graph, flat, known, name="steps"), weight, weight[0], name="made")
        model = onnx.load_from_string(graph.model({"out": (flat, [1, 2 if quantised else 3 * SIZE * SIZE])}))
        assert [opset.domain for opset in model.opset_import] == ["", *([int8.DOMAIN] if quantised else [])]
