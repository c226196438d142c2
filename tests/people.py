"""A person with a token before a gateway, over real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3

from functions import gateway as package
from infra.local.part import Part, free_port, listens, processes_of
from infra.local.part import running as process
from tests.fixtures.stack import Running

MAIN = Path(str(package.__file__)).with_name("main.py")


@dataclass
class Client:
    """A person with a token, before one replica."""

    base: str
    token: str
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=16, retries=False, timeout=30))

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON."""
        headers = {"authorization": f"Bearer {self.token}", **({"content-type": "application/json"} if body is not None else {})}
        answer = self.http.request(
            method, self.base + path, headers=headers, body=json.dumps(body).encode() if body is not None else None
        )
        return answer.status, json.loads(answer.data) if answer.data else None

    def upload(self, photo: bytes, **more: Any) -> str:
        """Begin a query and send its photo; the upload alone starts it."""
        status, begun = self.ask(
            "POST", "/api/uploads", {"filename": "q.jpg", "content_type": "image/jpeg", "size": len(photo), **more}
        )
        assert status == 201, begun
        for form in [begun["upload"]] if begun["upload"] else begun["parts"]:
            sent = self.http.request("POST", form["url"], fields={**form["fields"], "file": ("q.jpg", photo, "image/jpeg")})
            assert sent.status == 204, sent.data
        if begun["parts"]:
            assert self.ask("POST", f"/api/queries/{begun['id']}/uploaded", {})[0] == 202
        return str(begun["id"])

    def events(self, query: str, *, seconds: float = 60.0) -> Iterator[tuple[str, Any]]:
        """Name and snapshot of each event, until the stream ends."""
        headers = {"authorization": f"Bearer {self.token}"}
        address = f"{self.base}/api/queries/{query}/events"
        answer = self.http.request("GET", address, headers=headers, preload_content=False, timeout=seconds)
        assert answer.status == 200, answer.data
        rest = ""
        for chunk in answer.stream(65_536):
            *blocks, rest = (rest + chunk.decode()).split("\n\n")
            for block in blocks:
                lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
                if "event" in lines:
                    yield lines["event"], json.loads(lines["data"])

    def follow(self, query: str) -> dict[str, Any]:
        """The result, as a page waits for it: a stream that breaks is opened again."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(urllib3.exceptions.HTTPError, OSError, AssertionError):
                for name, said in self.events(query):
                    if name == "result":
                        return dict(said)
            time.sleep(0.1)
        pytest.fail("no result in 60 s")


@contextlib.contextmanager
def replica(running: Running, folder: Path, **more: str) -> Iterator[tuple[Client, Part]]:
    """A further gateway beside the stack's own."""
    port = free_port()
    env = {
        **running.stack.environment(),
        **running.stack.gateway_environment(port),
        "HOST": "127.0.0.1",
        "PYTHONWARNINGS": "ignore",
        **more,
    }
    part = Part(
        name=f"gateway-{port}",
        argv=(sys.executable, "-m", "functions_framework", "--asgi", "--source", str(MAIN), "--target", "gateway"),
        folder=folder,
        env=env,
        ready=lambda: None if listens("127.0.0.1", port) else "nothing answers",
    )
    with process(part):
        yield Client(f"http://127.0.0.1:{port}", running.stack.environment()["MUSEUM_TOKEN"]), part


def kill(part: Part) -> None:
    """With kill -9, all its processes."""
    for pid in processes_of(part.mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
