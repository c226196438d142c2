"""The README's table of values, out of ``values.yaml``: ``python -m tests.charts.table`` writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.charts.helm import CHART

BEGIN, END = "<!-- values: written by python -m tests.charts.table -->", "<!-- end of values -->"
README = CHART / "README.md"


@dataclass(frozen=True, slots=True)
class Value:
    """A value that is described."""

    path: str
    text: str
    default: Any


def lines_of(text: str) -> Iterator[tuple[str, str]]:
    """(path, its ``# --`` comment or nothing) of each key of a values file, in order."""
    above: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if found := re.match(r"^ *# -- (.*)$", line):
            comment = [found.group(1)]
        elif (found := re.match(r"^ *# ?(.*)$", line)) and comment:
            comment.append(found.group(1))
        elif found := re.match(r"^( *)([A-Za-z_][\w.-]*):", line):
            depth = len(found.group(1)) // 2
            above = [*above[:depth], found.group(2)]
            yield ".".join(above), " ".join(comment)
            comment = []
        else:
            comment = []


def values() -> list[Value]:
    """What ``values.yaml`` describes."""
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)

    def default(path: str) -> Any:
        found = defaults
        for key in path.split("."):
            found = found[key]
        return found

    return [Value(path, comment, default(path)) for path, comment in lines_of(text) if comment]


def described() -> set[str]:
    """The paths with a comment."""
    return {value.path for value in values()}


def table() -> str:
    """Markdown."""
    rows = ["| value | what | default |", "| --- | --- | --- |"]
    for value in values():
        long = isinstance(value.default, dict | list) and len(json.dumps(value.default)) > 60
        shown = "see values.yaml" if long else f"`{json.dumps(value.default)}`"
        rows.append(f"| `{value.path}` | {value.text.replace('|', chr(92) + '|')} | {shown} |")
    return "\n".join(rows)


def readme() -> str:
    """The README with the table as it should be."""
    head, _, rest = README.read_text().partition(BEGIN)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    README.write_text(readme())
