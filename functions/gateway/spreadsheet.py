"""Cards as a spreadsheet: pictures, fields, and the records that values were taken from. Pure."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from functions.catalogue.classes import UnknownClass, class_of
from functions.catalogue.fields import BY_NAME, Field

Language = Literal["ru", "en"]
CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ROW = 122.0
"""Points: half of a copy of 320 pixels."""
WORDS = {
    "cards": ("Карточки", "Cards"),
    "sources": ("Источники", "Sources"),
    "photo": ("Фото", "Photo"),
    "card": ("Черновик", "Draft"),
    "state": ("Состояние", "State"),
    "files": ("Файлы фотографий", "Photo files"),
    "field": ("Поле", "Field"),
    "number": ("Номер образца", "Number of the sample"),
    "museum": ("Музей образца", "Museum of the sample"),
    "value": ("Текст образца", "Text of the sample"),
    "draft": ("черновик", "draft"),
    "checked": ("проверено", "checked"),
    "exported": ("перенесено", "transferred"),
    "linked": ("связано с записью", "linked"),
}
"""As the page has them."""
ENGLISH = {
    "OwnershipType": {"1": "federal", "2": "of the region", "3": "municipal", "4": "private"},
    "IncomingMethod": {"1": "gift", "2": "donation", "3": "transfer free of charge", "4": "purchase"},
    "Category": {"1": "first", "2": "second", "3": "third"},
    "PublicationLimit": {"1": "publish", "0": "do not publish"},
}
"""What codes mean, as the page says it: the table of fields has it in Russian alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The record that a value was taken from."""

    element: str
    museum: str
    number: str
    """The number by which a registrar finds it, or else its object_id."""
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One card."""

    object_id: str
    state: str
    fields: dict[str, str]
    samples: Sequence[Sample] = ()
    files: Sequence[str] = ()
    picture: bytes | None = field(default=None, repr=False)
    """JPEG of at most 320 pixels."""


def workbook(rows: Sequence[Row], order: Sequence[str], *, language: Language = "ru") -> bytes:
    """An XLSX file of two sheets. Every cell is written as a string: a text that begins with ``=`` is never a formula."""
    import xlsxwriter
    from xlsxwriter.exceptions import XlsxWriterException

    def word(name: str) -> str:
        return WORDS[name][language == "en"]

    buffer = io.BytesIO()
    plain = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(buffer, plain) as book:
        head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        text = book.add_format({"text_wrap": True, "valign": "top"})
        cards, sources = book.add_worksheet(word("cards")), book.add_worksheet(word("sources"))
        columns = columns_of(rows, order)
        titles = [word("photo"), word("card"), word("state"), *(title(one, language) for one in columns), word("files")]
        for column, name in enumerate(titles):
            cards.write_string(0, column, name, head)
        cards.set_column(0, 0, 24)
        cards.set_column(1, len(titles) - 1, 28)
        cards.freeze_panes(1, 2)
        for number, row in enumerate(rows, 1):
            cards.set_row(number, ROW)
            texts = [
                row.object_id,
                word(row.state),
                *(shown(one, row.fields.get(one.name, ""), language) for one in columns),
                "\n".join(row.files),
            ]
            for column, value in enumerate(texts, 1):
                cards.write_string(number, column, value, text)
            if row.picture is not None:
                try:
                    cards.insert_image(number, 0, "photo.jpg", picture(row.picture))
                except XlsxWriterException:
                    cards.write_string(number, 0, "—", text)
        for column, name in enumerate((word("card"), word("field"), word("number"), word("museum"), word("value"))):
            sources.write_string(0, column, name, head)
        sources.set_column(0, 3, 24)
        sources.set_column(4, 4, 60)
        sources.freeze_panes(1, 0)
        samples = [(row, sample) for row in rows for sample in row.samples]
        for number, (row, sample) in enumerate(samples, 1):
            element = BY_NAME[sample.element]
            said = shown(element, sample.value, language)
            for column, value in enumerate((row.object_id, title(element, language), sample.number, sample.museum, said)):
                sources.write_string(number, column, value, text)
    return buffer.getvalue()


def picture(raw: bytes) -> dict[str, object]:
    """How a picture is put into its cell: half its pixels, moved with the cell."""
    return {"image_data": io.BytesIO(raw), "x_scale": 0.5, "y_scale": 0.5, "x_offset": 2, "y_offset": 2, "object_position": 1}


def columns_of(rows: Sequence[Row], order: Sequence[str]) -> list[Field]:
    """The fields in the museum's order, and after them what else any card has."""
    names = dict.fromkeys(name for name in order if name in BY_NAME)
    names.update(dict.fromkeys(name for name in BY_NAME if any(name in row.fields for row in rows)))
    return [BY_NAME[name] for name in names]


def title(one: Field, language: Language) -> str:
    """A field's name with its first letter large."""
    name = one.ru if language == "ru" else one.en
    return name[:1].upper() + name[1:]


def shown(one: Field, value: str, language: Language) -> str:
    """A field's value in words, and the code beside it where it is one."""
    if one.name == "TypologyGK" and value:
        try:
            known = class_of(value)
        except UnknownClass:
            return value
        return f"{known.ru if language == 'ru' else known.en} ({known.code})"
    if value not in one.codes:
        return value
    return f"{one.codes[value] if language == 'ru' else ENGLISH[one.name][value]} ({value})"
