"""What the rendered chart promises: it agrees with the map, keeps secrets out, and gives pods no more than they need."""

from __future__ import annotations

import ast
import base64
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from functions import pipeline
from functions.events import LANES
from functions.gateway.museums import read
from infra.local.stack import DEATHS_ARE_SEEN
from tests.charts.helm import CI, Object, containers, environment, objects, of_kind, pods, rendered

NAMES = [file.name.removesuffix("-values.yaml") for file in CI]
ROOT = Path(pipeline.__file__).parent
ADAPTERS = {"functions.adapters.s3": "s3", "functions.adapters.encoders": "triton", "functions.adapters.milvus": "milvus"}
SMALL = '{"timeout": 5, "prefetch": 2, "uses": ["s3"], "resources": {"requests": {}, "limits": {"memory": "64Mi"}}}'
STEPS = [(step, lane) for step in pipeline.STEPS for lane in LANES]
IDS = [f"{step.name}-{lane}" for step, lane in STEPS]


def deployed(step: str, lane: str, name: str = "minimal") -> Object:
    """The pod's spec of a function."""
    return pods(objects(name))[f"Deployment/museum-museum-search-{step}-{lane}"]


def uses(step: str) -> set[str]:
    """The servers that a function's ``main.py`` has adapters for."""
    tree = ast.parse((ROOT / step / "main.py").read_text())
    return {ADAPTERS[node.module] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in ADAPTERS}


@pytest.mark.parametrize(("step", "lane"), STEPS, ids=IDS)
def test_a_function_is_deployed_as_the_map_says(step: pipeline.Step, lane: str) -> None:
    """Its name, threads, lane, and the time to end: more than the worst time of all that may be in work."""
    spec = deployed(step.name, lane)
    function, trigger = spec["initContainers"][0], spec["containers"][0]
    assert function["args"] == ["function", step.name]
    assert environment(function)["THREADS"] == str(step.prefetch)
    assert environment(function).items() >= DEATHS_ARE_SEEN.items()
    assert environment(function)["MUSEUM_LANE"] == environment(trigger)["MUSEUM_LANE"] == lane
    assert environment(trigger)["MUSEUM_FUNCTIONS"] == f"{step.name}=http://127.0.0.1:{environment(function)['PORT']}"
    assert spec["terminationGracePeriodSeconds"] > float(environment(trigger)["MUSEUM_GRACE"]) >= step.timeout * step.prefetch


@pytest.mark.parametrize(("step", "lane"), STEPS, ids=IDS)
def test_a_function_is_scaled_by_its_queue(step: pipeline.Step, lane: str) -> None:
    """In the interactive lane by the lane's ingest queue too, so that all wake together; credentials by reference alone."""
    scaled = of_kind(objects("minimal"), "ScaledObject")[f"museum-museum-search-{step.name}-{lane}"]
    triggers = scaled["spec"]["triggers"]
    own, first = pipeline.queue_of(lane, step.name), pipeline.queue_of(lane, "ingest")  # type: ignore[arg-type]  # one of LANES
    together = lane == "interactive" and step.name != "ingest"
    assert [trigger["metadata"]["queueName"] for trigger in triggers] == [own, *([first] if together else [])]
    assert all(trigger["metadata"]["value"] == "1000000" for trigger in triggers[1:]), "it wakes one pod, and no second"
    for trigger in triggers:
        assert (trigger["metadata"]["protocol"], trigger["metadata"]["mode"]) == ("http", "QueueLength")
        assert trigger["metadata"]["host"] == "http://rabbitmq.data.svc:15672"
        assert trigger["metadata"]["vhostName"] == "museum"
        assert trigger["authenticationRef"]["name"] in of_kind(objects("minimal"), "TriggerAuthentication")
    assert len(scaled["metadata"]["name"]) <= 54


@pytest.mark.parametrize("name", NAMES)
def test_keda_asks_by_a_name_that_its_own_namespace_knows(name: str) -> None:
    """A short one is looked up beside KEDA: every scaler would be at its fallback, with a release that looks healthy."""
    asked = {
        trigger["metadata"]["host"]
        for scaled in of_kind(objects(name), "ScaledObject").values()
        for trigger in scaled["spec"]["triggers"]
    }
    assert asked
    assert all("." in str(urlsplit(host).hostname) for host in asked), asked


