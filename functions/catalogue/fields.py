"""Every field of a museum record, in one table: what it is called, and what a draft may do with it.

*offered* from a neighbour's record; *own*, from the museum's or the batch's settings; *never* from another record, since
it is an accounting fact of one object. Element names are those of the external registration XML (goskatalog.ru/external/v3.0);
fund and condition are kept by museums and lacking there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Kind = Literal["offered", "own", "never"]
Choice = Literal["whole", "vote"]
Form = Literal["text", "year", "date", "count"]
"""What a value is: a free text, a year (negative before our era), a date or a part of one, or a number of things."""

YEAR = re.compile(r"-?[0-9]{1,4}")
DATES = (
    re.compile(r"(((?P<day>[0-9]{1,2})\.)?(?P<month>[0-9]{1,2})\.)?(?P<year>[0-9]{4})"),
    re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})(-(?P<day>[0-9]{2}))?"),
)
"""Old books of acquisitions often have a year alone, or a month."""
COUNT = re.compile(r"[0-9]*[1-9][0-9]*([^0-9.,].*)?", re.DOTALL)
"""A number of things, and what they are: "1", "2 предмета"."""
EXPECTED: Mapping[Form, str] = {
    "year": "a year such as 1850, or -480 before our era",
    "date": "a date such as 12.03.1956, 03.1956 or 1956",
    "count": "how many there are, such as 1 or 2 предмета",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record."""

    name: str
    kind: Kind
    ru: str
    en: str
    public: bool = False
    """Whether another museum may see it: an allow-list of what describes the object and of its numbers in the public
    register, whatever PublicationLimit says."""
    choice: Choice = "vote"
    """``whole``: one sample's text untouched, since a vote picks the poorest record ("Монета")."""
    codes: Mapping[str, str] = field(default_factory=dict)
    """The codes it may have, with what they mean. They are what one exporter reads, not the law's list."""
    form: Form = "text"

    def problem(self, value: str) -> str | None:
        """Why a value cannot be the field's, in the user's words; ``None`` where it can. The class is :func:`class_of`'s."""
        if self.codes and value not in self.codes:
            allowed = ", ".join(f"{code} ({meaning})" for code, meaning in self.codes.items())
            return f"{self.name} ({self.ru}): expected {allowed}, found {value!r}"
        if not fits(self.form, value):
            return f"{self.name} ({self.ru}): expected {EXPECTED[self.form]}, found {value!r}"
        return None


def fits(form: Form, value: str) -> bool:
    """Whether a value has a form. A date in words is not read: "март 1956 г."."""
    match form:
        case "year":
            return YEAR.fullmatch(value) is not None
        case "date":
            return any(letter.isalpha() for letter in value) or is_date(value)
        case "count":
            return COUNT.fullmatch(value) is not None
        case "text":
            return True


def is_date(value: str) -> bool:
    """Whether there is such a day, month or year."""
    found = next((found for one in DATES if (found := one.fullmatch(value))), None)
    if found is None:
        return False
    year, month, day = (int(found[name] or 1) for name in ("year", "month", "day"))
    try:
        return bool(date(year, month, day))
    except ValueError:
        return False


FIELDS: tuple[Field, ...] = (
    Field("Name", "offered", "наименование", "name", public=True, choice="whole"),
    Field("ShortDescription", "offered", "краткое описание", "short description", public=True, choice="whole"),
    Field("MainWord", "offered", "предметное имя", "object name", public=True),
    Field("Authors", "offered", "автор (мастер)", "maker", public=True),
    Field("ProductionOrg", "offered", "организация-изготовитель", "manufacturer", public=True),
    Field("ProductionPlace", "offered", "место создания", "place of production", public=True),
    Field("CreationTime", "offered", "время создания", "date of creation", public=True),
    Field("CreationTimeStart", "offered", "год создания, начало", "year of creation, from", public=True, form="year"),
    Field("CreationTimeEnd", "offered", "год создания, конец", "year of creation, to", public=True, form="year"),
    Field("MaterialandTechnique", "offered", "материал, техника", "material and technique", public=True),
    Field("TypologyGK", "offered", "класс", "class", public=True),
    Field(
        "OwnershipType",
        "own",
        "форма собственности",
        "ownership",
        codes={"1": "федеральная", "2": "субъекта", "3": "муниципальная", "4": "частная"},
    ),
    Field(
        "IncomingMethod",
        "own",
        "способ поступления",
        "method of acquisition",
        codes={"1": "дар", "2": "пожертвование", "3": "безвозмездная передача", "4": "закупка"},
    ),
    Field("EntranceSource", "own", "источник поступления", "source of acquisition"),
    Field("ActNumberandDate", "own", "акт: № и дата", "deed number and date"),
    Field("FZK", "own", "протокол ЭФЗК", "minutes of the acquisition board"),
    Field("OrderDate", "own", "дата приказа", "date of the order", form="date"),
    Field("OrderNumber", "own", "№ приказа", "number of the order"),
    Field(
        "PublicationLimit", "own", "ограничение на публикацию", "publication", codes={"1": "публиковать", "0": "не публиковать"}
    ),
    Field("KPNumber", "never", "№ по Книге поступлений", "accession number", public=True),
    Field("KPDate", "never", "дата записи в Книге поступлений", "accession date", form="date"),
    Field("InvNumber", "never", "инвентарный номер", "inventory number"),
    Field("GKNumber", "never", "номер в Госкаталоге", "State Catalogue number", public=True),
    Field("MusSystemID", "never", "№ в системе музея", "id in the museum's system"),
    Field("SpecNumber", "never", "№ спецучёта", "special register number"),
    Field("Dimensions", "never", "размеры", "dimensions", public=True),
    Field("Weight", "never", "масса", "weight"),
    Field("Quantity", "never", "количество", "quantity", form="count"),
    Field("Provenance", "never", "провенанс", "provenance"),
    Field("FindPlace", "never", "место обнаружения", "find place"),
    Field("Category", "never", "категория ценности", "category of value", codes={"1": "первая", "2": "вторая", "3": "третья"}),
    Field("Condition", "never", "сохранность", "condition"),
    Field("Fund", "never", "фонд", "fund"),
)
BY_NAME: dict[str, Field] = {item.name: item for item in FIELDS}
OFFERED: tuple[Field, ...] = tuple(item for item in FIELDS if item.kind == "offered")
PUBLIC: frozenset[str] = frozenset(item.name for item in FIELDS if item.public)
