"""The page as files: both languages complete, nothing fetched from elsewhere, nothing that its policy would refuse, and small."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).resolve().parents[2] / "infra" / "web"
MODULES = sorted(WEB.rglob("*.js"))
CODE = {path.relative_to(WEB).as_posix(): path.read_text() for path in MODULES}
FIRST = ("index.html", "style.css", "icon.svg", "config.json", "lang/ru.json", "boot.js")
PLURALS = {"ru": {"one", "few", "many", "other"}, "en": {"one", "other"}}


def texts(language: str) -> dict[str, Any]:
    """All texts of a language."""
    return json.loads((WEB / "lang" / f"{language}.json").read_text())


def keys_used() -> tuple[set[str], set[str]]:
    """Keys that the code names, whole, and beginnings of those that it puts together."""
    code = "\n".join(CODE.values())
    named = set(re.findall(r"'([a-z]+(?:[._-][A-Za-z0-9_-]+)+)'", code))
    begun = set(re.findall(r"`([a-z]+\.(?:[A-Za-z_-]+\.)*)\$\{", code)) | {"same."}
    return named, begun


def fields_of(text: Any) -> set[str]:
    """The values that a text is filled with."""
    forms = text.values() if isinstance(text, dict) else [text]
    return {name for form in forms for name in re.findall(r"\{(\w+)\}", form)}


def loaded(module: str, seen: set[str]) -> set[str]:
    """A module with all that it imports at its beginning."""
    if module not in seen:
        seen.add(module)
        folder = Path(module).parent
        for name in re.findall(r"^import .* from '(.+)';$", CODE[module], re.M):
            loaded((WEB / folder / name).resolve().relative_to(WEB).as_posix(), seen)
    return seen


def test_both_languages_have_the_same_texts() -> None:
    """A text that is missing in one language would be shown as its key."""
    assert texts("ru").keys() == texts("en").keys()


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_text_that_the_code_asks_for_is_there(language: str) -> None:
    """Keys in calls of ``t``; of those that are put together there is one at least for each beginning."""
    there = texts(language)
    asked = {key for code in CODE.values() for key in re.findall(r"\bt\('([^']+)'", code)}
    assert {key for key in asked if key not in there} == set()
    begun = {one for code in CODE.values() for one in re.findall(r"\bt\(`([a-z_.-]+\.)\$\{", code)}
    assert {one for one in begun if not any(key.startswith(one) for key in there)} == set()


def test_no_text_is_left_that_nothing_shows() -> None:
    """What is not shown is not kept in two languages."""
    named, begun = keys_used()
    assert {key for key in texts("ru") if key not in named and not any(key.startswith(one) for one in begun)} == set()


@pytest.mark.parametrize("language", ["ru", "en"])
def test_plural_texts_have_all_the_forms_of_their_language(language: str) -> None:
    """1 предмет, 2 предмета, 5 предметов, and 1.5 предмета."""
    forms = {key: set(text) for key, text in texts(language).items() if isinstance(text, dict)}
    assert forms
    assert {key: found for key, found in forms.items() if found != PLURALS[language]} == {}


def test_both_languages_are_filled_with_the_same_values() -> None:
    """A value that one language forgets is something that its reader is not told."""
    ru, en = texts("ru"), texts("en")
    assert {key: (fields_of(ru[key]), fields_of(en[key])) for key in ru if fields_of(ru[key]) != fields_of(en[key])} == {}


def test_texts_are_in_the_languages_and_not_in_the_code() -> None:
    """Russian letters stand in two pure modules alone, which read Russian texts and file names."""
    code = {name: re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S) for name, text in CODE.items()}
    assert {name for name, text in code.items() if re.search("[А-Яа-я]", text)} == {"marks.js", "grouping.js"}


def test_data_is_never_read_as_markup() -> None:
    """``<img onerror=…>`` in any field stays text: nothing here parses HTML, and the policy forbids it."""
    refused = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|setTimeout\('"
    assert {name for name, text in CODE.items() if re.search(refused, text)} == set()


def test_the_page_has_nothing_inline_and_fetches_nothing_from_elsewhere() -> None:
    """What a policy without ``unsafe-inline`` would refuse, and what another server would see."""
    page = (WEB / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    assert "unsafe" not in page
    everything = [page, (WEB / "style.css").read_text(), *CODE.values()]
    elsewhere = {found for text in everything for found in re.findall(r"https?://[\w.]+", text)}
    assert elsewhere <= {"http://www.w3.org"}  # the name of SVG, which is no address


def test_every_picture_that_the_code_names_is_in_the_page() -> None:
    """A symbol that is missing is an empty button."""
    page = (WEB / "index.html").read_text()
    there = set(re.findall(r'<symbol id="i-(\w+)"', page))
    asked = {
        name for text in CODE.values() for name in re.findall(r"icon: '(\w+)'|icon\('(\w+)'\)", text) for name in name if name
    }
    assert asked <= there


def test_what_a_first_visit_loads_is_small() -> None:
    """150 KB compressed are promised; 100 are aimed at, with every part of the page."""
    files = {*FIRST, *loaded("app.js", set())}
    assert sum(len(gzip.compress((WEB / name).read_bytes())) for name in files) < 100_000


def test_the_whole_page_is_loaded_at_first_and_at_once() -> None:
    """A server that is away takes no part from an open page. The head names all modules, so that none waits for another."""
    assert loaded("app.js", set()) == set(CODE) - {"boot.js"}
    assert {name for name, text in CODE.items() if re.search(r"\bimport\(", text)} == {"boot.js"}
    page = (WEB / "index.html").read_text()
    assert set(re.findall(r'rel="modulepreload" href="([^"]+)"', page)) == set(CODE) - {"boot.js"}


def test_files_that_the_page_names_are_there() -> None:
    """Modules and styles."""
    page = (WEB / "index.html").read_text()
    named = set(re.findall(r'(?:href|src)="([\w./]+\.\w+)"', page))
    named |= {name.removeprefix("./") for name in re.findall(r"import\('(.+?)'\)", CODE["boot.js"])}
    assert {name for name in named if not (WEB / name).is_file()} == set()