@pytest.mark.parametrize("name", NAMES)
def test_a_pod_that_is_not_ready_holds_up_no_drain(name: str) -> None:
    """It serves nobody."""
    budgets = of_kind(objects(name), "PodDisruptionBudget").values()
    assert budgets
    assert all(one["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow" for one in budgets)


def test_no_deployment_is_missing_and_none_is_too_many() -> None:
    """One a step and lane."""
    found = {name for name in of_kind(objects("minimal"), "Deployment") if name.endswith(("-interactive", "-bulk"))}
    assert found == {f"museum-museum-search-{name}" for name in IDS}


@pytest.mark.parametrize("name", NAMES)
def test_what_keda_scales_has_no_number_of_pods(name: str) -> None:
    """An upgrade would set it back."""
    found = objects(name)
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(found, "ScaledObject").values()}
    assert scaled
    for deployment, one in of_kind(found, "Deployment").items():
        assert ("replicas" in one["spec"]) == (deployment not in scaled)


def test_without_keda_each_has_a_number_of_pods() -> None:
    """And nothing of KEDA's is there."""
    found = objects("minimal", "--set", "scaling.enabled=false")
    assert not [one for one in found if one["apiVersion"].startswith("keda.sh")]
    assert all("replicas" in one["spec"] for one in of_kind(found, "Deployment").values())


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_in_any_manifest(name: str) -> None:
    """Passwords are in Secrets: existing ones, or those that dev.* makes. An address with a password is one too."""
    for one in objects(name):
        if one["kind"] == "Secret":
            assert name in ("kind", "everything")
            continue
        for spec in pods([one]).values():
            for container in containers(spec):
                for variable, value in environment(container).items():
                    secret = any(word in variable for word in ("PASSWORD", "SECRET", "KEY_ID", "SESSION_KEY", "HOOK_TOKEN"))
                    assert isinstance(value, dict) == (secret or variable == "RABBITMQ_USER" or isinstance(value, dict))
                    assert not secret or "secretKeyRef" in value
                    assert "://" not in str(value) or "@" not in str(value) or "$(RABBITMQ_PASSWORD)@" in str(value)


CREDENTIALS = [
    r"://[^/\s\"']+@",
    r"-----BEGIN [A-Z ]*PRIVATE KEY",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\beyJ[\w-]{10,}\.",
    r"(?i)(?:\b|_)(?:pass(?:word|wd)?|secret[_-]?(?:access[_-]?)?key|session[_-]?key|token|authorization)[\"']?\s*[:=]\s*[\"']?[^\s\"'{}$,]{4,}",
]
"""How a credential is written: in an address, a key, a token, after its name."""
FROM_SECRETS = "://$(RABBITMQ_USER):$(RABBITMQ_PASSWORD)@"
"""Kubernetes puts them in, in the container alone."""


def credentials(text: str) -> list[str]:
    """What looks like one."""
    return [found for pattern in CREDENTIALS for found in re.findall(pattern, text.replace(FROM_SECRETS, "://"))]


@pytest.mark.parametrize(
    "text",
    [
        "amqp://user:secret@host/", "redis://:secret@host", "-----BEGIN RSA PRIVATE KEY-----", "id: AKIAIOSFODNN7EXAMPLE",
        "Bearer eyJhbGciOiJIUzI1NiJ9.x.y", "--password=hunter22", '"secret_key": "abcdef"', "token: abcdefgh",
        "default_pass = hunter22",
    ],
)  # fmt: skip
def test_a_credential_is_recognised(text: str) -> None:
    """Else nothing would be found below."""
    assert credentials(text)


