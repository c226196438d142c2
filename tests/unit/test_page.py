"""The page as files: both languages complete, nothing fetched from elsewhere, nothing that its policy would refuse, and small."""

from __future__ import annotations

import ast
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).resolve().parents[2] / "infra" / "web"
MODULES = sorted(WEB.rglob("*.js"))
CODE = {path.relative_to(WEB).as_posix(): path.read_text() for path in MODULES}
FIRST = ("index.html", "style.css", "icon.svg", "config.json", "lang/ru.json", "boot.js")
FUNCTIONS = WEB.parents[1] / "functions"
CODE_AT = {"Reject": 0, "BadDraft": 0, "NotNow": 0, "Problem": 1, "too_many": 2, "unauthorised": 1}
"""Who is given a code, and as which argument."""
SHOWN_AS = {"Reject": "reject"}
"""How the page asks for the text of its codes; for the others it is ``code``."""
ENDS = {"QueryFailed", "Outcome", "ended", "ImageRejected"}
"""What ends an upload with a code of its own, named ``code``."""
NEVER_SHOWN = {
    "reject.bad-record": "of an imported record, which the import tells; a draft's record is written by the gateway",
    "reject.broken-record": "the same",
    "reject.broken-notification": "of what a store sends, which no page sees",
    "reject.no-records": "the same",
    "reject.too-many-records": "the same",
    "reject.unknown-bucket": "an installation that was set up wrongly: told to whoever runs it",
    "code.unknown-bucket": "the same",
    "code.unauthorised": "any 401 is shown as sign.wrong, and asks for a token",
    "code.token-expired": "the same",
    "code.token-invalid": "the same",
    "code.token-unknown": "the same",
    "code.bad-parameter": "any 400 is shown as code.bad-request",
    "code.issuer-unavailable": "any 5xx is shown as code.server",
    "code.bug": "any 5xx is shown as code.server",
    "code.store-refused": "the same",
    "code.unavailable": "the same",
    "code.method-not-allowed": "a call that the page does not make",
    "code.unknown-parameter": "the same",
    "code.wrong-content-type": "the same",
    "code.no-if-match": "the page sends what it has read with each change",
    "code.never-from-a-source": "the page takes offered fields alone",
    "code.no-link": "the page links with a record or not at all",
    "code.not-own": "the page sends own fields apart",
}
"""Codes without a text, each with why nobody misses it; the page shows the code itself then."""
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


def codes_of(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """(how the page asks for its text, code) of all that a module refuses with, also where a function has it as a default."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in CODE_AT:
            yield from (("code", one) for one in node.args.defaults)
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in CODE_AT and len(node.args) > CODE_AT[name]:
            yield SHOWN_AS.get(name, "code"), node.args[CODE_AT[name]]
        yield from (("reject", one.value) for one in node.keywords if one.arg == "code" and name in ENDS)


def refusals() -> tuple[set[str], set[str]]:
    """Keys of the texts of all codes in the sources, and codes that are no literals."""
    keys, others = set(), set()
    for path in FUNCTIONS.rglob("*.py"):
        if "contracts" in path.parts:  # samples
            continue
        for kind, code in codes_of(ast.parse(path.read_text())):
            if not isinstance(code, ast.Constant):
                others.add(ast.unparse(code))
                continue
            keys.add(f"{kind}.{code.value}")
            if kind == "reject" and path.relative_to(FUNCTIONS).as_posix() in ("queries.py", "adapters/s3.py"):
                keys.add(f"code.{code.value}")  # the gateway calls these, and refuses with their codes
    return keys, others


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_code_that_somebody_is_refused_with_has_a_text(language: str) -> None:
    """A registrar who reads Russian is never told an English sentence, nor a mere code."""
    keys, _ = refusals()
    assert {"reject.worker-dead", "code.broken-query-file", "code.wrong-state", "code.token-expired"} <= keys
    assert keys - texts(language).keys() - NEVER_SHOWN.keys() == set()


def test_no_exception_is_made_of_what_has_a_text_or_is_gone() -> None:
    """The list above is as short as it can be."""
    keys, others = refusals()
    assert NEVER_SHOWN.keys() & texts("ru").keys() == set()
    assert NEVER_SHOWN.keys() - keys == set()
    assert {one for one in others if not re.search(r"\bcode\b", one)} == set()  # another's, which is collected too


def test_no_sentence_of_the_gateways_is_shown() -> None:
    """They are English, for programs and logs; the page has its own for each code."""
    asked = r"refusal\(image\.reason\)|!image\.reason|image\.reason (?:\?|&&)|Boolean\(image\.reason\)"
    read = {name for name, text in CODE.items() if re.search(r"\.(?:detail|reason)\b", re.sub(asked, "", text))}
    assert read == set()


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
    """150 KB compressed are promised; 130 are aimed at, with every part of the page and its help."""
    files = {*FIRST, *loaded("app.js", set())}
    assert sum(len(gzip.compress((WEB / name).read_bytes())) for name in files) < 130_000


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
