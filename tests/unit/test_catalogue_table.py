"""The hackathon's CSV."""

from __future__ import annotations

import re

import pytest

from functions.catalogue.table import BadTable, TableObject, TableRowError, read_table

HEADER = "object_id;name;description;group;img_name"


def read(*lines: str, header: str = HEADER, encoding: str = "utf-8") -> tuple[list[TableObject], list[TableRowError]]:
    """Objects and errors of a table."""
    found = read_table("\r\n".join((header, *lines)).encode(encoding))
    objects = [one for one in found if isinstance(one, TableObject)]
    return objects, [one for one in found if isinstance(one, TableRowError)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
def test_a_row_is_an_object_in_any_of_the_usual_encodings(encoding: str) -> None:
    """Excel writes a byte order mark, old systems Windows-1251."""
    objects, errors = read("1;Чёрная ваза;Глина;ДПИ;1.jpg", encoding=encoding)
    assert errors == []
    assert objects == [TableObject("1", {"Name": "Чёрная ваза", "ShortDescription": "Глина", "TypologyGK": "13"}, ("1.jpg",))]


def test_several_rows_with_one_object_id_are_several_views() -> None:
    """A later row may leave out what an earlier one said, and add to it."""
    objects, errors = read("1;Ваза;;13;a.jpg", "2;Блюдо;;13;c.jpg", "1;;Глина;;b.jpg", "1;Ваза;;13;a.jpg")
    assert errors == []
    assert [(one.object_id, one.images) for one in objects] == [("1", ("a.jpg", "b.jpg")), ("2", ("c.jpg",))]
    assert objects[0].fields == {"Name": "Ваза", "TypologyGK": "13", "ShortDescription": "Глина"}


def test_a_later_row_that_contradicts_is_an_error() -> None:
    """Neither wins silently."""
    objects, errors = read("1;Ваза;;13;a.jpg", "1;Кувшин;;13;b.jpg")
    assert objects[0].images == ("a.jpg",)
    assert [(one.row, one.reason) for one in errors] == [(3, "Name differ from an earlier row of object 1")]


def test_a_text_may_have_line_breaks_semicolons_and_quotation_marks() -> None:
    """In quotation marks, as every spreadsheet writes them."""
    objects, errors = read('1;"Ваза ""Весна""; фарфор";"две\nстроки";13;1.jpg', "2;Блюдо;;13;2.jpg")
    assert errors == []
    assert objects[0].fields["Name"] == 'Ваза "Весна"; фарфор'
    assert objects[0].fields["ShortDescription"] == "две\nстроки"
    assert objects[1].object_id == "2"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1;Ваза;;Керамика;1.jpg", "'Керамика' is none of the 15 classes"),
        ("1;Ваза;;9;1.jpg", "write which"),
        (";Ваза;;13;1.jpg", "object_id is empty"),
        ("1;Ваза;;13;", "img_name is empty"),
        (";Ваза;;13;", "object_id and img_name are empty"),
        ("1;Ваза", "img_name is empty"),
        ("1;Ваза; фарфор;;13;1.jpg", "6 cells for 5 columns"),
        ("1;Ваза;;13;../secret.jpg", "in the folder of photos"),
        ("1;Ваза;;13;/etc/passwd", "in the folder of photos"),
        ("1;Ваза;;13;..", "in the folder of photos"),
        ('1;"Ваза" синяя;;13;1.jpg', "quotation marks"),
    ],
)
def test_a_row_that_cannot_be_taken_is_named_and_the_others_go_on(line: str, words: str) -> None:
    """By its number and a reason, never the whole file."""
    objects, errors = read("0;Первая;;13;0.jpg", line, "2;Последняя;;13;2.jpg")
    assert [one.object_id for one in objects] == ["0", "2"]
    assert [one.row for one in errors] == [3]
    assert words in errors[0].reason


def test_a_quotation_mark_that_is_never_closed_is_said() -> None:
    """The rest of the file is inside it, and must not vanish."""
    objects, errors = read("1;Ваза;;13;1.jpg", '2;"Блюдо;;13;2.jpg', "3;Чаша;;13;3.jpg")
    assert [one.object_id for one in objects] == ["1"]
    assert [one.row for one in errors] == [3]
    assert "quotation marks" in errors[0].reason


