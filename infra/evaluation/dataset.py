"""What is evaluated: a gallery of catalogued photographs, and queries whose object is known.

A data set is a folder: ``catalogue.csv`` as ``museum import`` takes it, ``images/``, and ``queries.csv`` with the columns
``img_name;object_id`` and perhaps ``set``, its photographs in ``queries/``. Instead of ``queries.csv`` a folder ``views/`` may
hold ``<object_id>_v<n>.jpg``. An empty object_id is a stranger: a thing that is not in the gallery.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from functions.catalogue.classes import UnknownClass, class_of
from functions.catalogue.table import BadTable, TableObject, TableRowError, read_table

QUERIES, VIEWS, TABLE, IMAGES = "queries", "views", "catalogue.csv", "images"


class DatasetError(ValueError):
    """A data set that cannot be evaluated: what was expected, what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One photograph of an object. In a query, ``object_id`` may be empty: a stranger."""

    object_id: str
    file: Path
    set: str = ""
    """Which queries it belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Catalogued photographs, with the class of each object whose class is known."""

    photos: tuple[Photo, ...]
    classes: dict[str, int]


def gallery_of(folder: Path) -> Gallery:
    """The gallery of a data set. Raises ``DatasetError`` where a row or a photograph is wrong, or there is none."""
    table = folder / TABLE
    if not table.is_file():
        raise DatasetError(f"{folder}: expected {TABLE} there, with the columns of `museum import`")
    photos: list[Photo] = []
    classes: dict[str, int] = {}
    for row in rows_of(table):
        if isinstance(row, TableRowError):
            if row.warning:
                continue
            raise DatasetError(f"{table}, row {row.row}: {row.reason}")
        photos += [Photo(object_id=row.object_id, file=existing(folder / IMAGES / name, table)) for name in row.images]
        try:
            classes[row.object_id] = class_of(row.fields.get("TypologyGK", "")).code
        except UnknownClass:
            continue
    if not photos:
        raise DatasetError(f"{table}: expected photographs in the column img_name, found none")
    return Gallery(photos=tuple(photos), classes=classes)


def rows_of(table: Path) -> list[TableObject | TableRowError]:
    """The rows of a table. Raises ``DatasetError`` where none can be read."""
    try:
        return read_table(table.read_bytes())
    except BadTable as error:
        raise DatasetError(f"{table}: {error}") from None


def together(galleries: Sequence[Gallery]) -> Gallery:
    """Several galleries as one. Raises ``DatasetError`` where two have an object of the same name."""
    photos: list[Photo] = []
    classes: dict[str, int] = {}
    for one in galleries:
        taken = {photo.object_id for photo in photos} & {photo.object_id for photo in one.photos}
        if taken:
            raise DatasetError(f"two galleries have an object {min(taken)}: an object_id must be of one gallery")
        photos += one.photos
        classes |= one.classes
    return Gallery(photos=tuple(photos), classes=classes)


def queries_of(folder: Path, objects: set[str]) -> list[Photo]:
    """The photographed queries of a data set, perhaps none. Raises ``DatasetError`` for one of an unknown object."""
    found = list(listed(folder / f"{QUERIES}.csv")) if (folder / f"{QUERIES}.csv").is_file() else list(viewed(folder / VIEWS))
    for query in found:
        if query.object_id and query.object_id not in objects:
            raise DatasetError(f"{query.file.name} is a query for {query.object_id}, which is not in the gallery")
    return found


def listed(table: Path) -> Iterator[Photo]:
    """The rows of a ``queries.csv``."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file, delimiter=";")
        if missing := {"img_name", "object_id"} - set(rows.fieldnames or ()):
            raise DatasetError(f"{table}: expected the columns img_name;object_id, missing {', '.join(sorted(missing))}")
        for row in rows:
            file_name = existing(table.parent / QUERIES / row["img_name"], table)
            yield Photo(object_id=(row["object_id"] or "").strip(), file=file_name, set=row.get("set") or QUERIES)


def viewed(folder: Path) -> Iterator[Photo]:
    """The photographs ``<object_id>_v<n>`` of a folder."""
    for file in sorted(folder.glob("*_v*.*")):
        yield Photo(object_id=file.stem.rpartition("_v")[0], file=file, set=VIEWS)


def strangers_of(folder: Path) -> list[Photo]:
    """Every photograph of a folder, as queries for nothing. Raises ``DatasetError`` where there is none."""
    found = [Photo(object_id="", file=file, set="strangers") for file in sorted(folder.glob("*")) if file.is_file()]
    if not found:
        raise DatasetError(f"{folder}: expected photographs of things that are not in the gallery, found none")
    return found


def existing(file: Path, table: Path) -> Path:
    """The file, if it is there."""
    if not file.is_file():
        raise DatasetError(f"{table} names {file.name}, which is not in {file.parent}")
    return file
