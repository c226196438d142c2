"""What an upgrade cannot change, as each release of the chart made it.

``python -m tests.charts.released`` writes the present one's. A file that is there stays: installations are as it says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.charts.helm import CHART, Object, objects

FOLDER = Path(__file__).with_name("released")
CI = "kind"
"""The values with every kind of object that has such fields."""
FIXED = {
    "Deployment": ("selector",),
    "StatefulSet": ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"),
    "Service": ("clusterIP",),
    "PersistentVolumeClaim": ("accessModes", "storageClassName", "volumeName"),
    "ScaledObject": ("scaleTargetRef",),
}
"""Of a spec; ScaledObject's may change, and would leave a Deployment that nobody scales."""
Key = tuple[str, str]


def by_name(found: list[Object]) -> dict[Key, Object]:
    """The objects by kind and name."""
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def fixed(found: list[Object]) -> dict[Key, dict[str, Any]]:
    """What cannot change of each."""
    return {
        key: {field: one["spec"].get(field) for field in FIXED[one["kind"]]}
        for key, one in by_name(found).items()
        if one["kind"] in FIXED
    }


def version() -> str:
    """Of the chart as it is."""
    return str(yaml.safe_load((CHART / "Chart.yaml").read_text())["version"])


def released() -> dict[str, dict[Key, dict[str, Any]]]:
    """What is written down, by version."""
    return {file.stem: read(file) for file in sorted(FOLDER.glob("*.json"))}


def read(file: Path) -> dict[Key, dict[str, Any]]:
    """One version's."""
    named = json.loads(file.read_text())
    return {(kind, name): fields for kind, whose in named.items() for name, fields in whose.items()}


def text() -> str:
    """The present one's, a line an object."""
    kinds: dict[str, list[str]] = {}
    for (kind, name), fields in sorted(fixed(objects(CI)).items()):
        there = {field: value for field, value in fields.items() if value is not None}
        kinds.setdefault(kind, []).append(f'  "{name}": {json.dumps(there)}')
    return "{\n" + ",\n".join(f' "{kind}": {{\n' + ",\n".join(lines) + "\n }" for kind, lines in kinds.items()) + "\n}\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / f"{version()}.json"
    if target.exists():
        sys.exit(f"{target.name} is there: what was released stays as it was. A new release has a new version in Chart.yaml")
    target.write_text(text())