@pytest.mark.parametrize("name", NAMES)
def test_no_credential_is_in_any_text_but_a_secrets(name: str) -> None:
    """Arguments, annotations and ConfigMaps are read by whoever looks at the namespace; what a Secret holds is there alone."""
    found = objects(name)
    texts = {
        f"{one['kind']}/{one['metadata']['name']}": yaml.safe_dump(one, width=10000) for one in found if one["kind"] != "Secret"
    }
    assert {who: credentials(text) for who, text in texts.items() if credentials(text)} == {}
    held = {value for one in found if one["kind"] == "Secret" for value in one["data"].values() if len(value) > 16}
    assert bool(held) == (name in ("kind", "everything"))
    for value in held:
        plain = base64.b64decode(value).decode()
        assert not [who for who, text in texts.items() if value in text or plain in text]


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_is_restricted(name: str) -> None:
    """As Pod Security's `restricted` asks, and a root that cannot be written, no token, no environment of other Services."""
    for who, spec in pods(objects(name)).items():
        assert spec["automountServiceAccountToken"] is False, who
        assert spec["enableServiceLinks"] is False, who
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert all(
            set(volume) - {"name"} <= {"emptyDir", "configMap", "secret", "persistentVolumeClaim"} for volume in spec["volumes"]
        )
        for container in containers(spec):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip
            assert {"requests", "limits"} <= set(container["resources"]), who
            assert "memory" in container["resources"]["limits"]
            assert not container["image"].endswith(":latest")


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_has_a_policy_and_the_default_denies(name: str) -> None:
    """What no policy names is reached by nobody and reaches nobody."""
    found = objects(name)
    policies = of_kind(found, "NetworkPolicy").values()
    deny = [one for one in policies if not one["spec"].get("ingress") and not one["spec"].get("egress")]
    assert len(deny) == 1
    for one in found:
        template = one.get("spec", {}).get("template") if one["kind"] != "Pod" else one
        if not isinstance(template, dict) or "labels" not in template.get("metadata", {}):
            continue
        labels = template["metadata"]["labels"]
        fits = [policy for policy in policies if policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()]
        assert len(fits) == 2, f"{one['metadata']['name']}: the default and its own"
        assert all(set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"} for policy in fits)


@pytest.mark.parametrize("name", NAMES)
def test_no_pod_has_a_way_to_the_internet(name: str) -> None:
    """Each way out names where to and which port; a block of addresses is private, or named by the operator."""
    for policy in of_kind(objects(name), "NetworkPolicy").values():
        for way in policy["spec"].get("egress", []):
            assert way["to"]
            assert way["ports"]
            for peer in way["to"]:
                block = peer.get("ipBlock", {}).get("cidr", "10.0.0.0/8")
                assert block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16") or block.startswith("192.0.2.")


@pytest.mark.parametrize(("step", "lane"), STEPS, ids=IDS)
def test_a_function_reaches_what_its_code_uses(step: pipeline.Step, lane: str) -> None:
    """Ways out and credentials follow from the adapters that its main imports; RabbitMQ is its trigger's."""
    ports = {"rabbitmq": 5672, "s3": 9000, "milvus": 19530, "triton": 8001}
    policy = of_kind(objects("minimal"), "NetworkPolicy")[f"museum-museum-search-{step.name}-{lane}"]
    out = {port["port"] for way in policy["spec"]["egress"] for port in way["ports"]}
    assert out == {53} | {ports[server] for server in {"rabbitmq", *uses(step.name)}}
    function, trigger = (environment(one) for one in containers(deployed(step.name, lane)))
    assert ("AWS_SECRET_ACCESS_KEY" in function, "MUSEUM_MILVUS_URI" in function, "MUSEUM_TRITON_URL" in function) == (
        "s3" in uses(step.name), "milvus" in uses(step.name), "triton" in uses(step.name),
    )  # fmt: skip
    assert "MUSEUM_AMQP_PASSWORD" not in function
    assert not any(name.startswith("AWS_SECRET") for name in trigger)


def test_the_topology_is_there_before_what_scales_by_it() -> None:
    """A hook before install, upgrade and rollback; with dev servers, which come with the release, a job that waits for them."""
    hook = of_kind(objects("minimal"), "Job")["museum-museum-search-topology"]
    assert hook["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade,pre-rollback"
    waits = of_kind(objects("kind"), "Job")["museum-museum-search-topology-1"]
    assert "annotations" not in waits["metadata"]
    assert environment(waits["spec"]["template"]["spec"]["containers"][0])["MUSEUM_WAIT"] == "600"


def test_a_hooks_pod_finds_what_it_needs() -> None:
    """Account and policy are hooks too, and come first."""
    for kind in ("ServiceAccount", "NetworkPolicy"):
        one = of_kind(objects("minimal"), kind)["museum-museum-search-topology"]
        assert int(one["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0


def test_a_museums_key_has_its_prefix_alone() -> None:
    """The policy for the store names nothing of another museum, and no result."""
    policy = json.loads(of_kind(objects("external"), "ConfigMap")["museum-museum-search-museum-north"]["data"]["policy.json"])
    named = {resource for statement in policy["Statement"] for resource in statement["Resource"]}
    assert named == {
        "arn:aws:s3:::queries/north/*",
        "arn:aws:s3:::catalogue/north/*",
        "arn:aws:s3:::queries",
        "arn:aws:s3:::catalogue",
    }
    listing = next(statement for statement in policy["Statement"] if statement["Action"] == ["s3:ListBucket"])
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["north/*"]}}


def test_the_gateway_knows_the_museums_as_it_reads_them(tmp_path: Path) -> None:
    """Claim and quota of each, in the file that its setting names; a change of it is a new pod, since it is read at the start."""
    found = objects("external")
    (tmp_path / "museums.json").write_text(of_kind(found, "ConfigMap")["museum-museum-search-museums"]["data"]["museums.json"])
    museums = read(str(tmp_path / "museums.json"))
    assert [museums.meant_by(claim) for claim in ("/museums/north", "south")] == ["north", "south"]
    assert [museums.uploads_per_day(name) for name in ("north", "south")] == [20000, 0]
    spec = pods(found)["Deployment/museum-museum-search-gateway"]
    gateway = containers(spec)[-1]
    mounts = {mount["name"]: mount["mountPath"] for mount in gateway["volumeMounts"]}
    assert environment(gateway)["MUSEUM_MUSEUMS"] == f"{mounts['museums']}/museums.json"

    def stamp(*more: str) -> str:
        made = of_kind(objects("external", *more), "Deployment")["museum-museum-search-gateway"]
        return str(made["spec"]["template"]["metadata"]["annotations"]["museum-search/museums"])

    assert stamp() != stamp("--set", "museums.south.uploadsPerDay=5")
    assert stamp() == stamp("--set", "museums.south.description=x")


def test_what_scores_mean_is_found_out_from_time_to_time() -> None:
    """By a job that reaches S3 and Milvus alone; without it results never say what a score means."""
    found = objects("minimal")
    name = "museum-museum-search-calibrate"
    (container,) = containers(pods(found)[f"CronJob/{name}"])
    assert container["args"] == ["museum", "calibrate"]
    assert {"AWS_ENDPOINT_URL", "MUSEUM_MILVUS_URI", "MUSEUM_BUCKET_STATE"} <= environment(container).keys()
    ways = of_kind(found, "NetworkPolicy")[name]["spec"]["egress"]
    assert {port["port"] for way in ways for port in way["ports"]} == {53, 9000, 19530}
    assert name not in of_kind(objects("minimal", "--set", "calibration.enabled=false"), "CronJob")


def test_the_cookie_goes_where_the_api_is() -> None:
    """Below a prefix streams and pictures would be without it."""
    more = ("--set", "gateway.cookiePath=/search/api/")
    gateway = containers(pods(objects("minimal", *more))["Deployment/museum-museum-search-gateway"])[-1]
    assert environment(gateway)["MUSEUM_COOKIE_PATH"] == "/search/api/"


def test_without_museums_the_gateway_is_told_of_none() -> None:
    """It then lets in every museum that a token names."""
    assert "MUSEUM_MUSEUMS" not in rendered("minimal")


def test_an_own_authority_and_a_proxy_reach_every_process() -> None:
    """Of S3, AMQP, Milvus and OIDC alike."""
    for who, spec in pods(objects("external")).items():
        for container in containers(spec):
            if "/functions@" in container["image"]:
                known = environment(container)
                assert known["SSL_CERT_FILE"] == known["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] == "/etc/museum-ca/ca.crt", who
                assert known["HTTPS_PROXY"] == "http://proxy.example:3128"
            assert container["image"].startswith("registry.example:5000/")


PROXIED = '{"enabled": true, "endpoint": "https://collector.example"}'


def reaching(found: list[Object], cidr: str, port: int) -> set[str]:
    """Whose policies have a way to a block of addresses by a port."""
    way = {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"port": port, "protocol": "TCP"}]}
    policies = of_kind(found, "NetworkPolicy")
    return {name.removeprefix("museum-museum-search-") for name, one in policies.items() if way in one["spec"].get("egress", [])}


def test_the_proxy_is_reached_by_whoever_goes_by_it() -> None:
    """The gateway, for the issuer's keys; whoever makes spans, where the collector is reached by it; nobody else."""
    assert reaching(objects("external"), "192.0.2.13/32", 3128) == {"gateway"}
    traced = objects("external", "--set-json", f"tracing={PROXIED}")
    assert reaching(traced, "192.0.2.13/32", 3128) == {*IDS, "gateway", "sweep"}


def test_a_proxy_is_for_addresses_of_its_kind() -> None:
    """One of https:// alone is no way to what is http://; without a proxy nobody has one."""
    plain = PROXIED.replace("https:", "http:")
    assert reaching(objects("external", "--set-json", f"tracing={plain}"), "192.0.2.13/32", 3128) == {"gateway"}
    both = ("--set-json", f"tracing={plain}", "--set", "proxy.http=http://proxy.example:8080")
    assert reaching(objects("external", *both), "192.0.2.13/32", 8080) == {*IDS, "gateway", "sweep"}
    assert reaching(objects("external", "--set", "proxy.https="), "192.0.2.13/32", 3128) == set()


def test_counts_of_all_pods_are_in_a_redis_that_the_gateway_reaches() -> None:
    """And the images have a client of it, which ``limits`` alone does not bring."""
    assert reaching(objects("external"), "192.0.2.14/32", 6380) == {"gateway"}
    packages = (ROOT.parent / "requirements" / "functions.txt").read_text()
    assert re.search(r"^redis==", packages, re.MULTILINE)


def test_tokens_of_programs_may_come_after_people_of_an_issuer() -> None:
    """Then the Secret may be without them; where there is no issuer, nobody could sign in, and the pod says what is missing."""

    def volume(name: str, *more: str) -> Object:
        spec = pods(objects(name, *more))["Deployment/museum-museum-search-gateway"]
        found: Object = next(one["secret"] for one in spec["volumes"] if one["name"] == "tokens")
        return found

    item = {"secretName": "gateway", "items": [{"key": "tokens.json", "path": "tokens.json"}]}
    assert volume("minimal") == item
    assert volume("external", "--set", "gateway.tokens=true") == item | {"optional": True}


def test_an_image_may_be_named_by_its_digest() -> None:
    """Then no tag counts."""
    assert f"registry.example:5000/museum-search/functions@sha256:{'0' * 64}" in rendered("external")


def test_each_alert_says_what_to_do() -> None:
    """A summary and a line for whoever is called."""
    rules = of_kind(objects("everything"), "PrometheusRule")["museum"]["spec"]["groups"][0]["rules"]
    assert len(rules) >= 5
    for rule in rules:
        assert {"summary", "runbook"} <= set(rule["annotations"])


def test_a_gpu_gets_the_plan_and_nvidias_server() -> None:
    """No init container writes what a claim has."""
    spec = pods(objects("gpu"))["Deployment/museum-museum-search-triton"]
    (container,) = containers(spec)
    assert container["image"] == "nvcr.io/nvidia/tritonserver:25.10-py3"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == container["resources"]["requests"]["nvidia.com/gpu"] == 1
    assert "--model-repository=/repository/l4" in container["args"]


def test_a_plan_is_compiled_where_it_serves_and_kept() -> None:
    """By an init container with the GPU and the claim; the server reads what that one laid out, and has no claim."""
    more = ("--set", "triton.gpu.plan.path=,triton.gpu.plan.build.image=registry.example/engine:1,triton.models={quality,fast}")
    spec = pods(objects("gpu", *more))["Deployment/museum-museum-search-triton"]
    engine, server = containers(spec)
    assert engine["image"] == "registry.example/engine:1"
    assert engine["args"] == ["/plans/shelf", "/plans/photos", "/repository", "quality", "fast"]
    assert engine["resources"]["limits"]["nvidia.com/gpu"] == 1
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert volumes["plans"]["persistentVolumeClaim"] == {"claimName": "plans"}
    assert "emptyDir" in volumes["repository"]
    assert {"plans", "repository"} <= {one["name"] for one in engine["volumeMounts"]}
    assert "plans" not in {one["name"] for one in server["volumeMounts"]}
    assert "--model-repository=/repository" in server["args"]


def test_models_come_from_the_image_unless_they_are_in_s3() -> None:
    """Then the functions image fetches them and Triton's lays them out; S3's credentials are in the first of these alone."""
    plain = pods(objects("minimal"))["Deployment/museum-museum-search-triton"]
    assert [container["name"] for container in containers(plain)] == ["models", "triton"]
    assert "--built=/opt/museum/models" in containers(plain)[0]["args"]
    spec = pods(objects("external"))["Deployment/museum-museum-search-triton"]
    fetch, layout, server = containers(spec)
    assert "/functions@" in fetch["image"]
    told = f"dinov2-focus-int8={'0' * 64}"
    assert fetch["args"][:3] == ["models", "--target=/fetched", "--form=python"]
    assert fetch["args"][3:] == [f"--fingerprints={told}", "dinov2-focus-int8", "quality"]
    assert {"AWS_SECRET_ACCESS_KEY", "MUSEUM_BUCKET_STATE"} <= environment(fetch).keys()
    assert "--built=/fetched" in layout["args"]
    assert not any(name.startswith("AWS_") for one in (layout, server) for name in environment(one))
    job = pods(objects("external"))["Job/museum-museum-search-topology"]
    assert environment(job["containers"][0])["MUSEUM_FINGERPRINTS"] == told


def test_triton_reaches_s3_for_models_alone() -> None:
    """Where they are in the image it reaches nobody."""
    name = "museum-museum-search-triton"
    assert "egress" not in of_kind(objects("minimal"), "NetworkPolicy")[name]["spec"]
    ways = of_kind(objects("external"), "NetworkPolicy")[name]["spec"]["egress"]
    assert {port["port"] for way in ways for port in way["ports"]} == {53, 443}
    assert [{"ipBlock": {"cidr": "192.0.2.11/32"}}] in [way["to"] for way in ways]


def test_a_gpu_fetches_what_its_server_reads() -> None:
    """The whole graph, for ONNX Runtime."""
    more = ("--set", "triton.modelSource=s3,triton.gpu.form=onnxruntime")
    fetch = containers(pods(objects("gpu", *more))["Deployment/museum-museum-search-triton"])[0]
    assert "--form=onnxruntime" in fetch["args"]


def test_a_function_more_is_a_few_lines_of_values() -> None:
    """No template knows the functions' names."""
    more = json.dumps({**json.loads(SMALL), "lanes": {"bulk": {}}})
    found = objects("minimal", "--set-json", f"functions.ocr={more}")
    assert "museum-museum-search-ocr-bulk" in of_kind(found, "Deployment")
    assert "museum-museum-search-ocr-interactive" not in of_kind(found, "Deployment")
    assert of_kind(found, "ScaledObject")["museum-museum-search-ocr-bulk"]


TRACED = ("function", "trigger", "gateway", "sweep")


def test_spans_go_to_the_collector_from_whoever_makes_them() -> None:
    """Functions, triggers, gateway and sweep know it and have a way to it, with a Secret's headers; nobody else."""
    found = objects("everything")
    for who, spec in pods(found).items():
        for container in containers(spec):
            known = environment(container)
            told = {name: value for name, value in known.items() if name.startswith("OTEL_")}
            assert bool(told) == (container["name"] in TRACED), who
            if told:
                assert told == {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.monitoring.svc:4318",
                    "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                    "OTEL_TRACES_SAMPLER_ARG": "0.1",
                    "OTEL_EXPORTER_OTLP_HEADERS": {"secretKeyRef": {"name": "collector", "key": "headers"}},
                }
    to = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    have = {
        name
        for name, policy in of_kind(found, "NetworkPolicy").items()
        if {"to": to, "ports": [{"port": 4318, "protocol": "TCP"}]} in policy["spec"].get("egress", [])
    }
    assert have == {f"museum-{name}" for name in (*IDS, "gateway", "sweep")}


def test_without_tracing_nothing_is_told_of_it() -> None:
    """Neither a variable nor a way out."""
    assert "OTEL_" not in rendered("minimal")
    assert "4318" not in rendered("minimal")


def test_an_own_authority_is_the_collectors_too() -> None:
    """The exporter takes no system's store."""
    found = objects("external", "--set-json", 'tracing={"enabled": true, "endpoint": "https://collector.example"}')
    known = environment(containers(pods(found)["Deployment/museum-museum-search-sweep"])[-1])
    assert known["OTEL_EXPORTER_OTLP_CERTIFICATE"] == "/etc/museum-ca/ca.crt"
    policy = of_kind(found, "NetworkPolicy")["museum-museum-search-sweep"]
    assert [{"port": 443, "protocol": "TCP"}] in [way["ports"] for way in policy["spec"]["egress"]]
