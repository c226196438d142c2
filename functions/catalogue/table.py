"""The hackathon's CSV of a catalogue, and any further field of the record. Pure.

Separated by ``;``, ``,`` or tabs, UTF-8 (with or without a byte order mark) or Windows-1251:
``object_id;name;description;group;img_name`` and further columns by element name. Several rows with one object_id are several
views of one object: what a later row adds is added, what it contradicts is an error. Nothing is dropped without a word.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath

from functions.catalogue.classes import class_of
from functions.catalogue.fields import BY_NAME, FIELDS

COLUMNS = {"name": "Name", "description": "ShortDescription", "group": "TypologyGK"}
"""The hackathon's names for fields."""
REQUIRED = ("object_id", "img_name")
KNOWN = (*REQUIRED, *COLUMNS, *BY_NAME)
MEANT: dict[str, str] = {word.lower(): item.name for item in FIELDS for word in (item.ru, item.en)} | {
    column.lower(): column for column in reversed(KNOWN)
}
"""What a column may be called by mistake → what it is called here."""
SEPARATORS = {";": "`;`", ",": "`,`", "\t": "tabs"}
EMPTY = frozenset({"None", "nan", "NaN"})
"""What spreadsheets' and pandas' exports write into empty cells: nobody's description."""


@dataclass(frozen=True, slots=True)
class TableObject:
    """One object with the names of its photos."""

    object_id: str
    fields: dict[str, str]
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableRowError:
    """A row that cannot be taken; the others go on."""

    row: int
    """As an editor counts: the header is row 1."""
    reason: str
    warning: bool = False
    """Nothing of an object was lost."""


class BadTable(ValueError):
    """A table of which no row can be read; the message says what is missing and what was found."""


def read_table(raw: bytes) -> list[TableObject | TableRowError]:
    """The objects of a table in its order, and the rows that are none. Raises ``BadTable`` where no row can be read."""
    text = decoded(raw)
    separator = separator_of(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header = header_of(reader)
    must_be_usable(header, separator)
    errors = [TableRowError(1, unknown_column(column), warning=True) for column in header if column and column not in KNOWN]
    objects: dict[str, TableObject] = {}
    for number, cells in rows(reader, errors):
        taken = row(number, header, cells, objects, SEPARATORS[separator])
        if isinstance(taken, TableRowError):
            errors.append(taken)
        else:
            objects[taken.object_id] = taken
    return [*objects.values(), *errors]


def separator_of(text: str) -> str:
    """The separator by which the header has the most columns that are known; ``;`` where none tells."""

    def evidence(separator: str) -> tuple[int, int]:
        try:
            columns = header_of(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
        except BadTable:
            return 0, 0
        return sum(column in KNOWN for column in columns), len(columns)

    return max(SEPARATORS, key=evidence)


def header_of(reader: Iterator[list[str]]) -> list[str]:
    """The columns' names. Raises ``BadTable``."""
    try:
        return [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise BadTable(f"the header cannot be read: {error}") from None


def must_be_usable(header: Sequence[str], separator: str) -> None:
    """Raises ``BadTable`` for a header that lacks a column, or has one twice."""
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        found = ", ".join([column for column in header if column][:10]) or "nothing"
        between = f"separated by {SEPARATORS[separator]}" if len(header) > 1 else "and no `;`, `,` or tab between columns"
        hints = [f". Is {column} meant as {near}?" for column in header if (near := nearest(column)) in missing]
        raise BadTable("".join([f"{named(missing)} missing; found {found}, {between}", *hints]))
    meant = [COLUMNS.get(column, column) for column in header if column]
    twice = sorted({column for column in meant if meant.count(column) > 1})
    if twice:
        raise BadTable(f"{named(twice)} there twice: which counts?")


def named(columns: Sequence[str]) -> str:
    """The beginning of a sentence about columns."""
    return f"the column {columns[0]} is" if len(columns) == 1 else f"the columns {', '.join(columns)} are"


def nearest(column: str) -> str | None:
    """The known column that a name may stand for, in the register's or in nearly its own words."""
    near = get_close_matches(column.lower(), MEANT, n=1, cutoff=0.75)
    return MEANT[near[0]] if near else None


def unknown_column(column: str) -> str:
    """What is said of a column that is not taken."""
    near = nearest(column)
    return f"the column {column} is not known and left out" + (f": is {near} meant?" if near else "")


def decoded(raw: bytes) -> str:
    """The text of a file: UTF-8, or else Windows-1251, in which museums' systems still export."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1251", errors="replace")


def rows(reader: Iterator[list[str]], errors: list[TableRowError]) -> Iterator[tuple[int, list[str]]]:
    """Numbered rows that are not empty."""
    number = 1
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            errors.append(TableRowError(number, f"the row cannot be read, are its quotation marks in pairs? {error}"))
            continue
        if any(cell.strip() for cell in cells):
            yield number, cells


def row(
    number: int, header: list[str], cells: list[str], objects: dict[str, TableObject], separator: str
) -> TableObject | TableRowError:
    """The object of a row, with the views that earlier rows gave it."""
    if any(cell.strip() for cell in cells[len(header) :]):
        said = f"{len(cells)} cells for {len(header)} columns: a text with {separator} in it needs quotation marks"
        return TableRowError(number, said)
    values = {name: text for name, cell in zip(header, cells, strict=False) if (text := cell.strip()) and text not in EMPTY}
    absent = [column for column in REQUIRED if column not in values]
    if absent:
        return TableRowError(number, f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} empty")
    try:
        fields = fields_of(values)
        image = image_of(values["img_name"])
    except ValueError as error:
        return TableRowError(number, str(error))
    before = objects.get(values["object_id"], TableObject(values["object_id"], {}, ()))
    differing = sorted(name for name in fields if before.fields.get(name, fields[name]) != fields[name])
    if differing:
        return TableRowError(number, f"{', '.join(differing)} differ from an earlier row of object {before.object_id}")
    if PurePosixPath(image).name in {PurePosixPath(other).name for other in before.images if other != image}:
        return TableRowError(number, f"object {before.object_id} has another photo named {PurePosixPath(image).name}")
    return TableObject(before.object_id, {**before.fields, **fields}, tuple(dict.fromkeys((*before.images, image))))


def fields_of(values: dict[str, str]) -> dict[str, str]:
    """The fields of the record by element name, the class as a code. Raises ``ValueError`` that says what is wrong."""
    fields = {COLUMNS.get(name, name): text for name, text in values.items() if COLUMNS.get(name, name) in BY_NAME}
    if "TypologyGK" in fields:
        fields["TypologyGK"] = str(class_of(fields["TypologyGK"]).code)
    for name, text in fields.items():
        if problem := BY_NAME[name].problem(text):
            raise ValueError(problem)
    return fields


def image_of(name: str) -> str:
    """A photo's place in the folder of photos, with ``/``. Raises ``ValueError`` for one outside of it."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError(f"img_name: expected the name of a file in the folder of photos, found {name!r}")
    return str(path)
