"""Every kind of installation renders with both Helms, and every object is what Kubernetes and the operators take."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.charts.helm import CHART, CI, HELMS, NEWEST, Object, objects, run
from tests.charts.table import README, described, readme

SCHEMAS = Path(__file__).with_name("schemas")
VERSIONS = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
NAMES = [file.name.removesuffix("-values.yaml") for file in CI]


@cache
def schema(group_version: str, kind: str) -> Draft202012Validator | None:
    """The schema of a custom resource, out of the operator's own definition, where unknown fields are refused."""
    file = SCHEMAS / f"{group_version.replace('/', '_')}_{kind}.json"
    return Draft202012Validator(json.loads(file.read_text())) if file.exists() else None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", VERSIONS)
def test_each_object_is_what_kubernetes_takes(name: str, version: str) -> None:
    """Strictly: a field that does not exist is an error, in the oldest version that is meant and in the newest."""
    for one in objects(name):
        if schema(one["apiVersion"], one["kind"]) is None:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("name", NAMES)
def test_each_custom_resource_is_what_its_operator_takes(name: str) -> None:
    """KEDA 2.20, Prometheus Operator 0.85, Gateway API 1.3."""
    for one in objects(name):
        known = schema(one["apiVersion"], one["kind"])
        if "." in one["apiVersion"].partition("/")[0] and not re.search(r"\.k8s\.io/", f"{one['apiVersion']}/") and known is None:
            pytest.fail(f"no schema of {one['apiVersion']} {one['kind']}")
        if known is not None:
            known.validate(one)


@pytest.mark.parametrize("name", NAMES)
def test_both_helms_render_the_same(name: str) -> None:
    """But what is random: passwords of dev.*."""

    def known(helm: str) -> list[Object]:
        found = [one for one in objects(name, helm=helm) if one["kind"] != "Secret"]
        return sorted(found, key=lambda one: (one["kind"], one["metadata"]["name"]))

    assert known(HELMS[0]) == known(NEWEST)


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("file", CI, ids=NAMES)
def test_lint_has_nothing_to_say(helm: str, file: Path) -> None:
    """No warning, no error."""
    done = run("lint", str(CHART), "--strict", "-f", str(file), "--set", "scaling.enabled=false", helm=helm)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_names_are_unique(name: str) -> None:
    """Two objects of one name would replace each other."""
    names = [(one["apiVersion"], one["kind"], one["metadata"]["name"]) for one in objects(name)]
    assert len(names) == len(set(names))


def test_the_readme_has_the_values_as_they_are() -> None:
    """`python -m tests.charts.table` writes the table."""
    assert README.read_text() == readme()


def test_every_value_is_described() -> None:
    """By a comment of its own, or by one of a value above it."""
    there = described()

    def missing(found: Object, above: str = "") -> list[str]:
        lost = []
        for key, value in found.items():
            path = f"{above}.{key}" if above else key
            if path in there:
                if path != "lanes":
                    continue
            elif not isinstance(value, dict) or not value:
                lost.append(path)
            if isinstance(value, dict):
                lost += missing(value, path)
        return lost

    lost = missing(yaml.safe_load((CHART / "values.yaml").read_text()))
    assert [path for path in lost if not path.startswith("lanes.bulk.")] == []
