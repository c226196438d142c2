"""One JSON line per event: never the body, never a credential."""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any

from functions.runtime.settings import load

if TYPE_CHECKING:
    from functions.runtime.envelope import Incoming


MAX_BYTES = 5_000_000
"""Of a log file, before it is moved aside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """Where the lines go."""

    museum_log_file: str = ""
    """A file, moved aside when it is full. Empty: standard error, which containers want. Through a supervisor's pipe a line costs
    0.2 ms of its CPU."""


class JsonLines(logging.Formatter):
    """A record as one JSON object; ``extra={"fields": {…}}`` is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(level: int = logging.INFO) -> None:
    """Send the ``museum`` loggers to standard error, or to the file that is set, as JSON lines. Safe to repeat."""
    logger = logging.getLogger("museum")
    if not logger.handlers:
        handler = handler_of(load(LogSettings).museum_log_file)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False


def handler_of(file: str) -> logging.Handler:
    """Opened with the first line: gunicorn forks after the import."""
    if not file:
        return logging.StreamHandler(sys.stderr)
    return RotatingFileHandler(file, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", delay=True)


def event_line(log: logging.Logger, function: str, incoming: Incoming | None, outcome: str, started: float) -> None:
    """Log what became of one delivery."""
    fields = {"function": function, "outcome": outcome, "ms": round((time.perf_counter() - started) * 1000, 1)}
    if incoming is not None:
        fields |= {"id": incoming.id, "type": incoming.type, "lane": incoming.lane, "trace": incoming.traceparent[3:35]}
    log.info("event", extra={"fields": fields})
