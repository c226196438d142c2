"""TensorRT plans: what a CPU can check of them is all but the speed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from infra.engine.errors import BuildError
from infra.engine.plan import __main__ as command
from infra.engine.plan import compiler, parity
from infra.engine.plan.compiler import Compiled, Profile
from infra.engine.plan.parity import Parity, compare, hard_pictures, measured
from infra.engine.plan.report import Layer, Timing, layers_of, rendered
from infra.engine.plan.runners import onnx_on_cpu
from infra.engine.plan.shelf import Identity, Shelf, file_names
from infra.engine.plan.typed import typed

SIDE, DIM = 16, 12


def small() -> onnx.ModelProto:
    """A float32 graph of the served interface in small: cast, scale, convolve, normalise, project, L2."""
    rng = np.random.default_rng(1)
    weights = {
        "scale": np.full((1, 1, 1, 3), 1 / 255, np.float32),
        "kernel": rng.normal(0, 0.3, (8, 3, 4, 4)).astype(np.float32),
        "gamma": rng.normal(1, 0.1, 128).astype(np.float32),
        "beta": rng.normal(0, 0.1, 128).astype(np.float32),
        "project": rng.normal(0, 0.2, (128, DIM)).astype(np.float32),
        "flat": np.array([0, -1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"], "scale"),
        helper.make_node("Transpose", ["scaled"], ["planes"], "planes", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["patches"], "patches", strides=[4, 4]),
        helper.make_node("Reshape", ["patches", "flat"], ["row"], "row"),
        helper.make_node("LayerNormalization", ["row", "gamma", "beta"], ["normal"], "norm", axis=-1),
        helper.make_node("MatMul", ["normal", "project"], ["projected"], "project"),
        helper.make_node("LpNormalization", ["projected"], ["embedding"], "unit", axis=1, p=2),
    ]
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIM])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def photographs(count: int = 64) -> NDArray[np.uint8]:
    """Smooth pictures, no two alike."""
    coarse = np.random.default_rng(7).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(SIDE // 4, axis=1).repeat(SIDE // 4, axis=2)


def found_of(candidate: onnx.ModelProto) -> Parity:
    """A candidate against the small graph."""
    reference = onnx_on_cpu(small().SerializeToString())
    return measured(reference, onnx_on_cpu(candidate.SerializeToString()), photographs(), hard_pictures(SIDE), batch=8)


def with_weight(name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> onnx.ModelProto:
    """The small graph with one weight changed."""
    model = small()
    weight = next(item for item in model.graph.initializer if item.name == name)
    weight.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(weight).copy()), name))
    return model


def a_nan(values: NDArray[Any]) -> NDArray[Any]:
    """One value is lost."""
    values.flat[0] = np.nan
    return values


def half_of_it_scaled(values: NDArray[Any]) -> NDArray[Any]:
    """As a kernel that reads a tile with the wrong scale does."""
    values[: len(values) // 2] *= 1.5
    return values


def without_norm() -> onnx.ModelProto:
    """The small graph with its LayerNorm left out."""
    model = small()
    del model.graph.node[5]
    model.graph.node[5].input[0] = "row"
    return model


# parity


def test_a_copy_and_a_half_precision_copy_agree() -> None:
    """Float16 is what the bounds are made for."""
    assert found_of(small()).faults == []
    assert found_of(typed(small(), ["op:LayerNormalization"])).faults == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (with_weight("project", half_of_it_scaled), "cosine"),
        (with_weight("kernel", a_nan), "NaN"),
        (with_weight("kernel", lambda kernel: kernel[:, ::-1].copy()), "cosine"),
        (without_norm(), "cosine"),
        (with_weight("gamma", lambda gamma: gamma * 0), "cosine"),
    ],
    ids=["a scaled weight", "a NaN", "swapped channels", "a dropped LayerNorm", "a dead norm"],
)
def test_a_graph_that_is_broken_is_refused(broken: onnx.ModelProto, said: str) -> None:
    """Each in the way in which builders have gone wrong."""
    faults = found_of(broken).faults
    assert any(said in fault for fault in faults), faults


def test_vectors_that_are_not_of_unit_length_are_refused() -> None:
    """Milvus takes inner products for cosines."""
    vectors = np.eye(128, DIM, dtype=np.float32) + 0.1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = compare({"embedding": vectors}, {"embedding": vectors * 1.1}, real=64)
    assert [fault for fault in found.faults if "length" in fault]
    assert found.min_cosine == pytest.approx(1)


def test_small_errors_that_change_the_neighbours_are_refused() -> None:
    """In a crowded collection each cosine may be high and the ten nearest others."""
    rng = np.random.default_rng(3)
    crowd = np.ones((128, 64)) + rng.normal(0, 0.02, (128, 64))
    moved = crowd + rng.normal(0, 0.02, crowd.shape)
    found = compare({"embedding": crowd.astype(np.float32)}, {"embedding": parity.unit(moved.astype(np.float32))}, real=64)
    assert found.min_cosine > parity.MIN_COSINE
    assert any("nearest" in fault for fault in found.faults)


def test_a_saliency_map_that_moved_is_refused() -> None:
    """It would cut another object out of the photo."""
    vectors = np.eye(128, dtype=np.float32)
    maps = np.zeros((128, 8, 8), np.float32)
    other = maps.copy()
    other[70, :4] = 0.5
    found = compare({"embedding": vectors, "saliency": maps}, {"embedding": vectors, "saliency": other}, real=64)
    assert any("saliency" in fault for fault in found.faults)


def test_a_saliency_map_with_one_wrong_tile_is_refused() -> None:
    """Its mean hardly moves: 16 cells of 4,096."""
    vectors, maps = np.eye(128, dtype=np.float32), np.zeros((128, 64, 64), np.float32)
    other = maps.copy()
    other[3, :4, :4] = 1
    found = compare({"embedding": vectors, "saliency": maps}, {"embedding": vectors, "saliency": other}, real=64)
    assert found.saliency is not None
    assert found.saliency < parity.MAX_SALIENCY
    assert [fault for fault in found.faults if "cell" in fault] == found.faults != []


def test_what_cannot_be_compared_says_what_is_missing() -> None:
    """Too few pictures; other outputs."""
    run = onnx_on_cpu(small().SerializeToString())
    with pytest.raises(BuildError, match="64 pictures"):
        measured(run, run, photographs(10), hard_pictures(SIDE), batch=8)
    with pytest.raises(BuildError, match="expected outputs"):
        compare({"embedding": np.eye(4, dtype=np.float32)}, {"other": np.eye(4, dtype=np.float32)}, real=2)


def test_the_hard_pictures_are_those_that_break_kernels() -> None:
    """Black, white, noise, single dots, thin strips; the same each time; none twice."""
    made = hard_pictures(SIDE)
    assert made.shape == (64, SIDE, SIDE, 3)
    assert (made == hard_pictures(SIDE)).all()
    means = made.reshape(64, -1).mean(axis=1)
    assert {0.0, 255.0} <= set(means)
    assert len({picture.tobytes() for picture in hard_pictures(224)}) == 64


# precision


def test_the_list_decides_what_stays_in_float32() -> None:
    """By node and by operator; inputs and outputs of the model never change."""
    made = typed(small(), ["norm", "op:LpNormalization"])
    kinds = {item.name: item.type.tensor_type.elem_type for item in onnx.shape_inference.infer_shapes(made).graph.value_info}
    assert kinds["patches"] == kinds["projected"] == TensorProto.FLOAT16
    assert kinds["normal"] == TensorProto.FLOAT
    assert made.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    stored = {item.name: item.data_type for item in made.graph.initializer}
    assert stored["kernel/half"] == TensorProto.FLOAT16
    assert stored["gamma"] == TensorProto.FLOAT
    assert "kernel" not in stored


def test_an_output_in_half_precision_is_cast_back() -> None:
    """Whoever asks gets float32, whatever is inside."""
    made = typed(small(), [])
    assert [node.op_type for node in made.graph.node][-1] == "Cast"
    assert found_of(made).faults == []


def test_a_list_that_fits_nothing_is_an_error() -> None:
    """A renamed node would lose its protection in silence."""
    with pytest.raises(BuildError, match=r"block\.12"):
        typed(small(), ["norm", "block.12/*"])


def test_a_weight_beyond_float16_is_an_error() -> None:
    """It would become infinity."""
    with pytest.raises(BuildError, match="kernel"):
        typed(with_weight("kernel", lambda kernel: kernel * 1e6), [])
    typed(with_weight("kernel", lambda kernel: kernel * 1e6), ["patches"])


# TensorRT's own parser and compiler


def test_tensorrt_compiles_the_graph_without_a_gpu() -> None:
    """The RTX flavour does; the calls are the same."""
    trt = compiler.load("tensorrt-rtx")
    made = compiler.compiled(trt, typed(small(), ["norm"]).SerializeToString(), Profile(largest=4, shape=(SIDE, SIDE, 3)))
    assert len(made.plan) > 1000
    assert made.layers >= 8


def test_a_graph_that_tensorrt_cannot_read_is_refused_with_its_words() -> None:
    """Whoever reads the log knows the node."""
    model = small()
    model.graph.node[6].op_type = "NonZero"
    del model.graph.node[6].input[1]
    with pytest.raises(BuildError, match="cannot"):
        compiler.compiled(
            compiler.load("tensorrt-rtx"), model.SerializeToString(), Profile(largest=4, shape=(SIDE, SIDE, 3))
        )  # fmt: skip


def test_another_major_version_is_refused_by_name() -> None:
    """Triton could not read its plans."""
    with pytest.raises(BuildError, match=r"10.*installed is 11\.4"):
        compiler.check_version("11.4.0.106")
    compiler.check_version("10.13.3.9")


def test_a_machine_without_tensorrt_or_a_gpu_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that nothing is lost: ONNX serves."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BuildError, match="on a CPU ONNX serves"):
        compiler.compute_capability()
    with pytest.raises(BuildError, match=r"pip install 'tensorrt==10\.\*'"):
        compiler.load("tensorrt")


def test_the_gpu_is_asked_what_it_can(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first one's compute capability; and a driver that answers nothing is an error."""
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program.write_text("#!/bin/sh\necho 8.6\necho 8.6\n")
    program.chmod(0o755)
    assert compiler.compute_capability() == "8.6"
    program.write_text("#!/bin/sh\necho 'no devices were found'\nexit 6\n")
    with pytest.raises(BuildError, match="no devices"):
        compiler.compute_capability()


