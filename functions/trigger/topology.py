"""Exchange, queues and policies, declared from the map: ``python -m functions.trigger.topology``. Safe to repeat.

Only type and durability are queue arguments: they can never change. TTL, dead-lettering and limits are policies, which an
upgrade replaces while messages wait.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pika
import urllib3
from pika.exceptions import AMQPError, ChannelClosedByBroker
from pika.exchange_type import ExchangeType

from functions import pipeline
from functions.events import LANES
from functions.runtime.reasons import reason
from functions.runtime.settings import load, with_credentials

BUCKET_EXCHANGE = "museum.bucket"
"""Direct exchange for S3 servers that speak AMQP: the routing key is the lane."""
DELIVERY_LIMIT = 1000
"""Returns to the queue after which RabbitMQ itself gives a message up: far above what settle lets happen, since a return is
counted also when nobody failed. 4.x would take 20 where nothing is said."""

POLICIES_WITHIN = 10.0
"""Seconds in which RabbitMQ must have put the policies in force."""
HINTS = {401: "its user or password is wrong, or the user has no tag `policymaker`", 404: "it has no such virtual host"}
"""By status, where the answer itself does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologySettings:
    """Where to declare."""

    museum_amqp_url: str
    museum_amqp_api_url: str
    """The management API, http://host:port; user and password are those of the AMQP address."""
    museum_amqp_user: str = ""
    """With the password, where the address has none: from a Secret, say."""
    museum_amqp_password: str = ""
    museum_events_exchange: str = pipeline.EXCHANGE

    @property
    def amqp_url(self) -> str:
        """The whole address."""
        return with_credentials(self.museum_amqp_url, self.museum_amqp_user, self.museum_amqp_password)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy of RabbitMQ."""

    name: str
    pattern: str
    definition: dict[str, Any]
    priority: int


class Mismatch(RuntimeError):
    """What is declared differs from what was declared before: the message names both."""


class NotThere(SystemExit):
    """A server that does not answer, perhaps not yet."""


def queues() -> Iterator[str]:
    """Every queue: a work queue a lane and step, one retry queue a delay, and a dead one."""
    for queue in pipeline.queues():
        yield queue
        yield from (f"{queue}.retry.{delay}" for delay in pipeline.RETRY_DELAYS)
        yield f"{queue}.dead"


def policies() -> Iterator[Policy]:
    """TTL and the way back for the retry queues; the safety net for the work queues."""
    for queue in pipeline.queues():
        for delay in pipeline.RETRY_DELAYS:
            name = f"{queue}.retry.{delay}"
            yield Policy(
                name,
                f"^{re.escape(name)}$",
                {
                    "message-ttl": delay * 1000,
                    "dead-letter-exchange": "",
                    "dead-letter-routing-key": queue,
                    "dead-letter-strategy": "at-least-once",
                    "overflow": "reject-publish",
                },
                10,
            )
        yield Policy(
            queue,
            f"^{re.escape(queue)}$",
            {
                "delivery-limit": DELIVERY_LIMIT,
                "dead-letter-exchange": "",
                "dead-letter-routing-key": f"{queue}.dead",
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
            },
            5,
        )


def declare(settings: TopologySettings) -> None:
    """Declare everything. Raises ``Mismatch``, and ``SystemExit`` with the cure: ``NotThere`` for no answer."""
    put_policies(settings)
    try:
        connection = pika.BlockingConnection(pika.URLParameters(settings.amqp_url))
    except (AMQPError, OSError) as error:
        raise NotThere(f"RabbitMQ at {_where(settings.museum_amqp_url)} does not answer: {reason(error)}") from None
    try:
        channel = connection.channel()
        _declared(lambda: channel.exchange_declare(settings.museum_events_exchange, ExchangeType["topic"], durable=True))
        _declared(lambda: channel.exchange_declare(BUCKET_EXCHANGE, ExchangeType["direct"], durable=True))
        for queue in queues():
            arguments = {"x-queue-type": "quorum"}
            _declared(lambda queue=queue, arguments=arguments: channel.queue_declare(queue, durable=True, arguments=arguments))
        for lane in LANES:
            channel.queue_bind(pipeline.queue_of(lane, "ingest"), BUCKET_EXCHANGE, lane)
    finally:
        if connection.is_open:
            connection.close()
    check_policies(settings)


def put_policies(settings: TopologySettings) -> None:
    """Write the policies by the management API."""
    for policy in policies():
        body = {
            "pattern": policy.pattern, "definition": policy.definition, "priority": policy.priority, "apply-to": "queues",
        }  # fmt: skip
        answer = _ask(settings, "PUT", "policies", quote(policy.name, safe=""), json.dumps(body))
        if answer.status not in (201, 204):
            reason = HINTS.get(answer.status) or answer.data[:300].decode(errors="replace")
            raise SystemExit(f"RabbitMQ refuses policy {policy.name} with {answer.status}: {reason}")


def check_policies(settings: TopologySettings) -> None:
    """Whether ours are the ones in force: one of somebody else's that fits the same queues wins by its priority.

    Raises ``Mismatch`` that names both.
    """
    expected = {policy.name: policy.name for policy in policies()}
    until = time.monotonic() + POLICIES_WITHIN
    while True:
        # without statistics: those are five seconds old, and know nothing of a policy that was just written
        listed = _ask(settings, "GET", "queues", "?disable_stats=true").json()
        found = {queue["name"]: queue.get("policy") or "none" for queue in listed}
        wrong = {name: found.get(name, "none") for name in expected if found.get(name) != name}
        if not wrong:
            return
        if time.monotonic() > until:  # RabbitMQ applies a policy to the queues that are there a moment later
            name, policy = next(iter(wrong.items()))
            raise Mismatch(
                f"{len(wrong)} queues have another policy than ours, {name} for one: expected {name}, found {policy}. "
                "A policy of a higher priority fits them: change its pattern"
            )
        time.sleep(0.1)


def _ask(settings: TopologySettings, method: str, what: str, rest: str, body: str = "") -> urllib3.BaseHTTPResponse:
    """Ask the management API about our virtual host. Raises ``NotThere``."""
    parts = urlsplit(settings.amqp_url)
    vhost = quote(unquote(parts.path.lstrip("/")) or "/", safe="")
    headers = urllib3.make_headers(basic_auth=f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}")
    # other: a certificate that is not trusted will not be at the tenth attempt either, minutes later
    retries = urllib3.Retry(connect=3, other=0, backoff_factor=0.5, redirect=False)
    http = urllib3.PoolManager(timeout=5.0, retries=retries)
    url = f"{settings.museum_amqp_api_url.rstrip('/')}/api/{what}/{vhost}{rest if rest.startswith('?') else f'/{rest}'}"
    try:
        return http.request(method, url, body=body or None, headers={**headers, "content-type": "application/json"})
    except urllib3.exceptions.HTTPError as error:
        where = settings.museum_amqp_api_url
        raise NotThere(f"RabbitMQ's management API at {where} does not answer: {reason(error)}. Is its plugin enabled?") from None


def _declared(declare_one: Any) -> None:
    try:
        declare_one()
    except ChannelClosedByBroker as error:
        raise Mismatch(
            f"{error.reply_text}: it exists with other arguments. Type and durability cannot change: delete it when it is empty"
        ) from None


def _where(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5672}"


def main() -> None:
    """Entry point."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    try:
        declare(load(TopologySettings))
    except Mismatch as error:
        sys.exit(str(error))
    print(f"declared {len(list(queues()))} queues and {len(list(policies()))} policies")


if __name__ == "__main__":
    main()
