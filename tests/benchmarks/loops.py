"""The straight loops that the pipeline is compared with: one script that does all stages of a photo, one photo after the other.

``python -m tests.benchmarks.loops '{"style": …}'`` opens its model and clients, says ``ready``, and then works on each line of
its standard input: ``{"photos": [files]}`` → ``{"seconds", "decode_ms", "cpu_ms"}``. So several kinds of loops can stand by
while rounds of them and of the pipeline take turns.
"""

from __future__ import annotations

import base64
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from functions import live, outcome
from functions.adapters.milvus import MilvusIndex
from functions.adapters.onnx import OnnxEncoder
from functions.adapters.s3 import S3Store
from functions.catalogue.keys import photo_key, record_key
from functions.decoding import decoded
from functions.embed.crop import LARGEST, proposed
from functions.embed.handler import unpacked
from functions.embed.vectors import Views
from functions.embed.view import object_of
from functions.events import Region, Vector, row_id, upload_id
from functions.outcome import Outcome
from functions.pixels import SIZE, cropped, pixels
from functions.ports import IndexRow
from functions.preprocess.decode import decode, limits_by_lane
from functions.preprocess.display import copies
from functions.preprocess.handler import npy
from functions.runtime.settings import Settings, load
from functions.verify.features import describe, key_of, pack

BUCKET = "bench"
"""Without notifications: what a loop writes must not start the pipeline."""
MUSEUM = "bench-loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One kind of loop."""

    name: str
    repository: str
    threads: int = 1
    """Photos at a time."""
    model_threads: int = 1
    """Threads of one run of the model; 0: as many as ONNX Runtime likes, which is its default."""
    claim_check: bool = False
    """Whether pixels travel through S3, as between functions."""
    naive: bool = False
    """Full decode, no display copies, no outcome."""
    records: bool = True
    """Whether each photo comes with its record, which the loop stores and does no more with."""


@dataclass(slots=True)
class Spent:
    """What a round cost."""

    seconds: float = 0.0
    cpu_ms: float = 0.0
    decode_ms: float = 0.0
    """CPU of decoding with display copies, pixels and local features, and of cutting out the object."""


class Loop:
    """All stages in one process."""

    def __init__(self, style: Style) -> None:
        settings = load(Settings)
        self._style = style
        self._store = S3Store(settings)
        self._rows = MilvusIndex(settings.museum_milvus_uri)
        self._limits = limits_by_lane(settings.museum_max_bytes, settings.museum_max_master_bytes)["bulk"]
        self._live = live.read(self._store, settings.museum_bucket_state)
        self._encoder = OnnxEncoder(style.repository, self._live.model, threads=style.model_threads)
        self._encoder.encode(np.zeros((1, SIZE, SIZE, 3), np.uint8), fingerprint=self._live.fingerprint)
        self._rows.count(self._live.fingerprint)

    def run(self, photos: list[Path]) -> tuple[Spent, dict[str, str]]:
        """A round: what it cost, and with a naive loop the vectors by photo."""
        spent, before, started = Spent(), cpu(), time.perf_counter()
        vectors: dict[str, str] = {}

        def work(photo: Path) -> None:
            if self._style.naive:
                vectors[photo.name] = base64.b64encode(self.naive(photo).tobytes()).decode()
            else:
                self.straight(photo, spent)

        if self._style.threads == 1:
            for photo in photos:
                work(photo)
        else:
            with ThreadPoolExecutor(self._style.threads) as pool:
                list(pool.map(work, photos))
        spent.seconds, spent.cpu_ms = time.perf_counter() - started, cpu() - before
        return spent, vectors

    def straight(self, photo: Path, spent: Spent) -> None:
        """Upload record and photo, read, decode, write the display copies, embed both views, index, write the outcome."""
        key, version = self._upload(photo)
        found = self._store.get(BUCKET, key)
        assert found is not None
        before = time.thread_time()
        picture = decode(found.body, self._limits)
        shown, prepared, features = copies(picture.image), pixels(picture.image), pack(describe(picture.image))
        spent.decode_ms += (time.thread_time() - before) * 1000
        for size, body in shown.items():
            self._store.put(BUCKET, f"derived/{version}/display-{size}.jpg", body, content_type="image/jpeg")
        self._store.put(BUCKET, f"derived/{key_of(version)}", features, content_type="application/octet-stream")
        if self._style.claim_check:
            name = f"derived/{version}/pixels.npy"
            self._store.put(BUCKET, name, npy(prepared), content_type="application/octet-stream")
            stored = self._store.get(BUCKET, name)
            assert stored is not None
            prepared = unpacked(stored.body)

        def cut(box: Region) -> NDArray[np.uint8]:
            jpeg = shown[LARGEST]
            if self._style.claim_check:
                stored = self._store.get(BUCKET, f"derived/{version}/display-{LARGEST}.jpg")
                assert stored is not None
                jpeg = stored.body
            before = time.thread_time()
            made = object_of(jpeg, box)
            spent.decode_ms += (time.thread_time() - before) * 1000
            return made

        views = self._views(prepared, picture.image.width, picture.image.height, cut)
        self._index(photo, key, version, views)
        made = Outcome(
            upload_id=upload_id(BUCKET, key, version), museum=MUSEUM, object_id=photo.stem, bucket=BUCKET, key=key,
            version=version, status="indexed",
            vectors=tuple(Vector.pack(vector, image=0, view=view) for view, vector in views.items()),
        )  # fmt: skip
        outcome.write(self._store, BUCKET, made)

    def naive(self, photo: Path) -> NDArray[np.float32]:
        """Upload record and photo, read, decode in full, resize, embed, index: what one writes first. The whole's vector."""
        key, version = self._upload(photo)
        found = self._store.get(BUCKET, key)
        assert found is not None
        image = ImageOps.exif_transpose(Pillow.open(io.BytesIO(found.body)).convert("RGB"))
        views = self._views(letterboxed(image), image.width, image.height, lambda box: letterboxed(cropped(image, box)))
        self._index(photo, key, version, views)
        return views["full"]

    def _views(self, whole: NDArray[np.uint8], width: int, height: int, cut: Callable[[Region], NDArray[np.uint8]]) -> Views:
        """The vectors of the whole photo and, where the live model shows one, of the object that ``cut`` cuts out of it."""
        fingerprint = self._live.fingerprint
        if not self._live.saliency:
            return {"full": self._encoder.encode(whole[None], fingerprint=fingerprint)[0]}
        vectors, saliency = self._encoder.encode_with_saliency(whole[None], fingerprint=fingerprint)
        box = proposed(saliency[0], width, height)
        if box is None:
            return {"full": vectors[0]}
        return {"full": vectors[0], "crop": self._encoder.encode(cut(box)[None], fingerprint=fingerprint)[0]}

    def _upload(self, photo: Path) -> tuple[str, str]:
        if self._style.records:
            record = json.dumps({"Name": photo.stem}).encode()
            self._store.put(BUCKET, record_key(MUSEUM, photo.stem), record, content_type="application/json")
        key = photo_key(MUSEUM, photo.stem, photo.name)
        return key, self._store.put(BUCKET, key, photo.read_bytes(), content_type="image/jpeg")

    def _index(self, photo: Path, key: str, version: str, views: Views) -> None:
        rows = [
            IndexRow(
                id=row_id(BUCKET, key, view), museum=MUSEUM, object_id=photo.stem, class_code=10, public=False, status="active",
                bucket=BUCKET, key=key, version=version, view=view, sha256=version, record_version="",
            )
            for view in views
        ]  # fmt: skip
        self._rows.upsert(self._live.fingerprint, list(zip(rows, views.values(), strict=True)))


