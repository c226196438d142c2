"""What is in an image that was built, out of its archive: what it must say and have, and what it must not."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from infra.images.sbom import locked, usual

SBOM = "opt/museum/sbom.cdx.json"
LOCKS = "opt/museum/locks/"
LABELS = ("title", "version", "revision", "licenses")
SECRET = re.compile(r"secret|passw|token|credential|api_?key|private_?key|access_?key", re.IGNORECASE)
IN_URL = re.compile(r"://[^/@\s]+:[^/@\s]+@")
FORBIDDEN: Mapping[str, re.Pattern[str]] = {
    "a compiler": re.compile(r"(.*/)?bin/([a-z0-9_]+-linux-gnu-)?(gcc|g\+\+|cc|c\+\+|clang|cpp|ld)(-[0-9.]+)?"),
    "a cache of pip": re.compile(r"(.*/)?\.cache/pip(/.*)?"),
    "a repository": re.compile(r"(.*/)?\.git(/.*)?"),
    "a key": re.compile(r"(.*/)?(id_rsa|id_ed25519|\.netrc|\.pypirc|pip\.conf)|root/\.(docker|aws|ssh)/.*"),
}
"""What a path may not be."""
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
"""How a layer tells of a path that it removes, and of a folder of which it keeps nothing."""


@dataclass
class Image:
    """An archive as ``docker save`` writes it: its settings, the paths of all layers together, and what it says it has."""

    config: Mapping[str, Any]
    paths: set[str] = field(default_factory=set)
    locks: dict[str, str] = field(default_factory=dict)
    sbom: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, archive: Path) -> Image:
        """Read it."""
        with tarfile.open(archive) as outer:
            (about,) = json.load(member(outer, "manifest.json"))
            image = cls(json.load(member(outer, about["Config"])))
            for layer in about["Layers"]:
                with tarfile.open(fileobj=member(outer, layer)) as inner:
                    image.add(inner)
        return image

    def add(self, layer: tarfile.TarFile) -> None:
        """Lay one layer over those below. An empty file counts as none: a build leaves such where something was mounted."""
        below, own = self.paths, set()
        for entry in layer:
            path = entry.name.removeprefix("./").rstrip("/")
            folder, _, name = path.rpartition("/")
            if name.startswith(WHITEOUT):
                below = without(below, folder if name == OPAQUE else f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/"))
            elif entry.size or not entry.isfile():
                own.add(path)
            if path == SBOM:
                self.sbom = json.load(member(layer, entry.name))
            elif path.startswith(LOCKS) and entry.isfile():
                self.locks[name] = member(layer, entry.name).read().decode()
        self.paths = below | own


def without(paths: set[str], gone: str) -> set[str]:
    """The paths of the layers below but one, and but what is below that one."""
    return {path for path in paths if path != gone and not path.startswith(f"{gone}/")}


def member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file of an archive."""
    found = archive.extractfile(name)
    assert found is not None, name
    return found


def faults(image: Image, *, version: str, revision: str) -> list[str]:
    """What is wrong with it, a line each."""
    return [*of_settings(image.config["config"], version, revision), *of_paths(image.paths), *of_sbom(image)]


def of_settings(settings: Mapping[str, Any], version: str, revision: str) -> Iterator[str]:
    """Labels, user, entry point, environment."""
    labels = settings.get("Labels") or {}
    held = {name: labels.get(f"org.opencontainers.image.{name}", "") for name in LABELS}
    yield from (f"no label {name}" for name, value in held.items() if not value)
    yield from (
        f"the label {name} is {held[name]!r}: expected {wanted!r}"
        for name, wanted in (("version", version), ("revision", revision))
        if held[name] and held[name] != wanted
    )
    if settings.get("User") != "10001:10001":
        yield f"it runs as {settings.get('User') or 'root'!r}"
    if (settings.get("Entrypoint") or [])[:2] != ["tini", "--"]:
        yield f"its entry point is {settings.get('Entrypoint')}"
    for entry in settings.get("Env") or []:
        name, _, value = entry.partition("=")
        if SECRET.search(name) or IN_URL.search(value):
            yield f"a secret in the environment: {name}"


def of_paths(paths: set[str]) -> Iterator[str]:
    """What should not be there, the first of each kind."""
    for what, pattern in FORBIDDEN.items():
        if found := sorted(path for path in paths if pattern.fullmatch(path)):
            yield f"{what}: /{found[0]}, {len(found)} in all"


def of_sbom(image: Image) -> Iterator[str]:
    """Each locked package with its hashes, Debian's, and Python."""
    known = {component["purl"]: component for component in image.sbom.get("components", [])}
    if not known or not image.locks:
        yield f"no /{SBOM}, or no lock files beside it"
    for name, version in (pin for lock in image.locks.values() for pin in locked(lock)):
        purl = f"pkg:pypi/{usual(name)}@{version}"
        if not known.get(purl, {}).get("hashes"):
            yield f"/{SBOM} has no {purl} with hashes"
    for kind in ("pkg:deb/debian/tini@", "pkg:generic/python@"):
        if known and not any(purl.startswith(kind) for purl in known):
            yield f"/{SBOM} has no {kind}…"
