"""A scanner finds no misconfiguration in the rendered chart, but what is excepted with a reason."""

from __future__ import annotations

import json
import subprocess
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from infra.local.setup import SCANNER_VENV
from tests.charts.helm import CI, rendered
from tests.servers import missing

EXCEPTIONS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("exceptions.toml").read_text())
NOWHERE = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
"""Whatever it would ask for is not there."""
WRONG = """
apiVersion: v1
kind: Pod
metadata: {name: wrong}
spec: {containers: [{name: one, image: "one:1", securityContext: {privileged: true}}]}
"""
Finding = tuple[str, str]
"""A check, and ``kind.name``."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> set[Finding]:
    """What the scanner says to every kind of installation, and to a pod that is wrong."""
    program = SCANNER_VENV / "bin" / "checkov"
    if not program.is_file():
        missing("no scanner: run `make setup-dev`")
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "wrong.yaml").write_text(WRONG)
    for file in CI:
        (folder / file.name).write_text(rendered(file.name.removesuffix("-values.yaml")))
    arguments = ["--framework", "kubernetes", "--directory", str(folder), "--skip-download", "--compact", "--quiet"]
    command = [str(program), *arguments, "--output", "json", "--soft-fail"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, cwd=folder, env=NOWHERE)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] > 100, "it has read everything"
    named = [(one["check_id"], one["resource"].split(".", 2)) for one in report["results"]["failed_checks"]]
    return {(check, f"{kind}.{name}") for check, (kind, _, name) in named}


def excepted(check: str, resource: str) -> bool:
    """Whether a finding is meant to be so."""
    exception = EXCEPTIONS.get(check)
    return exception is not None and any(fnmatchcase(resource, pattern) for pattern in exception.get("of", ["*"]))


def test_what_is_found_is_excepted_with_a_reason(found: set[Finding]) -> None:
    """Else mend the chart; ``exceptions.toml`` is for what is meant."""
    assert [one for one in sorted(found) if one[1] != "Pod.wrong" and not excepted(*one)] == []


def test_every_exception_is_needed(found: set[Finding]) -> None:
    """One that nothing needs would hide the next mistake."""
    needed = {(check, pattern) for check, exception in EXCEPTIONS.items() for pattern in exception.get("of", ["*"])}
    used = {one for one in needed for check, resource in found if one[0] == check and fnmatchcase(resource, one[1])}
    assert needed - used == set()
    assert all(len(exception["reason"]) > 20 for exception in EXCEPTIONS.values())


def test_the_scanner_finds_what_is_wrong(found: set[Finding]) -> None:
    """A privileged container, say."""
    assert ("CKV_K8S_16", "Pod.wrong") in found
