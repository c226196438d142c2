"""What is in the museum that the page is tried on, and what is photographed: real pictures of the demo's package.

The records are written for these tests: full enough that a draft can be made of them, with numbers, dates, names, inscriptions
and damage in them, and with accounting fields, of which none may ever be offered.
"""

from __future__ import annotations

import functools
import io
from pathlib import Path

import pillow_heif
from PIL import Image

from infra.engine.wheels import cache_folder
from infra.local import stamps

COIN, APPLIED = "5", "13"
OTHER = "other-museum"
"""Another museum, which has published some of what it has."""
ACCOUNTS = {
    "InvNumber": "ИК-77",
    "Dimensions": "Д. 18 мм",
    "Weight": "2,3 г",
    "Quantity": "1",
    "Provenance": "из коллекции П. Смирнова",
    "Condition": "потёртости",
    "Fund": "нумизматика",
    "EntranceSource": "Смирнов П.П.",
}
"""Facts of one object that no draft may take from it."""

COINS = {
    "us-coins-001penny": ("Монета 1 цент", "А. Линкольн вправо, надпись «LIBERTY»", "Бреннер В.Д.", "1999", "КП-1101"),
    "us-coins-010dime": ("Монета 10 центов «Дайм»", "Ф. Рузвельт влево, надпись «LIBERTY»", "Синнок Дж.", "1998", "КП-1103"),
    "us-coins-050kennedy-halfdollar": ("Монета 50 центов", "Дж. Кеннеди влево, «LIBERTY»", "Робертс Дж.", "1971", "КП-1104"),
    "canadian-coins-001penny": ("Монета 1 цент Канады", "кленовая ветвь, надпись «CANADA»", "Крюгер-Грей Дж.", "1989", "КП-1201"),
    "canadian-coins-010dime": ("Монета 10 центов Канады", "шхуна «Блюноуз» под парусами", "Хахн Э.", "1994", "КП-1202"),
    "canadian-coins-025quarter": ("Монета 25 центов Канады", "голова карибу влево", "Хахн Э.", "1968", "КП-1203"),
    "canadian-coins-100loonie": ("Монета 1 доллар Канады", "гагара на озере", "Кармайкл Р.", "1987", "КП-1204"),
}  # fmt: skip
TOOLS = {
    "household-dishes-pitcher_small": ("Кувшин", "Керамика", "1920"),
    "household-dishes-teapot": ("Чайник заварочный", "Фарфор", "1935"),
    "household-kettle": ("Чайник", "Сталь, эмаль", "1955"),
    "household-Lightbulb": ("Лампа накаливания", "Стекло, металл", "1950"),
    "household-arttools-scissors_small_closed": ("Ножницы", "Сталь, пластмасса", "1980"),
    "household-tools-hammer": ("Молоток", "Сталь, дерево", "1940"),
    "household-tools-saw": ("Ножовка", "Сталь, дерево", "1960"),
    "household-tools-spade": ("Лопата", "Сталь, дерево", "1930"),
    "household-tools-wrench": ("Ключ гаечный", "Сталь", "1965"),
    "household-tools-wrench_adjustable": ("Ключ разводной", "Сталь", "1970"),
    "household-tools-wrench_plumbers": ("Ключ трубный", "Сталь", "1961"),
    "household-rubberduck": ("Игрушка «Утка»", "Резина", "1990"),
    "household-cylinder": ("Баллон", "Сталь", "1985"),
}
ELSEWHERE = {
    "symbols-money-us-coins-100sacagawea": ("Монета 1 доллар «Сакагавея»", "1"),
    "symbols-money-euro-coins-200": ("Монета 2 евро", "1"),
    "medical-stethoscope": ("Стетоскоп", "0"),
}
"""Another museum's: name, and whether it is published."""

