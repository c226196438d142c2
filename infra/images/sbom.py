"""What an image has, as CycloneDX 1.5: Python's packages and Debian's. Standard library only."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from typing import Any


def python_packages() -> list[dict[str, Any]]:
    """Of the environment that runs this."""
    return [
        {
            "type": "library",
            "name": found.metadata["Name"],
            "version": found.version,
            "purl": f"pkg:pypi/{found.metadata['Name'].lower().replace('_', '-')}@{found.version}",
        }
        for found in metadata.distributions()
    ]


def debian_packages() -> list[dict[str, Any]]:
    """Of the image below."""
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\n"], check=True, capture_output=True, text=True
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return [
        {"type": "library", "name": name, "version": version, "purl": f"pkg:deb/debian/{name}@{version}?arch={architecture}"}
        for name, version, architecture in rows
    ]


def bill() -> dict[str, Any]:
    """All of it, in an order that is always the same."""
    components = sorted([*python_packages(), *debian_packages()], key=lambda component: component["purl"])
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
