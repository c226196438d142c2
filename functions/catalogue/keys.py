"""What a key says. Keys begin with the museum; in ``queries`` also with the owner.

    queries     <museum>/<owner>/<random>/<name>
                <museum>/<owner>/<random>/parts/<name>      photos of a query file: they trigger nothing
                <museum>/<owner>/<random>/<name>.query.json
    catalogue   <museum>/<object_id, quoted>/record.json
                <museum>/<object_id, quoted>/images/<name>

A key of another shape belongs to the bucket's default museum and owner, and stands for an object of its own. So does a key in
which the object_id is quoted otherwise than :func:`quoted` does: else one object would have two prefixes, and two records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote

LAST = 2**48 - 1
NEW_ID = re.compile(r"[0-9a-f]{28}")
QUERY_FILE = ".query.json"
PARTS = "parts/"
RECORD = "record.json"
IMAGES = "images/"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryKey:
    """A key of the queries bucket."""

    museum: str
    owner: str
    random: str
    """The ``{id}`` of the web API; empty for a key of another shape."""
    kind: Literal["photo", "file", "part"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueKey:
    """A key of the catalogue bucket."""

    museum: str
    object_id: str
    prefix: str
    """What all keys of the object begin with; a key of another shape is alone under itself."""
    kind: Literal["record", "photo"]

    @property
    def alone(self) -> bool:
        """Whether the key is of another shape; it may end in ``/``, as the folders that S3 consoles make."""
        return self.prefix == self.object_id

    @property
    def record_key(self) -> str:
        """Where the object's record is; empty for a key of another shape, which has none."""
        return "" if self.alone else self.prefix + RECORD

    def owns(self, key: str) -> bool:
        """Whether a key listed under the prefix is one of this object's."""
        if self.alone:
            return key == self.prefix
        return key == self.record_key or key.startswith(self.prefix + IMAGES)


def quoted(object_id: str) -> str:
    """An object_id as one part of a key: reversible, and never ``.``, ``..`` or empty."""
    if not object_id:
        raise ValueError("an object_id may not be empty")
    text = quote(object_id, safe="")
    return text.replace(".", "%2E") if set(object_id) == {"."} else text


def is_quoted(part: str) -> bool:
    """Whether a part of a key is what :func:`quoted` makes of an object_id."""
    object_id = unquote(part)
    return bool(object_id) and quoted(object_id) == part


def named(name: str) -> str:
    """A photo's name, which stays as it is. Raises ``ValueError`` for one that would make both ``a`` and ``a/b``."""
    if "/" in name or name in ("", ".", ".."):
        raise ValueError(f"a photo's name is one part of a key, found {name!r}")
    return name


def new_query_id(milliseconds: int, random: str) -> str:
    """The random part of a new query's key: time backwards, so that a listing has the newest first. 28 hex digits.

    ``milliseconds`` since the epoch; ``random``: 16 hex digits.
    """
    return f"{LAST - milliseconds:012x}{random}"


def born(query_id: str) -> float | None:
    """When such an id was made, in seconds since the epoch; ``None`` for an id of somebody else's making."""
    return (LAST - int(query_id[:12], 16)) / 1000 if NEW_ID.fullmatch(query_id) else None


def query_key(museum: str, owner: str, random: str, name: str) -> str:
    """The key of a new query's photo."""
    return f"{museum}/{owner}/{random}/{named(name)}"


def record_key(museum: str, object_id: str) -> str:
    """The key of an object's record."""
    return f"{museum}/{quoted(object_id)}/{RECORD}"


def photo_key(museum: str, object_id: str, name: str) -> str:
    """The key of one of an object's photos."""
    return f"{museum}/{quoted(object_id)}/{IMAGES}{named(name)}"


def parse_query(key: str, *, museum: str, owner: str) -> QueryKey:
    """Read a key of the queries bucket; ``museum`` and ``owner`` are the bucket's defaults."""
    kind: Literal["photo", "file", "part"] = "file" if key.endswith(QUERY_FILE) else "photo"
    parts = key.split("/", 3)
    if len(parts) < 4 or not all(parts):
        return QueryKey(museum=museum, owner=owner, random="", kind=kind)
    if parts[3].startswith(PARTS) and parts[3] != PARTS:  # only here: any other folder named parts would swallow uploads
        kind = "part"
    return QueryKey(museum=parts[0], owner=parts[1], random=parts[2], kind=kind)


def parse_catalogue(key: str, *, museum: str) -> CatalogueKey:
    """Read a key of the catalogue bucket; ``museum`` is the bucket's default."""
    parts = key.split("/", 2)
    if len(parts) == 3 and parts[0] and is_quoted(parts[1]):
        prefix = f"{parts[0]}/{parts[1]}/"
        if parts[2] == RECORD:
            return CatalogueKey(museum=parts[0], object_id=unquote(parts[1]), prefix=prefix, kind="record")
        if parts[2].startswith(IMAGES) and parts[2] != IMAGES:
            return CatalogueKey(museum=parts[0], object_id=unquote(parts[1]), prefix=prefix, kind="photo")
    return CatalogueKey(museum=museum, object_id=key, prefix=key, kind="photo")
