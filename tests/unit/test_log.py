"""Log lines: JSON, to standard error or to a file that never grows without end."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from functions.runtime import log


def record(message: str, **fields: object) -> logging.LogRecord:
    """A record of the runtime's."""
    made = logging.LogRecord("museum.test", logging.INFO, __file__, 1, message, (), None)
    made.fields = fields
    return made


def test_without_a_file_lines_go_to_standard_error() -> None:
    """As containers want it."""
    assert type(log.handler_of("")) is logging.StreamHandler


def test_a_file_gets_a_json_object_a_line_and_is_moved_aside_when_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One older file is kept."""
    monkeypatch.setattr(log, "MAX_BYTES", 200)
    file = tmp_path / "embed.log"
    handler = log.handler_of(str(file))
    handler.setFormatter(log.JsonLines())
    assert not file.exists(), "gunicorn forks after the import"
    for number in range(10):
        handler.handle(record("event", id=number))
    handler.close()
    assert json.loads(file.read_text().splitlines()[-1])["id"] == 9
    assert sorted(found.name for found in tmp_path.iterdir()) == ["embed.log", "embed.log.1"]
    assert all(found.stat().st_size <= 200 for found in tmp_path.iterdir())
