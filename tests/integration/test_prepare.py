"""Putting a site's servers in place, against RabbitMQ and MinIO: safe to repeat, and refused where something else is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from functions import live
from functions.adapters.s3 import S3Store
from functions.runtime.settings import Settings
from functions.trigger import topology
from infra import prepare
from infra.engine import build
from infra.local.part import free_port, running
from tests.fixtures.minio import amqp_targets, minio_part
from tests.fixtures.rabbitmq import Node
from tests.fixtures.s3 import s3_settings

NOTE = {
    "name": "some-model", "tier": "quality", "fingerprint": "ab" * 32, "dim": 4, "size": 224, "saliency": False, "max_batch": 1,
    "preprocessing": "p", "files": {}, "source": "s", "licence": "l",
}  # fmt: skip


@pytest.fixture(scope="module")
def node(rabbitmq_node: Node) -> Iterator[Node]:
    """A virtual host with nothing in it."""
    node = rabbitmq_node.own_vhost()
    yield node
    node.api("DELETE", f"/api/vhosts/{node.vhost}")


@pytest.fixture(scope="module")
def store(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, S3Store]]:
    """A MinIO with two targets and no bucket."""
    port, folder = free_port(), tmp_path_factory.mktemp("prepare")
    targets = amqp_targets(node.amqp_url, exchange=topology.BUCKET_EXCHANGE, routing_key="interactive", spool=folder / "spool")
    with running(minio_part(folder, port, targets)):
        settings = s3_settings(port)
        yield settings, S3Store(settings)


@pytest.fixture
def own(tmp_path: Path) -> prepare.PrepareSettings:
    """One built model, and both targets for the queries."""
    (tmp_path / "some-model").mkdir()
    (tmp_path / "some-model" / build.NOTE).write_text(json.dumps(NOTE))
    arns = ",".join(f"arn:minio:sqs::{name}:amqp" for name in ("FAST", "SAFE"))
    return prepare.PrepareSettings(museum_models=str(tmp_path), museum_notify_queries=arns)


def test_all_is_put_in_place_and_again(node: Node, store: tuple[Settings, S3Store], own: prepare.PrepareSettings) -> None:
    """Queues, buckets, notifications, rules, the live model; what others put on a bucket stays."""
    settings, s3 = store
    said: list[str] = []
    prepare.prepare(settings, node.settings, own, said.append)
    names = settings.buckets
    rule = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "theirs/"}, "Expiration": {"Days": 3}}
    rules = s3.client.get_bucket_lifecycle_configuration(Bucket=names.queries)["Rules"]
    s3.client.put_bucket_lifecycle_configuration(Bucket=names.queries, LifecycleConfiguration={"Rules": [*rules, rule]})  # type: ignore[list-item]
    prepare.prepare(replace(settings, museum_keep_days=7.0), node.settings, own, said.append)
    kept = {
        found["ID"]: found["Expiration"]["Days"]
        for found in s3.client.get_bucket_lifecycle_configuration(Bucket=names.queries)["Rules"]
    }
    assert kept == {"theirs": 3, "museum-keep": 8}
    bound = s3.client.get_bucket_notification_configuration(Bucket=names.queries)["QueueConfigurations"]
    assert sorted(one["QueueArn"] for one in bound) == ["arn:minio:sqs::FAST:amqp", "arn:minio:sqs::SAFE:amqp"]
    assert live.read(s3, names.state).fingerprint == "ab" * 32
    assert {queue["name"] for queue in node.api("GET", f"/api/queues/{node.vhost}")} == set(topology.queues())
    prepare.prepare(replace(settings, museum_keep_days=0.0), node.settings, own, said.append)
    rest = s3.client.get_bucket_lifecycle_configuration(Bucket=names.queries)["Rules"]
    assert [found["ID"] for found in rest] == ["theirs"]


def test_a_model_that_is_not_in_the_image_is_named(
    node: Node, store: tuple[Settings, S3Store], own: prepare.PrepareSettings
) -> None:
    """With what there is."""
    with pytest.raises(SystemExit, match=r"MUSEUM_MODEL is 'fast': .*known here are some-model \(quality\)"):
        prepare.prepare(store[0], node.settings, replace(own, museum_model="fast"), lambda _line: None)


def test_another_policy_that_wins_is_refused_with_both_names(node: Node) -> None:
    """An operator's, for all queues, of a higher priority: retries would never come back."""
    path = f"/api/policies/{node.vhost}/theirs"
    node.api("PUT", path, {"pattern": "^museum", "definition": {"max-length": 5}, "priority": 99, "apply-to": "queues"})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(topology, "POLICIES_WITHIN", 0.5)
        with pytest.raises(
            topology.Mismatch, match=r"another policy than ours, museum\.\S+ for one: expected museum\.\S+, found theirs"
        ):
            topology.declare(node.settings)
    node.api("DELETE", path)
    topology.declare(node.settings)


def test_what_is_wrong_with_rabbitmq_is_one_line(
    node: Node, store: tuple[Settings, S3Store], own: prepare.PrepareSettings
) -> None:
    """A wrong password, a virtual host that is not there, nobody who answers: none of them shows the password."""
    away = replace(node.settings, museum_amqp_api_url="http://127.0.0.1:9")
    wrong = replace(node.settings, museum_amqp_user="tester", museum_amqp_password="not it")
    nowhere = replace(node.settings, museum_amqp_url=node.amqp_url.rpartition("/")[0] + "/nowhere")
    for where, said in ((away, "does not answer"), (wrong, "password is wrong"), (nowhere, "no such virtual host")):
        with pytest.raises(SystemExit, match=said) as caught:
            prepare.prepare(store[0], where, own, lambda _line: None)
        assert "secrets" not in str(caught.value)
        assert "\n" not in str(caught.value)
