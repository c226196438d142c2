"""The chart beside servers that somebody else runs, RabbitMQ, S3 and Milvus of the machine; Triton, functions, gateway in pods.

On the one-node cluster alone, whose pods reach the machine as ``host.cluster.local``. By Helm 3.17, where the others are by 4.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3

from functions import live
from functions.adapters.s3 import S3Store
from functions.runtime.settings import Settings
from infra.engine import build, depot
from infra.engine.spec import chosen
from infra.engine.wheels import cache_folder
from infra.local import milvus, rabbitmq
from infra.local.part import free_port, running
from tests.cluster.conftest import QUICK
from tests.cluster.site import OBJECTS, Site, World, one_node, program, wait_for
from tests.fixtures.collector import Collector, way_to
from tests.fixtures.issuer import AUDIENCE, ISSUER, Signer
from tests.fixtures.minio import amqp_targets, minio_part
from tests.fixtures.s3 import PASSWORD, USER
from tests.pictures import jpeg

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

NAMESPACE = "museum-own"
HOST, ADDRESS = "host.cluster.local", "10.231.0.1"
PEERS = [{"ipBlock": {"cidr": f"{ADDRESS}/32"}}]
HTTP = urllib3.PoolManager(retries=urllib3.Retry(total=10, backoff_factor=0.2, status=0))


@dataclass(frozen=True)
class Servers:
    """The machine's servers, by their ports."""

    amqp: int
    management: int
    s3: int
    milvus: int


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """RabbitMQ, MinIO with its AMQP targets, and Milvus, on the address that pods reach."""
    if os.environ.get("MUSEUM_TEST_CLUSTER") != "on":
        pytest.skip("no cluster: set KUBECONFIG to one for tests, and MUSEUM_TEST_CLUSTER=on")
    if not (one_node() / "run" / "pid").exists():
        pytest.skip("another cluster's pods do not reach this machine by the name host.cluster.local")
    folder = tmp_path_factory.mktemp("servers")
    found = Servers(amqp=free_port(), management=free_port(), s3=free_port(), milvus=free_port())
    url = f"amqp://{USER}:{PASSWORD}@{ADDRESS}:{found.amqp}/"
    targets = {
        name: value
        for lane in ("interactive", "bulk")
        for name, value in amqp_targets(
            url, exchange="museum.bucket", routing_key=lane, spool=folder / lane, prefix=f"{lane.upper()}_"
        ).items()
    }
    broker = rabbitmq.part(
        folder, port=found.amqp, api_port=found.management, epmd_port=free_port(), dist_port=free_port(),
        user=USER, password=PASSWORD, bind="0.0.0.0", api_bind="0.0.0.0",
    )  # fmt: skip
    with contextlib.ExitStack() as stack:
        for part in (
            broker,
            minio_part(folder, found.s3, targets, bind="0.0.0.0"),
            milvus.part(folder, port=found.milvus, bind="0.0.0.0"),
        ):
            stack.enter_context(running(part))
        yield found


@pytest.fixture(scope="module")
def own(servers: Servers) -> Iterator[Site]:
    """A namespace with the Secrets that an operator makes, and values that name the servers. Nothing is installed yet."""
    site = Site(NAMESPACE, ci="minimal", helm_version="3.17")
    site.remove()
    subprocess.run([program("kubectl"), "create", "namespace", NAMESPACE], check=True, capture_output=True)
    site.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    secrets = {
        "rabbitmq": {"username": USER, "password": PASSWORD},
        "wrong": {"username": USER, "password": "wrong"},
        "s3": {"access-key": USER, "secret-key": PASSWORD},
        "gateway": {"session-key": "s" * 48, "hook-token": "h" * 48, "tokens.json": "{}"},
    }
    for name, data in secrets.items():
        site.kubectl("create", "secret", "generic", name, *(f"--from-literal={key}={value}" for key, value in data.items()))
    site.values |= {
        "rabbitmq__url": f"amqp://{HOST}:{servers.amqp}/",
        "rabbitmq__managementUrl": f"http://{HOST}:{servers.management}",
        "rabbitmq__peers": PEERS,
        "s3__endpoint": f"http://{HOST}:{servers.s3}",
        "s3__peers": PEERS,
        "s3__notifications": {
            name: [f"arn:minio:sqs::{lane}_FAST:amqp", f"arn:minio:sqs::{lane}_SAFE:amqp"]
            for name, lane in (("queries", "INTERACTIVE"), ("catalogue", "BULK"))
        },
        "milvus__uri": f"http://{HOST}:{servers.milvus}",
        "milvus__peers": PEERS,
        "gateway__replicas": 1,
        **QUICK,
        "triton__maxReplicas": 1,
        "triton__resources": {"requests": {"cpu": "400m"}},
    }
    yield site
    if os.environ.get("MUSEUM_TEST_KEEP") != "on":
        site.remove()


