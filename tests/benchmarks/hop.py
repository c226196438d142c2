"""What one hop costs: ``python -m tests.benchmarks.hop [messages]``. A private RabbitMQ, a trigger, a function that does nothing.

CPU of the trigger and of RabbitMQ for one delivery with its reply and the observers' copy, deliveries a second, and beside
them the bare broker: confirms one after another, and many at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from aiohttp import web

from functions import pipeline
from functions.events import ImagePreprocessed, ImageReceived
from functions.trigger import topology
from functions.trigger.broker import Broker
from infra.local.part import free_port, running
from tests.fixtures.rabbitmq import Amqp, Node, private

BODY = json.dumps({"museum": "local", "key": "a/b.jpg", "images": ["x" * 1900]}).encode()


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(port: int) -> None:
    """The function: answers at once."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, request.headers["ce-id"]))
        attributes = {"id": identity, "source": "/f", "specversion": "1.0", "type": ImagePreprocessed.TYPE, "lane": "bulk"}
        headers = {f"ce-{name}": value for name, value in attributes.items()}
        return web.Response(body=BODY, headers={**headers, "content-type": "application/json"})

    app = web.Application()
    app.router.add_post("/", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


async def confirms(url: str, messages: int) -> tuple[float, float]:
    """Milliseconds for one confirm, and confirms a second with 50 at once."""
    broker = await Broker.open(url)

    async def one() -> None:
        await broker.publish("", "museum.bulk.index", BODY, headers={}, content_type="application/json", mandatory=True)

    started = time.perf_counter()
    for _ in range(200):
        await one()
    single = (time.perf_counter() - started) / 200 * 1000
    started = time.perf_counter()
    for _ in range(messages // 50):
        await asyncio.gather(*(one() for _ in range(50)))
    rate = messages // 50 * 50 / (time.perf_counter() - started)
    await broker.close()
    return single, rate


def hop(node: Node, broker_pid: int, messages: int) -> None:
    """Measure and print."""
    topology.declare(node.settings)
    amqp = Amqp(node.amqp_url)
    headers = {"ce-source": "/b", "ce-specversion": "1.0", "ce-type": ImageReceived.TYPE, "ce-lane": "bulk"}
    for _ in range(messages):
        amqp.publish("museum.bulk.preprocess", BODY, {**headers, "ce-id": str(uuid.uuid4())})
    port = free_port()
    function = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.hop", "serve", str(port)])
    env = {
        "MUSEUM_AMQP_URL": node.amqp_url, "MUSEUM_LANE": "bulk", "MUSEUM_FUNCTIONS": f"preprocess=http://127.0.0.1:{port}/",
    }  # fmt: skip
    trigger = subprocess.Popen(
        [sys.executable, "-m", "functions.trigger.main"], env={**os.environ, **env}, stderr=subprocess.DEVNULL
    )
    try:
        done = 0
        while (done := amqp.depth("museum.bulk.embed")) < messages // 10:
            time.sleep(0.01)
        started, before, broker_before = time.perf_counter(), cpu(trigger.pid), cpu(broker_pid)
        while (now := amqp.depth("museum.bulk.embed")) < messages:
            time.sleep(0.05)
        seconds, hops = time.perf_counter() - started, now - done
        prefetch = pipeline.BY_NAME["preprocess"].prefetch
        print(f"{hops / seconds:.0f} deliveries a second with prefetch {prefetch}")
        print(f"trigger {(cpu(trigger.pid) - before) / hops * 1000:.2f} ms of CPU a delivery")
        print(f"RabbitMQ {(cpu(broker_pid) - broker_before) / hops * 1000:.2f} ms of CPU a delivery")
    finally:
        for process in (trigger, function):
            process.terminate()
            process.wait()
        amqp.close()
    single, rate = asyncio.run(confirms(node.amqp_url, messages))
    print(f"bare confirm {single:.2f} ms one after another; {rate:.0f} a second, 50 at once")


def main() -> None:
    """Entry point."""
    if sys.argv[1:2] == ["serve"]:
        return serve(int(sys.argv[2]))
    with tempfile.TemporaryDirectory() as state:
        part, node = private(Path(state))
        with running(part) as broker:
            hop(node, broker.pid, int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    return None


if __name__ == "__main__":
    main()
