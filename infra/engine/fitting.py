"""Fit a model's whitening on photographs that anybody may have: ``museum models whiten NAME``.

The demo's photographs (Debian's ``tuxpaint-stamps-default``) and, where the folder is given, the objects of the Getty set whose
sha1 is even, with their other views (CC BY 4.0): never one that is evaluated. Each photograph comes with changed copies of it, on
walls and tables and in other light, each seen whole and by its crop; what differs between these is what the whitening shrinks.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infra.engine import build, wheels
from infra.engine.spec import Spec
from infra.engine.whitening import SHRINKAGE, Whitening, WhiteningError, fit
from infra.evaluation.dataset import Photo, gallery_of, viewed
from infra.evaluation.encode import Eye, Kept, Views, each, onnx_see, opened
from infra.evaluation.split import half_of
from infra.evaluation.variants import variant
from infra.local import stamps

KINDS = ("wall", "copy", "phone", "wall")
"""Changed copies of each photograph."""
SEED = 1000
"""Of the copies: evaluation uses another."""
GETTY = "J. Paul Getty Museum, CC BY 4.0: objects whose sha1 is even, from thegetty/cva10, ambers and romanmosaics"
ABOUT = "whitening.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a whitening was fitted on: ``whitening.json`` beside it."""

    command: str
    seed: int
    kinds: tuple[str, ...]
    shrinkage: float
    objects: int
    photographs: int
    vectors: int
    sources: tuple[str, ...]
    note: str = "Statistics of photographs; no photograph can be had back from them."


def photographs(getty: Path | None, cache: Path) -> list[Photo]:
    """What may be fitted on. Raises ``DatasetError``."""
    demo = stamps.build(stamps.fetch(cache), cache / "demo")
    found = list(gallery_of(demo.table.parent).photos)
    if getty is not None:
        more = (*gallery_of(getty).photos, *viewed(getty / "views"))
        found += [photo for photo in more if half_of(photo.object_id) == "train"]
    return found


def whiten(
    spec: Spec, photos: Sequence[Photo], *, cache: Path, workers: int, step: Callable[[], None], shrinkage: float = SHRINKAGE
) -> tuple[Whitening, int]:
    """The whitening of a model's features, and how many vectors it stands on. ``step``: called for each of :func:`jobs`."""
    if spec.reference is not None:
        raise WhiteningError(f"{spec.name} has the whitening of {spec.reference}: fit that one")
    raw = build.raw(spec, cache)
    with Kept(cache / "evaluation" / "features.sqlite") as kept:
        eye = Eye(onnx_see(raw, vector="features"), wheels.sha256_of(raw), kept)

        def look(job: tuple[Photo, int]) -> Views:
            photo, number = job
            picture = opened(photo.file)
            if number >= 0:
                picture = variant(KINDS[number], picture, seed=SEED, name=photo.file.stem, number=number)
            seen = eye.views(picture)
            step()
            return seen

        seen = list(each(look, jobs(photos), workers=workers))
    vectors = [
        (vector, photo.object_id) for (photo, _), views in zip(jobs(photos), seen, strict=True) for vector in views.values()
    ]
    features: NDArray[np.float32] = np.stack([vector for vector, _ in vectors])
    return fit(features, [name for _, name in vectors], dim=spec.dim, shrinkage=shrinkage), len(vectors)


def jobs(photos: Sequence[Photo]) -> list[tuple[Photo, int]]:
    """Each photograph as it is, and its changed copies."""
    return [(photo, number) for photo in photos for number in range(-1, len(KINDS))]


def store(made: Whitening, about: Fitted, folder: Path) -> None:
    """Write ``whitening.npz`` and what it was fitted on. Raises ``WhiteningError`` where the folder cannot be written."""
    body = io.BytesIO()
    np.savez(body, mean=made.mean, matrix=made.matrix)
    try:
        for name, content in (
            ("whitening.npz", body.getvalue()),
            (ABOUT, (json.dumps(asdict(about), indent=2, ensure_ascii=False) + "\n").encode()),
        ):
            (folder / f"{name}.part").write_bytes(content)
            (folder / f"{name}.part").replace(folder / name)
    except OSError as error:
        raise WhiteningError(f"{folder} cannot be written: {error.strerror}") from None


def described(spec: Spec, photos: Sequence[Photo], vectors: int, getty: Path | None) -> Fitted:
    """What is written beside a whitening."""
    sources = [f"{stamps.PACKAGE} {stamps.VERSION} (Debian; GPL-2 and public domain, see the package)"]
    return Fitted(
        command=f"museum models whiten {spec.name}" + (" --getty getty/" if getty else ""),
        seed=SEED,
        kinds=KINDS,
        shrinkage=SHRINKAGE,
        objects=len({photo.object_id for photo in photos}),
        photographs=len(photos),
        vectors=vectors,
        sources=(*sources, *([GETTY] if getty else [])),
    )
