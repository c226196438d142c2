"""What a plan consists of and how fast it is, for people. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One fused layer of an engine."""

    name: str
    kind: str
    precision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One batch size."""

    batch: int
    milliseconds: float
    """Median of one run."""

    @property
    def pictures_per_second(self) -> float:
        """Throughput of one stream."""
        return self.batch * 1000 / self.milliseconds


def layers_of(inspected: str) -> list[Layer]:
    """The layers in the JSON of TensorRT's engine inspector, built with detailed verbosity."""
    return [
        Layer(
            name=str(one.get("Name", "")),
            kind=str(one.get("LayerType", "unknown")),
            precision=next((str(output.get("Format/Datatype", "unknown")) for output in one.get("Outputs", [])), "unknown"),
        )
        for one in json.loads(inspected).get("Layers", [])
        if isinstance(one, dict)
    ]


def rendered(layers: Sequence[Layer], timings: Sequence[Timing], device_bytes: int) -> str:
    """The report as text."""
    kinds = Counter((layer.precision, layer.kind) for layer in layers)
    lines = [f"{len(layers)} layers, {device_bytes / 1e6:.0f} MB on the GPU", "", f"{'layers':>6}  kind, precision"]
    lines += [f"{count:6}  {kind}, {precision}" for (precision, kind), count in sorted(kinds.items(), key=lambda pair: -pair[1])]
    lines += ["", f"{'batch':>6}{'ms':>9}{'pictures/s':>13}"]
    lines += [f"{one.batch:6}{one.milliseconds:9.2f}{one.pictures_per_second:13.0f}" for one in timings]
    return "\n".join(lines) + "\n"
