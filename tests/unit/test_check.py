"""What ``helm test`` says of a gateway."""

from __future__ import annotations

import json

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
