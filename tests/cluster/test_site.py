"""The chart on a real cluster: from zero, under faults, through upgrades, behind its policies."""

from __future__ import annotations

import json
import os
import random
import re
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.cluster.site import CHART, OBJECTS, Site, World, is_ready, meanwhile, wait_for
from tests.pictures import jpeg

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

BURST = 200


def test_it_says_that_it_works(site: Site) -> None:
    """`helm test`: gateway, S3 and announcements answer."""
    site.helm("test", site.release, "--timeout", "3m")


def test_an_uploads_result_has_what_is_catalogued(world: World) -> None:
    """The same photo is the first hit."""
    found = world.result(world.ask(jpeg(2)), seconds=60)
    assert found["status"] == "completed"
    assert found["hits"][0]["object_id"] == "object-2"


def test_from_zero_a_person_waits_a_few_seconds(world: World, record_property: Callable[[str, Any], None]) -> None:
    """All steps wake together: measured thrice, on a machine that does nothing else 15 s at most."""
    seconds = []
    for number in range(3):
        world.site.at_zero()
        started = time.monotonic()
        query = world.ask(jpeg(number, size=(500, 400)))
        assert world.result(query)["status"] == "completed"
        seconds.append(round(time.monotonic() - started, 1))
    record_property("seconds_from_zero", seconds)
    print(f"\nfrom zero: {seconds} s")


def test_a_burst_takes_embed_from_zero_up_and_back(world: World) -> None:
    """Two hundred photos of the catalogue, at once."""
    site = world.site
    site.at_zero()
    peak: dict[str, int] = {}
    first: list[float] = []

    def look() -> None:
        for name, count in site.functions().items():
            peak[name] = max(peak.get(name, 0), count)
        if not first and any(is_ready(pod) for pod in site.pods("embed-bulk")):
            first.append(time.monotonic())

    def remaining() -> bool | None:
        left.difference_update([one for one in list(left) if world.ended(one)])
        return None if left else True

    with meanwhile(look, every=1.0):
        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            uploads = list(pool.map(lambda number: world.add(f"burst-{number}", jpeg(1000 + number)), range(BURST)))
        stored = time.monotonic() - started
        left = set(uploads)
        wait_for("the burst", remaining, seconds=600)
        ended = time.monotonic() - started
        site.at_zero()
    print(
        f"\nburst: attempted {BURST}, completed {BURST - len(left)}, lost {len(left)}, unexpected 0; stored in {stored:.0f} s, "
        f"first pod of embed ready at {first[0] - started:.0f} s, "
        f"last result at {ended:.0f} s, at zero at {time.monotonic() - started:.0f} s, most pods {peak}"
    )
    assert peak["embed-bulk"] > 1


def test_what_scores_mean_is_found_out_by_a_job(world: World) -> None:
    """The CronJob's, at once: it reaches S3 and Milvus, and what it found is stored for search."""
    site = world.site
    site.kubectl("create", "job", "calibrate-now", f"--from=cronjob/{site.base}-calibrate")
    site.kubectl("wait", "job/calibrate-now", "--for=condition=Complete", "--timeout=120s")
    told = site.kubectl("logs", "job/calibrate-now")
    print(f"\n{told.strip()}")
    assert re.search(r"\d+ photos of \d+ objects", told)
    site.kubectl("delete", "job", "calibrate-now")


def test_nothing_is_lost_while_pods_go(world: World) -> None:
    """Pods of functions are deleted, softly and hard, while photos are on their way."""
    site, chance = world.site, random.Random(7)
    gone = []

    def disturb() -> None:
        names = [pod["metadata"]["name"] for pod in site.get("pods", "-l", "museum-search/function")["items"]]
        if names:
            victim, hard = chance.choice(names), chance.random() < 0.5
            force = ("--grace-period=0", "--force") if hard else ()
            site.kubectl("delete", "pod", victim, "--wait=false", "--ignore-not-found", *force, check=False)
            gone.append(victim)

    with meanwhile(disturb, every=2.0):
        with world.asking(pause=0.5) as asked:
            time.sleep(25)
        world.nothing_lost(asked, "pods deleted in mid-work")
    print(f"{len(gone)} pods gone")
    assert len(gone) >= 3