def letterboxed(image: Pillow.Image) -> NDArray[np.uint8]:
    """A picture as the encoder takes it, by the full filter."""
    small = image.copy()
    small.thumbnail((SIZE, SIZE), Pillow.Resampling.BICUBIC, reducing_gap=None)
    canvas = Pillow.new("RGB", (SIZE, SIZE))
    canvas.paste(small, ((SIZE - small.width) // 2, (SIZE - small.height) // 2))
    return np.asarray(canvas)


def cpu() -> float:
    """Milliseconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1000


class Team:
    """Processes that run one style of loop side by side."""

    def __init__(self, style: Style, environment: Mapping[str, str], count: int = 1) -> None:
        argv = [sys.executable, "-m", "tests.benchmarks.loops", json.dumps(asdict(style))]
        env = {**os.environ, **environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        root = Path(__file__).resolve().parents[2]
        self._members = [
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=root)
            for _ in range(count)
        ]
        self.name = style.name
        for member in self._members:
            assert member.stdout is not None
            if member.stdout.readline() != "ready\n":
                raise RuntimeError(f"the loop {style.name} did not start")

    def run(self, photos: list[Path]) -> tuple[Spent, dict[str, str]]:
        """A round, shared out; its seconds are those until the last has ended."""
        started = time.perf_counter()
        for number, member in enumerate(self._members):
            assert member.stdin is not None
            share = [str(photo) for photo in photos[number :: len(self._members)]]
            member.stdin.write(json.dumps({"photos": share}) + "\n")
            member.stdin.flush()
        total = Spent()
        vectors: dict[str, str] = {}
        for member in self._members:
            assert member.stdout is not None
            answer = json.loads(member.stdout.readline())
            total.cpu_ms += answer["spent"]["cpu_ms"]
            total.decode_ms += answer["spent"]["decode_ms"]
            vectors |= answer["vectors"]
        total.seconds = time.perf_counter() - started
        return total, vectors

    def close(self) -> None:
        """End the processes."""
        for member in self._members:
            assert member.stdin is not None
            member.stdin.close()
            member.wait(10)


def main(style: str) -> None:
    """Work on rounds until standard input ends."""
    loop = Loop(decoded(style, Style))
    print("ready", flush=True)
    for line in sys.stdin:
        spent, vectors = loop.run([Path(photo) for photo in json.loads(line)["photos"]])
        print(json.dumps({"spent": asdict(spent), "vectors": vectors}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
