"""The README's first command, whole: real servers, real photographs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.part import marks
from infra.local.rabbitmq import NotInstalled, server
from tests.servers import missing


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_the_demo_finds_the_changed_copy_refuses_the_stranger_and_leaves_nothing_running(tmp_path: Path) -> None:
    """Exit code 0; the draft names the records that its values came from."""
    try:
        server()
    except NotInstalled as error:
        missing(str(error))
    state = tmp_path / "demo"
    argv = [sys.executable, "-m", "functions.cli.main", "demo", "--state", str(state), "--once", "--json"]
    answer = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=400)
    assert answer.returncode == 0, answer.stderr[-2000:]
    told = json.loads(answer.stdout)
    assert told["problems"] == []
    assert told["import"]["findable"] == told["import"]["photos"] > 300
    known, stranger = told["known"], told["stranger"]
    assert known["verdict"]["similar"]
    assert known["class"]["code"] == known["hits"][0]["class_code"]
    shown = {hit["object_id"] for hit in known["hits"]}
    assert len(shown) == 10
    assert {source["object_id"] for offers in known["draft"].values() for offer in offers for source in offer["sources"]} <= shown
    assert (stranger["verdict"]["similar"], stranger["class"], stranger["draft"]) == (False, None, {})
    assert [mark for mark in marks() if mark.startswith(str(state))] == []