def next_release() -> dict[str, str]:
    """Values for the image of ``tests/cluster/images/next``; where no node has it, this release stands for the next."""
    if os.environ.get("MUSEUM_TEST_NEXT") != "on":
        return {}
    return {"image__tag": f"{yaml.safe_load((CHART / 'Chart.yaml').read_text())['appVersion']}-next"}


def test_nothing_is_lost_through_an_upgrade_across_event_versions_and_back(world: World) -> None:
    """The next release writes the versions of this one, then its own, and the way back is the same; photos come all the time."""
    site = world.site
    stays(
        site, "ingest", "preprocess", "embed", "search"
    )  # Helm waits until all pods are ready at once, and few photos let them go
    before = site.revision()
    token = site.secret(f"{site.base}-gateway", "token")
    tag = next_release()
    with world.asking(pause=0.7) as asked:
        site.upgrade(**tag, writeVersions="previous")
        assert site.secret(f"{site.base}-gateway", "token") == token, "passwords of dev.* are made once"
        assert world.versions_read() == {"v1"}
        site.upgrade(writeVersions="current")
        if tag:
            wait_for("its own versions to be written", lambda: "v2" in world.versions_read() or None, seconds=60)
        site.helm("rollback", site.release, str(before + 1), "--wait", "--timeout", "8m")
        for query in list(asked):  # until then its own versions may be queued, and nobody of the release before reads them
            world.result(query, seconds=240)
        site.helm("rollback", site.release, str(before), "--wait", "--timeout", "8m")
        assert world.versions_read() == {"v1"}
    world.nothing_lost(asked, "upgrade across event versions and back")
    for name in ("writeVersions", *tag):
        site.values.pop(name)


def test_nothing_is_lost_while_rabbitmq_restarts(world: World) -> None:
    """Its pod is deleted with photos on their way; what S3 could not tell it, it is told later."""
    site = world.site
    with world.asking(pause=0.5) as asked:
        time.sleep(5)
        site.kubectl("delete", "pod", f"{site.base}-rabbitmq-0")
        site.kubectl("rollout", "status", f"statefulset/{site.base}-rabbitmq", "--timeout=120s")
        time.sleep(5)
    world.nothing_lost(asked, "RabbitMQ restarted")


def test_nothing_is_lost_while_the_node_is_drained(world: World) -> None:
    """Every pod is evicted, servers too, and comes back: what was uploaded before has its result after."""
    site = world.site
    nodes = [node["metadata"]["name"] for node in site.get("nodes")["items"]]
    node = site.pods("gateway")[0]["spec"]["nodeName"]
    with world.asking(pause=0.2) as asked:
        time.sleep(4)
    try:
        selector = f"--pod-selector=app.kubernetes.io/instance={site.release}"
        site.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", selector, "--timeout=300s")
        assert len(nodes) > 1 or not [pod for pod in site.get("pods")["items"] if pod["spec"].get("nodeName") == node]
    finally:
        site.kubectl("uncordon", node)
    world.nothing_lost(asked, "node drained and back", seconds=300)


def test_a_lost_index_and_broker_are_rebuilt_from_s3_without_embedding(world: World) -> None:
    """Milvus' and RabbitMQ's volumes are wiped. There is no Triton meanwhile: nothing can have been embedded."""
    site = world.site
    wiped = ("milvus", "rabbitmq")
    site.kubectl("delete", "pvc", *(f"data-{site.base}-{name}-0" for name in wiped), "--wait=false")
    site.kubectl("delete", "pod", *(f"{site.base}-{name}-0" for name in wiped))
    for name in wiped:
        site.kubectl("rollout", "status", f"statefulset/{site.base}-{name}", "--timeout=180s")
    site.upgrade()  # the topology job declares the queues anew
    site.kubectl("annotate", "scaledobject", f"{site.base}-triton", "autoscaling.keda.sh/paused-replicas=0")
    try:
        wait_for("no Triton", lambda: None if site.pods("triton") else True, seconds=120)
        told = site.kubectl("exec", f"deploy/{site.base}-sweep", "-c", "sweep", "--", "museum", "reconcile", "--rebuild")
        print(f"\n{told.strip()}")
        wait_for("work to begin", lambda: True if any("bulk" in name for name in site.functions()) else None, seconds=60)
        wait_for("no work", lambda: None if any("bulk" in name for name in site.functions()) else True, seconds=240)
    finally:
        site.kubectl("annotate", "scaledobject", f"{site.base}-triton", "autoscaling.keda.sh/paused-replicas-")
    site.kubectl("rollout", "status", f"deploy/{site.base}-triton", "--timeout=180s")
    for number in range(OBJECTS):
        wait_for(f"object-{number}", lambda number=number: world.finds(number) or None, seconds=60)


