"""Built models in S3: what a push leaves there, what is fetched of it, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from functions.adapters import s3
from functions.adapters.memory import MemoryStore
from functions.cli import models as commands
from functions.ports import StoredObject
from infra import prepare
from infra.engine import build, depot, forms, spec
from infra.engine.build import ENCODER, NOTE, WHOLE
from infra.engine.depot import Depot, key_of
from infra.engine.errors import BuildError
from tests.fixtures.triton import small_model

STATE = "state"


class Counting(MemoryStore):
    """A store that remembers what was put and got."""

    def __init__(self) -> None:
        super().__init__(STATE)
        self.asked: list[str] = []

    def put(self, bucket: str, key: str, body: bytes, **more: object) -> str:  # type: ignore[override]
        """See :class:`functions.ports.ObjectStore`."""
        self.asked.append(f"put {key.rpartition('/')[2]}")
        return super().put(bucket, key, body, content_type=str(more["content_type"]))

    def get(self, bucket: str, key: str, *, limit: int | None = None) -> StoredObject | None:
        """See :class:`functions.ports.ObjectStore`."""
        self.asked.append(f"get {key.rpartition('/')[2]}")
        return super().get(bucket, key, limit=limit)


@pytest.fixture
def store() -> Counting:
    """With nothing in it."""
    return Counting()


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A model of the repository's name, built."""
    return small_model(tmp_path / "built" / "efficientnet-lite0", name="efficientnet-lite0")


def depot_of(store: MemoryStore, built: Path, **more: str) -> Depot:
    """What an image made with that model knows, and fingerprints that its operator names."""
    return Depot(store=store, bucket=STATE, notes=built.parent, fingerprints=more)


def laid_out(folder: Path) -> dict[Path, bytes]:
    """All files below a folder."""
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_push_puts_every_file_and_its_description_last(store: Counting, built: Path) -> None:
    """What has a description is whole."""
    model = build.read(built)
    pushed = depot.push(built, store, STATE)
    assert [info.key for info in store.list(STATE)] == [f"models/{model.fingerprint}/{name}" for name in (ENCODER, NOTE, WHOLE)]
    assert store.asked[-1] == f"put {NOTE}"
    assert (pushed.put, pushed.there) == ((WHOLE, ENCODER, NOTE), ())
    assert pushed.size == sum((built / name).stat().st_size for name in pushed.put)


def test_what_is_there_is_not_pushed_again_and_what_is_damaged_is(store: Counting, built: Path) -> None:
    """Safe to repeat."""
    depot.push(built, store, STATE)
    again = depot.push(built, store, STATE)
    assert (again.put, again.size) == ((), 0)
    store.put(STATE, key_of(again.fingerprint, ENCODER), b"damaged", content_type="x")
    assert depot.push(built, store, STATE).put == (ENCODER,)


def test_a_built_model_that_is_damaged_is_not_pushed(store: Counting, built: Path) -> None:
    """Neither in part."""
    (built / WHOLE).write_bytes(b"damaged")
    with pytest.raises(BuildError, match=r"expected a model\.onnx of sha256"):
        depot.push(built, store, STATE)
    assert list(store.list(STATE)) == []


@pytest.mark.parametrize("form", ["python", "onnxruntime"])
def test_what_is_fetched_is_laid_out_as_what_was_built(
    store: Counting, built: Path, tmp_path: Path, form: forms.FormName
) -> None:
    """Only the files that the form reads; a tier means what the image has."""
    depot.push(built, store, STATE)
    store.asked.clear()
    needed = ENCODER if form == "python" else WHOLE
    (line,) = depot_of(store, built).fetch(["fast", "efficientnet-lite0"], tmp_path / "fetched", form=form)
    assert line == f"efficientnet-lite0 {build.read(built).fingerprint[:12]}: {needed} fetched"
    assert store.asked == [f"get {needed}"]
    for source, target in ((built, tmp_path / "one"), (tmp_path / "fetched" / built.name, tmp_path / "two")):
        forms.assemble(source, target, form=form)
    assert laid_out(tmp_path / "one") == laid_out(tmp_path / "two")


def test_a_container_that_starts_again_fetches_what_is_missing(store: Counting, built: Path, tmp_path: Path) -> None:
    """A half-written file is no file, and a damaged one neither."""
    depot.push(built, store, STATE)
    known, target = depot_of(store, built), tmp_path / "fetched"

    def fetch() -> str:
        (line,) = known.fetch(["fast"], target, form="python")
        return line

    assert fetch().endswith(f"{ENCODER} fetched")
    assert fetch().endswith("nothing fetched")
    (target / built.name / ENCODER).write_bytes(b"damaged")
    assert fetch().endswith(f"{ENCODER} fetched")
    assert sorted(file.name for file in (target / built.name).iterdir()) == [ENCODER, NOTE]


