"""What Helm says after an installation."""

from __future__ import annotations

import pytest

from tests.charts.helm import CHART, run


def notes(ci: str, *arguments: str, release: str = "museum", monkeypatch: pytest.MonkeyPatch) -> str:
    """The notes of one of the ``ci`` files. Without KEDA, which a client alone knows nothing of, and without a cluster."""
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    file = str(CHART / "ci" / f"{ci}-values.yaml")
    done = run(
        "install", release, str(CHART), "-n", "here", "--dry-run=client", "-f", file, "--set", "scaling.enabled=false", *arguments
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]


@pytest.mark.parametrize("ci", ["minimal", "kind"])
def test_it_says_where_to_look(ci: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a test, at pods, and at what keeps one from starting; each command with the namespace."""
    said = notes(ci, monkeypatch=monkeypatch)
    assert "helm test museum -n here" in said
    assert "kubectl -n here describe pod" in said
    assert "kubectl -n here get events" in said
    assert all(cause in said for cause in ("image.registry", "dev.*.storageClass", "a Secret or key that is not there"))
    assert "scaledobjects" not in said, "there are none without KEDA"
    assert all("-n here" in line for line in said.splitlines() if "kubectl" in line)


def test_servers_of_a_trial_are_not_for_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where there are some; with what stays of them, and the token that was made."""
    said = notes("kind", monkeypatch=monkeypatch)
    assert "NOT FOR PRODUCTION" in said
    assert "delete pvc,secret -l app.kubernetes.io/instance=museum" in said
    assert "get secret museum-museum-search-gateway" in said
    assert "logs job/museum-museum-search-topology-1" in said
    plain = notes("minimal", monkeypatch=monkeypatch)
    assert not any(word in plain for word in ("PRODUCTION", "get secret", "topology"))


def test_the_page_is_where_it_is_exposed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or by a port of one's own machine; without a gateway there is none."""
    assert "The page: https://search.example/" in notes("external", monkeypatch=monkeypatch)
    assert "port-forward service/museum-museum-search-gateway 8080:80" in notes("minimal", monkeypatch=monkeypatch)
    assert "The page" not in notes("minimal", "--set", "gateway.enabled=false", monkeypatch=monkeypatch)
