"""Built models in S3, below ``models/<fingerprint>/`` of the state bucket: ``museum models push`` puts one there.

``python -m infra.engine.depot --target DIR NAME…`` fetches them for a Triton that starts, looks at every byte, and leaves in
``DIR`` what :mod:`infra.engine.forms` lays out. A model's fingerprint is of the image that asks (its ``model.json``), or is
named: nothing in S3 says which model a name is, so that nobody changes a model by writing there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from functions.errors import MuseumError
from functions.ports import ObjectStore
from infra.engine.build import NOTE, WHOLE, Model, checked, fingerprint_of, read
from infra.engine.errors import BuildError
from infra.engine.forms import FORMS, FormName

NOTES = Path("/opt/museum/models")
"""Where an image has the descriptions of the models that it was made with."""
FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did."""

    model: str
    fingerprint: str
    prefix: str
    put: tuple[str, ...]
    """Files that were not there, or were others."""
    there: tuple[str, ...]
    """Files that were there already."""
    size: int
    """Bytes that were sent."""


def key_of(fingerprint: str, file: str) -> str:
    """Where a file of a model is, in the state bucket."""
    return f"models/{fingerprint}/{file}"


def push(built: Path, store: ObjectStore, bucket: str) -> Pushed:
    """Put a built model there, its description last: what has one is whole. Raises ``BuildError`` for one that is damaged."""
    model, put, there, size = read(built), [], [], 0
    for file in (*model.files, NOTE):
        body = (built / file if file == NOTE else checked(built, file, model)).read_bytes()
        key = key_of(model.fingerprint, file)
        if same(store, bucket, key, body):
            there.append(file)
            continue
        store.put(bucket, key, body, content_type="application/json" if file == NOTE else "application/octet-stream")
        put.append(file)
        size += len(body)
    prefix = f"s3://{bucket}/{key_of(model.fingerprint, '')}"
    return Pushed(model=model.name, fingerprint=model.fingerprint, prefix=prefix, put=tuple(put), there=tuple(there), size=size)


def same(store: ObjectStore, bucket: str, key: str, body: bytes) -> bool:
    """Whether exactly these bytes are there, by their eTag; a store with another kind of eTag is sent them again."""
    info = store.head(bucket, key)
    return info is not None and info.etag == hashlib.md5(body, usedforsecurity=False).hexdigest()


def described(store: ObjectStore, bucket: str, fingerprint: str) -> Model:
    """What S3 says of a model. Raises ``BuildError`` where that is not there, or does not belong to the fingerprint."""
    where = f"s3://{bucket}/{key_of(fingerprint, NOTE)}"
    found = store.get(bucket, key_of(fingerprint, NOTE), limit=1_000_000)
    if found is None:
        raise BuildError(f"{where} is not there: `museum models push NAME` puts a model there")
    try:
        model = Model(**json.loads(found.body))
        own = fingerprint_of(model.files[WHOLE], model.preprocessing, saliency=model.saliency)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BuildError(f"{where} is damaged: {type(error).__name__}: {error}; push the model again") from None
    if not model.fingerprint == own == fingerprint:
        raise BuildError(f"{where} is damaged: it describes a model of fingerprint {own[:12]}; push the model again")
    return model


def fetch(model: Model, store: ObjectStore, bucket: str, target: Path, *, form: FormName) -> list[str]:
    """Fetch the files that a form reads into ``target/<name>``, those that are not there yet, and the description last.

    Returns which were fetched. Raises ``BuildError`` for a file that is not there, or not as the description says.
    """
    folder, fetched = target / model.name, []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in FORMS[form].graphs:
            if file in model.files and not whole(folder, file, model):
                _put(folder / file, _body(model, store, bucket, file))
                fetched.append(file)
        _put(folder / NOTE, (json.dumps(asdict(model), indent=2) + "\n").encode())
    except OSError as error:
        raise BuildError(f"{target}: a model cannot be put there: {error.strerror or error}") from None
    return fetched


