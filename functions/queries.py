"""``*.query.json``: what a query asks for that a photo alone cannot say. Pure: ingest reads what the gateway writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from functions.catalogue.classes import BY_CODE
from functions.catalogue.keys import QueryKey, parse_query
from functions.decoding import converted, decoded
from functions.errors import Reject
from functions.events import MAX_PHOTOS, Ask, Filter, ObjectName, Region, Whose

MAX_BYTES = 64_000
"""Bytes of a query file."""
FIELDS = "photos, region (left, top, width, height), scope, filter (classes, museums, period), exclude (museum, object_id)"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFile:
    """The photos of one object, the part of the first that is meant, and among which objects they are searched."""

    photos: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_PHOTOS)]
    """Keys in the bucket of the file: see :func:`may_name`."""
    region: Region | None = None
    scope: Whose = "all"
    filter: Filter | None = None
    exclude: ObjectName | None = None

    @property
    def ask(self) -> Ask:
        """Among which objects it is searched."""
        return Ask(scope=self.scope, filter=self.filter, exclude=self.exclude)


def encode(wanted: QueryFile) -> bytes:
    """A query file as JSON, without what it does not ask for. Raises ``Reject`` for one that :func:`decode` would refuse."""
    body = msgspec.json.encode({name: value for name, value in msgspec.to_builtins(wanted).items() if value is not None})
    decode(body)
    return body


def decode(body: bytes) -> QueryFile:
    """Read a query file. Raises ``Reject("broken-query-file", …)``, also for a field that is not known: what it asks for
    would not be done."""
    if len(body) > MAX_BYTES:
        raise broken(f"it has {len(body)} bytes, and at most {MAX_BYTES} are read")
    try:
        given = decoded(body)
        wanted = converted(given, QueryFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise broken(str(error)) from None
    if unknown := sorted(surplus(given, msgspec.to_builtins(wanted))):
        raise broken(f"unknown fields {', '.join(unknown)}: known are {FIELDS}")
    asked = wanted.filter or Filter()
    if strange := sorted(set(asked.classes) - set(BY_CODE)):
        raise broken(f"filter.classes: expected some of {', '.join(map(str, BY_CODE))}, found {', '.join(map(str, strange))}")
    if asked.period and asked.period[0] > asked.period[1]:
        raise broken(f"filter.period: expected the first year and the last, found {asked.period[0]} and {asked.period[1]}")
    return wanted


def broken(what: str) -> Reject:
    """The end of a query file that cannot be read."""
    return Reject("broken-query-file", f'expected {{"photos": [1–{MAX_PHOTOS} keys], …}}: {what}')


def surplus(given: Mapping[str, Any], known: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The fields, with the way to them, that were given and not read."""
    for name, value in given.items():
        if name not in known:
            yield path + name
        elif isinstance(value, dict):
            yield from surplus(value, known[name], f"{path}{name}.")


def may_name(file: QueryKey, photo: str) -> bool:
    """Whether a query file of this key may name a photo: a part or a photo of any query of the same museum and owner.

    Another owner's cannot be named: the file would show them to somebody else. Nor can a key with ``.`` or ``..`` in it, which
    a store over a file system might read as another.
    """
    key = parse_query(photo, museum="", owner="")
    return (
        bool(file.random and key.random)
        and (key.museum, key.owner) == (file.museum, file.owner)
        and (key.kind == "part" or (key.kind == "photo" and not photo.endswith("/")))
        and not {".", ".."} & set(photo.split("/"))
    )
