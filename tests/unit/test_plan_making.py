"""A plan's way from the compiler to Triton's folder, with a GPU that is a fake: what serves, what is put aside, what is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from functions.pixels import SIZE
from infra.engine import build
from infra.engine.errors import BuildError
from infra.engine.plan import __main__ as command
from infra.engine.plan import making
from infra.engine.plan.compiler import Compiled, Profile
from infra.engine.plan.making import Gpu, Made, make
from infra.engine.plan.parity import Outputs
from infra.engine.plan.report import Layer, Timing
from infra.engine.plan.runners import onnx_on_cpu
from infra.engine.plan.shelf import Shelf
from infra.engine.spec import Source, Spec, TensorRT
from tests.fixtures.triton import small_model

PICTURES = np.random.default_rng(4).integers(1, 256, (64, SIZE, SIZE, 3), dtype=np.uint8)


class OnCpu:
    """A plan that ONNX Runtime runs."""

    device_bytes = 1_000_000

    def __init__(self, graph: bytes, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        self._run, self._change = onnx_on_cpu(graph), change

    def __call__(self, pixels: NDArray[np.uint8]) -> Outputs:
        """The vectors, changed."""
        return {name: self._change(values) for name, values in self._run(pixels).items()}

    def layers(self) -> list[Layer]:
        """One."""
        return [Layer(name="all", kind="gemm", precision="Half")]

    def timing(self, batch: int) -> Timing:
        """As if measured."""
        return Timing(batch=batch, milliseconds=batch / 2)


@dataclass
class Machine:
    """A GPU whose plans are the graph; ``change`` is what it does wrong."""

    capability: str = "8.6"
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]] = lambda vectors: vectors
    compiled: list[Profile] = field(default_factory=list)

    def gpu(self) -> Gpu:
        """As the build sees it."""
        return Gpu(tensorrt="10.13.3", compute_capability=self.capability, compiled=self.compile, loaded=self.load)

    def compile(self, graph: bytes, profile: Profile, timing: bytes) -> Compiled:
        """The plan is the graph."""
        self.compiled.append(profile)
        return Compiled(plan=graph, timing_cache=timing + b"+", layers=1)

    @contextmanager
    def load(self, plan: bytes, profile: Profile) -> Iterator[OnCpu]:
        """In batches of the profile."""
        assert profile.largest == 8
        yield OnCpu(plan, self.change)


def backwards(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of unit length, finite, and wrong."""
    return vectors[:, ::-1].copy()


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.uint8]:
    """64 that are not black."""
    return PICTURES


