"""Alerts and dashboard ask for metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from functions.cli import sweeping
from functions.gateway import metrics as gateway_metrics
from functions.trigger import status
from tests.charts.helm import CHART, KEDA, Object, containers, environment, objects, of_kind, pods, run

MADE_BY = (gateway_metrics, status, sweeping)
"""Where they are made: importing these fills the registry."""
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
OF_OTHERS = {
    "rabbitmq_queue_messages_ready",
    "nv_inference_compute_infer_duration_us", "nv_inference_queue_duration_us", "nv_inference_request_success",
    "kube_deployment_status_replicas_available",
    "up",
}  # fmt: skip
"""What RabbitMQ, Triton, kube-state-metrics and Prometheus have."""
NOT_NAMES = [
    r'"(?:[^"\\]|\\.)*"',
    r"\{[^}]*\}",
    r"\[[^\]]*\]",
    r"\b(?:by|on|without|ignoring)\s*\([^)]*\)",
    r"\b(?:and|or|unless)\b",
]
"""Texts, labels, times and words of an expression."""


def ours() -> set[str]:
    """The names that our processes tell."""
    assert MADE_BY
    families = [family for family in REGISTRY.collect() if family.name.startswith("museum_")]
    return {family.name + suffix for family in families for suffix in SUFFIXES[family.type]}


def named(expression: str) -> set[str]:
    """The metrics of an expression: words that are no function."""
    for pattern in NOT_NAMES:
        expression = re.sub(pattern, "", expression)
    return set(re.findall(r"(?<![\w.$])[a-zA-Z_]\w*\b(?!\s*\()", expression))


def rules(*arguments: str) -> list[Object]:
    """The alerts."""
    found: list[Object] = of_kind(objects("everything", *arguments), "PrometheusRule")["museum"]["spec"]["groups"][0]["rules"]
    return found


def dashboard() -> Any:
    """As Grafana reads it."""
    return json.loads(of_kind(objects("everything"), "ConfigMap")["museum-dashboard"]["data"]["museum-search.json"])


def test_a_name_is_found_among_the_words_of_an_expression() -> None:
    """Else the others would look at nothing."""
    found = named('sum by (a, b) (rate(one_total{c=~"two|three", d!=""}[5m])) / 2e6 > 0 and on (e) max(four offset 5m) or five')
    assert found - {"offset"} == {"one_total", "four", "five"}


def test_an_alert_asks_for_metrics_that_there_are() -> None:
    """Of ours those that the code makes, of others a short list."""
    for rule in rules():
        assert named(rule["expr"]), rule["alert"]
        assert named(rule["expr"]) <= ours() | OF_OTHERS, rule["alert"]


def test_a_panel_asks_for_metrics_that_there_are() -> None:
    """The same."""
    for panel in dashboard()["panels"]:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert named(target["expr"]), panel["title"]
            assert named(target["expr"]) <= ours() | OF_OTHERS, panel["title"]


def test_the_dashboard_is_of_one_namespace() -> None:
    """Its variable is one that is there, and each metric of ours and of Triton is by it; a RabbitMQ may be anywhere."""
    variables = {variable["name"]: variable for variable in dashboard()["templating"]["list"]}
    assert named(variables["namespace"]["query"]["query"].removeprefix("label_values(").partition(",")[0]) <= ours()
    for panel in dashboard()["panels"]:
        assert panel["datasource"] == {"uid": "${datasource}"}
        for target in panel["targets"]:
            selectors = re.findall(r"(\w+)\{([^}]*)\}", target["expr"])
            assert selectors
            for metric, selector in selectors:
                assert metric.startswith("rabbitmq_") or 'namespace=~"$namespace"' in selector, panel["title"]
    identities = [panel["id"] for panel in dashboard()["panels"]]
    assert len(identities) == len(set(identities))


def test_labels_that_are_asked_for_are_there() -> None:
    """A metric of ours by a label that it has not is an alert that never comes. Namespace and pod are Prometheus's."""
    known = {name: set(collector._labelnames) for collector, names in REGISTRY._collector_to_names.items()
             if hasattr(collector, "_labelnames") for name in names}  # fmt: skip
    asked = [rule["expr"] for rule in rules()] + [
        target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]
    ]
    found = [(name, selector) for text in asked for name, selector in re.findall(r"(museum_\w+)\{([^}]*)\}", text)]
    assert found
    for name, selector in found:
        labels = set(re.findall(r"(\w+)[=!]~?\"", selector))
        assert labels <= known[name] | {"namespace", "pod"}, name