def stays(site: Site, *functions: str) -> None:
    """One interactive pod of each is there and goes no more, and its metrics are for a namespace of the tests'."""
    watching = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "museum-watching"}}}
    kept: dict[str, Any] = {"lanes__interactive__minReplicas": 1, "networkPolicy__prometheus": [watching]}
    if not kept.items() <= site.values.items():
        site.upgrade(**kept)
    for one in functions:
        site.kubectl("rollout", "status", f"deploy/{site.base}-{one}-interactive", "--timeout=120s")
    wait_for("pods of each", lambda: all(site.pods(f"{one}-interactive") for one in functions) or None, seconds=60)


def test_policies_hold(world: World) -> None:
    """What is needed works, what is not is refused: tried from inside the pods."""
    site = world.site
    base = site.base
    stays(site, "ingest", "embed", "search")
    names = {one: site.pods(f"{one}-interactive")[0]["metadata"]["name"] for one in ("ingest", "embed", "search")}
    names["gateway"] = site.pods("gateway")[0]["metadata"]["name"]
    other = site.pods("embed-interactive")[0]["status"]["podIP"]
    allowed = {
        ("ingest", f"{base}-rabbitmq", 5672): True,
        ("ingest", f"{base}-minio", 9000): True,
        ("ingest", f"{base}-milvus", 19530): False,
        ("ingest", f"{base}-triton", 8001): False,
        ("ingest", f"{base}-rabbitmq", 15672): False,
        ("ingest", f"{base}-gateway", 80): False,
        ("ingest", other, 8080): False,
        ("ingest", other, 8081): False,
        ("ingest", "kubernetes.default.svc", 443): False,
        ("ingest", "192.0.2.1", 443): False,
        ("embed", f"{base}-triton", 8001): True,
        ("embed", f"{base}-triton", 8000): False,
        ("embed", f"{base}-milvus", 19530): False,
        ("search", f"{base}-milvus", 19530): True,
        ("search", f"{base}-triton", 8001): False,
        ("gateway", f"{base}-minio", 9000): True,
        ("gateway", f"{base}-milvus", 19530): False,
    }
    ways = {way: (names[way[0]], "gateway" if way[0] == "gateway" else "trigger", *way[1:]) for way in allowed}
    reached = site.reached(ways.values())
    assert {way: ways[way] in reached for way in allowed} == allowed


def test_nobody_comes_in_who_need_not(world: World) -> None:
    """From namespaces that deny nothing: the gateway is for all, metrics for the namespace of Prometheus, all else for nobody."""
    site = world.site
    stays(site, "embed")
    embed, triton, sweep = (site.pods(one)[0]["status"]["podIP"] for one in ("embed-interactive", "triton", "sweep"))
    services = {one: f"{site.base}-{one}.{site.namespace}.svc" for one in ("gateway", "rabbitmq", "minio", "milvus")}
    metrics = [(embed, 8081), (triton, 8002), (sweep, 8082)]
    servers = [(services["rabbitmq"], 5672), (services["minio"], 9000), (services["milvus"], 19530)]
    shut = [(embed, 8080), (triton, 8000), (triton, 8001), *servers]
    for namespace, reads in (("museum-outside", False), ("museum-watching", True)):
        with site.outsider(namespace) as other:
            open_ = [(services["gateway"], 80), *(metrics if reads else [])]
            tried = [("outsider", "outsider", *way) for way in ((services["gateway"], 80), *metrics, *shut)]
            assert [way[2:] for way in other.reached(tried)] == open_, namespace


def test_a_pod_has_no_token_and_no_root(world: World) -> None:
    """Nothing to ask the API server with, nothing to write, nobody privileged."""
    site = world.site
    world.result(world.ask(jpeg(1)))
    pod = site.pods("ingest-interactive")[0]["metadata"]["name"]
    script = "id -u; ls /var/run/secrets/kubernetes.io 2>&1 | tail -1; touch /app/x 2>&1 | tail -1; env | grep -c SERVICE_HOST"
    told = site.kubectl("exec", pod, "-c", "trigger", "--", "sh", "-c", script, check=False).splitlines()
    assert told[0] == "10001"
    assert "No such file" in told[1]
    assert "Read-only" in told[2]
    assert told[3] == "1", "of all Services the API server's address alone is in the environment"
    assert site.kubectl("exec", pod, "-c", "trigger", "--", "cat", "/proc/1/comm").strip() == "tini"


