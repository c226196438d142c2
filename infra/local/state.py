"""What a local stack remembers between starts: its ports, its passwords, and which servers are somebody else's."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.local.part import listens, marks

VERSION = 1
DEFAULT_PORTS: dict[str, int] = {
    "amqp": 5672,
    "amqp_api": 15672,
    "epmd": 24369,
    "dist": 25672,
    "s3": 9000,
    "milvus": 19530,
    "triton": 8001,
    "triton_http": 8000,
    "triton_metrics": 8002,
    "gateway": 8080,
    "outbox_interactive": 8090,
    "outbox_bulk": 8091,
}
"""Function ports follow from 8101."""
EXTERNAL = (
    "MUSEUM_AMQP_URL",
    "MUSEUM_AMQP_API_URL",
    "AWS_ENDPOINT_URL",
    "MUSEUM_MILVUS_URI",
    "MUSEUM_TRITON_URL",
    "MUSEUM_ENCODER",
)
"""Addresses that, when they are in the environment, replace a server of ours; MUSEUM_ENCODER=onnx embeds without Triton."""
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")


class StateError(SystemExit):
    """A state folder that cannot be used; the message has the cure."""


@dataclass(slots=True, kw_only=True)
class State:
    """The content of ``state.json``."""

    bind: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    external: dict[str, str] = field(default_factory=dict)
    model: str = ""
    """Name of the model that is live; empty before the first start."""

    def secret(self, name: str) -> str:
        """A password, made once."""
        return self.secrets.setdefault(name, secrets.token_urlsafe(24))


def read(folder: Path) -> State:
    """The state of a folder, a new one where there is none. Raises ``StateError`` for another version."""
    version_file = folder / "version"
    if not version_file.exists():
        if folder.exists() and any(folder.iterdir()) and not (folder / "state.json").exists():
            raise StateError(f"{folder} is not empty and no state of ours: choose another with --state")
        return State()
    version = version_file.read_text().strip()
    if version != str(VERSION):
        raise StateError(
            f"{folder} was written by version {version} of the local stack, this is {VERSION}: "
            "choose another folder with --state, or delete it and import again"
        )
    return State(**json.loads((folder / "state.json").read_text()))


def write(folder: Path, state: State) -> None:
    """Store a state; only its owner may read the passwords."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = folder / "state.json.part"
    beside.touch(mode=0o600)
    beside.write_text(json.dumps(asdict(state), indent=2) + "\n")
    beside.replace(folder / "state.json")
    (folder / "version").write_text(f"{VERSION}\n")


@contextlib.contextmanager
def alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """One command at a time starts the stack of a folder; a second one says that it waits.

    Raises ``StateError`` for a folder that cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StateError(f"the state folder {folder} cannot be made: {error.strerror}: choose another with --state") from None
    if not os.access(folder, os.W_OK):
        raise StateError(f"the state folder {folder} cannot be written: choose another with --state")
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another command is starting the stack in {folder}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def choosing() -> Iterator[None]:
    """One stack at a time chooses its ports, until its supervisor runs and :func:`of_running_stacks` knows them.

    Two Milvus that were given the same port both get it (gRPC shares ports): each then answers a part of the other's queries.
    """
    name = Path(tempfile.gettempdir()) / f"museum-{os.getuid()}-ports.lock"
    with os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def of_running_stacks(but: Path) -> dict[int, Path]:
    """Ports of every other stack whose supervisor runs, with its folder: also of parts that are stopped at this moment."""
    found: dict[int, Path] = {}
    for mark in marks():
        folder, _, part = mark.rpartition(":")
        if part == "supervisor" and Path(folder) != but:
            with contextlib.suppress(OSError, StateError, ValueError, TypeError):  # it is just being deleted
                found |= dict.fromkeys(read(Path(folder)).ports.values(), Path(folder))
    return found


def choose_ports(state: State, names: list[str], asked: Mapping[str, int], others: Mapping[int, Path]) -> None:
    """Give every name a free port: what was asked for, what it had, its default, or the next free one; none of ``others``.

    Raises ``StateError`` naming who has a port that was asked for.
    """
    unknown = set(asked) - set(names)
    if unknown:
        raise StateError(f"--port {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    chosen: dict[str, int] = {}
    for offset, name in enumerate(names):
        if name in asked:
            if asked[name] in others:
                raise StateError(f"port {asked[name]}, asked for {name}, is taken by the stack in {others[asked[name]]}")
            if not is_free(state.bind, asked[name]):
                raise StateError(f"port {asked[name]}, asked for {name}, is taken by {holder(asked[name])}")
            chosen[name] = asked[name]
        else:
            port = state.ports.get(name) or DEFAULT_PORTS.get(name, 8101 + offset)
            while port in chosen.values() or port in others or not is_free(state.bind, port):
                port += 1
            chosen[name] = port
    state.ports.update(chosen)  # all or none: half of them is no stack that could be stopped


def is_free(bind: str, port: int) -> bool:
    """Whether nobody listens on a port, neither at our address nor on the loopback, where functions, outbox and epmd listen."""
    if bind == "0.0.0.0" and listeners(port):  # noqa: S104 - compared, not bound
        return False
    return not any(listens(address, port, 0.2) for address in {"127.0.0.1", bind})


def listeners(port: int) -> set[str]:
    """Sockets that listen on a port, at any address, as links in /proc name them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:] if Path(table).exists() else []:
            columns = line.split()
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{columns[9]}]")
    return found


def holder(port: int) -> str:
    """Which process listens on a port, as far as one may see."""
    inodes = listeners(port)
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            links = [os.readlink(link) for link in (process / "fd").iterdir()]
        except OSError:
            continue
        if inodes.intersection(links):
            return f"process {process.name} ({(process / 'comm').read_text().strip()})"
    return "another process"


def environment_overrides(environ: Mapping[str, str]) -> dict[str, str]:
    """The servers that somebody else runs, with what is needed to use them. Raises ``StateError`` for half of a RabbitMQ."""
    given = {name: environ[name] for name in EXTERNAL if environ.get(name)}
    if "MUSEUM_AMQP_URL" in given and "MUSEUM_AMQP_API_URL" not in given:
        raise StateError("MUSEUM_AMQP_URL is set: set MUSEUM_AMQP_API_URL too, its management API, such as http://rabbit:15672")
    if "AWS_ENDPOINT_URL" in given:
        given |= {name: environ[name] for name in CREDENTIALS if environ.get(name)}
    return given