@pytest.fixture(scope="module")
def installed(own: Site, servers: Servers) -> World:
    """The chart, and a catalogue of six objects."""
    own.upgrade()
    settings = Settings(aws_endpoint_url=f"http://{ADDRESS}:{servers.s3}", aws_access_key_id=USER, aws_secret_access_key=PASSWORD)
    world = World(own, S3Store(settings))
    uploads = [world.add(f"object-{number}", jpeg(number)) for number in range(OBJECTS)]
    wait_for("the catalogue", lambda: True if all(world.ended(one) for one in uploads) else None, seconds=240)
    return world


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rabbitmq__url": "amqp://host.cluster.local:9/"}, "the connection was refused|no answer in time"),
        ({"rabbitmq__url": "amqp://host.cluster.local:{amqp}/nowhere"}, "no such virtual host|nowhere"),
        ({"rabbitmq__existingSecret": "wrong"}, "password is wrong"),
    ],
    ids=["RabbitMQ is down", "no such virtual host", "a wrong password"],
)
def test_an_installation_that_cannot_work_says_so_and_does_not_pretend(
    own: Site, servers: Servers, wrong: dict[str, str], said: str
) -> None:
    """The topology job fails with its reason; no function is there."""
    before = dict(own.values)
    given = {key: value.format(amqp=servers.amqp) for key, value in wrong.items()}
    done = own.upgrade(topology__wait=3, check=False, **given)
    try:
        assert done.returncode != 0
        pods = own.get("pods", "-l", "app.kubernetes.io/component=topology")["items"]
        told = "\n".join(str(pod["status"].get("containerStatuses")) for pod in pods)
        assert re.search(said, told), told
        assert own.get("deployments")["items"] == []
    finally:
        own.helm("uninstall", own.release, "--wait", check=False)
        own.kubectl("delete", "jobs,pods", "--all", "--wait=true", check=False)
        own.values.clear()
        own.values.update(before)


def test_an_uploads_result_has_what_is_catalogued(installed: World) -> None:
    """By MinIO's AMQP targets, from zero."""
    for number in range(OBJECTS):
        assert installed.result(installed.ask(jpeg(number)), seconds=120)["hits"][0]["object_id"] == f"object-{number}"
    installed.site.helm("test", installed.site.release, "--timeout", "3m")


def test_ways_out_are_by_address_and_port(installed: World, servers: Servers) -> None:
    """`ipBlock`: the machine's one address and the server's one port, for those who need it."""
    site = installed.site
    site.upgrade(lanes__interactive__minReplicas=1)  # so that none goes in the middle of a look
    pods = ("ingest", "search")
    wait_for("a pod of each", lambda: True if all(site.pods(f"{one}-interactive") for one in pods) else None, seconds=60)
    for one in pods:
        site.kubectl("rollout", "status", f"deploy/{site.base}-{one}-interactive", "--timeout=120s")
    names = {one: site.pods(f"{one}-interactive")[0]["metadata"]["name"] for one in pods}
    with socket.create_server((ADDRESS, 0)) as other:
        allowed = {
            ("ingest", HOST, servers.amqp): True,
            ("ingest", HOST, servers.s3): True,
            ("ingest", HOST, servers.milvus): False,
            ("ingest", HOST, servers.management): False,
            ("ingest", HOST, other.getsockname()[1]): False,
            ("ingest", "10.231.0.2", 6443): False,
            ("search", HOST, servers.milvus): True,
        }
        ways = {way: (names[way[0]], "trigger", *way[1:]) for way in allowed}
        reached = site.reached(ways.values())
        assert {way: ways[way] in reached for way in allowed} == allowed


