"""EfficientNet-Lite0 with GeM pooling: the weights of a PyTorch checkpoint, the architecture written in ONNX.

Lite is EfficientNet-B0 without squeeze-and-excitation and with ReLU6; stem and head keep their width. Every convolution pads as
TensorFlow's SAME does, which at stride 2 puts the odd row below and to the right: symmetric padding shifts the features by half a
pixel a step. Input is (x − 127) / 128. Features (1280): generalised mean over the 7 × 7 map with p = 3, L2.

Architecture: Tan and Le, EfficientNet, 2019 (arXiv:1905.11946); GeM: Radenović et al., 2018 (arXiv:1711.02512).
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.pixels import SIZE
from infra.engine import checkpoint
from infra.engine.graph import Encoded, Floats, Graph, expected, folded

MEAN, SCALE = 127.0, 128.0
NORM_EPSILON = 1e-3
"""As in TensorFlow; PyTorch's default is 1e-5."""
POWER = 3
STEM, HEAD = 32, 1280


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one kind: the first has the stride and changes the width, the others have a shortcut."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """A convolution with the batch normalisation after it, and where the checkpoint has the two."""

    name: str
    weight: str
    norm: str
    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    relu6: bool = True


class Weights:
    """The checkpoint's tensors."""

    def __init__(self, source: bytes) -> None:
        self._found = checkpoint.read(source)

    def __call__(self, name: str, *shape: int) -> Floats:
        """One of them. Raises ``BuildError`` where it is not there, or of another shape."""
        return expected(self._found, name, shape, where="the checkpoint")

    def of(self, conv: Conv) -> tuple[Floats, Floats]:
        """Weight and bias of a convolution, with its batch normalisation folded in."""
        shape = conv.outputs, 1 if conv.depthwise else conv.inputs, conv.kernel, conv.kernel
        parts = ("weight", "bias", "running_mean", "running_var")
        norm = {part: self(f"{conv.norm}.{part}", conv.outputs) for part in parts}
        return folded(self(f"{conv.weight}.weight", *shape), norm, epsilon=NORM_EPSILON, axis=0)


def write(source: bytes, graph: Graph) -> Encoded:
    """The encoder, written into ``graph``. Raises ``BuildError`` where the source is another checkpoint than the known one."""
    weights = Weights(source)
    x = graph.normalised(1 / SCALE, -MEAN / SCALE)
    stem = Conv(name="stem", weight="_conv_stem", norm="_bn0", inputs=3, outputs=STEM, kernel=3, stride=2)
    x, side, width, number = convolved(graph, weights, x, stem, SIZE), halved(SIZE, 2), STEM, 0
    for stage in STAGES:
        for stride in (stage.stride, *[1] * (stage.blocks - 1)):
            x = bottleneck(graph, weights, x, stage, number=number, stride=stride, inputs=width, side=side)
            side, width, number = halved(side, stride), stage.width, number + 1
    head = Conv(name="head", weight="_conv_head", norm="_bn1", inputs=width, outputs=HEAD)
    return Encoded(features=pooled(graph, convolved(graph, weights, x, head, side)))


def bottleneck(graph: Graph, weights: Weights, x: str, stage: Stage, *, number: int, stride: int, inputs: int, side: int) -> str:
    """An inverted bottleneck: wider by 1 × 1, each channel for itself, narrow again; a shortcut where the shape stays."""
    name, before, inner = f"block{number}", f"_blocks.{number}", inputs * stage.expansion
    wide = x
    if stage.expansion > 1:
        expand = Conv(name=f"{name}/expand", weight=f"{before}._expand_conv", norm=f"{before}._bn0", inputs=inputs, outputs=inner)
        wide = convolved(graph, weights, x, expand, side)
    depth = Conv(
        name=f"{name}/depthwise", weight=f"{before}._depthwise_conv", norm=f"{before}._bn1", inputs=inner, outputs=inner,
        kernel=stage.kernel, stride=stride, depthwise=True,
    )  # fmt: skip
    project = Conv(
        name=f"{name}/project", weight=f"{before}._project_conv", norm=f"{before}._bn2", inputs=inner, outputs=stage.width,
        relu6=False,
    )  # fmt: skip
    narrow = convolved(graph, weights, convolved(graph, weights, wide, depth, side), project, halved(side, stride))
    return graph.node("Add", narrow, x, name=name) if stride == 1 and inputs == stage.width else narrow


def convolved(graph: Graph, weights: Weights, x: str, conv: Conv, side: int) -> str:
    """A convolution of a map of ``side`` × ``side``, then ReLU6."""
    weight, bias = weights.of(conv)
    inputs = x, graph.constant(f"{conv.name}/weight", weight), graph.constant(f"{conv.name}/bias", bias)
    first, last = same(side, conv.kernel, conv.stride)
    made = graph.node(
        "Conv", *inputs, name=f"{conv.name}/conv" if conv.relu6 else conv.name, kernel_shape=[conv.kernel] * 2,
        strides=[conv.stride] * 2, pads=[first, first, last, last], group=conv.inputs if conv.depthwise else 1,
    )  # fmt: skip
    if not conv.relu6:
        return made
    return graph.node("Clip", made, graph.constant("relu6/low", 0), graph.constant("relu6/high", 6), name=conv.name)


def same(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Rows of zeros before and after, as TensorFlow's SAME: the output is ⌈side ÷ stride⌉, the odd row comes after."""
    total = max(0, (halved(side, stride) - 1) * stride + kernel - side)
    return total // 2, total - total // 2


def halved(side: int, stride: int) -> int:
    """Side of the map after a convolution."""
    return -(-side // stride)


def pooled(graph: Graph, x: str) -> str:
    """Generalised mean over the map, L2: (batch, 1280, 7, 7) → (batch, 1280)."""
    cubes = graph.node("Mul", graph.node("Mul", x, x, name="gem/squares"), x, name="gem/cubes")
    mean = graph.node("ReduceMean", cubes, name="gem/mean", axes=[2, 3], keepdims=0)
    root = graph.node("Pow", mean, graph.constant("gem/root", 1 / POWER), name="gem")
    return graph.unit(root, name="features/unit")
