"""The page's own texts, so that a test finds a button by what is written on it, in either language."""

from __future__ import annotations

import json
import re
from typing import Any

from infra.local.stack import WEB

LANGUAGES = ("ru", "en")
LOCALES = {"ru": "ru-RU", "en": "en-GB"}


class Words:
    """``words("query.more", n=3)`` is what the page writes."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self.texts: dict[str, Any] = json.loads((WEB / "lang" / f"{lang}.json").read_text())

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key. ``KeyError`` for one that the page does not have."""
        text = self.texts[key]
        if isinstance(text, dict):
            number = values["n"]
            assert isinstance(number, int)
            text = text.get(form(self.lang, number), text["other"])
        return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), text)

    def like(self, key: str) -> re.Pattern[str]:
        """The text of a key, whatever is filled in."""
        text = self.texts[key]
        kinds = text.values() if isinstance(text, dict) else [text]
        return re.compile("|".join(".*".join(re.escape(part) for part in re.split(r"\{\w+\}", one)) for one in kinds))


def form(lang: str, number: int) -> str:
    """The plural form of a whole number, as CLDR has it."""
    if lang == "en":
        return "one" if number == 1 else "other"
    if number % 10 == 1 and number % 100 != 11:
        return "one"
    return "few" if number % 10 in (2, 3, 4) and number % 100 not in (12, 13, 14) else "many"
