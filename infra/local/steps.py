"""Runs the steps of set-up side by side, and says how far they are. Standard library only."""

from __future__ import annotations

import fcntl
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

Say = Callable[[str], None]


class SetupError(RuntimeError):
    """Set-up cannot go on; the message has the cure."""


@dataclass(frozen=True)
class Step:
    """One thing to install."""

    name: str
    run: Callable[[], None]
    done: Callable[[], bool]
    after: tuple[str, ...] = ()
    fetch: int = 0
    """About how many MB are fetched."""
    disk: Mapping[Path, int] = field(default_factory=dict)
    """About how many MB are taken where, while it is installed."""


class Commands:
    """The commands that are running, so that an interruption ends them, but those that must not be ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[subprocess.Popen[str], bool] = {}
        self._stopped = False

    def run(
        self,
        argv: list[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        text: str = "",
        protected: bool = False,
    ) -> None:
        """Run a command with ``text`` as its input. Raises ``SetupError`` with the end of its output."""
        with self._lock:
            if self._stopped:
                raise SetupError("interrupted")
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # a Ctrl-C in the terminal is ours to handle
            )
            self._running[process] = protected
        output, _ = process.communicate(text)
        with self._lock:
            del self._running[process]
        if process.returncode:
            raise SetupError(f"{' '.join(argv[:4])} … ended with {process.returncode}:\n" + "\n".join(output.splitlines()[-6:]))

    def stop(self) -> None:
        """End what may be ended, wait for the rest."""
        with self._lock:
            self._stopped = True
            running = dict(self._running)
        for process, protected in running.items():
            if not protected:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
        for process in running:
            process.wait()


def received() -> float:
    """MB that this machine's network has received since it was started."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    fields = [line.replace(":", " ").split() for line in lines]
    return sum(int(columns[1]) for columns in fields if columns[0] != "lo") / 1e6


def perform(steps: list[Step], say: Say, *, beat: float = 10.0) -> None:
    """Run the steps, each as soon as those before it are done. Raises ``SetupError`` naming the step that failed."""
    done = {step.name for step in steps if step.done()}
    waiting = {step.name: step for step in steps if step.name not in done}
    running: dict[str, float] = {}
    ended: queue.Queue[tuple[str, Exception | None]] = queue.Queue()

    def work(step: Step) -> None:
        try:
            step.run()
        except Exception as error:
            ended.put((step.name, error))
        else:
            ended.put((step.name, None))

    started, before, told = time.monotonic(), received(), time.monotonic()
    while waiting or running:
        for step in [step for step in waiting.values() if done.issuperset(step.after)]:
            del waiting[step.name]
            running[step.name] = time.monotonic()
            threading.Thread(target=work, args=(step,), daemon=True).start()
        try:
            name, error = ended.get(timeout=max(0.1, told + beat - time.monotonic()))
        except queue.Empty:
            at_work = ", ".join(running)
            say(f"  … {time.monotonic() - started:.0f} s, {received() - before:.0f} MB received; at work: {at_work}")
            told = time.monotonic()
            continue
        seconds = time.monotonic() - running.pop(name)
        if error is not None:
            raise SetupError(f"{name}: {error}") from error
        done.add(name)
        told = time.monotonic()
        say(f"  ✓ {name} ({seconds:.0f} s)")


@contextmanager
def alone(cache: Path, say: Say) -> Iterator[None]:
    """One set-up at a time on one cache."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is at work on this machine: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