def test_a_rollback_loses_nothing(installed: World) -> None:
    """Its hook declares the topology first, and photos are on their way all the time."""
    installed.site.upgrade(lanes__interactive__minReplicas=1)
    with installed.asking(pause=1.0) as asked:
        installed.site.helm("rollback", installed.site.release, "--wait", "--timeout", "8m")
    installed.site.values.pop("lanes__interactive__minReplicas", None)
    installed.nothing_lost(asked, "rolled back, the hook first")


@pytest.fixture(scope="module")
def collector_of_pods() -> Iterator[Collector]:
    """An OpenTelemetry collector on the machine."""
    with Collector.listening("0.0.0.0") as collector:
        yield collector


@pytest.fixture(scope="module")
def issuer_of_pods() -> Iterator[Signer]:
    """A sign-in service on the machine."""
    with Signer.listening("0.0.0.0") as signer:
        yield signer


@pytest.fixture(scope="module")
def association(installed: World, collector_of_pods: Collector, issuer_of_pods: Signer) -> World:
    """The same release for an association: sign-in by OIDC, models from S3, traces; upgraded with photos on their way."""
    for name in ("quality", "fast"):
        depot.push(build.build(chosen(name), cache_folder()), installed.store, "state")
    with installed.asking(pause=1.0) as asked:
        installed.site.upgrade(
            triton__modelSource="s3",
            triton__models=["quality", "fast"],
            tracing__enabled=True,
            tracing__endpoint=f"http://{HOST}:{collector_of_pods.server_port}",
            tracing__peers=PEERS,
            museums={"local": {}, "north": {"claim": "/museums/Север", "uploadsPerDay": 2}},
            gateway__oidc={
                "issuer": ISSUER,
                "audience": AUDIENCE,
                "keys": f"http://{HOST}:{issuer_of_pods.server_port}/jwks",
                "peers": PEERS,
            },
        )
    installed.nothing_lost(asked, "upgrade to an association's values")
    return installed


def test_models_come_from_s3(association: World) -> None:
    """Both, before Triton starts, which then serves them."""
    site = association.site
    pod = site.pods("triton")[0]["metadata"]["name"]
    told = site.kubectl("logs", pod, "-c", "fetch")
    assert re.fullmatch(r"(dinov2-focus|efficientnet-lite0) [0-9a-f]{12}: \S.* fetched\n" * 2, told), told
    assert association.result(association.ask(jpeg(1)), seconds=120)["hits"][0]["object_id"] == "object-1"


def test_an_upload_is_one_trace_across_pods(association: World, collector_of_pods: Collector) -> None:
    """From the first trigger to the announcement, with what each function asked of its servers."""
    steps = [f"process museum.interactive.{step}" for step in ("ingest", "preprocess", "embed", "search")]
    wanted = {("museum-embed", "Triton infer"), ("museum-search", "Milvus"), ("museum-search", "S3 PUT")}

    def lacks(trace: str) -> str:
        """Each container sends its spans when it likes, a trigger's before its function's or after."""
        spans = [span for span in collector_of_pods.spans if span.trace == trace]
        known = {span.id for span in spans}
        if orphans := sorted(f"{span.service}: {span.name}" for span in spans if span.parent and span.parent not in known):
            return f"parents of {orphans}"
        ends = [way_to(spans, span) for span in spans if span.name == "publish museum.events"]
        if not any([span.name for span in way if span.kind == "consumer"] == steps for way in ends):
            return f"a way by {steps} to the announcement in {sorted((span.service, span.name) for span in spans)}"
        calls = {(span.service, span.name) for span in spans if span.kind == "client"}
        return f"{sorted(wanted - calls)} among {sorted(calls)}" if wanted - calls else ""

    lack = ""
    for attempt in range(3):  # a pod that ends waits two seconds for its spans to go, and no longer
        photo = jpeg(777 + attempt)  # vectors of one seen before are kept
        trace = association.result(association.ask(photo), seconds=120)["trace"]
        until = time.monotonic() + 30
        while (lack := lacks(trace)) and time.monotonic() < until:
            time.sleep(0.2)
        if not lack:
            return
    pytest.fail(f"the trace lacks {lack}")


