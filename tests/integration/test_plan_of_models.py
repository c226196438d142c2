"""The models of the repository as TensorRT would be given them: precision, parity, operators; and the real graph broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import trtcheck
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from infra.engine.plan import compiler, making, parity
from infra.engine.plan.runners import onnx_on_cpu
from tests.fixtures.graphs import Referred

quality = pytest.mark.parametrize("referred", ["dinov2-focus"], indirect=True)
FEW = np.r_[0:6, 64:70]
"""Places of six real and six hard pictures: a graph that is broken fails on any."""
DATA_DEPENDENT = {
    "Shape", "Size", "NonZero", "Loop", "If", "Scan", "Where", "Expand", "ConstantOfShape", "Range", "Unique", "Compress", "TopK",
    "NonMaxSuppression", "Resize",
}  # fmt: skip
"""What computes shapes at run time or follows the data: each has kept a TensorRT engine from being built or from being fast."""
FALSE_ALARM = "TRT-DTYPE-UINT8-INPUT"
"""trtcheck's: TensorRT takes uint8 as a network's input before a cast, and the test above compiles exactly that."""


# as it is


@pytest.mark.slow
@pytest.mark.timeout(600)  # with the pictures and their reference, which the first waits for
def test_tensorrt_compiles_each_model_in_its_precision(referred: Referred) -> None:
    """TensorRT's own parser and compiler take the graph that a GPU will be given, batches 1 to the limit."""
    graph = making.graph_of(referred.spec, referred.onnx)
    made = compiler.compiled(
        compiler.load("tensorrt-rtx"), graph, compiler.Profile(largest=referred.spec.max_batch)
    )  # fmt: skip
    stored = sum(item.data_type == onnx.TensorProto.FLOAT16 for item in onnx.load_from_string(graph).graph.initializer)
    assert stored > 40, "most weights are float16"
    assert len(made.plan) > 1e6


@pytest.mark.slow
@pytest.mark.timeout(600)  # 69 s on a quiet machine, 124 s were seen
def test_each_model_in_its_precision_agrees_with_its_reference(referred: Referred, parity_pictures: NDArray[np.uint8]) -> None:
    """So does a mere copy, exactly."""
    answers = parity.run(onnx_on_cpu(making.graph_of(referred.spec, referred.onnx)), parity_pictures, 8)
    found = parity.compare(referred.outputs, answers, real=64)
    assert found.faults == [], str(found)
    assert found.hard == 64
    few = {name: values[FEW] for name, values in referred.outputs.items()}
    copy = parity.compare(few, parity.run(onnx_on_cpu(bytes(referred.onnx)), parity_pictures[FEW], 8), real=6)
    assert copy.min_cosine > 0.99999
    assert copy.faults == []


# operators


def faults(graph: bytes) -> list[str]:
    """What a plan could not be made of, or only a slow one."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph), strict_mode=True).graph
    found = sorted({node.op_type for node in model.node} & DATA_DEPENDENT)
    for item in (*model.input, *model.output, *model.value_info):
        moving = [place for place, dim in enumerate(item.type.tensor_type.shape.dim) if not dim.HasField("dim_value")]
        if moving not in ([], [0]):
            found.append(f"{item.name}: dimensions {moving} are dynamic")
    return found


def test_only_the_batch_is_dynamic_and_nothing_computes_a_shape(referred: Referred) -> None:
    """An optimisation profile of one number is enough."""
    assert faults(making.graph_of(referred.spec, referred.onnx)) == []


def test_a_graph_that_computes_shapes_is_noticed(referred: Referred) -> None:
    """Else the test above would say nothing."""
    model = onnx.load_from_string(referred.onnx)
    model.graph.node.append(helper.make_node("Shape", ["pixels"], ["shape"], "shape"))
    assert faults(model.SerializeToString()) == ["Shape"]


def test_trtcheck_knows_no_obstacle_but_the_false_one(referred: Referred, tmp_path: Path) -> None:
    """A static look at operators and types; a second opinion beside the real parser."""
    assert criticals(making.graph_of(referred.spec, referred.onnx), tmp_path) == {FALSE_ALARM}


def test_trtcheck_finds_what_tensorrt_cannot_take(referred: Referred, tmp_path: Path) -> None:
    """A string has no place on a GPU."""
    model = onnx.load_from_string(referred.onnx)
    text = helper.make_node("StringNormalizer", ["words"], ["same"], "text")
    model.graph.input.append(helper.make_tensor_value_info("words", onnx.TensorProto.STRING, [1]))
    model.graph.node.append(text)
    assert criticals(model.SerializeToString(), tmp_path) > {FALSE_ALARM}


def criticals(graph: bytes, folder: Path) -> set[str]:
    """Rules that trtcheck finds broken beyond repair."""
    (folder / "model.onnx").write_bytes(graph)
    report = trtcheck.analyze(folder / "model.onnx")
    return {issue.rule_id for issue in report.issues if issue.severity is trtcheck.Severity.CRITICAL}


# broken on purpose

Break = Callable[[onnx.ModelProto], None]


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    """A node by its name."""
    return next(one for one in model.graph.node if one.name == name)


def rewritten(model: onnx.ModelProto, of: str, place: int, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
    """Change a weight: an input of a node."""
    name = node(model, of).input[place]
    weight = next(item for item in model.graph.initializer if item.name == name)
    weight.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(weight).copy()), name))


def scaled(model: onnx.ModelProto) -> None:
    """A weight is twice what it was."""
    rewritten(model, "block11/narrow/product", 1, lambda weight: weight * np.float32(2))


def lost(model: onnx.ModelProto) -> None:
    """One value is NaN."""
    rewritten(
        model, "block3/wide/product", 1, lambda weight: np.where(np.arange(weight.size).reshape(weight.shape), weight, np.nan)
    )


def blue_first(model: onnx.ModelProto) -> None:
    """RGB is read as BGR."""
    rewritten(model, "patches", 1, lambda kernel: kernel[:, ::-1].copy())


def without_norm(model: onnx.ModelProto) -> None:
    """A LayerNorm is left out."""
    norm = node(model, "block6/norm2")
    for other in model.graph.node:
        for place, name in enumerate(other.input):
            if name == norm.output[0]:
                other.input[place] = norm.input[0]
    model.graph.node.remove(norm)


def swapped(model: onnx.ModelProto) -> None:
    """Block 5 has the weights of block 6, and block 6 those of block 5."""
    weights = {item.name for item in model.graph.initializer}
    for one in model.graph.node:
        if not one.name.startswith("block5/"):
            continue
        other = node(model, one.name.replace("block5/", "block6/"))
        for place, (name, replaced) in enumerate(zip(one.input, other.input, strict=True)):
            if name in weights:
                one.input[place], other.input[place] = replaced, name


@quality
@pytest.mark.slow
@pytest.mark.parametrize("broken", [scaled, lost, blue_first, without_norm, swapped], ids=lambda broken: broken.__name__)
def test_the_real_graph_is_refused_when_it_is_broken(
    referred: Referred, parity_pictures: NDArray[np.uint8], broken: Break
) -> None:  # fmt: skip
    """Each in a way in which builders and converters have gone wrong; six real and six hard pictures are enough to see it."""
    model = onnx.load_from_string(referred.onnx)
    broken(model)
    answers = parity.run(onnx_on_cpu(model.SerializeToString()), parity_pictures[FEW], 8)
    found = parity.compare({name: values[FEW] for name, values in referred.outputs.items()}, answers, real=6)
    assert any("cosine" in fault or "NaN" in fault for fault in found.faults), str(found)