# the shelf

AGREES = Parity(
    pictures=64, hard=64, finite=True, length_error=0, min_cosine=0.999, mean_cosine=1, worst=0, overlap=1, saliency=None
)  # fmt: skip
WANTED = Identity(
    onnx_sha256="a" * 64, tensorrt="10.13.3.9", compute_capability="8.6", largest=8, precision="fp16", fp32=("op:Softmax",)
)  # fmt: skip
MADE = Compiled(plan=b"a plan", timing_cache=b"measured", layers=3)


def test_a_plan_that_agrees_is_found_again(tmp_path: Path) -> None:
    """With what is known of it; and the next build saves time."""
    plans = Shelf(tmp_path)
    assert plans.found(WANTED) is None
    assert plans.timing_cache(WANTED) == b""
    folder = plans.put(MADE, WANTED, AGREES, "12 layers")
    assert plans.found(WANTED) == folder / "model.plan"
    assert plans.timing_cache(WANTED) == b"measured"
    assert json.loads((folder / "plan.json").read_text())["parity"]["min_cosine"] == 0.999
    assert "12 layers" in (folder / "report.txt").read_text()


def test_a_plan_that_disagrees_is_put_aside_with_its_report(tmp_path: Path) -> None:
    """It never serves, and a person can look at it."""
    plans = Shelf(tmp_path)
    folder = plans.put(MADE, WANTED, replace(AGREES, min_cosine=0.018))
    assert plans.found(WANTED) is None
    assert folder.parent.name == "rejected"
    assert "0.0180" in (folder / "report.txt").read_text()


