"""The release that the cluster's tests upgrade to: its events are others, and it and this one read each other's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from functions import pipeline
from functions.contracts.samples import SAMPLES
from functions.errors import Unavailable
from functions.events import BY_TYPE, CatalogueEmbedded, ImagePreprocessed, QueryEmbedded, to_data
from functions.runtime.envelope import typed
from tests.cluster.images.next.release import release

FUNCTIONS = Path(pipeline.__file__).parent
CHANGED = (ImagePreprocessed, QueryEmbedded, CatalogueEmbedded)
SCRIPT = """
import json, sys
from functions import events, versions
from functions.contracts.samples import SAMPLES
from functions.runtime.envelope import envelope_of, typed

told = json.load(sys.stdin)
read = {kind: typed(kind, data, consumes=tuple(events.BY_TYPE)).images[0].prepared_by for kind, data in told.items()}
written = {}
for previous in (True, False):
    for kind, sample in SAMPLES.items():
        made = envelope_of(sample, event_id="1", step="embed", traceparent="", previous=previous)
        written[made["type"]] = made.get_data()
json.dump([read, written], sys.stdout)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, Any]]:
    """What it reads in this release's events, and what it writes, by type."""
    folder = tmp_path_factory.mktemp("next")
    shutil.copytree(FUNCTIONS, folder / "functions", ignore=shutil.ignore_patterns("__pycache__"))
    release(folder / "functions")
    ours = json.dumps({kind.TYPE: json.loads(to_data_of(kind)) for kind in CHANGED})
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=folder, input=ours, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read, written = json.loads(done.stdout)
    return read, written


def to_data_of(kind: type[Any]) -> str:
    """A sample as it travels."""
    return json.dumps(to_data(SAMPLES[kind]))


def test_it_reads_what_this_release_writes(said: tuple[dict[str, str], dict[str, Any]]) -> None:
    """By the name that it has for it."""
    assert said[0] == {kind.TYPE: SAMPLES[kind].images[0].preprocessing for kind in CHANGED}


def test_this_release_reads_what_it_writes_for_it(said: tuple[dict[str, str], dict[str, Any]]) -> None:
    """And leaves what it writes of its own to it: those wait."""
    for kind in CHANGED:
        assert typed(kind.TYPE, said[1][kind.TYPE], consumes=tuple(BY_TYPE)) == SAMPLES[kind]
        newer = kind.TYPE.replace(".v1", ".v2")
        assert "prepared_by" in said[1][newer]["images"][0]
        with pytest.raises(Unavailable, match="newer release"):
            typed(newer, said[1][newer], consumes=tuple(BY_TYPE))


def test_code_that_it_does_not_know_is_refused(tmp_path: Path) -> None:
    """Else it would test nothing."""
    shutil.copytree(FUNCTIONS, tmp_path / "functions", ignore=shutil.ignore_patterns("__pycache__"))
    release(tmp_path / "functions")
    with pytest.raises(SystemExit, match="another than"):
        release(tmp_path / "functions")
