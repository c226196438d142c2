"""Renders the chart, as an operator's Helm would, without a cluster."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from infra.engine.wheels import cache_folder
from infra.local.helm import WHEELS
from tests.servers import missing

CHART = Path(__file__).resolve().parents[2] / "charts" / "museum-search"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
HELMS = tuple(WHEELS)
NEWEST = HELMS[-1]
KEDA = ("--api-versions", "keda.sh/v1alpha1")

Object = dict[str, Any]


def run(*arguments: str, helm: str = NEWEST) -> subprocess.CompletedProcess[str]:
    """Run Helm; skips, or fails in CI, where set-up has not fetched it."""
    program = cache_folder() / helm
    if not program.is_file():
        missing(f"no {helm}: run `make setup-dev`")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


@functools.cache
def rendered(ci: str, *arguments: str, helm: str = NEWEST) -> str:
    """The manifests of one of the ``ci`` files, hooks and tests included."""
    done = run(
        "template",
        "museum",
        str(CHART),
        "-n",
        "museum",
        "-f",
        str(CHART / "ci" / f"{ci}-values.yaml"),
        *KEDA,
        *arguments,
        helm=helm,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def objects(ci: str, *arguments: str, helm: str = NEWEST) -> list[Object]:
    """The same, as objects, which nobody changes."""
    return [found for found in yaml.load_all(rendered(ci, *arguments, helm=helm), yaml.CSafeLoader) if found]


def refused(values: Object, *arguments: str, ci: str = "minimal", keda: bool = True, helm: str = NEWEST) -> str:
    """What Helm says to values that it must not take, laid over a ``ci`` file."""
    sets = [argument for key, value in values.items() for argument in ("--set-json", f"{key}={json.dumps(value)}")]
    file = str(CHART / "ci" / f"{ci}-values.yaml")
    done = run(
        "template", "museum", str(CHART), "-n", "museum", "-f", file, *(KEDA if keda else ()), *sets, *arguments, helm=helm
    )
    assert done.returncode, "it was rendered"
    return done.stderr


def of_kind(found: list[Object], kind: str) -> dict[str, Object]:
    """The objects of a kind, by name."""
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


def pods(found: list[Object]) -> dict[str, Object]:
    """Every pod's spec, by what makes it."""
    specs = {}
    for one in found:
        if one["kind"] == "Pod":
            specs[one["metadata"]["name"]] = one["spec"]
        elif one["kind"] == "CronJob":
            specs[f"CronJob/{one['metadata']['name']}"] = one["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        elif "template" in one.get("spec", {}):
            specs[f"{one['kind']}/{one['metadata']['name']}"] = one["spec"]["template"]["spec"]
    return specs


def containers(spec: Object) -> list[Object]:
    """All containers of a pod."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def environment(container: Object) -> dict[str, Any]:
    """The values, or where they come from, by name."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container.get("env", [])}
