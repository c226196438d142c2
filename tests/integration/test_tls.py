"""Servers whose certificate an authority of one's own has signed: trusted by the variables of the chart, refused without."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace

import pytest

from functions.adapters.s3 import S3Store
from functions.errors import Unavailable
from functions.gateway.identity import Identity, Issuer, Oidc
from functions.gateway.problems import Problem
from functions.runtime.settings import Settings
from functions.trigger import topology
from functions.trigger.broker import Broker, BrokerLost
from infra.prepare import make_buckets
from tests.fixtures.issuer import AUDIENCE, ISSUER, Signer
from tests.fixtures.rabbitmq import Amqp, Node
from tests.fixtures.tls import HOST
from tests.integration.trigger_world import PREPROCESSED, RECEIVED, FakeFunction, Seen, World, queue, reply, until

NOT_TRUSTED = "its certificate is not trusted"


def oidc(signer: Signer) -> Oidc:
    """What the gateway makes of its settings."""
    return Oidc(Issuer(issuer=ISSUER, audience=AUDIENCE, keys=signer.url))


@pytest.mark.usefixtures("trusted")
def test_queues_are_declared_and_a_trigger_works_over_amqps(tls_rabbitmq: Node) -> None:
    """Policies by the management's https, a delivery and its reply by amqps."""
    topology.declare(tls_rabbitmq.settings)
    amqp = Amqp(tls_rabbitmq.amqp_url)
    world = World(tls_rabbitmq, amqp)

    async def behave(seen: Seen) -> object:
        return reply(PREPROCESSED, "next", {"of": seen.id})

    async def scenario() -> None:
        async with world.trigger("preprocess", FakeFunction(behave)):  # type: ignore[arg-type]  # an answer
            identity = world.put("preprocess", RECEIVED)
            got = await until(lambda: amqp.get(queue("embed")), "the reply in the next queue")
        assert identity.encode() in got.body

    asyncio.run(scenario())
    amqp.close()


@pytest.mark.usefixtures("untrusted")
def test_a_rabbitmq_that_is_not_trusted_is_said_by_the_topology_job(tls_rabbitmq: Node) -> None:
    """The installation fails with this line, and at once: no later attempt would trust it."""
    began = time.monotonic()
    with pytest.raises(topology.NotThere, match=f"management API at https://.*{NOT_TRUSTED}"):
        topology.declare(tls_rabbitmq.settings)
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("untrusted")
def test_an_amqps_that_is_not_trusted_is_said_by_the_topology_job(tls_rabbitmq: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The management API may be in the clear."""
    monkeypatch.setattr(topology, "put_policies", lambda _: None)
    with pytest.raises(topology.NotThere, match=rf"^RabbitMQ at {HOST}:\d+ does not answer: {NOT_TRUSTED}"):
        topology.declare(tls_rabbitmq.settings)


@pytest.mark.usefixtures("untrusted")
def test_an_amqps_that_is_not_trusted_is_said_by_the_trigger(tls_rabbitmq: Node) -> None:
    """It tries again, and logs this each time."""
    with pytest.raises(BrokerLost, match=NOT_TRUSTED):
        asyncio.run(Broker.open(tls_rabbitmq.amqp_url))


@pytest.mark.usefixtures("trusted")
def test_objects_are_written_and_read_over_https(tls_minio: Settings) -> None:
    """By the lean client and by boto3, which makes the buckets."""
    store = S3Store(tls_minio)
    make_buckets(store, tls_minio.buckets)
    version = store.put(tls_minio.museum_bucket_state, "a/ключ", b"body", content_type="text/plain")
    found = store.get(tls_minio.museum_bucket_state, "a/ключ")
    assert found is not None
    assert (found.body, found.info.version) == (b"body", version)


@pytest.mark.usefixtures("untrusted")
def test_an_s3_that_is_not_trusted_is_unavailable_and_says_why(tls_minio: Settings) -> None:
    """No attempt is counted, and whoever reads the log finds the cure."""
    with pytest.raises(Unavailable, match=rf"{re.escape(tls_minio.aws_endpoint_url)}: SSLError: {NOT_TRUSTED}"):
        S3Store(tls_minio).get("queries", "a")


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_another_name_is_refused(tls_minio: Settings) -> None:
    """Our authority signs for one address, and not for every server that shows its certificate."""
    other = replace(tls_minio, aws_endpoint_url=tls_minio.aws_endpoint_url.replace(HOST, "localhost"))
    with pytest.raises(Unavailable, match="its certificate is for another name"):
        S3Store(other).get("queries", "a")


@pytest.mark.usefixtures("trusted")
def test_keys_of_an_issuer_are_fetched_over_https(tls_issuer: Signer) -> None:
    """And its token is taken."""
    known = oidc(tls_issuer).identity(tls_issuer.token())
    assert isinstance(known, Identity)
    assert (known.museum, known.owner) == ("north", "anna")
    assert known.expires > time.time()


@pytest.mark.usefixtures("untrusted")
def test_an_issuer_that_is_not_trusted_is_a_service_that_does_not_answer(tls_issuer: Signer) -> None:
    """503, since the token may be good; with the reason."""
    with pytest.raises(Problem, match="sign-in service does not answer") as said:
        oidc(tls_issuer).identity(tls_issuer.token())
    assert said.value.status == 503
    assert "certificate verify failed" in str(said.value)
    assert tls_issuer.asked == 0
