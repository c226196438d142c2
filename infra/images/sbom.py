"""What an image has, as CycloneDX 1.5: packages of Python and Debian, and models. Standard library only.

``python sbom.py NAME --lock FILE… --packages FOLDER… --models FOLDER``. A package's hashes are those of the lock files, one of
which its file has: a lock allows a file for each kind of machine. The order is always the same, and the time is the commit's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

Component = dict[str, Any]
Hashes = Mapping[tuple[str, str], Sequence[str]]
"""Name and version of a locked package → sha256 of its files."""


def usual(name: str) -> str:
    """A package's name as package URLs write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> Hashes:
    """What a lock file pins."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", "\n" + re.sub(r"(?m)^\s*#.*\n?", "", text))
    pins = [(re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", entry), entry) for entry in entries]
    return {
        (usual(pin[1]), pin[2]): sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
        for pin, entry in pins
        if pin is not None
    }


def python_package(name: str, version: str, hashes: Hashes) -> Component:
    """One of them, with its hashes where a lock file has them."""
    known = [{"alg": "SHA-256", "content": content} for content in hashes.get((usual(name), version), ())]
    about = {"type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{usual(name)}@{version}"}
    return {**about, **({"hashes": known} if known else {})}


def python_packages(folders: Sequence[str], hashes: Hashes) -> list[Component]:
    """Those that are installed in these folders, and those that are pinned and were taken apart."""
    found = metadata.distributions(path=list(folders)) if folders else ()
    installed = [python_package(one.metadata["Name"], one.version, hashes) for one in found]
    return [*(python_package(*pin, hashes) for pin in hashes), *installed]


def debian_packages() -> list[Component]:
    """Of the image below."""
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\n"], check=True, capture_output=True, text=True
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:deb/debian/{name}@{version}?arch={architecture}"}
        for name, version, architecture in rows
    ]


def python_itself() -> Component:
    """No package has it: the base image compiles it."""
    version = platform.python_version()
    return {"type": "platform", "name": "python", "version": version, "purl": f"pkg:generic/python@{version}"}


def models(notes: Iterable[Path]) -> list[Component]:
    """The built models that these ``model.json`` tell of, each with its files and the wheel that it was made of."""
    found = [json.loads(note.read_text()) for note in notes]
    return [
        {
            "type": "machine-learning-model",
            "name": model["name"],
            "version": model["fingerprint"],
            "purl": f"pkg:generic/{model['name']}@{model['fingerprint']}",
            "description": f"made of {model['source']}",
            "licenses": [{"license": {"name": model["licence"]}}],
            "components": [
                {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": content}]}
                for name, content in sorted(model["files"].items())
            ],
        }
        for model in found
    ]


def bill(image: str, components: Iterable[Component]) -> dict[str, Any]:
    """All of it, each once, in an order that is always the same; of a commit's time, where it is known."""
    once = {component["purl"]: component for component in components}
    of: dict[str, Any] = {"component": {"type": "container", "name": image, "version": os.environ.get("VERSION", "")}}
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        of["timestamp"] = datetime.fromtimestamp(int(epoch), UTC).isoformat()
    held = [once[purl] for purl in sorted(once)]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": of, "components": held}


def main(arguments: Sequence[str]) -> None:
    """Print it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    parser.add_argument("--lock", nargs="+", type=Path, default=[])
    parser.add_argument("--packages", nargs="+", default=[])
    parser.add_argument("--models", type=Path)
    given = parser.parse_args(arguments)
    hashes = {pin: content for lock in given.lock for pin, content in locked(lock.read_text()).items()}
    notes = sorted(given.models.glob("*/model.json")) if given.models else []
    python = [python_itself(), *python_packages(given.packages, hashes)]
    json.dump(bill(given.image, [*python, *debian_packages(), *models(notes)]), sys.stdout, indent=1)


if __name__ == "__main__":
    main(sys.argv[1:])
