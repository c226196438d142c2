"""Ends a process in which a handler hangs.

A thread cannot be ended alone, and one that hangs keeps its place among a function's few for ever. The server (gunicorn's
arbiter, or the platform) starts another process; the trigger sees a crash, and tries alone what was in hand.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("museum.function")

MARGIN = 2.0
"""Seconds before the trigger's timeout: the connection must break first, or the trigger counts a failure and not a crash."""
STALLED = 1.0
"""Seconds by which the watchdog itself may be late before the kernel ends the process without a word: it cannot run while C
code, a regular expression for one, holds the interpreter."""

Watch = Callable[[str], AbstractContextManager[Any]]
"""(event id) → the time in which its handler runs."""


@dataclass(frozen=True, slots=True)
class _Work:
    event_id: str
    thread: int
    deadline: float


class Watchdog:
    """One sleeping thread a process, made with the first event: gunicorn forks after the import.

    All events have the same limit, so the oldest is due first, and the thread wakes once a limit under load and never when
    idle. An event costs 2 µs.
    """

    def __init__(self, function: str, limit: float) -> None:
        self._function = function
        self._limit = limit
        self._lock = threading.Lock()
        self._in_work: dict[object, _Work] = {}
        self._thread: threading.Thread | None = None
        self._idle = True
        self._wake = threading.Event()

    @contextlib.contextmanager
    def __call__(self, event_id: str) -> Iterator[None]:
        """Watch the handler of one event."""
        mark = object()
        with self._lock:
            self._in_work[mark] = _Work(event_id, threading.get_ident(), time.monotonic() + self._limit)
            if self._idle:
                self._idle = False
                self._begin()
        try:
            yield
        finally:
            with self._lock:
                del self._in_work[mark]

    def _begin(self) -> None:
        """Something is in work again. The kernel's alarm is set here: the thread may not get to it."""
        signal.setitimer(signal.ITIMER_REAL, self._limit + STALLED)
        self._wake.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        while True:
            with self._lock:
                oldest = next(iter(self._in_work.values()), None)
                if oldest is None:
                    self._idle = True
                    signal.setitimer(signal.ITIMER_REAL, 0)
            if oldest is None:
                self._wake.wait()
                self._wake.clear()
                continue
            left = oldest.deadline - time.monotonic()
            if left <= 0:
                self._end(oldest)
            signal.setitimer(signal.ITIMER_REAL, left + STALLED)
            time.sleep(left)

    def _end(self, work: _Work) -> None:
        """Say what hangs, and where, and end."""
        frame = sys._current_frames().get(work.thread)
        fields = {
            "function": self._function,
            "id": work.event_id,
            "outcome": "hangs",
            "reason": f"no answer in {self._limit:.1f} s: the process ends",
            "stack": "".join(traceback.format_stack(frame)),
        }
        log.critical("watchdog", extra={"fields": fields})
        os._exit(os.EX_SOFTWARE)
