"""One installation for all tests of a cluster."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.adapters.s3 import S3Store
from tests.cluster.site import OBJECTS, Site, World, one_node, program, wait_for
from tests.pictures import jpeg

NAMESPACE = "museum-test"
QUICK: dict[str, Any] = {
    f"lanes__{lane}__{key}": value
    for lane in ("interactive", "bulk")
    for key, value in {"cooldownPeriod": 10, "scaleDownWindow": 5, "pollingInterval": 2, "maxReplicas": 2}.items()
}
"""Tests do not wait minutes for a pod to go, and share two cores."""


@pytest.fixture(scope="session")
def volumes() -> Iterator[None]:
    """Claims that a pod without root may write, as any provisioner for production gives them.

    The host-path provisioner of the one-node cluster makes folders of root alone, and Kubernetes does not apply ``fsGroup`` to
    them. On another cluster there is nothing to do.
    """
    folder = Path(os.environ.get("CLUSTER_STATE") or one_node()) / "run" / "var" / "volumes"
    ended = threading.Event()

    def open_them() -> None:
        while not ended.wait(0.3):
            for one in folder.glob("*"):
                with contextlib.suppress(FileNotFoundError):
                    one.chmod(0o777)

    opening = threading.Thread(target=open_them)
    opening.start()
    yield
    ended.set()
    opening.join()


@pytest.fixture(scope="session")
def site(volumes: None) -> Iterator[Site]:
    """The chart with servers of ``dev.*``, in a namespace that enforces `restricted`, which is deleted before and after.

    Only where ``MUSEUM_TEST_CLUSTER=on`` says that the cluster of ``KUBECONFIG`` is for tests.
    """
    if os.environ.get("MUSEUM_TEST_CLUSTER") != "on":
        pytest.skip("no cluster: set KUBECONFIG to one for tests, and MUSEUM_TEST_CLUSTER=on")
    site = Site(NAMESPACE)
    keep = os.environ.get("MUSEUM_TEST_KEEP") == "on"  # to try one test again and again
    if not keep:
        site.remove()
    subprocess.run([program("kubectl"), "create", "namespace", NAMESPACE], check=not keep, capture_output=True)
    site.kubectl("label", "namespace", NAMESPACE, "--overwrite", "pod-security.kubernetes.io/enforce=restricted")
    site.upgrade(**QUICK, dev__minio__nodePort=0, gateway__service__type="ClusterIP")
    yield site
    if not keep:
        site.remove()


@pytest.fixture(scope="session")
def world(site: Site) -> Iterator[World]:
    """A catalogue of six objects, all findable."""
    with site.forward(f"service/{site.base}-minio", 9000) as port:
        made = World(site, S3Store(site.settings(port)))
        wait_for("the live model", lambda: made.store.get("state", "live.json"), seconds=300)
        uploads = [made.add(f"object-{number}", jpeg(number)) for number in range(OBJECTS)]
        wait_for("the catalogue", lambda: True if all(made.ended(one) for one in uploads) else None, seconds=180)
        yield made
