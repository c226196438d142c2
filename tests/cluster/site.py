"""An installation of the chart on a cluster, and what tests do with it: any cluster that ``KUBECONFIG`` names."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from functions import outcome
from functions.adapters.s3 import S3Store
from functions.catalogue.keys import photo_key, record_key
from functions.errors import Unavailable
from functions.events import upload_id
from functions.runtime.settings import Settings
from infra.engine.wheels import cache_folder
from infra.local.part import free_port, listens
from tests.pictures import jpeg

CHART = Path(__file__).resolve().parents[2] / "charts" / "museum-search"
OBJECTS = 6
T = TypeVar("T")


def one_node() -> Path:
    """The folder of the one-node cluster, where there is one."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kube-one"


def program(name: str) -> str:
    """kubectl, or a Helm of set-up (``helm-4.3``); else of the one-node cluster, or on the PATH."""
    fetched, general = cache_folder() / name, name.partition("-")[0]
    found = next((str(file) for file in (fetched, one_node() / "bin" / general) if file.exists()), shutil.which(general))
    assert found, f"no {general} on the PATH"
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


@contextlib.contextmanager
def meanwhile(work: Callable[[], None], *, every: float) -> Iterator[None]:
    """Do something again and again beside the block, and no longer."""
    done = threading.Event()

    def again() -> None:
        while not done.wait(every):
            work()

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod takes work."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))


@dataclass
class Site:
    """A namespace with a release in it."""

    namespace: str
    release: str = "museum"
    values: dict[str, Any] = field(default_factory=dict)
    ci: str = "kind"
    helm_version: str = "4.3"

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
        done = subprocess.run(
            [program(f"helm-{self.helm_version}"), "-n", self.namespace, *arguments], capture_output=True, text=True, check=False
        )
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

    def revision(self) -> int:
        """Of the release, as Helm counts them."""
        told = json.loads(self.helm("history", self.release, "--max", "1", "-o", "json").stdout)
        return int(told[-1]["revision"])

    def remove(self) -> None:
        """Delete the namespace with all that is in it. Its pods are ended first, at once: nobody needs their last seconds."""
        self.kubectl("delete", "deployments,statefulsets,jobs,cronjobs,scaledobjects", "--all", "--ignore-not-found", check=False)
        self.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", "--ignore-not-found", check=False)
        self.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=180s")

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
        """A port of this machine that leads to a Service's or pod's. Begun again where it breaks, as with a pod that goes."""
        local = free_port()
        argv = [program("kubectl"), "-n", self.namespace, "port-forward", target, f"{local}:{port}"]
        ended = threading.Event()
        ways: list[subprocess.Popen[bytes]] = []

        def lead() -> None:
            while not ended.is_set():
                ways.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
                ways[-1].wait()
                ended.wait(0.5)

        leading = threading.Thread(target=lead)
        leading.start()
        try:
            wait_for(f"a way to {target}", lambda: True if listens("127.0.0.1", local, 0.2) else None, seconds=60)
            yield local
        finally:
            ended.set()
            ways[-1].terminate()
            leading.join()

    def reach(self, pod: str, container: str, host: str, port: int) -> bool:
        """Whether a connection can be made from inside a pod."""
        code = f"import socket; socket.create_connection(({host!r}, {port}), 3)"
        script = f'python -c "{code}" 2>/dev/null && echo ok || echo no'
        return "ok" in self.kubectl("exec", pod, "-c", container, "--", "sh", "-c", script)

    def reached(self, ways: Iterable[tuple[str, str, str, int]]) -> list[tuple[str, str, str, int]]:
        """Those of the ways (pod, container, host, port) that can be gone: what is refused takes its time, so all at once."""
        tried = list(ways)
        with ThreadPoolExecutor(4) as pool:
            return [way for way, open_ in zip(tried, pool.map(lambda way: self.reach(*way), tried), strict=True) if open_]

    @contextlib.contextmanager
    def outsider(self, namespace: str) -> Iterator[Site]:
        """A namespace where nothing is denied, with a pod ``outsider`` in it; gone after the block."""
        other = Site(namespace)
        other.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout=120s")
        other.kubectl("create", "namespace", namespace)
        image = self.pods("gateway")[0]["spec"]["containers"][0]["image"]
        container = {
            "name": "outsider", "image": image, "command": ["tini", "--", "sleep", "3600"],
            "securityContext": {"runAsUser": 10001, "allowPrivilegeEscalation": False},
        }  # fmt: skip
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "outsider"}, "spec": {"containers": [container]}}
        other.kubectl("apply", "-f", "-", text=json.dumps(pod))
        try:
            other.kubectl("wait", "pod/outsider", "--for=condition=Ready", "--timeout=90s")
            yield other
        finally:
            other.kubectl("delete", "namespace", namespace, "--wait=false")

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
        found = wait_for(f"the result of {query}", lambda: self.stored(query), seconds=seconds)
        data: dict[str, Any] = json.loads(found.body)
        return data

    def finds(self, number: int) -> bool:
        """Whether a photo of one of the objects finds it first."""
        found = self.result(self.ask(jpeg(number)))["hits"]
        return bool(found) and found[0]["object_id"] == f"object-{number}"

    def stored(self, query: str) -> Any:
        """The result as it is stored; ``None`` where there is none yet, or S3 is away."""
        with contextlib.suppress(Unavailable):
            return self.store.get("results", f"{query}.json")
        return None

    def ended(self, upload: str) -> bool:
        """Whether a photo of the catalogue is indexed; fails with the reason of one that is not to be."""
        with contextlib.suppress(Unavailable):
            found = outcome.read(self.store, "state", upload)
            assert found is None or found.status == "indexed", f"{found.key} is {found.status}: {found.reason}"
            return found is not None
        return False

    def versions_read(self) -> set[str]:
        """Of the prepared photos that embed has read, in the pods that are there now; waits until there are any."""

        def read() -> set[str] | None:
            names = [pod["metadata"]["name"] for pod in self.site.pods("embed-interactive")]
            lines = "".join(self.site.kubectl("logs", name, "-c", "function", check=False) for name in names)
            return set(re.findall(r"image\.preprocessed\.(v\d+)", lines)) or None

        return wait_for("embed to read an event", read, seconds=120)

    @contextlib.contextmanager
    def asking(self, *, pause: float) -> Iterator[dict[str, int]]:
        """Photos of the catalogue's objects are uploaded all the time, until the block ends; which query is of which object."""
        asked: dict[str, int] = {}
        done = threading.Event()

        def ask() -> None:
            while not done.wait(pause):
                with contextlib.suppress(Unavailable):  # not taken, so nothing was promised
                    number = len(asked) % OBJECTS
                    asked[self.ask(jpeg(number))] = number

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield asked
        finally:
            done.set()
            thread.join()

    def nothing_lost(self, asked: Mapping[str, int], what: str, *, seconds: float = 240.0) -> None:
        """Every query has its result, of its object. Prints the counts."""
        ended = {query: self.result(query, seconds=seconds) for query in asked}
        lost = [query for query, found in ended.items() if found["status"] != "completed"]
        first = {query: ended[query]["hits"][0]["object_id"] for query in asked if query not in lost}
        wrong = [query for query, object_id in first.items() if object_id != f"object-{asked[query]}"]
        completed = len(ended) - len(lost)
        print(f"\n{what}: attempted {len(asked)}, completed {completed}, lost {len(lost)}, unexpected {len(wrong)}")
        assert (lost, wrong) == ([], [])
        assert asked, "nothing was asked"
