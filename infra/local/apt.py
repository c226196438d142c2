"""Debian packages for set-up, installed without starting a service. Standard library only."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
UNITS = Path("/etc/systemd/system")
ASIDE = "policy-rc.d.before-museum-search"
GUARD = """\
#!/bin/sh
# museum-search: here while set-up installs servers, so that neither they nor what comes with them starts; removed afterwards.
exit 101
"""
SERVICES = {
    "rabbitmq-server": ("rabbitmq-server.service",),
    "erlang-base": ("epmd.service", "epmd.socket"),
    "redis-server": ("redis-server.service",),
}
"""Package → the systemd units that Debian starts with it, at once and at every boot."""
BRINGS = {"rabbitmq-server": ("rabbitmq-server", "erlang-base"), "redis-server": ("redis-server",)}
"""Package that is asked for → those of :data:`SERVICES` that come with it."""
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l", "LC_ALL": "C"}
OPTIONS = ("-qq", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=300")

Run = Callable[..., None]
"""``run(argv, cwd=…, env=…, protected=…)``: runs a command, raises ``OSError`` or ``RuntimeError`` with the end of its output."""

_lists = threading.Lock()


class AptError(RuntimeError):
    """A package that cannot be had; the message has the cure."""


def installed(packages: Iterable[str]) -> set[str]:
    """Those of the packages that dpkg has installed."""
    argv = ["dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n", *packages]
    answer = subprocess.run(argv, check=False, capture_output=True, text=True)  # status 1: some are unknown to dpkg
    return {name for name, _, status in (line.partition(" ") for line in answer.stdout.splitlines()) if status == "installed"}


def is_root() -> bool:
    """Whether this process may install packages."""
    return os.geteuid() == 0


def require(packages: Iterable[str]) -> None:
    """Raises ``AptError`` with the command for a person, where this process cannot install the packages."""
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise AptError(f"these Debian packages are missing and there is no apt-get: {' '.join(packages)}")
    if not is_root():
        raise AptError(f"packages are missing; as root, run: {command}")


def install(packages: list[str], run: Run) -> list[str]:
    """Install packages, without starting or enabling their services. Returns the systemd units that were masked for that.

    A service that was here before is not touched: only units that come with this installation are masked.
    Raises ``AptError`` where this process may not install.
    """
    require(packages)
    brought = {name for package in packages for name in BRINGS.get(package, ())}
    new = brought - installed(brought)
    with_lists(
        lambda: run(["apt-get", "install", *OPTIONS, "--download-only", "--no-install-recommends", *packages], env=ENVIRONMENT),
        run,
    )
    with services_held():
        masked = mask(unit for package in sorted(new) for unit in SERVICES[package])
        # dpkg must not be killed half-way: what follows is not interrupted
        run(["apt-get", "install", *OPTIONS, "--yes", "--no-install-recommends", *packages], env=ENVIRONMENT, protected=True)
    for package in sorted(new & set(packages)) if shutil.which("update-rc.d") else ():
        run(["update-rc.d", package, "disable"], env=ENVIRONMENT)  # the same for machines without systemd
    return masked


def download(package: str, folder: Path, run: Run) -> None:
    """Fetch the file of a package (``name=version``) without installing it. Root is not needed where apt has lists."""
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        # apt's own user may not write below a home folder
        fetch = ["apt-get", "download", *OPTIONS, "-o", "APT::Sandbox::User=root", package]
        with_lists(lambda: run(fetch, cwd=Path(beside), env=ENVIRONMENT), run)
        for found in Path(beside).glob("*.deb"):
            found.replace(folder / found.name)


def with_lists(action: Callable[[], None], run: Run) -> None:
    """Do it; where that fails, perhaps for want of fresh package lists, bring them up to date and do it once more."""
    generation = _generation()
    try:
        action()
    except RuntimeError as error:
        if not is_root():
            raise AptError(f"{error}\nPerhaps the package lists are old: as root, run: apt-get update") from error
        with _lists:
            if _generation() == generation:
                run(["apt-get", "update", *OPTIONS], env=ENVIRONMENT)
        action()


def _generation() -> float:
    """When apt's lists were last written."""
    lists = Path("/var/lib/apt/lists")
    return max((entry.stat().st_ctime for entry in lists.glob("*Release")), default=0.0)


@contextlib.contextmanager
def services_held(policy: Path = POLICY) -> Iterator[None]:
    """While this lasts, no package's script starts a service: RabbitMQ, epmd, or the cron that logrotate brings."""
    restore(policy)  # what a killed run left
    aside = policy.with_name(ASIDE)
    if policy.exists() or policy.is_symlink():
        policy.rename(aside)
    try:
        policy.write_text(GUARD)
        policy.chmod(0o755)
        yield
    finally:
        restore(policy)


def restore(policy: Path = POLICY) -> None:
    """Put the machine's policy back as it was. Safe to repeat."""
    aside = policy.with_name(ASIDE)
    if policy.is_file() and "museum-search" in policy.read_text(errors="replace"):
        policy.unlink(missing_ok=True)
    if (aside.exists() or aside.is_symlink()) and not policy.exists():
        with contextlib.suppress(FileNotFoundError):
            aside.rename(policy)


def mask(units: Iterable[str], folder: Path = UNITS) -> list[str]:
    """Keep systemd from starting the units, now and at boot, unless somebody has set them otherwise. Returns the masked ones."""
    folder.mkdir(parents=True, exist_ok=True)
    masked = []
    for unit in units:
        link = folder / unit
        if not (link.exists() or link.is_symlink()):
            link.symlink_to("/dev/null")
            masked.append(unit)
    return masked
