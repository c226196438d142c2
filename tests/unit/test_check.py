"""What ``helm test`` says of a gateway."""

from __future__ import annotations

import json
import sys

import pytest

from infra import check
from tests.listening import Listening


class Gateway(Listening):
    """Says whether it is ready."""

    content_type = "application/json"
    status = 200
    announcements = True

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """As ``/readyz`` does."""
        assert path == "/readyz"
        return self.status, json.dumps({"announcements": self.announcements}).encode()


def test_a_gateway_is_not_asked_by_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the same cluster, which a proxy does not know, and the test's policy has no way to one."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Gateway.listening() as gateway:
        assert check.ready(gateway.url.rstrip("/")) is None


def test_what_is_wrong_comes_with_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the namespace, where it is told; the reason first."""
    monkeypatch.setattr(check, "WITHIN", 0.0)
    with Gateway.listening() as gateway:
        gateway.announcements = False
        for more, command in (([], "`kubectl get events"), (["museum"], "`kubectl -n museum get events")):
            monkeypatch.setattr(sys, "argv", ["check", gateway.url, *more])
            with pytest.raises(SystemExit) as ended:
                check.main()
            reason, hint = str(ended.value).splitlines()
            assert reason.startswith("the gateway hears no announcements")
            assert command in hint
            assert "describe pod" in hint


def test_a_gateway_that_answers_with_an_error_is_quoted() -> None:
    """Status and body."""
    with Gateway.listening() as gateway:
        gateway.status = 503
        assert str(check.ready(gateway.url.rstrip("/"))).endswith('answers 503: {"announcements": true}')
