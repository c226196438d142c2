"""Where pods run, how many there are, and by what they are reached."""

from __future__ import annotations

import pytest

from functions import pipeline
from functions.events import LANES
from tests.charts.helm import CI, Object, containers, environment, objects, of_kind, pods

NAMES = [file.name.removesuffix("-values.yaml") for file in CI]
SPREAD = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
BASE = "museum-museum-search"


def deployments(name: str, *arguments: str) -> dict[str, Object]:
    """Whole Deployments, by what their names end with."""
    found = of_kind(objects(name, *arguments), "Deployment")
    return {key.removeprefix(f"{BASE}-").removeprefix("museum-"): one for key, one in found.items()}


def is_function(name: str) -> bool:
    """Whether a Deployment is of a function and lane."""
    return name.endswith(LANES)


@pytest.mark.parametrize("name", NAMES)
def test_while_keda_cannot_ask_some_work_goes_on(name: str) -> None:
    """Each has pods without an answer, and none that is at work is taken away for it; fewer come after a while alone."""
    scaled = of_kind(objects(name), "ScaledObject")
    assert len(scaled) == len(pipeline.STEPS) * len(LANES) + 1
    for who, one in scaled.items():
        spec = one["spec"]
        fallback = spec["fallback"]
        assert (fallback["failureThreshold"], fallback["behavior"]) == (3, "currentReplicasIfHigher"), who
        assert 1 <= fallback["replicas"] <= spec["maxReplicaCount"]
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert down == {"stabilizationWindowSeconds": 300 if who.endswith("-triton") else 60}


def test_what_a_lane_says_of_scaling_is_what_keda_is_told() -> None:
    """And what a function's own lane says outranks it."""
    own = ("--set-json", 'functions.embed.lanes.bulk={"scaleDownWindow": 120, "fallbackReplicas": 3, "cooldownPeriod": 7}')
    scaled = of_kind(
        objects("minimal", *own, "--set", "lanes.bulk.scaleDownWindow=90,lanes.bulk.fallbackReplicas=2"), "ScaledObject"
    )

    def told(who: str) -> tuple[int, int, int]:
        spec = scaled[f"{BASE}-{who}"]["spec"]
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        return down["stabilizationWindowSeconds"], spec["fallback"]["replicas"], spec["cooldownPeriod"]

    assert told("embed-bulk") == (120, 3, 7)
    assert told("ingest-bulk") == (90, 2, 120)
    assert told("ingest-interactive") == (60, 1, 300)


def test_triton_follows_both_queues_of_what_asks_it() -> None:
    """It has none of its own, and never goes to zero."""
    spec = of_kind(objects("minimal"), "ScaledObject")[f"{BASE}-triton"]["spec"]
    queues = [trigger["metadata"]["queueName"] for trigger in spec["triggers"]]
    assert queues == [pipeline.queue_of(lane, "embed") for lane in LANES]
    assert {trigger["metadata"]["value"] for trigger in spec["triggers"]} == {"40"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"], spec["fallback"]["replicas"]) == (1, 2, 1)


@pytest.mark.parametrize("name", NAMES)
def test_triton_is_reached_pod_by_pod(name: str) -> None:
    """gRPC keeps one connection: with one address for all, a second pod would have nothing to do."""
    found = objects(name)
    (service,) = [one for who, one in of_kind(found, "Service").items() if who.endswith("-triton")]
    assert service["spec"]["clusterIP"] == "None"
    (triton,) = [one for who, one in of_kind(found, "Deployment").items() if who.endswith("-triton")]
    assert service["spec"]["selector"].items() <= triton["spec"]["template"]["metadata"]["labels"].items()
    url = f"{service['metadata']['name']}:8001"
    asked = {
        environment(one)["MUSEUM_TRITON_URL"]
        for spec in pods(found).values()
        for one in containers(spec)
        if "MUSEUM_TRITON_URL" in environment(one)
    }
    assert asked == {url}


@pytest.mark.parametrize("name", NAMES)
def test_triton_has_ten_minutes_to_start(name: str) -> None:
    """A model is ready after its warm-up, and a GPU's may be compiled or copied before."""
    (spec,) = [one for who, one in pods(objects(name)).items() if who.endswith("-triton")]
    probe = containers(spec)[-1]["startupProbe"]
    assert probe["httpGet"]["path"] == "/v2/health/ready"
    assert (probe["failureThreshold"], probe["periodSeconds"]) == (300, 2)


def test_pods_of_one_kind_are_spread_over_nodes() -> None:
    """Those of which there may be several, by their own labels; where one node is all there is, they come all the same."""
    for who, one in deployments("minimal").items():
        spec = one["spec"]["template"]["spec"]
        expected = [{**SPREAD, "labelSelector": one["spec"]["selector"]}]
        assert spec.get("topologySpreadConstraints", []) == ([] if who == "sweep" else expected), who


def test_spreading_can_be_off() -> None:
    """Then nothing says where."""
    for spec in pods(objects("minimal", "--set", "topologySpread=false")).values():
        assert "topologySpreadConstraints" not in spec


def test_a_person_comes_before_an_import() -> None:
    """By a PriorityClass a lane, where they are made; gateway, Triton and sweep are for people."""
    classes = of_kind(objects("everything"), "PriorityClass")
    assert {name: one["value"] for name, one in classes.items()} == {
        "museum-museum-interactive": 1000, "museum-museum-bulk": 100,
    }  # fmt: skip
    for who, one in deployments("everything").items():
        lane = "bulk" if who.endswith("-bulk") else "interactive"
        assert one["spec"]["template"]["spec"]["priorityClassName"] == f"museum-museum-{lane}", who


def test_a_lane_may_have_a_class_that_is_there() -> None:
    """It outranks those that are made; a lane that names none, where none are made, has none."""
    for who, one in deployments("minimal", "--set", "lanes.bulk.priorityClassName=low").items():
        assert one["spec"]["template"]["spec"].get("priorityClassName") == ("low" if who.endswith("-bulk") else None), who
    named = deployments("everything", "--set", "lanes.interactive.priorityClassName=high")
    assert named["gateway"]["spec"]["template"]["spec"]["priorityClassName"] == "high"
    assert named["embed-bulk"]["spec"]["template"]["spec"]["priorityClassName"] == "museum-museum-bulk"


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_may_fetch_its_images(name: str) -> None:
    """Hooks, tests and servers of dev.* too: one that is forgotten is an ImagePullBackOff."""
    for who, spec in pods(objects(name, "--set-json", 'imagePullSecrets=["one", "two"]')).items():
        assert spec["imagePullSecrets"] == [{"name": "one"}, {"name": "two"}], who


def test_without_secrets_of_a_registry_none_are_named() -> None:
    """Not as an empty list."""
    assert not [who for who, spec in pods(objects("minimal")).items() if "imagePullSecrets" in spec]


def test_an_ingress_ends_tls_for_its_hosts() -> None:
    """With the certificate that is named; without one it has no TLS, and the class of the cluster."""
    (one,) = of_kind(objects("external"), "Ingress").values()
    assert one["spec"]["ingressClassName"] == "nginx"
    assert one["spec"]["tls"] == [{"secretName": "search-tls", "hosts": ["search.example"]}]
    assert [rule["host"] for rule in one["spec"]["rules"]] == ["search.example"]
    backend = one["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = of_kind(objects("external"), "Service")[backend["name"]]
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    (bare,) = of_kind(objects("external", "--set", "expose.ingress.tlsSecret=,expose.ingress.className="), "Ingress").values()
    assert not {"tls", "ingressClassName"} & set(bare["spec"])
