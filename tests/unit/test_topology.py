"""What is declared, from the map; and where the trigger sends each event of the map."""

from __future__ import annotations

import re
import socket
import ssl

import pytest
import urllib3
from botocore.exceptions import EndpointConnectionError

from functions import pipeline
from functions.events import LANES, TYPE_PREFIX, BucketNotified, ImageRejected, SearchCompleted
from functions.runtime.reasons import reason
from functions.runtime.settings import SettingError, load
from functions.trigger import topology
from functions.trigger.consumer import UnknownType
from functions.trigger.main import TriggerSettings, outbox_queue, route, works

QUEUES = list(topology.queues())


def test_every_step_has_its_queues_in_both_lanes() -> None:
    """A work queue, a retry queue a delay, a dead one."""
    expected = {
        f"museum.{lane}.{step.name}{more}"
        for lane in LANES
        for step in pipeline.STEPS
        for more in ("", ".dead", *(f".retry.{delay}" for delay in pipeline.RETRY_DELAYS))
    }
    assert set(QUEUES) == expected
    assert len(QUEUES) == len(expected)


@pytest.mark.parametrize("policy", list(topology.policies()), ids=lambda policy: policy.name)
def test_a_policy_fits_its_own_queue_alone(policy: topology.Policy) -> None:
    """RabbitMQ applies one policy a queue: two that fit would hide each other."""
    assert [queue for queue in QUEUES if re.search(policy.pattern, queue)] == [policy.name]


def test_a_retry_queue_gives_back_to_its_work_queue_after_its_delay() -> None:
    """At least once, and it refuses rather than drops."""
    found = {policy.name: policy.definition for policy in topology.policies()}
    assert found["museum.bulk.embed.retry.5"] == {
        "message-ttl": 5000,
        "dead-letter-exchange": "",
        "dead-letter-routing-key": "museum.bulk.embed",
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    }


def test_what_is_dead_has_no_policy() -> None:
    """Nothing removes it but people."""
    assert not [policy.name for policy in topology.policies() if policy.name.endswith(".dead")]


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("step", pipeline.STEPS, ids=lambda step: step.name)
def test_every_event_of_the_map_has_its_way(step: pipeline.Step, lane: str) -> None:
    """To a queue that takes it, or to observers, or both; never nowhere."""
    for kind in step.emits:
        queue, announced = route(kind, lane, emitted_by=step.name)
        consumer = pipeline.consumer_of(kind, emitted_by=step.name)
        assert queue == (f"museum.{lane}.{consumer.name}" if consumer else None)
        assert queue in (None, *QUEUES)
        assert queue or announced


def test_a_rejection_goes_to_finish_and_its_announcement_to_observers() -> None:
    """Announced once its result is stored, not before."""
    assert route(ImageRejected.TYPE, "bulk", emitted_by="embed") == ("museum.bulk.finish", False)
    assert route(ImageRejected.TYPE, "bulk", emitted_by="finish") == (None, True)
    assert route(SearchCompleted.TYPE, "interactive", emitted_by="search") == (None, True)


def test_a_newer_version_goes_the_way_of_the_known_one() -> None:
    """Releases overlap."""
    assert route(TYPE_PREFIX + "image.received.v2", "bulk", emitted_by="ingest") == ("museum.bulk.preprocess", True)


def test_an_unknown_type_is_refused() -> None:
    """Nobody would get it."""
    with pytest.raises(UnknownType, match=r"nothing\.v1"):
        route("nothing.v1", "bulk", emitted_by="ingest")


@pytest.mark.parametrize(
    ("kind", "lane", "queue"),
    [
        (BucketNotified.TYPE, "bulk", "museum.bulk.ingest"),
        (BucketNotified.TYPE, "interactive", "museum.interactive.ingest"),
        (ImageRejected.TYPE, "bulk", "museum.bulk.finish"),
        (BucketNotified.TYPE, "", None),
        (SearchCompleted.TYPE, "bulk", None),
        ("nothing.v1", "bulk", None),
    ],
)
def test_where_an_event_from_outside_begins(kind: str, lane: str, queue: str | None) -> None:
    """By type and lane; ``None`` is the caller's mistake."""
    assert outbox_queue(kind, lane) == queue


def settings(functions: str, lane: str = "bulk") -> TriggerSettings:
    """Of a trigger."""
    return load(TriggerSettings, {"MUSEUM_AMQP_URL": "amqp://a/", "MUSEUM_LANE": lane, "MUSEUM_FUNCTIONS": functions})


def test_a_trigger_serves_the_functions_it_was_given() -> None:
    """Queue, limits and wrap come from the map."""
    ingest, finish = works(settings("ingest=http://a:1, finish=http://b:2"))
    assert (ingest.queue, ingest.url, ingest.wrap) == ("museum.bulk.ingest", "http://a:1", BucketNotified.TYPE)
    assert (ingest.finish_queue, ingest.delays) == ("museum.bulk.finish", pipeline.RETRY_DELAYS)
    assert (finish.queue, finish.wrap, finish.finish_queue) == ("museum.bulk.finish", None, None)
    assert not ingest.ack_first


def test_a_trigger_beside_a_gateway_serves_no_function() -> None:
    """It publishes what is given to it, and tells of announcements."""
    assert works(settings("")) == []


@pytest.mark.parametrize("functions", ["ingest", "ingest=", "cook=http://a:1"])
def test_a_trigger_that_cannot_know_its_functions_says_what_it_expects(functions: str) -> None:
    """The variable, what was found, and the names that there are."""
    with pytest.raises(SystemExit, match=r"MUSEUM_FUNCTIONS has .*ingest, preprocess"):
        works(settings(functions))


def test_a_lane_that_does_not_exist_is_refused() -> None:
    """With the two that do."""
    with pytest.raises(SettingError, match=r"MUSEUM_LANE is 'fast'.*interactive, bulk"):
        settings("ingest=http://a:1", lane="fast")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "the connection was refused"),
        (
            urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.ConnectTimeoutError(None, "timed out")),
            "no answer in time",
        ),  # type: ignore[arg-type]
        (socket.gaierror(-2, "Name or service not known"), "no server has this name"),
        (EndpointConnectionError(endpoint_url="http://s3"), "no connection"),
        (
            ssl.SSLCertVerificationError(1, "certificate verify failed: unable to get local issuer certificate"),
            "its certificate is not trusted: the file of SSL_CERT_FILE must have its authority",
        ),
        (
            ssl.SSLCertVerificationError(1, "certificate verify failed: certificate has expired"),
            "its certificate has expired",
        ),
        (
            ssl.SSLCertVerificationError(1, "certificate verify failed: Hostname mismatch, certificate is not valid for 'a'"),
            "its certificate is for another name",
        ),
        (ValueError("0x7fb14f386cd0"), "ValueError"),
    ],
)
def test_why_nobody_answered_is_said_in_the_same_words_each_time(error: Exception, said: str) -> None:
    """What libraries raise has addresses of objects in it, and a line that differs is said again each second."""
    assert reason(error) == said
