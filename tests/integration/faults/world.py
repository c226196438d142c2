"""A whole stack of its own for the tests."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import urllib3

from infra.local import state
from infra.local.stack import Stack
from tests.integration.faults.inject import Injector


@contextlib.contextmanager
def stack_in(folder: Path) -> Iterator[Stack]:
    """The stack in a folder: started and stopped here, or, where it runs already, used and left running.

    Every server is its own, also where the environment names another: it is going to be killed.
    """
    stack = Stack(folder)
    if stack.supervisor.is_up():
        yield stack
        return
    clean = {name: value for name, value in os.environ.items() if name not in (*state.EXTERNAL, *state.CREDENTIALS)}
    with patch.dict(os.environ, clean, clear=True):
        try:
            stack.up(bind="127.0.0.1", asked={}, say=lambda _: None)
            yield stack
        finally:
            stack.down()


@contextlib.contextmanager
def told(stack: Stack, part: str, **environment: str) -> Iterator[None]:
    """Run a part with more in its environment, and then as before."""
    file = stack.folder / "run" / "parts.json"
    before = file.read_text()
    parts = json.loads(before)
    parts[part]["env"] |= environment
    injector = Injector(stack)
    try:
        file.write_text(json.dumps(parts))
        injector.restart(part)
        yield
    finally:
        file.write_text(before)
        injector.restart(part)


@contextlib.contextmanager
def without(stack: Stack, part: str) -> Iterator[None]:
    """Stop a part, and start it again afterwards."""
    injector = Injector(stack)
    injector.stop(part)
    try:
        yield
    finally:
        injector.start(part)


def connected(stack: Stack) -> bool:
    """Whether the interactive trigger can publish."""
    try:
        return (
            urllib3.request("GET", stack.environment()["MUSEUM_OUTBOX_URL"] + "readyz", retries=False, timeout=3.0).status == 200
        )
    except urllib3.exceptions.HTTPError:
        return False
