"""Every field of a museum record, in one table: what it is called, and what a draft may do with it.

*offered* from a neighbour's record; *own*, from the museum's or the batch's settings; *never* from another record, since
it is an accounting fact of one object. Element names are those of the external registration XML (goskatalog.ru/external/v3.0);
fund and condition are kept by museums and lacking there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["offered", "own", "never"]
Choice = Literal["whole", "vote"]

YEAR = re.compile(r"-?\d{1,4}")


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
    year: bool = False
    """Whether it is a year, negative before our era."""

    def problem(self, value: str) -> str | None:
        """Why a value cannot be the field's, in the user's words; ``None`` where it can. The class is :func:`class_of`'s."""
        if self.codes and value not in self.codes:
            allowed = ", ".join(f"{code} ({meaning})" for code, meaning in self.codes.items())
            return f"{self.name} ({self.ru}): expected {allowed}, found {value!r}"
        if self.year and not YEAR.fullmatch(value):
            return f"{self.name} ({self.ru}): expected a year such as 1850, or -480 before our era, found {value!r}"
        return None


FIELDS: tuple[Field, ...] = (
    Field("Name", "offered", "наименование", "name", public=True, choice="whole"),
    Field("ShortDescription", "offered", "краткое описание", "short description", public=True, choice="whole"),
    Field("MainWord", "offered", "предметное имя", "object name", public=True),
    Field("Authors", "offered", "автор (мастер)", "maker", public=True),
    Field("ProductionOrg", "offered", "организация-изготовитель", "manufacturer", public=True),
    Field("ProductionPlace", "offered", "место создания", "place of production", public=True),
    Field("CreationTime", "offered", "время создания", "date of creation", public=True),
    Field("CreationTimeStart", "offered", "год создания, начало", "year of creation, from", public=True, year=True),
    Field("CreationTimeEnd", "offered", "год создания, конец", "year of creation, to", public=True, year=True),
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
    Field("OrderDate", "own", "дата приказа", "date of the order"),
    Field("OrderNumber", "own", "№ приказа", "number of the order"),
    Field(
        "PublicationLimit", "own", "ограничение на публикацию", "publication", codes={"1": "публиковать", "0": "не публиковать"}
    ),
    Field("KPNumber", "never", "№ по Книге поступлений", "accession number", public=True),
    Field("KPDate", "never", "дата записи в Книге поступлений", "accession date"),
    Field("InvNumber", "never", "инвентарный номер", "inventory number"),
    Field("GKNumber", "never", "номер в Госкаталоге", "State Catalogue number", public=True),
    Field("MusSystemID", "never", "№ в системе музея", "id in the museum's system"),
    Field("SpecNumber", "never", "№ спецучёта", "special register number"),
    Field("Dimensions", "never", "размеры", "dimensions", public=True),
    Field("Weight", "never", "масса", "weight"),
    Field("Quantity", "never", "количество", "quantity"),
    Field("Provenance", "never", "провенанс", "provenance"),
    Field("FindPlace", "never", "место обнаружения", "find place"),
    Field("Category", "never", "категория ценности", "category of value", codes={"1": "первая", "2": "вторая", "3": "третья"}),
    Field("Condition", "never", "сохранность", "condition"),
    Field("Fund", "never", "фонд", "fund"),
)
BY_NAME: dict[str, Field] = {item.name: item for item in FIELDS}
OFFERED: tuple[Field, ...] = tuple(item for item in FIELDS if item.kind == "offered")
PUBLIC: frozenset[str] = frozenset(item.name for item in FIELDS if item.public)
