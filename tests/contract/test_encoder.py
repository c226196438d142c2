"""The contract of :class:`functions.ports.Encoder`: the twin in memory, ONNX Runtime and a real Triton keep it alike."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from functions.adapters.memory_encoder import MemoryEncoder
from functions.adapters.onnx import OnnxEncoder
from functions.adapters.triton import MAX_BATCH, TritonEncoder
from functions.errors import Retry, Unavailable
from functions.events import Lane
from functions.ports import Encoder, Pixels
from infra.engine import forms
from infra.local.part import Part, free_port, processes_of, running
from tests.fixtures.stack import wait_for
from tests.fixtures.triton import SMALL, Served, small_model, triton_part

OTHER = "0123456789abcdef" * 4
"""A fingerprint that no model has."""


@dataclass(frozen=True)
class Subject:
    """An encoder under test."""

    encoder: Encoder
    fingerprint: str
    dim: int


@pytest.fixture(params=["memory", "onnx", "triton"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each encoder in turn."""
    if request.param == "memory":
        return Subject(MemoryEncoder("f" * 64), "f" * 64, MemoryEncoder.dim)
    if request.param == "onnx":
        served: Served = request.getfixturevalue("real_model")
        return Subject(OnnxEncoder(str(served.repository), served.model.name), served.model.fingerprint, served.model.dim)
    served = request.getfixturevalue("triton_server")
    return Subject(TritonEncoder(served.url, served.model.name), served.model.fingerprint, served.model.dim)


@pytest.fixture(params=["onnx", "triton"])
def small(request: pytest.FixtureRequest) -> Subject:
    """The small model, whose vectors are NaN for a black picture."""
    served, _ = request.getfixturevalue("small_triton")
    adapters: dict[str, Encoder] = {
        "onnx": OnnxEncoder(str(served.repository), SMALL),
        "triton": TritonEncoder(served.url, SMALL),
    }
    return Subject(adapters[request.param], served.model.fingerprint, served.model.dim)


def pictures(count: int, seed: int = 0) -> Pixels:
    """Pictures of coloured squares, no two alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 7, 7, 3), dtype=np.uint8)
    return coarse.repeat(32, axis=1).repeat(32, axis=2)


@contextlib.contextmanager
def paused(processes: list[int]) -> Iterator[None]:
    """Processes that hold still until the block ends."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


GATE = """

class TritonPythonModel(TritonPythonModel):
    def execute(self, requests):
        with open({log!r}, "a") as log:
            log.writelines(f"{{pb_utils.get_input_tensor_by_name(one, 'pixels').as_numpy().max()}}\\n" for one in requests)
        while os.path.exists({gate!r}):
            time.sleep(0.01)
        return super().execute(requests)
"""


class Gate:
    """Holds the model's processes in their work, alive and answering Triton, and keeps the order in which pictures are taken.

    A process that is stopped by a signal is soon held for dead by Triton, which starts another.
    """

    def __init__(self, folder: Path, repository: Path) -> None:
        self._shut, self._log = folder / "shut", folder / "taken"
        (program,) = repository.glob(f"{SMALL}/*/{forms.PROGRAM}")
        added = GATE.format(gate=str(self._shut), log=str(self._log))
        program.write_text(program.read_text() + "\nimport os, time\nimport triton_python_backend_utils as pb_utils\n" + added)

    @contextlib.contextmanager
    def shut(self) -> Iterator[None]:
        """Nothing is computed until the block ends."""
        self._shut.touch()
        try:
            yield
        finally:
            self._shut.unlink()

    def taken(self) -> list[int]:
        """The brightest value of each picture, in the order in which the processes took them."""
        return [int(line) for line in self._log.read_text().split()]


def stubs_of(part: Part) -> list[int]:
    """Triton's Python processes."""
    program = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] for pid in processes_of(part.mark)}
    return [pid for pid, path in program.items() if path.endswith(b"python_backend_stub")]


