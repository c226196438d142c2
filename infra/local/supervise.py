"""The process supervisor of the local stack: supervisord, configured from the parts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from infra.local.part import MARK, Part, end_orphans, processes_of

LAUNCH = Path(__file__).with_name("launch.py")
MAX_LOG = "5MB"
LOG_FILE = "MUSEUM_LOG_FILE"
"""A part that has it writes its own log; what it says besides, a traceback as it dies, is in ``<part>.err``."""
STOP_DEADLINE = 40.0
"""Seconds until what does not stop is ended: above every part's grace."""


def socket_of(state: Path) -> Path:
    """The supervisor's socket: in the state, or, where that path is too long for a socket, in the temporary folder."""
    inside = state / "run" / "supervisor.sock"
    if len(str(inside)) < 100:
        return inside
    name = hashlib.sha256(str(state).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"museum-{os.getuid()}-{name}.sock"


def configuration(state: Path, parts: Iterable[Part]) -> str:
    """supervisord.conf. A part that dies is started again, always; none starts before it is told to."""
    socket, run, logs = socket_of(state), state / "run", state / "logs"
    lines = [
        "[unix_http_server]", f"file={socket}", "chmod=0700", "",
        "[supervisord]", "nodaemon=true", f"logfile={run}/supervisord.log", "logfile_maxbytes=1MB", "logfile_backups=1",
        "loglevel=warn", f"pidfile={run}/supervisord.pid", f"childlogdir={logs}", "minfds=1024", "",
        "[rpcinterface:supervisor]", "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface", "",
    ]  # fmt: skip
    for part in parts:
        lines += [
            f"[program:{part.name}]",
            f"command={sys.executable} -S -E {LAUNCH} {run}/parts.json {part.name}".replace("%", "%%"),
            "autostart=false", "autorestart=true", "startsecs=1", "startretries=1000000",
            f"stopsignal={part.stop_signal.name.removeprefix('SIG')}", f"stopwaitsecs={part.grace:.0f}",
            "stopasgroup=false", "killasgroup=true", "redirect_stderr=true",
            f"stdout_logfile={output_of(part, logs)}", f"stdout_logfile_maxbytes={MAX_LOG}", "stdout_logfile_backups=1", "",
        ]  # fmt: skip
    return "\n".join(lines)


def output_of(part: Part, logs: Path) -> Path:
    """Where the supervisor writes what a part says."""
    return logs / f"{part.name}{'.err' if LOG_FILE in part.env else '.log'}"


def write(state: Path, parts: list[Part]) -> None:
    """Write what supervisor and launcher read, and prepare each part."""
    for folder in (state / "run", state / "logs"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    described = {
        part.name: {"argv": part.argv, "env": dict(part.env), "folder": str(part.folder), "mark": part.mark} for part in parts
    }
    target = state / "run" / "parts.json"
    target.touch(mode=0o600)
    target.write_text(json.dumps(described))
    (state / "run" / "supervisord.conf").write_text(configuration(state, parts))
    for part in parts:
        (state / "logs" / f"{part.name}.log").touch()
        part.folder.mkdir(parents=True, exist_ok=True)
        part.prepare()
        (state / "run" / f"{part.name}.starts").write_text("")


class Supervisor:
    """A running supervisord, or none."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def mark(self) -> str:
        """How its process is found when its files are gone."""
        return f"{self._state}:supervisor"

    @contextlib.contextmanager
    def rpc(self) -> Iterator[Any]:
        """The XML-RPC interface, for the time of the block."""
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, f"unix://{socket_of(self._state)}")
        try:
            yield ServerProxy("http://127.0.0.1", transport=transport).supervisor
        finally:
            transport.close()

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            with self.rpc() as rpc:
                return bool(rpc.getState()["statename"] == "RUNNING")
        except (OSError, Fault):
            return False

    def start(self) -> None:
        """Start it in a session of its own, so that a Ctrl-C in the terminal is ours to handle. Raises ``RuntimeError``."""
        with contextlib.suppress(FileNotFoundError):
            socket_of(self._state).unlink()
        with (self._state / "run" / "supervisord.out").open("wb") as out:
            self._process = process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(self._state / "run/supervisord.conf")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, MARK: self.mark},
            )
        until = time.monotonic() + 10
        while not self.is_up():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the supervisor did not start:\n{(self._state / 'run/supervisord.out').read_text()[-1000:]}")
            time.sleep(0.05)

    def start_part(self, name: str) -> None:
        """Start a part, unless it runs."""
        with contextlib.suppress(Fault), self.rpc() as rpc:
            rpc.startProcess(name, False)

    def stop_part(self, name: str) -> None:
        """Stop a part and leave it stopped; nothing where no supervisor runs."""
        with contextlib.suppress(Fault, OSError), self.rpc() as rpc:
            rpc.stopProcess(name, True)

    def processes(self) -> dict[str, int]:
        """Process id by part; 0 for one that does not run."""
        with self.rpc() as rpc:
            return {str(info["name"]): int(info["pid"]) for info in rpc.getAllProcessInfo()}

    def starts(self, name: str) -> int:
        """How often a part was started since ``up``."""
        counter = self._state / "run" / f"{name}.starts"
        return len(counter.read_text()) if counter.exists() else 0

    def stop(self, parts: Iterable[Part], deadline: float = STOP_DEADLINE) -> None:
        """Stop everything, and end whatever is left of it."""
        until = time.monotonic() + deadline
        with contextlib.suppress(OSError, Fault), self.rpc() as rpc:
            rpc.stopAllProcesses(False)  # all at once: shutdown alone stops one after the other, 28 s instead of 7
            while any(self.processes().values()) and time.monotonic() < until:
                time.sleep(0.05)
            rpc.shutdown()
        while processes_of(self.mark) and time.monotonic() < until:
            time.sleep(0.05)
        end_orphans(self.mark)
        if self._process is not None:
            self._process.wait()
        for part in parts:
            end_orphans(part.mark)


def end_of_log(state: Path, name: str, lines: int = 15) -> str:
    """The last lines that a part wrote."""
    files = [file for file in (state / "logs" / f"{name}.log", state / "logs" / f"{name}.err") if file.exists()]
    return "\n".join("\n".join(file.read_text(errors="replace").splitlines()[-lines:]) for file in files)
