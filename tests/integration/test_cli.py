"""The `museum` command as people use it: one stack, started, looked at, stopped and started again."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from functions import outcome
from functions.adapters.s3 import S3Store
from functions.catalogue.keys import photo_key
from functions.events import upload_id
from functions.runtime.settings import Settings, load
from infra.local.part import marks, processes_of
from infra.local.stack import Stack
from infra.local.state import CREDENTIALS, EXTERNAL
from tests.fixtures.milvus import milvus_part
from tests.fixtures.rabbitmq import Amqp, Node, installed
from tests.fixtures.s3 import s3_part
from tests.fixtures.stack import Running, wait_for
from tests.fixtures.triton import triton_part
from tests.pictures import jpeg

MUSEUM = [sys.executable, "-m", "functions.cli.main"]
HEADER = "object_id;name;description;group;img_name\n"

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody at a shell, with a state folder and an environment."""

    state: Path
    extra: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """A shell without addresses of somebody else's but these."""
        theirs = (*EXTERNAL, *CREDENTIALS)
        return {**{name: value for name, value in os.environ.items() if name not in theirs}, **self.extra}

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        argv = [*MUSEUM, *arguments, "--state", str(self.state)]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, env=self.environment, start_new_session=True)

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints, which ends with this code."""
        with self.begin(*arguments) as process:
            out, err = process.communicate(timeout=200)
        assert process.returncode == code, f"museum {' '.join(arguments)}: {process.returncode}\n{out}\n{err}"
        return out + err if code else out

    def status(self) -> dict[str, dict[str, Any]]:
        """Each part by its name."""
        parts: list[dict[str, Any]] = json.loads(self.run("status", "--json"))["parts"]
        return {part["name"]: part for part in parts}

    def settings(self) -> Settings:
        """How a client reaches the stack."""
        return load(Settings, json.loads(self.run("env", "--json")))

    def client(self) -> Running:
        """A client of the stack."""
        return Running(Stack(self.state), S3Store(self.settings()))

    def left(self) -> set[str]:
        """Marks of processes that belong to the stack."""
        return {mark for mark in marks() if mark.startswith(f"{self.state}/") or mark.startswith(f"{self.state}:")}


@dataclass(frozen=True, slots=True)
class Started:
    """A stack that two commands started at once, and what they said."""

    operator: Operator
    said: tuple[str, str]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The stack of this file."""
    folder = tmp_path_factory.mktemp("cli")
    installed()
    for made in (milvus_part, s3_part):
        made(folder, 1)
    triton_part(folder, folder, 1)
    operator = Operator(folder / "state", {})
    try:
        with operator.begin("up", "--detach") as one, operator.begin("up", "--detach") as other:
            said = tuple(process.communicate(timeout=200) for process in (one, other))
        assert (one.returncode, other.returncode) == (0, 0), said
        yield Started(operator, (said[0][0], said[1][0]))
    finally:
        operator.run("down")
    assert operator.left() == set()


@pytest.fixture
def operator(started: Started) -> Operator:
    """Somebody at the shell of that stack."""
    return started.operator


def test_of_two_that_start_at_once_one_starts_and_the_other_waits(started: Started) -> None:
    """One supervisor; the second finds everything in place."""
    first, second = sorted(started.said, key=lambda text: "another command is starting" in text)
    assert "another command is starting the stack" not in first
    assert "another command is starting the stack" in second
    assert "the stack is up already\nqueues, buckets and model" in second
    assert len(processes_of(f"{started.operator.state}:supervisor")) == 1
    assert {part["restarts"] for part in started.operator.status().values()} == {0}


def test_status_shows_parts_queues_and_ports(operator: Operator) -> None:
    """For people and programs."""
    data = json.loads(operator.run("status", "--json"))
    assert set(data) == {"parts", "queues", "ports"}
    assert all(set(part) == {"name", "pid", "ready", "restarts"} and part["ready"] for part in data["parts"])
    assert {tuple(queue) for queue in data["queues"]} == {("name", "ready", "unacked")}
    assert any(queue["name"] == "museum.interactive.search" for queue in data["queues"])
    shown = operator.run("status")
    assert "trigger-bulk" in shown
    assert f"s3 {data['ports']['s3']}" in shown


