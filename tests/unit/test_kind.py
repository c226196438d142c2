"""``make kind`` with stubs of docker, kind, kubectl and helm: cures, calls, a repeat, and the ports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.charts import helm

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = yaml.safe_load((ROOT / "infra/kind/cluster.yaml").read_text())
NEEDED = ("docker", "kind", "kubectl", "helm")
TOOLS = ("sh", "dirname", "grep", "cut", "sed", "cat", "sha256sum", "touch")
STUB = """\
#!/bin/sh
echo "${0##*/} $*" >> "$WORLD/calls"
case "${0##*/} $*" in
"docker info") [ ! -e "$WORLD/no-engine" ] ;;
"docker build "*--target\\ functions*) echo "sha256:$(cat "$WORLD/code" | sha256sum | cut -c1-64)" ;;
"docker build "*) echo "sha256:123456789012ffff" ;;
"kind get clusters") if [ -e "$WORLD/cluster" ]; then echo museum; else echo "No kind clusters found." >&2; fi ;;
"kind create cluster "*) touch "$WORLD/cluster" "$KUBECONFIG.made" ;;
"kubectl "*apply*) cat >/dev/null ;;
esac
"""


@dataclass(frozen=True)
class World:
    """A checkout, a PATH with little on it, and what was called."""

    folder: Path

    def has(self, *programs: str) -> None:
        """Put stubs of these on the PATH."""
        for name in programs:
            (self.folder / "bin" / name).write_text(STUB)
            (self.folder / "bin" / name).chmod(0o755)

    def up(self) -> subprocess.CompletedProcess[str]:
        """Run the script, from somewhere else."""
        env = {"PATH": str(self.folder / "bin"), "WORLD": str(self.folder), "HOME": str(self.folder)}
        script = self.folder / "checkout" / "infra/kind/up"
        return subprocess.run(["/bin/sh", script], env=env, cwd="/", capture_output=True, text=True, check=False)

    def calls(self) -> list[str]:
        """Of one run."""
        self.folder.joinpath("calls").unlink(missing_ok=True)
        done = self.up()
        assert done.returncode == 0, done.stderr
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Nothing of docker on it. The scripts are copies: what they write must not get into this checkout."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin" / tool).symlink_to(found)
    for file in ("infra/kind/up", "infra/images/arguments", "functions/__init__.py"):
        (tmp_path / "checkout" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / "checkout" / file)
    (tmp_path / "code").write_text("first")
    return World(tmp_path)


@pytest.mark.parametrize("missing", NEEDED)
def test_what_is_missing_is_named_with_its_cure(missing: str, world: World) -> None:
    """Before anything is begun."""
    world.has(*(name for name in NEEDED if name != missing))
    done = world.up()
    assert done.returncode == 1
    assert re.fullmatch(rf"{missing} is missing: https://\S+.*\n", done.stderr)
    assert not (world.folder / "calls").exists()


def test_a_docker_without_its_engine_is_said(world: World) -> None:
    """The program alone is not enough."""
    world.has(*NEEDED)
    (world.folder / "no-engine").touch()
    done = world.up()
    assert done.returncode == 1
    assert done.stderr == "docker does not answer: start its engine, or add yourself to the group docker\n"
    assert (world.folder / "calls").read_text() == "docker info\n"


def test_a_cluster_is_made_once(world: World) -> None:
    """A repeat finds it, and the file by which it is reached may be gone."""
    world.has(*NEEDED)
    made = "kind create cluster --config infra/kind/cluster.yaml --wait 120s"
    first, second = world.calls(), world.calls()
    assert made in first
    assert made not in second
    assert "kind export kubeconfig --name museum" in second


def test_what_is_built_is_told_its_version_loaded_and_installed(world: World) -> None:
    """Each by a tag of its content, a text also where it has digits alone, and by the version, for the tests there."""
    world.has(*NEEDED)
    calls = world.calls()
    told = "--build-arg=VERSION=0.1.0"
    for target in ("functions", "triton", "milvus-lite"):
        assert f"docker build -q {told} -f infra/images/Dockerfile --target {target} ." in calls
        tags = rf"museum-search/{target}:[0-9a-f]{{12}} museum-search/{target}:0\.1\.0"
        assert any(re.fullmatch(rf"kind load docker-image --name museum {tags}", call) for call in calls)
    assert "docker tag sha256:123456789012ffff museum-search/triton:123456789012" in calls
    assert re.search(
        r" --set-string image\.tag=[0-9a-f]{12},triton\.image\.tag=123456789012,dev\.milvus\.image\.tag=123456789012$", calls[-1]
    )


def test_another_code_has_another_tag_so_that_its_pods_are_made_anew(world: World) -> None:
    """And the same has the same: nothing restarts that was not changed."""
    world.has(*NEEDED)
    first, same = world.calls()[-1], world.calls()[-1]
    (world.folder / "code").write_text("second")
    other = world.calls()[-1]
    assert first == same
    tags = [re.findall(r"\b([a-z.]*)tag=(\w+)", call) for call in (first, other)]
    assert [name for (name, old), (_, new) in zip(*tags, strict=True) if old != new] == ["image."]
    values = dict(pair.split("=") for pair in other.rpartition(" ")[2].split(","))
    objects = helm.objects("kind", *(part for name, value in values.items() for part in ("--set-string", f"{name}={value}")))
    images = {one["image"] for spec in helm.pods(objects).values() for one in helm.containers(spec)}
    assert f"museum-search/functions:{values['image.tag']}" in images
    assert not {one for one in images if one.startswith("museum-search/") and one.endswith(":0.1.0")}


def test_nobodys_current_context_is_changed(world: World) -> None:
    """The cluster has a file of its own, and every call names it by its context."""
    world.has(*NEEDED)
    calls = world.calls()
    assert all(call.startswith("kubectl --context kind-museum ") for call in calls if call.startswith("kubectl"))
    assert all(call.startswith("helm --kube-context kind-museum ") for call in calls if call.startswith("helm"))
    assert len([call for call in calls if call.startswith(("kubectl", "helm"))]) == 5
    assert not any("use-context" in call or "repo add" in call for call in calls)
    assert (world.folder / "checkout/.museum-kind.kubeconfig.made").exists()
    assert not (world.folder / ".kube").exists()


def test_ports_of_the_node_are_those_of_the_charts_values() -> None:
    """The page and S3, on this machine alone, at the addresses that browsers are given."""
    (node,) = CLUSTER["nodes"]
    mapped = {one["containerPort"]: one["hostPort"] for one in node["extraPortMappings"]}
    services = helm.of_kind(helm.objects("kind"), "Service")
    open_ports = {
        port["nodePort"]: name
        for name, service in services.items()
        for port in service["spec"]["ports"]
        if service["spec"].get("type") == "NodePort"
    }
    assert {port: name.rpartition("-")[2] for port, name in open_ports.items()} == {30080: "gateway", 30900: "minio"}
    assert mapped.keys() == open_ports.keys()
    assert {one["listenAddress"] for one in node["extraPortMappings"]} == {"127.0.0.1"}
    values = yaml.safe_load((helm.CHART / "ci/kind-values.yaml").read_text())
    assert values["s3"]["publicUrl"] == f"http://localhost:{mapped[values['dev']['minio']['nodePort']]}"
    assert f"http://localhost:{mapped[30080]}" in (ROOT / "infra/kind/up").read_text()


def test_the_node_is_pinned_and_of_the_kind_that_the_cure_names() -> None:
    """kind asks for a digest: a tag is built anew for another kind."""
    (node,) = CLUSTER["nodes"]
    assert re.fullmatch(r"kindest/node:v1\.\d+\.\d+@sha256:[0-9a-f]{64}", node["image"])
    assert os.access(ROOT / "infra/kind/up", os.X_OK)
    assert "kind@v0.30.0" in (ROOT / "infra/kind/up").read_text()
    assert "kind v0.30.0" in (ROOT / "infra/kind/cluster.yaml").read_text()
