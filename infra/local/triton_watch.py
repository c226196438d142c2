"""Runs Triton, and ends it when one of its Python processes is dead: the supervisor starts it anew. Standard library only.

Triton 2.51 never starts a dead stub again, still says that the model is ready, and goes on giving that stub its share of
the requests, each of which fails after one second.

``python triton_watch.py SHARED_MEMORY_PREFIX tritonserver …``
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

EVERY = 1.0
"""Seconds between two looks: 0.1 % of a core."""


def main(prefix: str, argv: list[str]) -> int:
    """Run the server until it ends or one of its children does; its exit status, 1 for the latter."""
    for left in Path("/dev/shm").glob(f"{prefix}*"):  # noqa: S108 - a killed server leaves 1 MB an instance there
        left.unlink(missing_ok=True)
    server = subprocess.Popen(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda given, _: server.send_signal(given))
    ended = select.poll()
    ended.register(os.pidfd_open(server.pid), select.POLLIN)
    before: set[int] = set()
    while not ended.poll(EVERY * 1000):
        children = children_of(server.pid)
        dead = {child for child in children if is_dead(child)}
        if dead & before:  # twice: one that is unloaded is dead for a moment too
            print(f"Python processes {dead} of Triton are dead: it is ended to be started anew", file=sys.stderr, flush=True)
            for process in (server.pid, *children):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            server.wait()
            return 1
        before = dead
    return server.wait()


def children_of(process: int) -> list[int]:
    """Process ids of the children, dead ones that nobody waited for included."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for thread in threads for child in _text(thread).split()]


def is_dead(process: int) -> bool:
    """Whether a process ended and its parent has not noticed. Triton waits for those that it ends itself."""
    return _text(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()[:1] == ["Z"]


def _text(file: Path) -> str:
    """What a file of /proc says; nothing once its process or thread is gone."""
    try:
        return file.read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
