"""The topology on a real RabbitMQ."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from dataclasses import replace
from typing import Any

import pika
import pytest

from functions import pipeline
from functions.trigger import topology
from tests.fixtures.rabbitmq import Amqp, Node
from tests.integration.trigger_world import until


def test_declaring_again_changes_nothing(rabbitmq: Node) -> None:
    """Every start does it; messages stay."""
    amqp = Amqp(rabbitmq.amqp_url)
    amqp.publish("museum.bulk.index", b"{}")
    topology.declare(rabbitmq.settings)
    assert amqp.get("museum.bulk.index") is not None
    amqp.close()


def test_every_queue_is_a_durable_quorum_queue_with_its_policy(rabbitmq: Node) -> None:
    """Only type and durability are arguments; the rest is policy, so that an upgrade deletes no queue."""

    def queues() -> dict[str, Any]:
        return {queue["name"]: queue for queue in rabbitmq.api("GET", f"/api/queues/{rabbitmq.vhost}")}

    def with_policies() -> dict[str, Any] | None:
        """RabbitMQ tells its statistics every 5 s."""
        found = queues()
        return found if all("policy" in found[policy.name] for policy in topology.policies()) else None

    found = asyncio.run(until(with_policies, "the policies are in force"))
    for name in topology.queues():
        assert (found[name]["durable"], found[name]["arguments"]) == (True, {"x-queue-type": "quorum"})
    for policy in topology.policies():
        assert found[policy.name]["policy"] == policy.name
        assert found[policy.name]["effective_policy_definition"] == policy.definition


def test_the_lanes_of_bucket_events_end_at_ingest(rabbitmq: Node) -> None:
    """A store publishes to museum.bucket with the lane as routing key, and the exchange redeclared durable and direct."""
    amqp = Amqp(rabbitmq.amqp_url)
    for lane in ("interactive", "bulk"):
        body = json.dumps(str(uuid.uuid4())).encode()
        amqp.publish(lane, body, exchange=topology.BUCKET_EXCHANGE)
        got = amqp.get(f"museum.{lane}.ingest")
        assert got is not None
        assert got.body == body
    amqp.close()


def test_a_queue_of_another_kind_is_named(rabbitmq_node: Node) -> None:
    """The queue, what is expected and what was found; and the cure."""
    node = rabbitmq_node.own_vhost()
    connection = pika.BlockingConnection(pika.URLParameters(node.amqp_url))
    connection.channel().queue_declare("museum.bulk.embed", durable=True)
    connection.close()
    with pytest.raises(topology.Mismatch) as caught:
        topology.declare(node.settings)
    assert re.search(r"x-queue-type.*museum\.bulk\.embed.*current is none.*delete it", str(caught.value))
    node.api("DELETE", f"/api/vhosts/{node.vhost}")


def test_what_does_not_answer_is_named_without_its_password(rabbitmq: Node) -> None:
    """Broker or management API, with its address and what to look at."""
    with pytest.raises(SystemExit, match=r"management API at http://127\.0\.0\.1:9 does not answer"):
        topology.declare(replace(rabbitmq.settings, museum_amqp_api_url="http://127.0.0.1:9"))
    with pytest.raises(SystemExit, match=r"refuses policy .* with 401"):
        topology.declare(replace(rabbitmq.settings, museum_amqp_url="amqp://stranger:secret@127.0.0.1:9/"))


def test_a_message_comes_back_from_a_retry_queue_after_its_delay(rabbitmq: Node) -> None:
    """The broker itself does it, whoever has died meanwhile; headers stay."""
    amqp = Amqp(rabbitmq.amqp_url)
    delay = pipeline.RETRY_DELAYS[0]
    amqp.publish(f"museum.bulk.search.retry.{delay}", b"{}", {"museum-attempts": 1})
    begun = time.monotonic()
    got = asyncio.run(until(lambda: amqp.get("museum.bulk.search"), "the message", delay + 15))
    assert time.monotonic() - begun >= delay - 0.1
    assert got.headers["museum-attempts"] == 1
    amqp.close()
