"""A part of the local stack: one process, how it is started, and how one knows that it is ready.

``museum up`` gives all parts to the supervisor; the tests run single parts with :func:`running`. Both use the same
definitions, so that what is tested is what runs.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MARK = "MUSEUM_PART"
"""Environment variable that every process of a part inherits: how orphans of a killed parent are found."""


def _nothing() -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the stack."""

    name: str
    argv: tuple[str, ...]
    folder: Path
    """Working folder; made if absent. All that the part writes is below it."""
    ready: Callable[[], str | None]
    """``None`` when it serves, else one sentence that says what is still missing. Takes at most 1 s."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment."""
    prepare: Callable[[], None] = _nothing
    """Runs before each start: writes configuration, makes folders. Safe to repeat."""
    after: tuple[str, ...] = ()
    """Parts that must be ready before this one is started."""
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    """Seconds between the stop signal and SIGKILL."""

    @property
    def mark(self) -> str:
        """The value of :data:`MARK` for this part."""
        return f"{self.folder}:{self.name}"


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on at this moment.

    Below the range from which the kernel numbers outgoing connections: from that one, a client could take the port while its
    server restarts, or even connect to itself.
    """
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, max(low, 11_000))
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind((host, port))
            return port


def listens(host: str, port: int, timeout: float = 0.5) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        with socket.create_connection((host, port), timeout):
            return True
    except OSError:
        return False


def marks() -> set[str]:
    """The marks of all parts that run on this machine, of every stack whose processes we may see."""
    prefix = f"{MARK}=".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found |= {line for line in (entry / "environ").read_bytes().split(b"\0") if line.startswith(prefix)}
    return {mark.removeprefix(prefix).decode(errors="surrogateescape") for mark in found}


def processes_of(mark: str) -> list[int]:
    """Process ids whose environment carries the mark, this process excepted."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def end_orphans(mark: str) -> list[int]:
    """Kill what an earlier incarnation left behind: Milvus Lite's parent, for one, leaves its child on the port."""
    orphans = processes_of(mark)
    for pid in orphans:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return orphans


@contextlib.contextmanager
def running(part: Part, *, deadline: float = 60.0) -> Iterator[subprocess.Popen[bytes]]:
    """Run one part until the block ends; its output goes to ``<folder>/<name>.log``.

    Raises ``RuntimeError`` with the end of the log if it is not ready in time.
    """
    part.folder.mkdir(parents=True, exist_ok=True)
    part.prepare()
    log = part.folder / f"{part.name}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            part.argv,
            cwd=part.folder,
            env={**os.environ, **part.env, MARK: part.mark},
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        wait_ready(part, process, log, deadline)
        yield process
    finally:
        process.send_signal(part.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(part.grace)
        end_orphans(part.mark)
        process.wait()


def wait_ready(part: Part, process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    """Wait until the part says it is ready; ``RuntimeError`` if it ends or takes too long."""
    until = time.monotonic() + deadline
    while (missing := part.ready()) is not None:
        if process.poll() is not None or time.monotonic() > until:
            tail = log.read_text(errors="replace")[-2000:]
            state = f"ended with {process.returncode}" if process.returncode is not None else missing
            raise RuntimeError(f"{part.name} is not ready after {deadline:.0f} s: {state}\n{tail}")
        time.sleep(0.05)
