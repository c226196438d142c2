"""The 15 active classes (typology) of the State Catalogue, by the register's own codes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MuseumClass:
    """One class: ``typologyId``, the register's name, and ours in English."""

    code: int
    ru: str
    en: str


CLASSES: tuple[MuseumClass, ...] = (
    MuseumClass(1, "Живопись", "Paintings"),
    MuseumClass(2, "Графика", "Prints and drawings"),
    MuseumClass(3, "Скульптура", "Sculpture"),
    MuseumClass(5, "Предметы нумизматики", "Numismatics"),
    MuseumClass(6, "Предметы археологии", "Archaeology"),
    MuseumClass(8, "Оружие", "Arms and armour"),
    MuseumClass(10, "Предметы естественнонаучной коллекции", "Natural history"),
    MuseumClass(11, "Предметы техники", "Technology"),
    MuseumClass(12, "Прочие", "Other"),
    MuseumClass(13, "Предметы прикладного искусства, быта и этнографии", "Applied arts, everyday life, ethnography"),
    MuseumClass(14, "Редкие книги", "Rare books"),
    MuseumClass(15, "Документы", "Documents"),
    MuseumClass(16, "Предметы печатной продукции", "Printed matter"),
    MuseumClass(17, "Фотографии, негативы", "Photographs and negatives"),
    MuseumClass(18, "Предметы минералогической коллекции", "Mineralogy"),
)
BY_CODE: dict[int, MuseumClass] = {item.code: item for item in CLASSES}

RETIRED: dict[int, int | None] = {4: 13, 7: 13, 9: None}
"""Still in older data. 9 (Документы, редкие книги) is 14 or 15, which nobody can tell by the code."""

LABELS: dict[str, int] = {
    "археология": 6,
    "графика": 2,
    "декоративно-прикладное искусство": 13,
    "документы": 15,
    "дпи": 13,
    "естественнонаучная коллекция": 10,
    "живопись": 1,
    "изделия прикладного искусства": 13,
    "минералогия": 18,
    "нумизматика": 5,
    "оружие": 8,
    "печатная продукция": 16,
    "предметы этнографии": 13,
    "прикладное искусство, быт и этнография": 13,
    "прочее": 12,
    "прочие": 12,
    "редкие книги": 14,
    "скульптура": 3,
    "техника": 11,
    "фото": 17,
    "фотографии": 17,
    "этнография": 13,
}
"""The hackathon's group labels and other short names in use."""


MAX_DIGITS = 9
"""Of a number that may be a code: Python reads none of more than 4300."""


class UnknownClass(ValueError):
    """A class that is none of the 15; the message says what would be."""


def plain(text: str) -> str:
    """A text as it is compared: without regard to letters' case, ё and spaces."""
    return " ".join(text.casefold().replace("ё", "е").split())


_NAMES: dict[str, int] = {
    **{plain(label): code for label, code in LABELS.items()},
    **{plain(item.ru): item.code for item in CLASSES},
    **{plain(item.en): item.code for item in CLASSES},
}


def class_of(text: str | int) -> MuseumClass:
    """The class for a code, a name or a label; letters' case, ё and spaces do not matter. Raises ``UnknownClass``."""
    wanted = plain(str(text))
    code: int | None = int(wanted) if wanted.isdecimal() and len(wanted) <= MAX_DIGITS else _NAMES.get(wanted)
    if code is not None and code in RETIRED:
        code = RETIRED[code]
        if code is None:
            raise UnknownClass("class 9 is retired and may be 14 (Редкие книги) or 15 (Документы): write which")
    if code is None or code not in BY_CODE:
        raise UnknownClass(
            f"{str(text)[:100]!r} is none of the 15 classes: write a code ({', '.join(str(item.code) for item in CLASSES)}) "
            f"or a name such as {CLASSES[3].ru!r}"
        )
    return BY_CODE[code]