def test_a_museum_is_known_by_its_claim_and_has_its_quota(association: World, issuer_of_pods: Signer) -> None:
    """A third museum's people are told that theirs is none of this installation's."""
    site = association.site
    with site.forward(f"service/{site.base}-gateway", 80) as port:

        def begin(claim: str) -> tuple[int, str]:
            token = issuer_of_pods.token(museum=claim, roles=["registrar"])
            body = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 1000}
            answer = HTTP.request(
                "POST", f"http://127.0.0.1:{port}/api/uploads", json=body, headers={"authorization": f"Bearer {token}"}
            )
            told: dict[str, Any] = json.loads(answer.data)
            if "code" in told:
                return answer.status, str(told["code"])
            form = told.get("upload") or told["parts"][0]
            return answer.status, str(form["fields"]["key"]).partition("/")[0]

        assert begin("/museums/Север") == (201, "north")
        assert begin("/museums/Юг") == (403, "museum-unknown")
        assert [begin("/museums/Север")[0] for _ in range(2)] == [201, 429]


def test_another_model_is_made_live_and_back(association: World) -> None:
    """By values alone: its collection is filled, and the one before is there again at once, with photos on their way."""
    site = association.site
    before = live.read(association.store, "state")
    site.upgrade(models__live="fast", models__activate=True)
    assert live.read(association.store, "state").model == "efficientnet-lite0"
    site.kubectl("exec", f"deploy/{site.base}-sweep", "-c", "sweep", "--", "museum", "reconcile", "--rebuild")

    def found() -> bool | None:
        results = [association.result(association.ask(jpeg(number)), seconds=120) for number in range(OBJECTS)]
        return (
            all([hit["object_id"] for hit in one["hits"][:1]] == [f"object-{number}"] for number, one in enumerate(results))
            or None
        )

    wait_for("the catalogue, by the other model", found, seconds=240)
    with association.asking(pause=1.0) as asked:
        site.upgrade(models__live="quality", models__activate=False)
        assert live.read(association.store, "state") == before
    association.nothing_lost(asked, "another model made live, and back")


def test_an_uninstall_leaves_nothing_but_what_the_operator_made(installed: World, servers: Servers) -> None:
    """Queues and buckets stay where they are: they are data."""
    site = installed.site
    site.helm("uninstall", site.release, "--wait", "--timeout", "5m")
    wait_for("no pod", lambda: None if site.get("pods")["items"] else True, seconds=180)
    kinds = "all,ingress,networkpolicy,poddisruptionbudget,serviceaccount,configmap,secret,scaledobject,triggerauthentication,pvc"

    def left() -> set[str]:
        return {f"{one['kind']}/{one['metadata']['name']}" for one in site.get(kinds)["items"]}

    ours = {
        "Secret/rabbitmq",
        "Secret/wrong",
        "Secret/s3",
        "Secret/gateway",
        "ServiceAccount/default",
        "ConfigMap/kube-root-ca.crt",
    }
    wait_for("what nobody owns any more to go", lambda: left() <= ours or None, seconds=60)
    assert left() == ours
    assert installed.store.get("catalogue", "local/object-1/record.json") is not None
