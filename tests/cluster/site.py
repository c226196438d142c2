"""An installation of the chart on a cluster, and what tests do with it: any cluster that ``KUBECONFIG`` names."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from functions import outcome
from functions.adapters.s3 import S3Store
from functions.catalogue.keys import photo_key, record_key
from functions.events import upload_id
from functions.runtime.settings import Settings
from infra.engine.wheels import cache_folder
from infra.local.part import free_port, listens

CHART = Path(__file__).resolve().parents[2] / "charts" / "museum-search"
T = TypeVar("T")


def program(name: str) -> str:
    """kubectl or Helm: of the one-node cluster, of set-up, or on the PATH."""
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kube-one" / "bin" / name
    if own.exists():
        return str(own)
    fetched = cache_folder() / "helm-4.3"
    found = str(fetched) if name == "helm" and fetched.exists() else shutil.which(name)
    assert found, f"no {name} on the PATH"
    return found


def wait_for(what: str, look: Callable[[], T | None], *, seconds: float) -> T:
    """What ``look`` gives, once it gives anything."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < until, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.1)


@dataclass
class Site:
    """A namespace with a release in it."""

    namespace: str
    release: str = "museum"
    values: dict[str, Any] = field(default_factory=dict)
    ci: str = "kind"

    @property
    def base(self) -> str:
        """What the names of its objects begin with."""
        return f"{self.release}-museum-search"

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace; its output."""
        done = subprocess.run(
            [program("kubectl"), "-n", self.namespace, *arguments], input=text, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Objects, as JSON."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def helm(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Helm in the namespace."""
        done = subprocess.run([program("helm"), "-n", self.namespace, *arguments], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"helm {' '.join(arguments[:3])}: {done.stdout}{done.stderr}\n{self.state()}"
        return done

    def upgrade(self, *arguments: str, check: bool = True, **values: Any) -> subprocess.CompletedProcess[str]:
        """Install or upgrade, and wait until all is there. ``values`` are kept for the next time."""
        self.values |= values
        sets = [
            part for key, value in self.values.items() for part in ("--set-json", f"{key.replace('__', '.')}={json.dumps(value)}")
        ]
        file = str(CHART / "ci" / f"{self.ci}-values.yaml")
        wait = ("--wait", "--timeout", "8m")
        return self.helm("upgrade", "--install", self.release, str(CHART), "-f", file, *wait, *sets, *arguments, check=check)

    def state(self) -> str:
        """What is there, for a failure's message."""
        pods = self.kubectl("get", "pods,jobs,scaledobjects", "-o", "wide", check=False)
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False).splitlines()[-25:]
        return "\n".join([pods, *events])

    def secret(self, name: str, key: str) -> str:
        """A value of a Secret."""
        return base64.b64decode(self.get("secret", name)["data"][key]).decode()

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of a component that are not ending."""
        listed = self.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]

    def functions(self) -> dict[str, int]:
        """Pods of each function and lane, those that end too."""
        listed = self.get("pods", "-l", "museum-search/function")["items"]
        names = [pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in listed]
        return {name: names.count(name) for name in set(names)}

    def at_zero(self, *, seconds: float = 180.0) -> None:
        """Wait until no function has a pod."""
        wait_for("functions at zero", lambda: None if self.functions() else True, seconds=seconds)

    @contextlib.contextmanager
    def forward(self, target: str, port: int) -> Iterator[int]:
        """A port of this machine that leads to a Service's or pod's. Begun again where it breaks."""
        local = free_port()
        argv = [program("kubectl"), "-n", self.namespace, "port-forward", target, f"{local}:{port}"]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"a way to {target}", lambda: True if listens("127.0.0.1", local, 0.2) else None, seconds=30)
            yield local
        finally:
            process.terminate()
            process.wait()

    def settings(self, port: int) -> Settings:
        """How S3 is reached by a forwarded port."""
        name = f"{self.base}-minio"
        return Settings(
            aws_endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=self.secret(name, "access-key"),
            aws_secret_access_key=self.secret(name, "secret-key"),
        )


@dataclass
class World:
    """A site, with S3 at hand."""

    site: Site
    store: S3Store

    def add(self, object_id: str, body: bytes, *, name: str = "a.jpg", lane: str = "bulk") -> str:
        """Put an object into the catalogue; the id of its photo's upload."""
        record = json.dumps({"Name": object_id, "TypologyGK": "13", "PublicationLimit": "1"}).encode()
        self.store.put("catalogue", record_key("local", object_id), record, content_type="application/json")
        key = photo_key("local", object_id, name)
        metadata = {"lane": lane} if lane != "bulk" else {}
        return upload_id("catalogue", key, self.store.put("catalogue", key, body, content_type="image/jpeg", metadata=metadata))

    def ask(self, body: bytes) -> str:
        """Upload a query; its id."""
        key = f"local/tests/{time.time_ns():x}/q.jpg"
        return upload_id("queries", key, self.store.put("queries", key, body, content_type="image/jpeg"))

    def result(self, query: str, *, seconds: float = 60.0) -> dict[str, Any]:
        """The result of a query."""
        found = wait_for(f"the result of {query}", lambda: self.store.get("results", f"{query}.json"), seconds=seconds)
        data: dict[str, Any] = json.loads(found.body)
        return data

    def ended(self, upload: str) -> bool:
        """Whether a photo of the catalogue has an outcome."""
        return outcome.read(self.store, "state", upload) is not None
