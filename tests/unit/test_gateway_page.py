"""The static page as the gateway serves it, and how large it is."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from functions.gateway.app import HEADERS, Page
from infra.local.stack import WEB
from tests.gateway_world import GatewayWorld

FIRST_LOAD = 150_000
"""Bytes, compressed."""


@pytest.fixture
def world() -> Iterator[GatewayWorld]:
    """For its loop."""
    with GatewayWorld() as made:
        yield made


def load(world: GatewayWorld, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    answered: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()  # the browser stays

    async def send(message: Any) -> None:
        answered.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "root_path": "", "query_string": b""}
    scope["headers"] = [(b"accept-encoding", b"gzip")]
    world.run(Page(str(WEB), "http://s3.example:9000")(scope, receive, send))
    headers = {name.decode().lower(): value.decode() for name, value in answered[0]["headers"]}
    return answered[0]["status"], headers, b"".join(message.get("body", b"") for message in answered[1:])


def test_the_page_is_served_compressed_with_its_policy(world: GatewayWorld) -> None:
    """Also where there is nothing, and for what is no GET."""
    status, headers, body = load(world, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<html" in (gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
    for path, method, expected in [("/", "GET", 200), ("/nothing.js", "GET", 404), ("/style.css", "POST", 405)]:
        status, headers, _ = load(world, path, method)
        assert status == expected
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert all(headers[name.lower()] == value for name, value in HEADERS.items())


@pytest.mark.parametrize("path", ["/../pyproject.toml", "/%2e%2e/pyproject.toml", "/..%2fa", "//etc/passwd", "/\x00"])
def test_nothing_beside_the_page_is_served(world: GatewayWorld, path: str) -> None:
    """Whatever the path."""
    assert load(world, path)[0] in (400, 404)


def test_the_first_load_is_small() -> None:
    """All files of the page, as if all were loaded at first: one language is."""
    total = sum(len(gzip.compress(file.read_bytes())) for file in WEB.rglob("*") if file.is_file())
    assert total <= FIRST_LOAD


def test_the_page_has_nothing_inline_and_loads_nothing_from_elsewhere() -> None:
    """A strict policy would stop it; this says where."""
    for file in WEB.rglob("*"):
        if file.suffix in (".html", ".js", ".css"):
            text = file.read_text()
            for wrong in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", ' style="', "onclick=", "javascript:"):
                assert wrong not in text, f"{file.name} has {wrong}"
            assert "https://" not in text.replace("https://www.w3.org", "")
