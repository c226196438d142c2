"""What RabbitMQ's user has to be allowed, as the commands of the chart's README say it: with that and no more all works."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from functions.trigger import topology
from tests.fixtures.rabbitmq import Amqp, Node
from tests.integration.test_trigger import preprocessed
from tests.integration.test_watch import watcher, watching
from tests.integration.trigger_world import RECEIVED, FakeFunction, World, queue, until

README = (Path(__file__).resolve().parents[2] / "charts" / "museum-search" / "README.md").read_text()


def limited(node: Node) -> Node:
    """A virtual host of its own, as a user who may what the README says."""
    own = node.own_vhost()
    (patterns,) = re.findall(r"set_permissions -p museum museum '(.+?)' '(.+?)' '(.+?)'\n", README)
    (tag,) = re.findall(r"set_user_tags museum (\S+)\n", README)
    own.api("PUT", "/api/users/limited", {"password": "limited", "tags": tag})
    rights = dict(zip(("configure", "write", "read"), patterns, strict=True))
    own.api("PUT", f"/api/permissions/{own.vhost}/limited", rights)
    parts = urlsplit(own.amqp_url)
    return replace(own, amqp_url=urlunsplit(parts._replace(netloc=f"limited:limited@{parts.hostname}:{parts.port}")))


def test_the_rights_that_the_chart_asks_for_are_enough(rabbitmq_node: Node) -> None:
    """To declare the topology, to consume, to publish what follows, and to hear announcements."""
    node = limited(rabbitmq_node)
    topology.declare(node.settings)
    amqp = Amqp(rabbitmq_node.amqp_url.rpartition("/")[0] + f"/{node.vhost}")
    world = World(node, amqp)

    async def scenario() -> None:
        async with world.trigger("preprocess", FakeFunction(preprocessed)):
            world.put("preprocess", RECEIVED)
            await until(lambda: amqp.depth(queue("embed")) == 1, "what follows")

    asyncio.run(scenario())

    async def heard() -> None:
        async with watching(world):
            await watcher(world)

    asyncio.run(heard())
    amqp.close()
    rabbitmq_node.api("DELETE", f"/api/vhosts/{node.vhost}")
    rabbitmq_node.api("DELETE", "/api/users/limited")