def whole(folder: Path, file: str, model: Model) -> bool:
    """Whether a file is there as it was built: a container that starts again has what the one before fetched."""
    try:
        checked(folder, file, model)
    except BuildError:
        return False
    return True


def _body(model: Model, store: ObjectStore, bucket: str, file: str) -> bytes:
    key = key_of(model.fingerprint, file)
    found = store.get(bucket, key)
    cure = f"`museum models push {model.name}` puts it there"
    if found is None:
        raise BuildError(f"s3://{bucket}/{key} is not there: {cure}")
    if (digest := hashlib.sha256(found.body).hexdigest()) != model.files[file]:
        raise BuildError(f"s3://{bucket}/{key} is damaged: expected sha256 {model.files[file]}, found {digest}; {cure} anew")
    return found.body


def _put(file: Path, body: bytes) -> None:
    """Under its name at once or not at all."""
    beside = file.with_name(f"{file.name}.part")
    beside.write_bytes(body)
    beside.replace(file)


# which model a word means


def noted(notes: Path) -> list[Model]:
    """The models that an image describes. Raises ``BuildError``."""
    return [read(note.parent) for note in sorted(notes.glob(f"*/{NOTE}"))]


def named(text: str) -> dict[str, str]:
    """``name=fingerprint,…``. Raises ``BuildError``."""
    given = dict(entry.partition("=")[::2] for entry in text.split(",") if entry)
    for name, fingerprint in given.items():
        if not FINGERPRINT.fullmatch(fingerprint):
            raise BuildError(f"expected NAME=FINGERPRINT with 64 digits, found {name}={fingerprint}")
    return given


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot:
    """A bucket with models, and what says which of them is meant."""

    store: ObjectStore
    bucket: str
    notes: Path = NOTES
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Of models that the image does not describe, by name."""

    def meant(self, word: str) -> Model:
        """The model of a name that has a fingerprint, else of a name or tier that the image describes. Raises ``BuildError``."""
        if word in self.fingerprints:
            model = described(self.store, self.bucket, self.fingerprints[word])
            if model.name != word:
                raise BuildError(f"expected as {model.fingerprint[:12]} the model {word}, found {model.name}")
            return model
        there = noted(self.notes)
        if (found := next((model for model in there if word in (model.name, model.tier)), None)) is not None:
            return found
        names = ", ".join([*(f"{model.name} ({model.tier})" for model in there), *self.fingerprints]) or "none"
        raise BuildError(f"expected a model or a tier, found {word!r}: known here are {names}; any other needs its fingerprint")

    def fetch(self, words: Sequence[str], target: Path, *, form: FormName) -> Iterator[str]:
        """Fetch what some words mean, saying so of each. Raises ``BuildError``."""
        for model in {model.name: model for model in map(self.meant, words)}.values():
            files = fetch(model, self.store, self.bucket, target, form=form)
            yield f"{model.name} {model.fingerprint[:12]}: {', '.join(files) or 'nothing'} fetched"


def main() -> None:
    """Entry point."""
    from functions.adapters.s3 import S3Store
    from functions.runtime.settings import Settings, load

    parser = argparse.ArgumentParser(description="Fetch built models from S3 for a Triton that starts.")
    parser.add_argument("names", nargs="+", help="models, or tiers of which the image has one")
    parser.add_argument("--target", type=Path, required=True, help="folder for a folder a model")
    parser.add_argument("--form", choices=("python", "onnxruntime"), default="python", help="default: %(default)s")
    parser.add_argument("--notes", type=Path, default=NOTES, help="descriptions of the image's models; default: %(default)s")
    parser.add_argument("--fingerprints", default="", metavar="NAME=FINGERPRINT,…", help="of models that it does not describe")
    given = parser.parse_args()
    settings = load(Settings)
    store, bucket = S3Store(settings), settings.museum_bucket_state
    try:
        depot = Depot(store=store, bucket=bucket, notes=given.notes, fingerprints=named(given.fingerprints))
        for line in depot.fetch(given.names, given.target, form=given.form):
            print(line, flush=True)
    except (BuildError, MuseumError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
