"""Builds the three images with docker and, given a registry, pushes them and lists them by digest. Standard library only.

``python -m infra.images.release [REGISTRY]``: with one it writes ``images.txt`` (``name@sha256:…``, a line each) and
``images.yaml``, the values by which the chart takes just these: ``helm … -f images.yaml``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("functions", "triton", "milvus-lite")
BUILDER = "museum-images"
"""docker's own builder cannot write times of files anew as it pushes."""
VALUES = """\
# Written by `make images`: version {version}, commit {revision}
image: {{registry: "{registry}", repository: museum-search/functions, digest: "{functions}"}}
triton: {{image: {{repository: museum-search/triton, digest: "{triton}"}}}}
dev: {{milvus: {{image: {{repository: museum-search/milvus-lite, digest: "{milvus}"}}}}}}
"""


def arguments() -> list[str]:
    """What each build is told: see the script of that name."""
    script = ROOT / "infra" / "images" / "arguments"
    return subprocess.run([script], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]


def told(options: Sequence[str]) -> dict[str, str]:
    """The same, by name."""
    return dict(option.removeprefix("--build-arg=").split("=", 1) for option in options)


def digest_of(metadata: Mapping[str, Any], name: str) -> str:
    """Of what a registry was given, out of what ``--metadata-file`` tells. Ends where it tells none."""
    digest = metadata.get("containerimage.digest")
    if not (isinstance(digest, str) and digest.startswith("sha256:")):
        sys.exit(f"{name}: docker buildx tells no containerimage.digest, but {', '.join(sorted(metadata)) or 'nothing'}")
    return digest


def listed(registry: str, digests: Mapping[str, str]) -> str:
    """Each image by its digest."""
    return "".join(f"{registry}/museum-search/{target}@{digest}\n" for target, digest in digests.items())


def values(registry: str, digests: Mapping[str, str], about: Mapping[str, str]) -> str:
    """Values of the chart that name just these."""
    return VALUES.format(
        registry=registry,
        version=about["VERSION"],
        revision=about.get("REVISION", "unknown"),
        functions=digests["functions"],
        triton=digests["triton"],
        milvus=digests["milvus-lite"],
    )


def command(target: str, registry: str, options: Sequence[str], told_in: Path) -> list[str]:
    """The call of docker: to its own store, or to the registry, with times of files that are the commit's."""
    name = f"{registry}/museum-search/{target}" if registry else f"museum-search/{target}"
    tag = f"{name}:{told(options)['VERSION']}"
    pushed = ["--builder", BUILDER, "--output", f"type=image,name={tag},push=true,rewrite-timestamp=true"]
    # without docker's own attestations, which have the time of the build in them: the digest would be another each time
    plain = ["--provenance=false", "--sbom=false", "--metadata-file", str(told_in)]
    where = pushed if registry else ["--load", "--tag", tag]
    return ["docker", "buildx", "build", *options, *plain, *where, "--file", "infra/images/Dockerfile", "--target", target, "."]


def builder() -> None:
    """Make the builder, unless it is there."""
    if subprocess.run(["docker", "buildx", "inspect", BUILDER], check=False, capture_output=True).returncode:
        subprocess.run(["docker", "buildx", "create", "--name", BUILDER, "--driver", "docker-container"], check=True)


def built(registry: str, options: Sequence[str]) -> dict[str, str]:
    """Build all, and the digest of each that was pushed."""
    digests = {}
    with tempfile.TemporaryDirectory() as work:
        for target in TARGETS:
            file = Path(work) / f"{target}.json"
            subprocess.run(command(target, registry, options, file), cwd=ROOT, check=True)
            if registry:
                digests[target] = digest_of(json.loads(file.read_text()), target)
    return digests


def main(registry: str, folder: Path) -> None:
    """Build, push where there is a registry, and write both files into the folder."""
    if shutil.which("docker") is None:
        sys.exit("docker is missing: https://docs.docker.com/engine/install/")
    options = arguments()
    if not registry:
        built("", options)
        print("built and not pushed, so there are no digests: REGISTRY=registry.example/path pushes, and writes images.yaml")
        return
    builder()
    digests = built(registry, options)
    (folder / "images.txt").write_text(listed(registry, digests))
    (folder / "images.yaml").write_text(values(registry, digests, told(options)))
    print(listed(registry, digests), end="")


if __name__ == "__main__":
    main((sys.argv[1:] or [""])[0].rstrip("/"), Path.cwd())
