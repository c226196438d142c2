"""Values that cannot work are refused, by the schema or with a line that says what to write."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.helm import HELMS, refused

OTHER = {
    "timeout": 1,
    "prefetch": 1,
    "uses": [],
    "resources": {"requests": {}, "limits": {"memory": "1Mi"}},
    "lanes": {"interactive": {}},
}
OWN_RABBITMQ = {
    "dev.rabbitmq.enabled": True, "rabbitmq.url": "", "rabbitmq.managementUrl": "", "rabbitmq.existingSecret": "",
}  # fmt: skip
OWN_STORE = {"dev.minio.enabled": True, "s3.endpoint": "", "s3.existingSecret": ""}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "a key that is misspelt": ({"gatway": {"replicas": 1}}, "gatway"),
    "one below": ({"gateway.replica": 1}, "replica"),
    "one in a function": ({"functions.embed.prefech": 1}, "prefech"),
    "one in a lane": ({"functions.embed.lanes.bulk.maxReplica": 1}, "maxReplica"),
    "fewer than no pods": ({"lanes.bulk.minReplicas": -1}, "minReplicas"),
    "Triton at zero": ({"triton.minReplicas": 0}, "minReplicas"),
    "a word for a number": ({"gateway.replicas": "two"}, "replicas"),
    "a password in an address": ({"rabbitmq.url": "amqp://user:password@host/"}, "rabbitmq.url"),
    "two Secrets of one server": ({"dev.rabbitmq.enabled": True}, "both set"),
    "a password for the proxy": ({"proxy.http": "http://user:password@proxy.example"}, "proxy.http"),
    "an address of RabbitMQ beside its own": (
        {**OWN_RABBITMQ, "rabbitmq.url": "amqp://host/"}, "rabbitmq.url and dev.rabbitmq.enabled are both set",
    ),
    "another management": (
        {**OWN_RABBITMQ, "rabbitmq.managementUrl": "http://a.b"}, "rabbitmq.managementUrl and dev.rabbitmq.enabled are both set",
    ),
    "two stores": ({**OWN_RABBITMQ, **OWN_STORE, "s3.endpoint": "http://a"}, "s3.endpoint and dev.minio.enabled are both set"),
    "two catalogues": ({"dev.milvus.enabled": True}, "milvus.uri and dev.milvus.enabled are both set"),
    "a Secret of another Milvus": (
        {"dev.milvus.enabled": True, "milvus.uri": "", "milvus.existingSecret": "m"},
        "milvus.existingSecret and dev.milvus.enabled are both set",
    ),
    "a lane of more than at most": ({"lanes.bulk.minReplicas": 9}, "minReplicas is 9, above maxReplicas, 8"),
    "a function's lane of more than at most": (
        {"functions.embed.lanes.interactive.maxReplicas": 1, "lanes.interactive.minReplicas": 2},
        "functions.embed in the lane interactive: minReplicas is 2, above maxReplicas, 1",
    ),
    "more Tritons than at most": ({"triton.minReplicas": 3}, "triton.minReplicas is 3, above triton.maxReplicas, 2"),
    "a quota that each pod counts": (
        {"museums": {"north": {"uploadsPerDay": 10}}}, "museums.north.uploadsPerDay would be counted by each of 2 pods",
    ),
    "a model that no image has": (
        {"triton.models": ["quality", "dinov2-focus-int8"]}, 'triton.models has "dinov2-focus-int8", which no image has',
    ),
    "a long name": ({"fullnameOverride": "a" * 32}, "fullnameOverride"),
    "a long function": (
        {"functions.a-function-of-many-words-and-more": OTHER},
        "expected at most 54",
    ),
    "a lane that is not there": ({"functions.embed.lanes.night": {}}, "expected one of bulk, interactive"),
    "no Secret": ({"rabbitmq.existingSecret": ""}, "rabbitmq.existingSecret is empty"),
    "no address": ({"s3.endpoint": ""}, "s3.endpoint is empty"),
    "no Milvus": ({"milvus.uri": ""}, "milvus.uri is empty"),
    "no gateway's Secret": ({"gateway.existingSecret": ""}, "session-key, hook-token and tokens.json"),
    "a GPU without an image": ({"triton.gpu.enabled": True}, "set triton.gpu.image"),
    "a GPU without a plan": (
        {"triton.gpu": {"enabled": True, "image": "x", "form": "plan"}}, "triton.gpu.plan.existingClaim and triton.gpu.plan.path",
    ),
    "a fingerprint of an image's model": ({"triton.fingerprints": {"a": "0" * 64}}, "set triton.modelSource=s3"),
    "what is no fingerprint": ({"triton.modelSource": "s3", "triton.fingerprints": {"a": "0"}}, "triton.fingerprints.a"),
    "another source of models": ({"triton.modelSource": "web"}, "modelSource"),
    "plans in S3": (
        {
            "triton.modelSource": "s3",
            "triton.gpu": {"enabled": True, "image": "x", "form": "plan", "plan": {"existingClaim": "c", "path": "p"}},
        },
        "which has its plans in a claim",
    ),
    "an issuer without keys": ({"gateway.oidc.issuer": "https://id.example"}, "gateway.oidc.keys"),
    "nobody who may sign in": ({"gateway.tokens": False}, "nobody could sign in"),
    "tracing to nobody": ({"tracing.enabled": True}, "set tracing.endpoint"),
    "a password for the collector": ({"tracing.endpoint": "http://user:password@host"}, "tracing.endpoint"),
    "more than all": ({"tracing.sampling": 1.5}, "tracing.sampling"),
    "a live model that is not served": ({"models.live": "fast"}, "must be served"),
    "a route without a Gateway": ({"expose": {"by": "httpRoute", "hosts": ["a.example"]}}, "parentRefs"),
    "a page without a host": ({"expose.by": "ingress"}, "expose.hosts is empty"),
    "another museum's prefix": ({"museums": {"a/b": {}}}, "a/b"),
    "a quota of nothing": ({"museums": {"north": {"uploadsPerDay": 0}}}, "uploadsPerDay"),
    "two museums of one claim": (
        {"museums": {"north": {"claim": "south"}, "south": {}}}, "museums.north and museums.south have one claim",
    ),
    "two museums that differ in case": ({"museums": {"North": {}, "north": {}}}, "North and museums.north have one ConfigMap"),
    "a museum that ends with a dot": ({"museums": {"north.": {}}}, "museums.north. cannot name a ConfigMap"),
    "a trial's token of no museum": (
        {
            **OWN_RABBITMQ, **OWN_STORE, "dev.milvus.enabled": True, "milvus.uri": "",
            "museums": {"north": {}}, "gateway.existingSecret": "",
        },
        "museums has no \"local\"",
    ),
    "a MinIO that nobody hears": (
        OWN_STORE, "dev.minio.enabled needs dev.rabbitmq.enabled",
    ),
}  # fmt: skip


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("case", CASES)
def test_it_is_refused(case: str, helm: str) -> None:
    """Before anything is installed, by the name of the value; the Helms write a value's path with dots or with slashes."""
    values, said = CASES[case]
    message = refused(values, helm=helm)
    assert said in message or said in message.replace("/", "."), message


def test_without_keda_it_says_so() -> None:
    """KEDA is a release of its own: how to install it, and how to do without."""
    message = refused({}, keda=False)
    assert "helm install keda" in message
    assert "scaling.enabled=false" in message