KNOWN_TOOL = "household-tools-saw"
"""In the catalogue; a changed copy of its photo is found as the same object, and parts of both are matched."""
KNOWN_COIN = "symbols-money-us-coins-010dime"
"""In the catalogue, with two photos; copies are alike by nature."""
NEW_COIN = "symbols-money-us-coins-025quarter"
"""Not in the catalogue, and like coins that are."""
FOREIGN_COIN = "symbols-money-euro-coins-200"
STRANGE = "animals-mammals-bears-toys-edward_bear"
"""Like nothing in the catalogue."""
MIXED = ("household-dishes-utensils-nutcracker", "symbols-money-canadian-coins-005nickel")
"""Two things that are like objects of two classes."""
MORNING = (
    "symbols-money-us-coins-025quarter", "symbols-money-canadian-coins-005nickel", "symbols-money-canadian-coins-200toonie",
    "household-dishes-utensils-nutcracker", "symbols-money-us-coins-005nickel", "household-tools-mallet_metal",
)  # fmt: skip
"""What is photographed in a morning: none is in the catalogue, all are like something."""


def record_of(stamp: str) -> dict[str, str]:
    """The record of a catalogued thing."""
    if coin := COINS.get(stamp.removeprefix("symbols-money-")):
        name, seen, author, year, number = coin
        place = "Оттава" if "canadian" in stamp else "Филадельфия"
        return {
            "Name": name, "MainWord": "Монета", "TypologyGK": COIN, "PublicationLimit": "1", "KPNumber": number,
            "ShortDescription": f"На лицевой стороне {seen}. Диаметр 17,9 мм, чеканка {year} г. Потёртости, царапина у канта.",
            "Authors": author, "ProductionOrg": "Монетный двор", "ProductionPlace": place, "CreationTime": f"{year} г.",
            "CreationTimeStart": year, "CreationTimeEnd": year, "MaterialandTechnique": "медь, никель; чеканка", **ACCOUNTS,
        }  # fmt: skip
    name, material, year = TOOLS[stamp]
    return {
        "Name": name, "MainWord": name.split()[0], "TypologyGK": APPLIED, "PublicationLimit": "1",
        "KPNumber": f"КП-{2000 + list(TOOLS).index(stamp)}",
        "ShortDescription": f"{name}; {material.lower()}, середина XX века, скол у края.",
        "ProductionPlace": "СССР", "CreationTime": f"около {year} г.", "CreationTimeStart": year, "CreationTimeEnd": year,
        "MaterialandTechnique": material,
    }  # fmt: skip


@functools.cache
def folder() -> Path:
    """The photos, unpacked once."""
    return stamps.build(stamps.fetch(cache_folder()), cache_folder() / "demo").images


def photo(stamp: str) -> bytes:
    """The photo of a thing."""
    return (folder() / f"{stamp}.jpg").read_bytes()


def seen_again(stamp: str, seed: int = 3) -> bytes:
    """Another photo of the same thing, as a phone might take it."""
    return jpeg(stamps.changed_copy(picture(stamp), seed))


def heic(stamp: str) -> bytes:
    """Another photo of the same thing in the format of an iPhone."""
    buffer = io.BytesIO()
    pillow_heif.from_pillow(stamps.changed_copy(picture(stamp), 5)).save(buffer, quality=85)
    return buffer.getvalue()


@functools.cache
def large(stamp: str, size: tuple[int, int] = (3000, 2400)) -> bytes:
    """The same thing by a good camera: some megabytes."""
    image = picture(stamp).resize(size, Image.Resampling.BICUBIC)
    noise = Image.effect_noise(size, 40).convert("RGB")
    return jpeg(Image.blend(image, noise, 0.15), quality=95)


def picture(stamp: str) -> Image.Image:
    """The photo of a thing, decoded."""
    return Image.open(io.BytesIO(photo(stamp))).convert("RGB")


def jpeg(image: Image.Image, *, quality: int = 88, orientation: int | None = None) -> bytes:
    """An image as a file; ``orientation``: EXIF's, as a phone held upright writes it."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(buffer, "JPEG", quality=quality, exif=exif)
    return buffer.getvalue()
