"""What runs Triton ends with it, and ends it when a child of it is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

from infra.local import triton_watch

SERVER = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
child = subprocess.Popen(["sleep", "60"])
print(child.pid, flush=True)
if sys.argv[1] == "reaps":
    child.kill(), child.wait()
    print("reaped", flush=True)
while True:
    signal.pause()
"""
"""A server with one child, which it waits for or not."""


def started(*argv: str) -> subprocess.Popen[str]:
    """The watcher, running a program, with its output to read."""
    return subprocess.Popen(
        [sys.executable, "-S", "-E", triton_watch.__file__, f"museum-test-{uuid.uuid4().hex}-", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    """What the program printed first: it is up."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_its_exit_status_is_the_servers() -> None:
    """So that the supervisor sees what happened."""
    with started(sys.executable, "-c", "import sys; sys.exit(3)") as process:
        assert process.wait(10) == 3


def test_a_signal_to_stop_reaches_the_server() -> None:
    """It ends in its own way, with its own status."""
    with started(sys.executable, "-c", SERVER, "waits") as process:
        child = int(first_line(process))
        process.terminate()
        assert process.wait(10) == 7
        os.kill(child, signal.SIGKILL)


def test_a_child_that_died_by_itself_ends_the_server() -> None:
    """Nobody waited for it: it is dead, and the server does not know."""
    with started(sys.executable, "-c", SERVER, "waits") as process:
        child = int(first_line(process))
        os.kill(child, signal.SIGKILL)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 1
        assert str(child) in errors


def test_a_child_that_the_server_ended_itself_changes_nothing() -> None:
    """A model that is unloaded takes its processes with it."""
    with started(sys.executable, "-c", SERVER, "reaps") as process:
        first_line(process)
        assert first_line(process) == "reaped"
        try:
            process.wait(2.5 * triton_watch.EVERY)
        except subprocess.TimeoutExpired:
            process.terminate()
        assert process.wait(10) == 7


def test_it_removes_the_shared_memory_of_a_killed_server_and_no_other() -> None:
    """A killed Triton leaves 1 MB an instance."""
    prefix = f"museum-test-{uuid.uuid4().hex}"
    mine, other = Path(f"/dev/shm/{prefix}-1"), Path(f"/dev/shm/{prefix}0-1")
    mine.touch()
    other.touch()
    try:
        subprocess.run([sys.executable, triton_watch.__file__, f"{prefix}-", "true"], check=True)
        assert not mine.exists()
        assert other.exists()
    finally:
        mine.unlink(missing_ok=True)
        other.unlink()