@pytest.fixture(autouse=True)
def without_black(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small model answers NaN to what begins with black; here its hard pictures are noise."""
    monkeypatch.setattr(making.parity, "hard_pictures", lambda size: PICTURES[:, ::-1].copy())


@pytest.fixture
def model() -> Spec:
    """The description of the small model."""
    return Spec(
        name="small", tier="fast", licence="none", recipe="none", features=256, whitening=False, dim=256, saliency=False,
        max_batch=8,
        source=Source(wheel="none==1", sha256="0" * 64, member="none"), tensorrt=TensorRT(precision="fp16", fp32=("op:Div",)),
        folder=Path("nowhere"),
    )  # fmt: skip


@pytest.fixture
def make_here(tmp_path: Path, model: Spec) -> Callable[[Machine], Made]:
    """Build the small model's plan on a machine, into ``served`` and ``shelf`` of the test's folder."""
    small_model(tmp_path / "built")

    def made(machine: Machine) -> Made:
        return make(model, tmp_path / "built", tmp_path / "served", machine.gpu(), Shelf(tmp_path / "shelf"), PICTURES)

    return made


def served(folder: Path) -> tuple[str, set[str]]:
    """Triton's configuration of the small model, and the files of its version."""
    (note,) = (folder / "served" / "small").glob(f"*/{build.NOTE}")
    return (folder / "served" / "small" / "config.pbtxt").read_text(), {file.name for file in note.parent.iterdir()}


def test_a_plan_that_agrees_serves(tmp_path: Path, make_here: Callable[[Machine], Made]) -> None:
    """Under the model's name, found by the GPU's capability; its report is kept."""
    made = make_here(Machine())
    config, files = served(tmp_path)
    assert made.faults == []
    assert 'backend: "tensorrt"' in config
    assert '{ key: "8.6" value: "model_sm_8_6.plan" }' in config
    assert files == {"model_sm_8_6.plan", build.NOTE}
    assert "     8     4.00         2000" in (made.folder / "report.txt").read_text()


def test_a_plan_that_disagrees_is_put_aside_and_onnx_serves(tmp_path: Path, make_here: Callable[[Machine], Made]) -> None:
    """Under the same name; the report says why."""
    made = make_here(Machine(change=backwards))
    config, files = served(tmp_path)
    assert 'backend: "onnxruntime"' in config
    assert files == {build.WHOLE, build.NOTE}
    assert made.folder.parent.name == "rejected"
    assert "REFUSED: expected a cosine" in (made.folder / "report.txt").read_text()
    assert not list((tmp_path / "shelf").glob("plans/*"))


def test_a_later_plan_that_agrees_takes_the_place_of_the_refused_one(
    tmp_path: Path, make_here: Callable[[Machine], Made]
) -> None:  # fmt: skip
    """The driver was mended, say: the plan serves, and nothing says any more that it was refused."""
    make_here(Machine(change=backwards))
    make_here(Machine())
    assert 'backend: "tensorrt"' in served(tmp_path)[0]
    assert not list((tmp_path / "shelf").glob("rejected/*"))


def test_a_plan_is_built_once(make_here: Callable[[Machine], Made]) -> None:
    """The second time it is laid out again, without the compiler."""
    machine = Machine()
    assert make_here(machine).folder == make_here(machine).folder
    assert [profile.largest for profile in machine.compiled] == [8]


def test_one_folder_serves_all_kinds_of_gpu(tmp_path: Path, make_here: Callable[[Machine], Made]) -> None:
    """The plan of the machine before stays named."""
    make_here(Machine("8.9"))
    make_here(Machine("8.6"))
    config, files = served(tmp_path)
    assert files == {"model_sm_8_6.plan", "model_sm_8_9.plan", build.NOTE}
    assert all(f'key: "{kind}"' in config for kind in ("8.6", "8.9"))


def test_a_build_that_fails_leaves_what_serves(
    tmp_path: Path, make_here: Callable[[Machine], Made], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """And nothing half-written, there or on the shelf."""
    make_here(Machine(change=backwards))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def crash(*_: object) -> Compiled:
        raise BuildError("TensorRT cannot compile the graph: out of memory")

    machine = Machine()
    monkeypatch.setattr(machine, "compile", crash)
    with pytest.raises(BuildError, match="out of memory"):
        make_here(machine)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_repository_that_cannot_be_written_says_so(tmp_path: Path, make_here: Callable[[Machine], Made]) -> None:
    """The plan is kept all the same: the next time it is only laid out."""
    (tmp_path / "served").write_text("")
    with pytest.raises(BuildError, match="cannot be laid out"):
        make_here(Machine())
    assert list((tmp_path / "shelf").glob("plans/*/model.plan"))


def test_a_model_that_asks_for_32_bits_is_compiled_as_it_is(model: Spec) -> None:
    """No graph is written anew."""
    assert making.graph_of(replace(model, tensorrt=TensorRT(precision="fp32", fp32=())), b"anything") == b"anything"


def test_each_power_of_two_and_the_largest_batch_are_timed() -> None:
    """None is larger than the plan takes."""
    assert [making.sizes(largest) for largest in (1, 6, 8)] == [[1], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_a_model_is_named_by_its_name_its_tier_or_its_folder() -> None:
    """All three mean the same description."""
    found = making.described("dinov2-focus")
    assert found == making.described("quality") == making.described(str(found.folder))
    with pytest.raises(BuildError, match="expected a model or a tier"):
        making.described("resnet")


# the command


def test_the_report_prints_what_was_kept(
    tmp_path: Path, make_here: Callable[[Machine], Made], monkeypatch: pytest.MonkeyPatch, model: Spec
) -> None:  # fmt: skip
    """Agreed and refused, each with its machine; and where nothing was kept, what to do."""
    monkeypatch.setattr(command.making, "described", lambda _: model)
    monkeypatch.setattr(command.build, "build", lambda *_: tmp_path / "built")
    arguments = ["report", "small", "--shelf", str(tmp_path / "shelf")]
    with pytest.raises(BuildError, match="no plan of small was built"):
        CliRunner().invoke(command.plan, arguments, catch_exceptions=False)
    make_here(Machine("8.9", change=backwards))
    make_here(Machine("8.6"))
    told = CliRunner().invoke(command.plan, arguments).output
    assert "compute capability 8.6, TensorRT 10.13.3, fp16: agrees with its reference" in told
    assert "compute capability 8.9, TensorRT 10.13.3, fp16: REFUSED" in told
    (about,) = (tmp_path / "shelf").glob("rejected/*/plan.json")
    about.write_text(json.dumps({})[:1])
    with pytest.raises(BuildError, match="no whole plan"):
        CliRunner().invoke(command.plan, arguments, catch_exceptions=False)


@pytest.mark.parametrize(("more", "status"), [((), 1), (("--or-onnx",), 0)], ids=["a person builds", "a pod starts"])
def test_a_refused_plan_stops_a_person_and_no_pod(
    tmp_path: Path,
    make_here: Callable[[Machine], Made],
    monkeypatch: pytest.MonkeyPatch,
    model: Spec,
    more: tuple[str, ...],
    status: int,
) -> None:
    """ONNX is laid out under the same name: it serves."""
    refused = make_here(Machine("8.9", change=backwards))
    monkeypatch.setattr(command.making, "described", lambda _: model)
    monkeypatch.setattr(command.making, "make", lambda *_: refused)
    monkeypatch.setattr(command.build, "build", lambda *_: tmp_path / "built")
    monkeypatch.setattr(command, "this_machine", lambda: Machine("8.9").gpu())
    monkeypatch.setattr(command, "pictures", lambda _: None)
    arguments = ["build", "small", "--images", str(tmp_path), "--repository", str(tmp_path / "r"), *more]
    assert CliRunner().invoke(command.plan, arguments).exit_code == status
