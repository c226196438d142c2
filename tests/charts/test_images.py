"""What the Dockerfile promises of each image that is run. Building them is for ``tests/cluster``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from infra.engine.spec import chosen

TEXT = (Path(__file__).resolve().parents[2] / "infra" / "images" / "Dockerfile").read_text()
STAGES: dict[str, str] = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", TEXT, re.MULTILINE | re.DOTALL))
RUN = ("functions", "triton", "milvus-lite")


@pytest.mark.parametrize("name", RUN)
def test_sigterm_reaches_what_runs(name: str) -> None:
    """As the first process Python would not see one that comes before it asks for it, and live its whole grace."""
    (entry,) = re.findall(r"^ENTRYPOINT (.+)$", STAGES[name], re.MULTILINE)
    assert json.loads(entry)[:2] == ["tini", "--"]


@pytest.mark.parametrize("name", RUN)
def test_nobody_is_root(name: str) -> None:
    """By number, which Kubernetes can check."""
    users = re.findall(r"^USER (.+)$", STAGES[name], re.MULTILINE)
    assert users[-1] == "10001:10001"


def test_every_package_is_pinned_by_its_hash() -> None:
    """And nothing is compiled."""
    installs = re.findall(r"pip (?:--python \S+ )?(?:install|download)(?:[^&]|\\\n)*", TEXT)
    assert len(installs) >= 5
    assert all("--require-hashes" in one and "--only-binary=:all:" in one for one in installs), installs


def test_the_engine_builder_is_given_what_its_script_takes() -> None:
    """Shelf, photos, repository and models, as the chart gives them; what is refused is served as ONNX, and the pod starts."""
    script = (Path(__file__).resolve().parents[2] / "infra" / "images" / "museum-engine").read_text()
    assert "shelf=$1 photos=$2 repository=$3" in script
    assert re.search(r'plan build "\$model" --or-onnx --shelf "\$shelf" --images "\$photos" --repository "\$repository"', script)
    assert "requirements/engine.txt" in STAGES["engine"]
    assert re.findall(r"^USER (.+)$", STAGES["engine"], re.MULTILINE)[-1] == "10001:10001"


def test_the_chart_knows_the_models_of_the_images() -> None:
    """By name and tier: another one is refused unless S3 has it."""
    (names,) = re.findall(r'^ARG MODELS="(.+)"$', TEXT, re.MULTILINE)
    described = {name: chosen(name).tier for name in names.split()}
    checks = (Path(__file__).resolve().parents[2] / "charts/museum-search/templates/_checks.tpl").read_text()
    (known,) = re.findall(r"\$known := list (.+) -}}", checks)
    assert set(known.replace('"', "").split()) == {*described, *described.values()}