def test_a_damaged_or_missing_file_is_refused_in_one_line(store: Counting, built: Path, tmp_path: Path) -> None:
    """With where it is and what to do; nothing of it is laid out."""
    key = key_of(depot.push(built, store, STATE).fingerprint, ENCODER)
    store.put(STATE, key, b"damaged", content_type="x")
    with pytest.raises(
        BuildError, match=rf"^s3://state/{key} is damaged: expected sha256 .*`museum models push efficientnet-lite0`"
    ):
        list(depot_of(store, built).fetch(["fast"], tmp_path / "fetched", form="python"))
    assert list((tmp_path / "fetched").rglob("*.*")) == []
    store.delete(STATE, key)
    with pytest.raises(BuildError, match=rf"^s3://state/{key} is not there: `museum models push") as raised:
        list(depot_of(store, built).fetch(["fast"], tmp_path / "fetched", form="python"))
    assert "\n" not in str(raised.value)


def test_a_model_that_the_image_does_not_describe_needs_its_fingerprint(store: Counting, built: Path, tmp_path: Path) -> None:
    """Nothing in S3 says which one a name is: whoever may write there would change what is served."""
    other = small_model(tmp_path / "other", "other", "dinov2-focus-int8")
    fingerprint = depot.push(other, store, STATE).fingerprint
    with pytest.raises(BuildError, match=r"known here are efficientnet-lite0 \(fast\); any other needs its fingerprint"):
        list(depot_of(store, built).fetch(["dinov2-focus-int8"], tmp_path / "fetched", form="python"))
    known = depot_of(store, built, **{"dinov2-focus-int8": fingerprint, "efficientnet-lite0": fingerprint})
    assert list(known.fetch(["dinov2-focus-int8"], tmp_path / "fetched", form="python"))
    assert build.read(tmp_path / "fetched" / "dinov2-focus-int8") == build.read(other)
    with pytest.raises(BuildError, match="the model efficientnet-lite0, found dinov2-focus-int8"):
        known.meant("efficientnet-lite0")


def test_a_description_that_is_not_of_its_fingerprint_is_refused(store: Counting, built: Path) -> None:
    """Or is none: it would say which bytes are right."""
    fingerprint = depot.push(built, store, STATE).fingerprint
    known = depot_of(store, built, name=fingerprint)
    good = json.loads((built / NOTE).read_text())
    another = {**good, "files": {**good["files"], WHOLE: "0" * 64}}
    for body in (b"{", b"[]", b"{}", json.dumps(another).encode(), json.dumps({**good, "fingerprint": "0" * 64}).encode()):
        store.put(STATE, key_of(fingerprint, NOTE), body, content_type="application/json")
        with pytest.raises(BuildError, match=r"model\.json is damaged: .*push the model again"):
            known.meant("name")
    store.delete(STATE, key_of(fingerprint, NOTE))
    with pytest.raises(BuildError, match=r"model\.json is not there: `museum models push NAME`"):
        known.meant("name")


@pytest.mark.parametrize("text", ["quality", "quality=", "quality=abc", "=".join(["quality", "A" * 64])])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    """Before S3 is asked."""
    with pytest.raises(BuildError, match="expected NAME=FINGERPRINT with 64 digits"):
        depot.named(text)


def test_the_live_model_may_be_one_that_no_image_describes(store: Counting, built: Path, tmp_path: Path) -> None:
    """The topology job knows it by its fingerprint too."""
    other = small_model(tmp_path / "other", "other", "dinov2-focus-int8")
    own = prepare.PrepareSettings(museum_models=str(built.parent), museum_model="dinov2-focus-int8")
    with pytest.raises(SystemExit, match=r"MUSEUM_MODEL is 'dinov2-focus-int8': .*known here are efficientnet-lite0"):
        prepare.built_model(store, STATE, own)
    fingerprint = depot.push(other, store, STATE).fingerprint
    told = replace(own, museum_fingerprints=f"dinov2-focus-int8={fingerprint}")
    assert prepare.built_model(store, STATE, told).fingerprint == fingerprint


def test_the_command_says_what_it_did(store: Counting, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the servers that the environment names."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(s3, "S3Store", lambda _: store)
    monkeypatch.setattr(build, "build", lambda one, _: built.with_name(one.name))
    first = CliRunner().invoke(commands.models_command, ["push", "fast"])
    assert first.exit_code == 0, first.output
    assert f"s3://state/models/{build.read(built).fingerprint}/: put {WHOLE}, {ENCODER}, {NOTE}" in first.stdout
    second = CliRunner().invoke(commands.models_command, ["push", "fast"])
    assert "all of it was there already" in second.stdout
    third = json.loads(CliRunner().invoke(commands.models_command, ["push", "fast", "--json"]).stdout)
    assert (third["fingerprint"], third["put"]) == (build.read(built).fingerprint, [])
    wrong = CliRunner().invoke(commands.models_command, ["push", "best"])
    assert wrong.exit_code == 1
    assert "there are " + ", ".join(f"{one.name} ({one.tier})" for one in spec.all_of().values()) in wrong.stderr