@pytest.mark.parametrize(
    "other",
    [
        {"onnx_sha256": "b" * 64}, {"tensorrt": "10.14.1"}, {"compute_capability": "8.9"}, {"largest": 16}, {"precision": "fp32"},
        {"fp32": ()},
    ],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
def test_a_plan_is_only_for_what_it_was_built_for(tmp_path: Path, other: dict[str, Any]) -> None:
    """Another of anything is another plan; and one that was copied into its place is recognised."""
    plans, elsewhere = Shelf(tmp_path), replace(WANTED, **other)
    folder = plans.put(MADE, WANTED, AGREES)
    assert plans.found(elsewhere) is None
    folder.rename(folder.parent / elsewhere.key)
    with pytest.raises(BuildError, match=next(iter(other))):
        plans.found(elsewhere)


def test_a_damaged_or_half_written_plan_is_refused(tmp_path: Path) -> None:
    """With the folder to remove."""
    plans = Shelf(tmp_path)
    folder = plans.put(MADE, WANTED, AGREES)
    (folder / "model.plan").write_bytes(b"a pl")
    with pytest.raises(BuildError, match="damaged"):
        plans.found(WANTED)
    (folder / "plan.json").unlink()
    with pytest.raises(BuildError, match="remove it"):
        plans.found(WANTED)
    assert plans.put(MADE, WANTED, AGREES) == folder, "building again mends it"
    assert plans.found(WANTED) is not None


def test_a_shelf_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """And nothing half-written is left."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="cannot be written"):
        Shelf(tmp_path / "file").put(MADE, WANTED, AGREES)


def test_triton_finds_each_gpus_plan_by_its_capability() -> None:
    """One version folder serves machines of several kinds."""
    assert file_names(["8.9", "8.6"]).splitlines()[1:3] == [
        '  { key: "8.6" value: "model_sm_8_6.plan" },',
        '  { key: "8.9" value: "model_sm_8_9.plan" }',
    ]


# the report


def test_the_report_says_what_the_engine_consists_of() -> None:
    """As TensorRT's inspector tells it."""
    told = {
        "Layers": [
            {"Name": "fc1", "LayerType": "gemm", "Outputs": [{"Format/Datatype": "Half"}]},
            {"Name": "fc2", "LayerType": "gemm", "Outputs": [{"Format/Datatype": "Half"}]},
            {"Name": "norm", "LayerType": "norm", "Outputs": [{"Format/Datatype": "Float"}]},
            "a name alone, without detailed verbosity",
        ]
    }
    layers = layers_of(json.dumps(told))
    assert layers[2] == Layer(name="norm", kind="norm", precision="Float")
    text = rendered(layers, [Timing(batch=1, milliseconds=2.0), Timing(batch=8, milliseconds=4.0)], 50_000_000)
    assert "3 layers, 50 MB" in text
    assert "     2  gemm, Half" in text
    assert text.splitlines()[-1].split() == ["8", "4.00", "2000"]


# the command


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 64 photographs and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, picture in enumerate(np.random.default_rng(2).integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)):
        Image.fromarray(picture).resize((300, 200)).save(folder / f"{number}.jpg")
    (folder / "a.txt").write_text("no photo")
    return folder


def test_pictures_come_from_a_folder_of_photographs(photos: Path) -> None:
    """What is none is passed over; too few are an error."""
    assert command.pictures(photos).shape == (64, 224, 224, 3)
    (photos / "0.jpg").unlink()
    with pytest.raises(BuildError, match="found 63"):
        command.pictures(photos)


def test_the_command_explains_itself() -> None:
    """Each subcommand has help, and the group examples."""
    told = CliRunner().invoke(command.plan, ["--help"]).output
    assert "Examples" in told
    for name in ("check", "parity", "build", "report"):
        assert CliRunner().invoke(command.plan, [name, "--help"]).exit_code == 0