def test_the_live_model_is_served_and_may_be_activated_again(operator: Operator) -> None:
    """The list asks the stack's own servers; an activation that changes nothing takes nothing away."""
    (live,) = [model for model in json.loads(operator.run("models", "list", "--json")) if model["live"]]
    assert (live["tier"], live["served"]) == ("quality", True)
    assert f"{live['name']} {live['fingerprint'][:12]} serves" in operator.run("models", "activate", "quality")
    assert live in json.loads(operator.run("models", "list", "--json"))


def test_status_answers_while_rabbitmq_is_stopped(operator: Operator) -> None:
    """And says so beside the data."""
    stack = Stack(operator.state)
    stack.supervisor.stop_part("rabbitmq")
    try:
        with operator.begin("status", "--json") as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0
        data = json.loads(out)
        assert data["queues"] == []
        assert [part["name"] for part in data["parts"] if not part["ready"]] == ["rabbitmq"]
        assert err.startswith("RabbitMQ does not answer: ")
        refused = operator.run("up", "--detach", code=1)
        assert "does not answer" in refused
        assert "Traceback" not in refused
    finally:
        stack.supervisor.start_part("rabbitmq")
    wait_for("RabbitMQ to be back", lambda: operator.status()["rabbitmq"]["ready"] or None)
    assert operator.status()["s3"]["ready"], "the `museum up` that failed stopped nothing"


def test_up_declares_again_what_a_wiped_rabbitmq_lost(operator: Operator) -> None:
    """Without a restart."""
    amqp = Amqp(json.loads(operator.run("env", "--json"))["MUSEUM_AMQP_URL"])
    amqp.delete("museum.bulk.embed.retry.1")
    assert "the stack is up already" in operator.run("up", "--detach")
    assert amqp.depth("museum.bulk.embed.retry.1") == 0
    amqp.close()


def test_logs_shows_one_part_or_all(operator: Operator) -> None:
    """A part that there is not is answered with those that there are."""
    operator.client().add("logged", jpeg(90), Name="Запись")
    shown = operator.run("logs", "embed-bulk", "--json")
    assert "done" in [json.loads(line).get("outcome") for line in shown.splitlines()]
    everything = operator.run("logs", "-n", "3")
    assert f"==> {operator.state}/logs/trigger-bulk.log <==" in everything
    assert "there are: " in operator.run("logs", "nobody", code=1)


def listening(state: Path) -> dict[int, set[str]]:
    """Port → addresses that the stack's processes listen on, as the kernel lists them: hexadecimal."""
    links = set()
    for mark in Operator(state, {}).left():
        for process in processes_of(mark):
            for link in Path(f"/proc/{process}/fd").glob("*"):
                try:
                    links.add(os.readlink(link))
                except OSError:  # closed meanwhile
                    continue
    found: dict[int, set[str]] = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and f"socket:[{columns[9]}]" in links:
                address, _, port = columns[1].partition(":")
                found.setdefault(int(port, 16), set()).add(address)
    return found


LOOPBACK = {
    f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}",
    "00000000000000000000000001000000",
    "0000000000000000FFFF00000100007F",
}
"""127.0.0.1, ::1, and 127.0.0.1 on an IPv6 socket."""


def test_nothing_listens_for_other_machines(operator: Operator) -> None:
    """Least of all epmd and the distribution port, by which whoever has the cookie runs code in the node."""
    ports = json.loads(operator.run("status", "--json"))["ports"]
    found = listening(operator.state)
    assert set(ports.values()) <= set(found), "each port of the stack is seen"
    assert {ports["epmd"], ports["dist"], ports["amqp"], ports["milvus"], ports["triton"]} <= set(found)
    assert {port: addresses - LOOPBACK for port, addresses in found.items() if addresses - LOOPBACK} == {}


def table_of(folder: Path, numbers: range, name: str = "Предмет") -> Path:
    """A table with one photo an object."""
    for number in numbers:
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
    table = folder / "table.csv"
    rows = [f"cli-{number};{name} {number};;5;{number}.jpg\n" for number in numbers]
    table.write_text(HEADER + "".join(rows), encoding="utf-8")
    return table