def metric(part: Part, name: str) -> float:
    """A number that Triton tells Prometheus, summed over its labels."""
    port = part.argv[part.argv.index("--metrics-port") + 1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = [line.decode() for line in answer]
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{"))


def settled(part: Part, *, at_least: int) -> float:
    """How many requests wait in Triton, once it is so many and no more come."""
    seen, until = -1.0, time.monotonic() + 20
    while time.monotonic() < until:
        waiting = metric(part, "nv_inference_pending_request_count")
        if waiting == seen and waiting >= at_least:
            return waiting
        seen = waiting
        threading.Event().wait(0.2)
    pytest.fail(f"{seen} requests wait in Triton, expected {at_least}")


# what every encoder keeps


def test_every_picture_gets_one_vector_of_length_one(subject: Subject) -> None:
    """Shape (n, dim), float32, finite, each row of unit length."""
    vectors = subject.encoder.encode(pictures(3), fingerprint=subject.fingerprint)
    assert vectors.shape == (3, subject.dim)
    assert vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-3


def test_a_batch_gives_the_vectors_of_its_pictures_alone_and_in_order(subject: Subject) -> None:
    """Also for a batch that is larger than the server takes at once, and whatever its neighbours are."""
    batch = pictures(MAX_BATCH + 1)
    together = subject.encoder.encode(batch, fingerprint=subject.fingerprint)
    alone = np.concatenate([subject.encoder.encode(one[None], fingerprint=subject.fingerprint) for one in batch])
    likeness = together @ alone.T
    assert np.diag(likeness).min() > 0.9999
    assert (likeness.argmax(axis=1) == np.arange(len(batch))).all()


def test_threads_get_the_vectors_of_their_own_pictures(subject: Subject) -> None:
    """Four threads share one encoder and no answer."""
    batch = pictures(4)
    expected = subject.encoder.encode(batch, fingerprint=subject.fingerprint)
    with ThreadPoolExecutor(len(batch)) as pool:
        found = list(pool.map(lambda one: subject.encoder.encode(one[None], fingerprint=subject.fingerprint)[0], batch))
    assert (expected * np.stack(found)).sum(axis=1).min() > 0.9999


def test_a_copy_is_nearer_than_another_picture(subject: Subject) -> None:
    """A darker copy of a picture is nearer to it than a different picture is."""
    original, other = pictures(2)
    copy = (original * 0.8).astype(np.uint8)
    vectors = subject.encoder.encode(np.stack([original, copy, other]), fingerprint=subject.fingerprint)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_another_fingerprint_than_the_served_one_makes_it_unavailable(subject: Subject) -> None:
    """Vectors of two models never meet: it gives none under the wrong name, and goes on under the right one."""
    with pytest.raises(Unavailable, match=OTHER[:12]):
        subject.encoder.encode(pictures(1), fingerprint=OTHER)
    assert len(subject.encoder.encode(pictures(1), fingerprint=subject.fingerprint)) == 1


# what the two real ones keep


def test_triton_and_onnx_runtime_give_the_same_vectors(triton_server: Served) -> None:
    """The same graph behind a server and in this process: cosine at least 0.9999."""
    batch, fingerprint = pictures(3, seed=1), triton_server.model.fingerprint
    served = TritonEncoder(triton_server.url, triton_server.model.name).encode(batch, fingerprint=fingerprint)
    inside = OnnxEncoder(str(triton_server.repository), triton_server.model.name).encode(batch, fingerprint=fingerprint)
    assert (served * inside).sum(axis=1).min() >= 0.9999


def test_both_say_where_the_object_is_and_give_the_same_vector_with_it(triton_server: Served) -> None:
    """Maps of 64 × 64 between 0 and 1, the same from both; the vector does not depend on whether the map was asked for."""
    batch, fingerprint, name = pictures(6, seed=2), triton_server.model.fingerprint, triton_server.model.name
    served, inside = TritonEncoder(triton_server.url, name), OnnxEncoder(str(triton_server.repository), name)
    vectors, maps = served.encode_with_saliency(batch, fingerprint=fingerprint)
    assert maps.shape == (6, 64, 64)
    assert np.abs(maps - inside.encode_with_saliency(batch, fingerprint=fingerprint)[1]).max() < 1e-3
    assert (vectors * served.encode(batch, fingerprint=fingerprint)).sum(axis=1).min() > 0.9999


def test_requests_with_and_without_a_map_that_were_batched_get_their_own(triton_server: Served) -> None:
    """Triton batches whatever waits: each caller has the map of its picture, or none."""
    batch, fingerprint = pictures(8, seed=3), triton_server.model.fingerprint
    encoder = TritonEncoder(triton_server.url, triton_server.model.name)
    vectors, maps = encoder.encode_with_saliency(batch, fingerprint=fingerprint)

    def ask(number: int) -> bool:
        one = batch[number : number + 1]
        if number % 2:
            return bool(encoder.encode(one, fingerprint=fingerprint)[0] @ vectors[number] > 0.9999)
        vector, seen = encoder.encode_with_saliency(one, fingerprint=fingerprint)
        return bool(vector[0] @ vectors[number] > 0.9999 and np.abs(seen[0] - maps[number]).max() < 1e-3)

    with ThreadPoolExecutor(len(batch)) as pool:
        assert all(pool.map(ask, range(len(batch))))


def test_a_vector_that_is_not_a_number_is_tried_again(small: Subject) -> None:
    """NaN never leaves the adapter, and spoils only the batch it is in."""
    with pytest.raises(Retry, match="length 1"):
        small.encoder.encode(np.zeros((1, 224, 224, 3), np.uint8), fingerprint=small.fingerprint)
    assert len(small.encoder.encode(pictures(1), fingerprint=small.fingerprint)) == 1


def test_pictures_of_another_size_are_refused_with_both_sizes(small: Subject) -> None:
    """What a model cannot take counts as an attempt of that item, and hurts no other."""
    with pytest.raises(Retry, match=r"224.*100"):
        small.encoder.encode(np.ones((1, 100, 100, 3), np.uint8), fingerprint=small.fingerprint)


def test_a_fingerprint_that_is_none_makes_it_unavailable(small: Subject) -> None:
    """A live model written by hand with a typing error kills no message."""
    with pytest.raises(Unavailable, match="sha256 in hex, found 'mistyped'"):
        small.encoder.encode(pictures(1), fingerprint="mistyped")


def test_a_repository_without_the_model_says_what_to_run(tmp_path: Path) -> None:
    """The in-process encoder before set-up."""
    with pytest.raises(Unavailable, match="make setup"):
        OnnxEncoder(str(tmp_path), SMALL).encode(pictures(1), fingerprint=OTHER)


# Triton that fails


def test_a_triton_that_refuses_connections_is_unavailable() -> None:
    """At once, not after a timeout; and the address is in the message."""
    url = f"127.0.0.1:{free_port()}"
    started = time.monotonic()
    with pytest.raises(Unavailable, match=url) as raised:
        TritonEncoder(url, SMALL).encode(pictures(1), fingerprint=OTHER)
    assert raised.value.dependency == "triton"
    assert time.monotonic() - started < 5


def test_a_model_that_is_not_there_is_unavailable(small_triton: tuple[Served, Part]) -> None:
    """Triton answers, but does not have the model yet."""
    served, _ = small_triton
    with pytest.raises(Unavailable, match="serves no absent"):
        TritonEncoder(served.url, "absent").encode(pictures(1), fingerprint=served.model.fingerprint)


def test_a_triton_that_does_not_answer_is_unavailable_after_the_timeout(small_triton: tuple[Served, Part]) -> None:
    """A paused server; the same client goes on when it does."""
    served, part = small_triton
    encoder = TritonEncoder(served.url, SMALL, timeout=1.0)
    encoder.encode(pictures(1), fingerprint=served.model.fingerprint)
    with paused(processes_of(part.mark)):
        started = time.monotonic()
        with pytest.raises(Unavailable, match="Deadline"):
            encoder.encode(pictures(1), fingerprint=served.model.fingerprint)
        assert time.monotonic() - started < 5
    patient = TritonEncoder(served.url, SMALL)
    assert len(patient.encode(pictures(1), fingerprint=served.model.fingerprint)) == 1


def test_a_triton_that_comes_back_with_another_model_serves_that_one_alone(tmp_path: Path) -> None:
    """Killed and started anew on the same port: the same client reconnects, and never takes the new model for the old."""
    repository, port = tmp_path / "models", free_port()
    old = forms.assemble(small_model(tmp_path / "old", "old"), repository)
    encoder = TritonEncoder(f"127.0.0.1:{port}", SMALL)
    part = triton_part(tmp_path, repository, port)
    with running(part):
        encoder.encode(pictures(1), fingerprint=old.fingerprint)
        for process in processes_of(part.mark):
            os.kill(process, signal.SIGKILL)
        with pytest.raises(Unavailable):
            encoder.encode(pictures(1), fingerprint=old.fingerprint)
    new = forms.assemble(small_model(tmp_path / "new", "new"), repository)
    with running(part):
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(Unavailable):  # gRPC tries to connect again once a second
                assert len(encoder.encode(pictures(1), fingerprint=new.fingerprint)) == 1
                break
        else:
            pytest.fail("the client did not connect again")
        with pytest.raises(Unavailable, match=old.fingerprint[:12]):
            encoder.encode(pictures(1), fingerprint=old.fingerprint)


def test_a_full_queue_makes_it_unavailable_at_once(tmp_path: Path) -> None:
    """The queue is bounded: what does not fit waits in RabbitMQ, not in Triton's memory."""
    repository, port = tmp_path / "models", free_port()
    model = forms.assemble(small_model(tmp_path / "built"), repository)
    gate = Gate(tmp_path, repository)
    part = triton_part(tmp_path, repository, port)
    encoder = TritonEncoder(f"127.0.0.1:{port}", SMALL, timeout=5.0)

    def answer(_: int) -> str:
        try:
            encoder.encode(pictures(1), fingerprint=model.fingerprint)
        except Unavailable as error:
            return str(error)
        return "vectors"

    with running(part), gate.shut(), ThreadPoolExecutor(120) as pool:
        answers = list(pool.map(answer, range(120)))
    assert any("maximum queue size" in found for found in answers), set(answers)


def test_a_picture_that_waited_too_long_in_the_queue_makes_it_unavailable(tmp_path: Path) -> None:
    """Triton gives up what waited longer than its policy says, before the client does: the delivery is kept, and tried later."""
    repository, port = tmp_path / "models", free_port()
    model = forms.assemble(small_model(tmp_path / "built"), repository)
    config = repository / SMALL / forms.CONFIG
    text = config.read_text()
    assert "default_timeout_microseconds: 20000000" in text
    config.write_text(text.replace("default_timeout_microseconds: 20000000", "default_timeout_microseconds: 100000"))
    gate = Gate(tmp_path, repository)
    part = triton_part(tmp_path, repository, port)
    encoder = TritonEncoder(f"127.0.0.1:{port}", SMALL)

    def answer(_: int) -> str:
        try:
            encoder.encode(pictures(1), fingerprint=model.fingerprint)
        except Unavailable as error:
            return str(error)
        return "vectors"

    with running(part), ThreadPoolExecutor(40) as pool:
        with gate.shut():
            asked = [pool.submit(answer, number) for number in range(40)]
            waiting = "nv_inference_pending_request_count"  # 36: the others have begun
            wait_for("all requests", lambda: metric(part, waiting) + sum(one.done() for one in asked) >= 36 or None, seconds=20)
            time.sleep(0.2)  # longer than a picture may wait
        answers = {one.result() for one in asked}
    assert any("timeout expired" in found for found in answers), answers
    assert "vectors" in answers, "what a process had taken is answered when it goes on"


def test_a_triton_with_a_dead_python_process_ends_so_that_it_is_started_anew(tmp_path: Path) -> None:
    """Triton itself would go on, ready, failing its share of the requests for ever."""
    repository, port = tmp_path / "models", free_port()
    model = forms.assemble(small_model(tmp_path / "built"), repository)
    part = triton_part(tmp_path, repository, port)
    encoder = TritonEncoder(f"127.0.0.1:{port}", SMALL)
    with running(part) as process:
        os.kill(stubs_of(part)[0], signal.SIGKILL)
        assert process.wait(timeout=15) == 1
        assert processes_of(part.mark) == []
        with pytest.raises(Unavailable):
            encoder.encode(pictures(1), fingerprint=model.fingerprint)
    with running(part):
        left = [entry.name for entry in Path("/dev/shm").iterdir() if entry.name.startswith(f"museum-{port}-")]
        assert len(left) == len(stubs_of(part)), "the killed server's shared memory is still there"


def test_nothing_of_grpc_is_loaded_before_the_first_picture() -> None:
    """gunicorn forks after the import, and gRPC does not survive a fork."""
    code = (
        "import sys; from functions.adapters.triton import TritonEncoder; TritonEncoder('127.0.0.1:9', 'model');"
        "sys.exit(bool({'grpc', 'tritonclient'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("lane", "first"), [("interactive", True), ("bulk", False)])
def test_a_person_is_served_before_an_import_that_came_earlier(tmp_path: Path, lane: Lane, first: bool) -> None:
    """Forty pictures of an import wait when four more come: in the interactive lane they overtake, in the bulk lane they wait."""
    repository, port = tmp_path / "models", free_port()
    model = forms.assemble(small_model(tmp_path / "built"), repository)
    gate = Gate(tmp_path, repository)
    part = triton_part(tmp_path, repository, port)
    encoder = TritonEncoder(f"127.0.0.1:{port}", SMALL)
    of_import, of_person = 100, 200

    def ask(value: int, lane: Lane) -> None:
        encoder.encode(np.full((1, 224, 224, 3), value, np.uint8), fingerprint=model.fingerprint, lane=lane)

    with running(part), ThreadPoolExecutor(44) as pool:
        with gate.shut():
            asked = [pool.submit(ask, of_import, "bulk") for _ in range(40)]
            settled(part, at_least=36)  # two have begun, two may be on their way to the processes
            asked += [pool.submit(ask, of_person, lane) for _ in range(4)]
            settled(part, at_least=40)
        for one in asked:
            one.result()
    taken = [value for value in gate.taken() if value]  # without the warm-up's black picture
    assert taken.count(of_person) == 4
    assert taken.count(of_import) == 40
    imports_before = [taken[:place].count(of_import) for place, value in enumerate(taken) if value == of_person]
    assert (max(imports_before) <= 8) is first, taken  # not even a batch of eight is waited for


def test_triton_tells_prometheus_how_long_pictures_waited_and_were_computed(small_triton: tuple[Served, Part]) -> None:
    """Queue and compute time, by which a scaler and a person see where a slow search spends its time."""
    served, part = small_triton
    names = ("nv_inference_queue_duration_us", "nv_inference_compute_infer_duration_us", "nv_inference_request_success")
    before = {name: metric(part, name) for name in names}
    TritonEncoder(served.url, SMALL).encode(pictures(3), fingerprint=served.model.fingerprint)
    assert all(metric(part, name) > value for name, value in before.items())
