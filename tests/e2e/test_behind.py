"""The page behind another web server, which serves its files and passes ``/api/`` on to the gateway."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http.client
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from infra.local.stack import WEB
from tests.e2e import things
from tests.e2e.conftest import Arrive
from tests.e2e.museum import Museum
from tests.e2e.person import WAIT
from tests.fixtures.stack import held

OF_ONE_LINE = {"connection", "transfer-encoding", "keep-alive", "content-length"}
"""Headers that are not passed on: an answer ends with its connection here."""


class Behind(SimpleHTTPRequestHandler):
    """Files, and a proxy that hands on each piece as it comes, as nginx does for ``X-Accel-Buffering: no``."""

    server: Server

    def do_GET(self) -> None:
        """A file, or what the gateway answers."""
        if not self.path.startswith("/api/"):
            super().do_GET()
            return
        self.passed_on()

    def passed_on(self) -> None:
        """The call as it came, and its answer in pieces."""
        gateway = http.client.HTTPConnection(self.server.gateway, timeout=60)
        length = int(self.headers.get("content-length", 0))
        gateway.request(self.command, self.path, self.rfile.read(length) if length else None, dict(self.headers))
        answer = gateway.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in OF_ONE_LINE:
                self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever reads a stream may go
            while piece := answer.read1(65536):
                self.wfile.write(piece)
        gateway.close()

    def do_POST(self) -> None:
        """A call."""
        self.passed_on()

    def do_PATCH(self) -> None:
        """A change."""
        self.passed_on()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Before a gateway."""

    daemon_threads = True

    def __init__(self, gateway: str) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Behind, directory=str(WEB)))
        self.gateway = gateway


@pytest.fixture
def behind(museum: Museum) -> Iterator[Museum]:
    """The museum by another server's address."""
    with Server(urlsplit(museum.base).netloc) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield dataclasses.replace(museum, base=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


def test_the_page_works_behind_another_web_server(arrive: Arrive, behind: Museum) -> None:
    """Signed in, a photo sent, its stages streamed, its result and all pictures shown; nothing is asked of the gateway itself."""
    person = arrive("ru", signed_in=False)
    person.museum = behind
    person.page.goto(f"{behind.base}/#token={behind.token}")
    expect(person.main.locator("h1")).to_have_text(person.t("search.title"))
    person.choose(("saw.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 81)))
    with held(behind.running, "search-interactive"):
        person.find()
        expect(person.main.locator(".progress-now")).to_have_text(person.t("progress.search"), timeout=WAIT)
    person.result()
    assert person.names()[0] == things.record_of(things.KNOWN_TOOL)["Name"]
    for image in person.hits.locator(".hit-pic img").all():
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("(one) => one.naturalWidth > 0")
    person.button("same.different").first.click()
    person.value("Name").fill("Пила")
    person.saved()
    assert not [url for _, url in person.asked if "/api/" in url and not url.startswith(behind.base)]