def test_import_is_interrupted_and_repeated(operator: Operator, tmp_path: Path) -> None:
    """Ctrl-C ends it within seconds; the same command goes on, sends what failed, and waits for changed records."""
    numbers = range(200, 260)
    table = table_of(tmp_path, numbers)
    arguments = ("import", str(table), "--images", str(tmp_path))
    client = operator.client()

    def photos() -> int:
        return sum("/images/" in info.key and "cli-" in info.key for info in client.store.list("catalogue"))

    with operator.begin(*arguments) as process:
        wait_for("the first photos", lambda: photos() or None)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.search(r"^\d+ of 60 photos are findable", out, re.MULTILINE)
    assert "the same command goes on from here" in err
    assert photos()
    first = json.loads(operator.run(*arguments, "--json"))
    assert (first["photos"], first["findable"], first["failures"]) == (60, 60, [])
    key = photo_key("local", "cli-200", "200.jpg")
    info = client.store.head("catalogue", key)
    assert info is not None
    identity = upload_id("catalogue", key, info.version)
    ended = outcome.read(client.store, "state", identity)
    assert ended is not None
    outcome.write(client.store, "state", replace(ended, status="failed", code="worker-dead", reason="killed", vectors=()))
    again = json.loads(operator.run(*arguments, "--json"))
    assert (again["findable"], again["photos_unchanged"], again["failures"]) == (60, 59, [])
    table_of(tmp_path, numbers, name="Новое имя")
    changed = json.loads(operator.run(*arguments, "--json"))
    assert (changed["findable"], changed["photos_unchanged"]) == (60, 60)
    assert client.search(jpeg(259))["hits"][0]["record"]["Name"] == "Новое имя 259"


def test_servers_are_replaced_by_addresses(operator: Operator, tmp_path: Path) -> None:
    """A second stack uses RabbitMQ, Milvus and Triton of the first, then embeds in the process."""
    theirs = json.loads(operator.run("env", "--json"))
    node = Node(theirs["MUSEUM_AMQP_URL"], theirs["MUSEUM_AMQP_API_URL"]).own_vhost()
    shared = {
        "MUSEUM_AMQP_URL": node.amqp_url,
        "MUSEUM_AMQP_API_URL": node.api_url,
        "MUSEUM_MILVUS_URI": theirs["MUSEUM_MILVUS_URI"],
    }
    second = Operator(tmp_path / "second", {**shared, "MUSEUM_TRITON_URL": theirs["MUSEUM_TRITON_URL"]})
    try:
        second.run("up", "--detach")
        assert {"rabbitmq", "milvus", "triton"}.isdisjoint(second.status())
        assert second.client().add("theirs", jpeg(91), Name="Общий").status == "indexed"
        assert second.client().found(jpeg(91))[0] == "theirs"
        second.run("down")
        second = Operator(tmp_path / "second", {**shared, "MUSEUM_ENCODER": "onnx"})
        second.run("up", "--detach")
        assert {"rabbitmq", "milvus", "triton"}.isdisjoint(second.status())
        assert second.client().found(jpeg(91, quality=70))[0] == "theirs"
    finally:
        second.run("down")
        node.api("DELETE", f"/api/vhosts/{node.vhost}")
    assert second.left() == set()
    assert operator.status()["milvus"]["ready"], "servers of somebody else's go on"


def test_data_and_addresses_last_and_ctrl_c_leaves_no_process(operator: Operator) -> None:
    """Down stops everything; up in a shell that has the stack's own addresses starts everything again."""
    operator.client().add("lasting", jpeg(92), Name="Вечный")
    before = json.loads(operator.run("env", "--json"))
    operator.run("down")
    assert operator.left() == set()
    assert "no stack is up" in operator.run("status")
    assert json.loads(operator.run("status", "--json"))["parts"] == []
    shell = Operator(operator.state, before)
    with shell.begin("up") as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C stops everything"):
                break
        assert "ready after" in "".join(lines)
        assert {"rabbitmq", "s3", "milvus", "triton"} <= set(shell.status())
        assert json.loads(shell.run("env", "--json")) == before
        assert urlsplit(before["AWS_ENDPOINT_URL"]).hostname == "127.0.0.1"
        assert operator.client().found(jpeg(92))[0] == "lasting"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert operator.left() == set()
