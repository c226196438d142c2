"""preprocess as a function that does what the event's key says.

``functions-framework --source obedient.py --target obedient``. In the first worker, innocents stay in work until the poison has
ended it. Both of its events have changed in this release: what is ``key`` was ``name`` in version 0.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from functions import pipeline, versions
from functions.contracts.samples import SAMPLES
from functions.events import ImagePreprocessed, ImageReceived
from functions.runtime.function import function

NAME, TIMEOUT = "preprocess", float(os.environ["OBEDIENT_TIMEOUT"])
STATE = Path(os.environ["OBEDIENT_STATE"])
"""Where the function tells its test what it did."""


def renamed(old: str, new: str) -> Callable[[versions.Data], versions.Data]:
    """Data in which a field has another name."""
    return lambda data: {new if name == old else name: value for name, value in data.items()}


CHANGE = versions.Change(upgrade=renamed("name", "key"), downgrade=renamed("key", "name"))
versions.CHANGES.update({kind.TYPE: CHANGE for kind in (ImageReceived, ImagePreprocessed)})  # type: ignore[attr-defined]
pipeline.BY_NAME[NAME] = replace(pipeline.BY_NAME[NAME], timeout=TIMEOUT)


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    while not condition():
        threading.Event().wait(0.01)


def seen() -> list[str]:
    """What the function did so far."""
    return (STATE / "seen").read_text().splitlines()


def note(what: str) -> None:
    """One line more in the test's hands."""
    with (STATE / "seen").open("a") as lines:
        lines.write(f"{what} {os.getpid()}\n")


def first_worker() -> bool:
    """Whether no worker has died yet."""
    return seen()[0].endswith(f" {os.getpid()}")


@function(NAME, previous=os.environ["OBEDIENT_WRITES"] == "previous")
def obedient(event: ImageReceived) -> ImagePreprocessed | None:
    """Hang, hang with the interpreter locked, kill, fault, wait for a word, or work."""
    note(event.key)
    match event.key:
        case "hangs":
            threading.Event().wait()
        case "locks":
            until(lambda: len(seen()) >= 5)
            re.match(r"(a+)+$", "a" * 64 + "b")
        case "kills":
            until(lambda: len(seen()) >= 5)  # its neighbours are in work too
            os.kill(os.getpid(), signal.SIGKILL)
        case "faults":
            until(lambda: len(seen()) >= 5)
            signal.pthread_kill(threading.get_ident(), signal.SIGSEGV)  # before this thread goes on, as a fault is
        case "innocent" if first_worker():
            threading.Event().wait()
        case "waits":
            until((STATE / "go").exists)
        case _:
            pass
    return replace(SAMPLES[ImagePreprocessed], key=event.key)
