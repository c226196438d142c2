"""``python -m infra.engine.plan``: build a plan on the GPU that serves it; check the graph where there is none."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from functions.errors import Reject
from functions.pixels import SIZE, pixels
from infra.engine import build
from infra.engine.errors import BuildError
from infra.engine.plan import compiler, making, parity, runners
from infra.engine.plan.making import Gpu
from infra.engine.plan.shelf import Shelf
from infra.engine.wheels import cache_folder
from infra.evaluation.encode import opened

model_argument = click.argument("model")
images_option = click.option(
    "--images", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="64 photographs or more."
)
shelf_option = click.option(
    "--shelf", "folder", type=click.Path(path_type=Path), help="Where plans are kept; else the cache.", default=None
)


@click.group()
def plan() -> None:
    """TensorRT plans. MODEL is a name, a tier or a folder of model_repository/; precision and batch are those of its model.toml.

    \b
    Examples:
      python -m infra.engine.plan check quality
      python -m infra.engine.plan parity quality --images photos/
      python -m infra.engine.plan build quality --images photos/ --repository /models
      python -m infra.engine.plan report quality
    """


@plan.command("check")
@model_argument
def check_command(model: str) -> None:
    """Compile the graph without a GPU, by TensorRT's own parser and compiler (the RTX flavour)."""
    spec = making.described(model)
    graph = making.graph_of(spec, reference_of(build.build(spec, cache_folder())))
    made = compiler.compiled(compiler.load("tensorrt-rtx"), graph, compiler.Profile(largest=spec.max_batch))
    size = len(made.plan) / 1e6
    click.echo(f"TensorRT takes the graph: {made.layers} layers, a plan of {size:.0f} MB for batches of 1–{spec.max_batch}")


@plan.command("parity")
@model_argument
@click.argument("candidate", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@images_option
@click.option("--json", "as_json", is_flag=True, help="Print for programs.")
def parity_command(model: str, candidate: Path | None, images: Path, as_json: bool) -> None:
    """Compare MODEL on the CPU with another ONNX graph; without one, with itself in its mixed precision."""
    spec = making.described(model)
    body = reference_of(build.build(spec, cache_folder()))
    other = candidate.read_bytes() if candidate else making.graph_of(spec, body)
    runs = runners.onnx_on_cpu(body), runners.onnx_on_cpu(other)
    found = parity.measured(*runs, pictures(images), parity.hard_pictures(SIZE), batch=spec.max_batch)
    click.echo(json.dumps({**asdict(found), "faults": found.faults}) if as_json else str(found))
    raise SystemExit(1 if found.faults else 0)


@plan.command("build")
@model_argument
@images_option
@click.option("--repository", required=True, type=click.Path(path_type=Path), help="Triton's: what may serve is laid out there.")
@click.option("--or-onnx", is_flag=True, help="Where the plan is refused, ONNX serves and that is no error.")
@shelf_option
def build_command(model: str, images: Path, repository: Path, or_onnx: bool, folder: Path | None) -> None:
    """Build, compare, keep and lay out a plan for this machine's GPU. A plan that fails is put aside, and ONNX is laid out."""
    gpu, spec = this_machine(), making.described(model)
    click.echo(f"compute capability {gpu.compute_capability}, TensorRT {gpu.tensorrt}; a new plan takes minutes")
    made = making.make(spec, build.build(spec, cache_folder()), repository, gpu, shelf(folder), pictures(images))
    click.echo(f"{made.parity or ''}\n{made.report}kept in {made.folder}")
    raise SystemExit(1 if made.faults and not or_onnx else 0)


@plan.command("report")
@model_argument
@shelf_option
def report_command(model: str, folder: Path | None) -> None:
    """Print what was kept of the plans of MODEL, agreed or refused."""
    about = build.read(build.build(making.described(model), cache_folder()))
    kept = shelf(folder).known(about.onnx_sha256)
    if not kept:
        raise BuildError(f"no plan of {about.name} was built; `python -m infra.engine.plan build {about.name}` does, on a GPU")
    for of, text in kept:
        click.echo(f"compute capability {of['compute_capability']}, TensorRT {of['tensorrt']}, {of['precision']}: {text}")


def reference_of(built: Path) -> bytes:
    """The float32 graph of a built model."""
    return build.checked(built, build.WHOLE, build.read(built)).read_bytes()


def shelf(folder: Path | None) -> Shelf:
    """Where plans are kept."""
    return Shelf(folder or cache_folder() / "tensorrt")


def this_machine() -> Gpu:
    """TensorRT on this machine's GPU. Raises ``BuildError`` that names what is missing."""
    trt, capability, cuda = compiler.load(), compiler.compute_capability(), runners.cuda()
    return Gpu(
        tensorrt=str(trt.__version__),
        compute_capability=capability,
        compiled=lambda graph, profile, timing: compiler.compiled(trt, graph, profile, timing_cache=timing),
        loaded=lambda made, profile: runners.Engine(trt, cuda, made, profile),
    )


def pictures(folder: Path) -> NDArray[np.uint8]:
    """The first 64 photographs of a folder, as the encoder takes them. Raises ``BuildError`` where there are fewer."""
    made = []
    for file in sorted(folder.rglob("*")):
        try:
            made.append(pixels(opened(file)))
        except (Reject, IsADirectoryError):
            continue
        if len(made) == parity.MIN_PICTURES:
            return np.stack(made)
    raise BuildError(
        f"{folder}: expected {parity.MIN_PICTURES} photographs, found {len(made)}: name another folder with --images"
    )


def main() -> None:
    """Entry point: an error is a sentence."""
    try:
        plan()
    except BuildError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