def test_an_alert_of_the_gateway_is_there_where_it_is() -> None:
    """Its readiness is no error."""
    (rule,) = [rule for rule in rules() if rule["alert"] == "MuseumGatewayErrors"]
    assert rule["expr"].count('call!~"/readyz|/healthz|/metrics"') == 2
    assert "MuseumGatewayErrors" not in {rule["alert"] for rule in rules("--set", "gateway.enabled=false,expose.by=none")}


def test_the_sweep_is_scraped_and_watched() -> None:
    """By the port that it is told, which Prometheus alone reaches; without a sweep nobody is called for one."""
    sweep = containers(pods(objects("everything"))["Deployment/museum-sweep"])[-1]
    (port,) = sweep["ports"]
    assert environment(sweep)["MUSEUM_STATUS_PORT"] == str(port["containerPort"])
    assert sweep["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    (way,) = of_kind(objects("everything"), "NetworkPolicy")["museum-sweep"]["spec"]["ingress"]
    assert {"port": port["containerPort"], "protocol": "TCP"} in way["ports"]
    assert [rule["alert"] for rule in rules() if "Sweep" in rule["alert"]] == ["MuseumSweepStopped", "MuseumSweepDoesNotLook"]
    assert not [rule for rule in rules("--set", "sweep.enabled=false") if "Sweep" in rule["alert"]]


@pytest.mark.parametrize("name", ["everything", "kind"])
def test_each_port_of_metrics_has_its_monitor(name: str) -> None:
    """A PodMonitor's endpoints are names of ports; each pod has one of them, but those that tell nothing."""
    found = objects(name, "--set", "metrics.monitors=true")
    (monitor,) = of_kind(found, "PodMonitor").values()
    scraped = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
    assert scraped == {"status", "metrics"}
    silent = ("milvus", "minio", "topology", "calibrate", "test")
    for who, spec in pods(found).items():
        ports = {port["name"] for container in containers(spec) for port in container.get("ports", [])}
        assert bool(ports & scraped) == (not any(part in who.rpartition("/")[2] for part in silent)), who
    (gateway,) = of_kind(found, "ServiceMonitor").values()
    service = of_kind(found, "Service")[gateway["metadata"]["name"]]
    assert {end["port"] for end in gateway["spec"]["endpoints"]} <= {port["name"] for port in service["spec"]["ports"]}


def test_the_trials_rabbitmq_tells_of_each_queue() -> None:
    """Without it there is one sum of all, by no queue, and no alert of a queue ever comes."""
    told = of_kind(objects("kind"), "ConfigMap")["museum-museum-search-rabbitmq"]["data"]["museum.conf"]
    assert "prometheus.return_per_object_metrics = true" in told.splitlines()


def test_a_change_of_rabbitmqs_configuration_is_a_new_pod(tmp_path: Path) -> None:
    """It reads it when it starts."""
    changed = Path(shutil.copytree(CHART, tmp_path / "museum-search"))
    template = changed / "templates" / "dev.yaml"
    template.write_text(template.read_text().replace("disk_free_limit.absolute = 200MB", "disk_free_limit.absolute = 300MB"))
    done = run("template", "museum", str(changed), "-n", "museum", "-f", str(changed / "ci" / "kind-values.yaml"), *KEDA)

    def stamp(found: list[Object]) -> str:
        made = of_kind(found, "StatefulSet")["museum-museum-search-rabbitmq"]
        return str(made["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    later = [one for one in yaml.safe_load_all(done.stdout) if one]
    assert stamp(objects("kind")) != stamp(later)
    assert stamp(objects("kind")) == stamp(objects("kind", "--set", "dev.rabbitmq.image=rabbitmq:5")), (
        "its image is in the pod's spec"
    )