def test_further_columns_are_fields_by_their_names_in_the_register() -> None:
    """With their codes and years checked."""
    header = f"{HEADER};Authors;CreationTimeStart;PublicationLimit"
    objects, errors = read("1;Ваза;;13;1.jpg;Иванов;1850;1", "2;Ваза;;13;2.jpg;Иванов;около 1850;1", header=header)
    assert objects[0].fields["Authors"] == "Иванов"
    assert objects[0].fields["PublicationLimit"] == "1"
    assert len(objects) == 1
    assert "expected a year" in errors[0].reason


def test_unknown_columns_are_told_and_lose_no_object() -> None:
    """A warning: their objects are taken."""
    objects, errors = read("1;Ваза;;13;1.jpg;x", header=f"{HEADER};colour")
    assert len(objects) == 1
    assert [(one.warning, "colour" in one.reason) for one in errors] == [(True, True)]


@pytest.mark.parametrize(
    ("column", "hint"),
    [("Author", "is Authors meant?"), ("Материал, техника", "is MaterialandTechnique meant?"), ("colour", "left out")],
)
def test_an_unknown_column_is_told_with_the_one_that_may_be_meant(column: str, hint: str) -> None:
    """By nearly its name, or by its Russian one; nothing is guessed where none is near."""
    _, (warning,) = read('1;Ваза;;13;1.jpg;"x"', header=f'{HEADER};"{column}"')
    assert warning.reason.startswith(f"the column {column} is not known")
    assert warning.reason.endswith(hint)


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_the_header_tells_how_the_table_is_separated(separator: str) -> None:
    """Texts may have the other separators in them, more often than the table has its own."""
    header, row = HEADER.replace(";", separator), separator.join(("1", '"a; b, c, d, e, f\tg"', "", "13", "1.jpg"))
    objects, errors = read(row, header=header)
    assert errors == []
    assert [(one.fields["Name"], one.images) for one in objects] == [("a; b, c, d, e, f\tg", ("1.jpg",))]


def test_a_text_with_the_separator_in_it_is_told_by_the_tables_own() -> None:
    """Not by the usual one."""
    _, (error,) = read("1,Ваза, фарфор,,13,1.jpg", header=HEADER.replace(";", ","))
    assert "a text with `,` in it needs quotation marks" in error.reason


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("object_id|name|description|group|img_name", "the columns object_id, img_name are missing; found object_id|name"),
        ("object_id|name|description|group|img_name", "and no `;`, `,` or tab between columns"),
        ("object_id,name,photo", "the column img_name is missing; found object_id, name, photo, separated by `,`"),
        ("object_id;name;image_name", "Is image_name meant as img_name?"),
        ("", "found nothing"),
        ("object_id;name;img_name;name", "the column Name is there twice"),
        ("object_id;name;img_name;Name", "the column Name is there twice"),
        ('"object_id;name', "header cannot be read"),
    ],
)
def test_a_header_that_cannot_be_used_is_the_only_error(header: str, words: str) -> None:
    """One reason, not one a row: first what is missing, then what was found."""
    with pytest.raises(BadTable, match=re.escape(words)):
        read("1;Ваза;;13;1.jpg", header=header)


def test_two_photos_of_one_object_may_not_have_one_name() -> None:
    """Their keys would be the same, and one would be lost."""
    objects, errors = read("1;Ваза;;13;a/1.jpg", "1;;;;b/1.jpg", "2;Блюдо;;13;b/1.jpg")
    assert [one.images for one in objects] == [("a/1.jpg",), ("b/1.jpg",)]
    assert "another photo named 1.jpg" in errors[0].reason


def test_what_an_export_writes_into_empty_cells_is_no_text() -> None:
    """ "None" is nobody's description; markup stays the text that it is."""
    objects, _ = read("1;<img onerror=alert(1)>;None;13;1.jpg")
    assert objects[0].fields == {"Name": "<img onerror=alert(1)>", "TypologyGK": "13"}


def test_empty_rows_are_skipped() -> None:
    """Spreadsheets leave them at the end."""
    objects, errors = read("1;Ваза;;13;1.jpg", ";;;;", "")
    assert len(objects) == 1
    assert errors == []