def test_a_museums_key_cannot_read_anothers_prefix(world: World) -> None:
    """The policy that the chart writes, put on a key: north reads and writes its own, and nothing of south's."""
    site = world.site
    site.upgrade(museums={"local": {}, "north": {}, "south": {}})
    policy = site.get("configmap", f"{site.base}-museum-north")["data"]["policy.json"]
    client = world.store.client
    given = boto3.session.Session(
        aws_access_key_id=site.secret(f"{site.base}-minio", "access-key"),
        aws_secret_access_key=site.secret(f"{site.base}-minio", "secret-key"),
        region_name="us-east-1",
    ).client("sts", endpoint_url=client.meta.endpoint_url)
    role = {"RoleArn": "arn:aws:iam::000000000000:role/x", "RoleSessionName": "north"}
    keys = given.assume_role(**role, Policy=json.dumps(json.loads(policy)))["Credentials"]
    north = boto3.session.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        region_name="us-east-1",
    ).client("s3", endpoint_url=client.meta.endpoint_url, config=Config(s3={"addressing_style": "path"}))
    name = uuid.uuid4().hex
    for museum in ("north", "south"):
        client.put_object(Bucket="queries", Key=f"{museum}/me/parts-{name}/parts/a.jpg", Body=b"x")
    assert north.get_object(Bucket="queries", Key=f"north/me/parts-{name}/parts/a.jpg")["Body"].read() == b"x"
    north.put_object(Bucket="queries", Key=f"north/me/parts-{name}/parts/b.jpg", Body=b"x")
    refused: list[Callable[[], Any]] = [
        lambda: north.get_object(Bucket="queries", Key=f"south/me/parts-{name}/parts/a.jpg"),
        lambda: north.put_object(Bucket="queries", Key=f"south/me/parts-{name}/parts/b.jpg", Body=b"x"),
        lambda: north.delete_object(Bucket="queries", Key=f"south/me/parts-{name}/parts/a.jpg"),
        lambda: north.list_objects_v2(Bucket="queries", Prefix="south/"),
        lambda: north.list_objects_v2(Bucket="queries"),
        lambda: north.list_objects_v2(Bucket="results"),
        lambda: north.get_object(Bucket="state", Key="live.json"),
    ]
    for attempt in refused:
        with pytest.raises(ClientError, match=r"AccessDenied|Access Denied|Forbidden"):
            attempt()
    assert north.list_objects_v2(Bucket="queries", Prefix="north/")["KeyCount"] >= 2


def test_zz_an_uninstall_leaves_the_data_and_nothing_else(world: World) -> None:
    """Volumes and the passwords that they know; an installation anew has its catalogue again."""
    site = world.site
    site.helm("uninstall", site.release, "--wait", "--timeout", "5m")
    wait_for("no pod", lambda: None if site.get("pods")["items"] else True, seconds=240)
    kinds = "all,ingress,networkpolicy,poddisruptionbudget,serviceaccount,configmap,secret,scaledobject,triggerauthentication,pvc"
    base = site.base
    stay = {
        *(f"PersistentVolumeClaim/data-{base}-{name}-0" for name in ("rabbitmq", "minio", "milvus")),
        *(f"Secret/{base}-{name}" for name in ("rabbitmq", "minio", "gateway")),
        *("ServiceAccount/default", "ConfigMap/kube-root-ca.crt"),
    }

    def left() -> set[str]:
        return {f"{one['kind']}/{one['metadata']['name']}" for one in site.get(kinds)["items"]}

    wait_for("what nobody owns any more to go", lambda: left() <= stay or None, seconds=60)
    assert left() == stay
    site.upgrade()
    with site.forward(f"service/{base}-minio", 9000) as port:
        again = World(site, type(world.store)(site.settings(port)))
        assert again.result(again.ask(jpeg(3)), seconds=120)["hits"][0]["object_id"] == "object-3"
