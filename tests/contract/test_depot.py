"""A model goes to a real S3 server and comes back as it was, by the program that a pod runs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from functions.adapters.s3 import S3Store
from functions.runtime.settings import Settings
from infra.engine import build, depot
from tests.fixtures.triton import small_model


@pytest.mark.parametrize("server", ["minio_server", "s3_server"])
def test_a_model_comes_back_as_it_was(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Nothing is sent twice, since both name what they have by its md5; what was damaged there ends the program with one line."""
    settings: Settings = request.getfixturevalue(server)
    store, bucket = S3Store(settings), settings.museum_bucket_state
    built = small_model(tmp_path / "built" / "small", name="small")
    pushed = depot.push(built, store, bucket)
    assert depot.push(built, store, bucket).put == ()

    def fetch(target: Path) -> subprocess.CompletedProcess[str]:
        told = {
            name.upper(): str(value) for name, value in asdict(settings).items() if name.startswith(("aws_", "museum_bucket"))
        }
        arguments = ["--target", str(target), "--notes", str(tmp_path), "--fingerprints", f"small={pushed.fingerprint}", "small"]
        command = [sys.executable, "-m", "infra.engine.depot", *arguments]
        return subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=False, timeout=60)

    done = fetch(tmp_path / "fetched")
    assert done.returncode == 0, done.stderr
    assert build.read(tmp_path / "fetched" / "small") == build.read(built)
    assert (tmp_path / "fetched" / "small" / build.ENCODER).read_bytes() == (built / build.ENCODER).read_bytes()
    store.put(bucket, depot.key_of(pushed.fingerprint, build.ENCODER), b"damaged", content_type="application/octet-stream")
    refused = fetch(tmp_path / "again")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "is damaged: expected sha256" in refused.stderr
