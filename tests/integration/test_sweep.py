"""The sweep as a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from infra.local.part import free_port


def test_a_sweep_that_could_not_look_looks_again_soon() -> None:
    """What was away comes back within seconds, and a whole minute more would be added to what its loss cost."""
    environment = {
        **os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y", "MUSEUM_OUTBOX_URL": f"http://127.0.0.1:{free_port()}/",
    }  # fmt: skip
    argv = [sys.executable, "-m", "functions.cli.main", "reconcile", "--fix", "--every", "60"]
    with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("cannot look now")
        failed = time.monotonic()
        assert process.stderr.readline().startswith("cannot look now")
        assert time.monotonic() - failed < 30
        process.terminate()
