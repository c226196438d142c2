"""A museum record: ``record.json`` in the catalogue bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from functions.catalogue.classes import UnknownClass, class_of
from functions.catalogue.fields import BY_NAME, OFFERED, PUBLIC
from functions.decoding import decoded
from functions.ports import UNKNOWN_YEAR

MAX_RECORD = 1_000_000
"""Bytes of a record.json."""


KINDS: Mapping[type, str] = {
    bool: "true or false",
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    type(None): "null",
}
"""JSON's kinds of value, in words."""


class BadRecord(ValueError):
    """A record that cannot be read; the message says which field and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The fields of one object that are filled, by element name. Everything is text, as the register has it."""

    museum: str
    object_id: str
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def class_code(self) -> int:
        """typologyId, 0 where unknown."""
        try:
            return class_of(self.fields["TypologyGK"]).code
        except (KeyError, UnknownClass):
            return 0

    @property
    def public(self) -> bool:
        """Only PublicationLimit 1 means publish; unknown means not public."""
        return self.fields.get("PublicationLimit") == "1"

    @property
    def years(self) -> tuple[int, int]:
        """First and last year of its making, ``UNKNOWN_YEAR`` twice where none is given or they contradict each other.

        One alone is both. A year that is none counts as missing.
        """
        fields = (BY_NAME[name] for name in ("CreationTimeStart", "CreationTimeEnd"))
        given = [value for item in fields if (value := self.fields.get(item.name)) and item.problem(value) is None]
        years = [int(value) for value in given]
        return (years[0], years[-1]) if years and years[0] <= years[-1] else (UNKNOWN_YEAR, UNKNOWN_YEAR)

    @property
    def completeness(self) -> float:
        """Share of the offered fields that are filled, 0–1."""
        return sum(1 for item in OFFERED if self.fields.get(item.name)) / len(OFFERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a row of the index needs of a record."""

    class_code: int = 0
    public: bool = False
    year_from: int = UNKNOWN_YEAR
    year_to: int = UNKNOWN_YEAR
    problem: str = ""
    """Why the record cannot be read, empty where it can."""


def parse(body: bytes, *, museum: str, object_id: str) -> Record:
    """Read a record.json: an object of element names and texts or numbers. Raises ``BadRecord``.

    Whose record it is says its key, never its content. Text stays text, whatever it looks like. A code or year that makes no
    sense is kept as it is: the museum's own system is the master, and one odd value must not hide the rest.
    """
    try:
        given = decoded(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord(f"the record is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise BadRecord(f"expected a JSON object of field names and texts, found {KINDS[type(given)]}")
    unknown = sorted(set(given) - set(BY_NAME))
    if unknown:
        raise BadRecord(f"unknown fields {', '.join(unknown)}: the record has {', '.join(BY_NAME)}")
    for name, value in given.items():
        if isinstance(value, bool | dict | list):
            raise BadRecord(f"{name} ({BY_NAME[name].ru}): expected a text or a number, found {KINDS[type(value)]}")
    filled = {name: str(value).strip() for name, value in given.items() if value is not None and str(value).strip()}
    return Record(museum=museum, object_id=object_id, fields=filled)


def listing_of(body: bytes | None) -> Listing:
    """Class, visibility and years; without a readable record: no class, not public, and no years."""
    if body is None:
        return Listing()
    try:
        record = parse(body, museum="", object_id="")
    except BadRecord as error:
        return Listing(problem=str(error))
    year_from, year_to = record.years
    return Listing(class_code=record.class_code, public=record.public, year_from=year_from, year_to=year_to)


def visible(record: Record, viewer: str) -> Record | None:
    """What a museum may see of a record: its own whole, another's public fields, an unpublished one not at all."""
    if record.museum == viewer:
        return record
    if not record.public:
        return None
    shown = {name: value for name, value in record.fields.items() if name in PUBLIC}
    return Record(museum=record.museum, object_id=record.object_id, fields=shown)
