"""``python -m infra.engine.plan``: build a plan on the GPU that serves it; check the graph where there is none."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from functions.pixels import SIZE, pixels
from infra.engine.plan import compiler, parity, shelf
from infra.engine.plan.errors import PlanError
from infra.engine.plan.report import rendered
from infra.engine.plan.runners import Engine, onnx_on_cpu
from infra.engine.plan.typed import typed
from infra.engine.wheels import sha256_of

BATCH = 8
model_argument = click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
fp32_option = click.option("--fp32", multiple=True, metavar="PATTERN", help="Nodes that stay in float32: a name, or op:OPERATOR.")
largest_option = click.option("--largest", default=BATCH, show_default=True, type=click.IntRange(1), help="The batch limit.")
images_option = click.option(
    "--images", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="64 photographs or more."
)


@click.group()
def plan() -> None:
    """TensorRT plans of a model: MODEL is its model.onnx.

    \b
    Examples:
      python -m infra.engine.plan check model.onnx --fp32 op:Softmax
      python -m infra.engine.plan parity model.onnx other.onnx --images photos/
      python -m infra.engine.plan build model.onnx --images photos/ --shelf plans/ --fp32 op:Softmax
    """


@plan.command("check")
@model_argument
@fp32_option
@largest_option
def check_command(model: Path, fp32: tuple[str, ...], largest: int) -> None:
    """Compile the graph without a GPU, by TensorRT's own parser and compiler (the RTX flavour)."""
    graph = typed(onnx.load(model), fp32).SerializeToString()
    made = compiler.compiled(compiler.load("tensorrt-rtx"), graph, compiler.Profile(largest=largest))
    click.echo(
        f"TensorRT takes the graph: {made.layers} layers, a plan of {len(made.plan) / 1e6:.0f} MB for batches of 1–{largest}"
    )


@plan.command("parity")
@model_argument
@click.argument("candidate", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@images_option
@click.option("--json", "as_json", is_flag=True, help="Print for programs.")
def parity_command(model: Path, candidate: Path, images: Path, as_json: bool) -> None:
    """Compare another ONNX graph with MODEL, on the CPU."""
    reference, other = onnx_on_cpu(model.read_bytes()), onnx_on_cpu(candidate.read_bytes())
    found = parity.measured(reference, other, pictures(images), parity.hard_pictures(SIZE), batch=BATCH)
    click.echo(json.dumps({**asdict(found), "faults": found.faults}) if as_json else str(found))
    raise SystemExit(1 if found.faults else 0)


@plan.command("build")
@model_argument
@images_option
@click.option("--shelf", "folder", required=True, type=click.Path(path_type=Path), help="Where plans are kept.")
@fp32_option
@largest_option
def build_command(model: Path, images: Path, folder: Path, fp32: tuple[str, ...], largest: int) -> None:
    """Build, compare, and keep a plan for this machine's GPU. A plan that fails is put aside, and ONNX serves."""
    trt, capability = compiler.load(), compiler.compute_capability()
    wanted = shelf.Identity(
        onnx_sha256=sha256_of(model), tensorrt=str(trt.__version__), compute_capability=capability, largest=largest,
        precision="fp16", fp32=fp32,
    )  # fmt: skip
    plans = shelf.Shelf(folder)
    if known := plans.found(wanted):
        click.echo(f"already built: {known}")
        return
    real, profile = pictures(images), compiler.Profile(largest=largest)
    click.echo(f"compiling for compute capability {capability} with TensorRT {trt.__version__}; this takes minutes")
    graph = typed(onnx.load(model), fp32).SerializeToString()
    made = compiler.compiled(trt, graph, profile, timing_cache=plans.timing_cache(wanted))
    with Engine(trt, made.plan, profile) as engine:
        reference = onnx_on_cpu(model.read_bytes())
        found = parity.measured(reference, engine, real, parity.hard_pictures(SIZE), batch=largest)
        sizes = sorted({*(2**power for power in range(largest.bit_length()) if 2**power <= largest), largest})
        text = rendered(engine.layers(), [engine.timing(size) for size in sizes], engine.device_bytes)
    kept = plans.put(made, wanted, found, text)
    click.echo(f"{found}\n{text}kept in {kept}")
    raise SystemExit(1 if found.faults else 0)


def pictures(folder: Path) -> NDArray[np.uint8]:
    """The first 64 photographs of a folder, as the encoder takes them. Raises ``PlanError`` where there are fewer."""
    made = []
    for file in sorted(folder.rglob("*")):
        try:
            with Image.open(file) as image:
                made.append(pixels(image.convert("RGB")))
        except (UnidentifiedImageError, OSError):
            continue
        if len(made) == parity.MIN_PICTURES:
            return np.stack(made)
    raise PlanError(f"{folder}: expected {parity.MIN_PICTURES} photographs, found {len(made)}: name another folder with --images")


def main() -> None:
    """Entry point: an error is a sentence."""
    try:
        plan()
    except PlanError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
