"""An upgrade, with either Helm, changes nothing that Kubernetes does not let change."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from tests.charts.golden import names
from tests.charts.helm import CHART, HELMS, KEDA, Object, objects, run
from tests.charts.released import CI, by_name, fixed, released, version


@cache
def after(name: str, helm: str, *arguments: str) -> list[Object]:
    """What the next release of the chart makes of the same values, as an upgrade."""
    with TemporaryDirectory() as folder:
        chart = Path(shutil.copytree(CHART, Path(folder) / "museum-search"))
        meta = yaml.safe_load((chart / "Chart.yaml").read_text())
        (chart / "Chart.yaml").write_text(yaml.safe_dump(meta | {"version": "9.9.9", "appVersion": "9.9.9"}))
        values = str(CHART / "ci" / f"{name}-values.yaml")
        done = run("template", "museum", str(chart), "-n", "museum", "-f", values, "--is-upgrade", *KEDA, *arguments, helm=helm)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.load_all(done.stdout, yaml.CSafeLoader) if found]


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("name", names())
def test_the_next_release_can_replace_this_one(name: str, helm: str) -> None:
    """The same objects, with selectors and volumes as they were; each pod is a new one, since its image is."""
    before, later = objects(name, helm=helm), after(name, helm)
    assert by_name(before).keys() == by_name(later).keys()
    assert fixed(before) == fixed(later)
    for key, one in by_name(before).items():
        if key[0] == "Deployment":
            assert one["spec"]["template"] != by_name(later)[key]["spec"]["template"]


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("before", released())
def test_a_release_can_be_replaced_by_this_chart(before: str, helm: str) -> None:
    """Each object that it made is there, as it was where nothing may change; by another name data would stay behind."""
    now = fixed(objects(CI, helm=helm))
    for key, fields in released()[before].items():
        assert key in now, f"{before} made {key}"
        assert {field: value for field, value in now[key].items() if value is not None} == fields, key


def test_this_release_is_written_down() -> None:
    """`python -m tests.charts.released` does it, once a version: the next is compared with it."""
    assert version() in released()
    kinds = {kind for kind, _ in released()[version()]}
    assert {"Deployment", "StatefulSet", "Service", "ScaledObject"} <= kinds


@pytest.mark.parametrize("helm", HELMS)
def test_labels_of_ones_own_are_on_objects_and_in_no_selector(helm: str) -> None:
    """They can be given, changed and taken away in an upgrade."""
    assert fixed(objects("kind", helm=helm)) == fixed(after("kind", helm, "--set", "commonLabels.team=another"))


@pytest.mark.parametrize("name", names())
def test_a_job_that_is_no_hook_has_a_name_for_each_revision(name: str) -> None:
    """A job's pod cannot be changed: a hook is deleted before the next, another needs another name."""
    for kind, job in by_name(objects(name)):
        if kind == "Job":
            annotations = by_name(objects(name))[kind, job]["metadata"].get("annotations", {})
            assert "before-hook-creation" in annotations.get("helm.sh/hook-delete-policy", "") or job.endswith("-1")


@pytest.mark.parametrize("name", names())
def test_what_holds_data_stays_when_the_release_goes(name: str) -> None:
    """Claims of a StatefulSet do by themselves; Secrets that were made once, and claims beside one, say so."""
    for (kind, secret), one in by_name(objects(name)).items():
        if kind in {"Secret", "PersistentVolumeClaim"}:
            assert one["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep", secret
