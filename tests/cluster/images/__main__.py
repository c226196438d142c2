"""Builds every image and loads it into the one-node cluster beside the checkout: ``python -m tests.cluster.images [NAME…]``."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import yaml

from infra.images.release import TARGETS, arguments, told
from tests.cluster.images.looked import Image, faults
from tests.fixtures.minio import minio_program

ROOT = Path(__file__).resolve().parents[3]
CLUSTER = Path(os.environ.get("MUSEUM_CLUSTER") or ROOT.parent / "shared" / "cluster")
"""The scripts of the one-node cluster; a worktree elsewhere names them."""
ARGUMENTS = arguments()
"""Of the moment when it began: somebody may commit meanwhile."""
TOLD = told(ARGUMENTS)
VERSION = TOLD["VERSION"]
HERE = Path(__file__).parent
NEXT = f"museum-search/functions:{VERSION}-next"
"""The release after this one, see ``next/release.py``."""
MOST = {"functions": 350, "triton": 500}
"""Compressed, in MB."""
ARCHIVES = Path(os.environ.get("CLUSTER_STATE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kube-one")


def image_of(part: str) -> str:
    """The name that the chart asks for."""
    values = yaml.safe_load((ROOT / "charts/museum-search/values.yaml").read_text())
    return str(values["dev"][part]["image"])


def build(name: str, folder: Path, *options: str) -> None:
    """Build one, by the cluster's own script."""
    started = time.monotonic()
    subprocess.run([CLUSTER / "build-image", name, folder, *options], check=True)
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)


def archive_of(target: str) -> Path:
    """Where the cluster's script leaves one of ours."""
    return ARCHIVES / "images" / "own" / f"museum-search-{target}-{VERSION}.tar"


def look(target: str) -> None:
    """End where an image says what it should not, or has it: see :mod:`tests.cluster.images.looked`."""
    if found := faults(Image.of(archive_of(target)), version=VERSION, revision=TOLD.get("REVISION", "unknown")):
        sys.exit("\n".join(f"{target}: {fault}" for fault in found))
    print(f"{target}: labels, user, entry point, packages and paths are as they should be", flush=True)


def weigh(target: str) -> None:
    """Say how large an image is as a registry keeps it, at the quickest compression: at most that. Ends where it is too large."""
    archive = archive_of(target)
    size, packer = 0, zlib.compressobj(1)
    with archive.open("rb") as file:
        while block := file.read(1 << 20):
            size += len(packer.compress(block))
    print(f"{target}: {archive.stat().st_size / 1e6:.0f} MB, compressed {size / 1e6:.0f} MB", flush=True)
    if size / 1e6 > MOST.get(target, math.inf):
        sys.exit(f"{target} has {size / 1e6:.0f} MB: expected {MOST[target]} at most")


def context(target: Path) -> Path:
    """What .dockerignore lets through, without what a checkout has beside it."""
    for name in ("functions", "infra", "model_repository", "requirements"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def main(names: list[str]) -> None:
    """Build those that are named, or all."""
    if not (CLUSTER / "up").exists():
        sys.exit("there is no shared/cluster beside the checkout: build the images with docker, see infra/images/Dockerfile")
    subprocess.run([CLUSTER / "python-base"], check=True)
    with tempfile.TemporaryDirectory() as work:
        folder = context(Path(work) / "context")
        for target in TARGETS:
            if not names or target in names:
                options = (*ARGUMENTS, "-f", str(folder / "infra/images/Dockerfile"), "--target", target)
                build(f"museum-search/{target}:{VERSION}", folder, *options)
                look(target)
                weigh(target)
        if not names or "next" in names:
            build(NEXT, HERE / "next", "--build-arg", f"BASE=museum-search/functions:{VERSION}")
        if not names or "rabbitmq" in names:
            build(image_of("rabbitmq"), HERE / "rabbitmq")
        if not names or "minio" in names:
            minio = Path(work) / "minio"
            shutil.copytree(HERE / "minio", minio)
            shutil.copy(minio_program(), minio / "minio")
            build(image_of("minio"), minio)


if __name__ == "__main__":
    main(sys.argv[1:])
