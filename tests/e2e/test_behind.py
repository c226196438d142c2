"""The page behind another web server, which serves its files and passes ``/api/`` on to the gateway."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import http.client
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from infra.local.stack import WEB
from tests.e2e import things
from tests.e2e.conftest import Arrive
from tests.e2e.museum import Museum
from tests.e2e.person import Person
from tests.fixtures.stack import held
from tests.people import kill, replica

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
        self.close_connection = True
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length) if length else None
        with contextlib.closing(self.server.connected()) as gateway:
            try:
                gateway.request(self.command, self.path, body, dict(self.headers))
                answer = gateway.getresponse()
            except (OSError, http.client.HTTPException):
                self.send_error(502)
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in OF_ONE_LINE:
                    self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError, http.client.HTTPException):  # whoever reads a stream may go, and a gateway too
                while piece := answer.read1(65536):
                    self.wfile.write(piece)

    def do_POST(self) -> None:
        """A call."""
        self.passed_on()

    def do_PATCH(self) -> None:
        """A change."""
        self.passed_on()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Before gateways."""

    daemon_threads = True

    def __init__(self, *gateways: str) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Behind, directory=str(WEB)))
        self.gateways = [urlsplit(gateway).netloc for gateway in gateways]

    def connected(self) -> http.client.HTTPConnection:
        """With the first gateway that listens."""
        for gateway in self.gateways:
            connection = http.client.HTTPConnection(gateway, timeout=60)
            with contextlib.suppress(OSError):
                connection.connect()
                return connection
        raise ConnectionRefusedError(", ".join(self.gateways))


@contextlib.contextmanager
def before(museum: Museum, *gateways: str) -> Iterator[Museum]:
    """The museum by another server's address."""
    with Server(*gateways) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield dataclasses.replace(museum, base=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


@pytest.fixture
def behind(museum: Museum) -> Iterator[Museum]:
    """With one gateway."""
    with before(museum, museum.base) as there:
        yield there


def signed_in(arrive: Arrive, there: Museum) -> Person:
    """A person who has opened the page at an address."""
    person = arrive("ru", signed_in=False)
    person.museum = there
    person.page.goto(f"{there.base}/#token={there.token}")
    expect(person.main.locator("h1")).to_have_text(person.t("search.title"))
    return person


def test_the_page_works_behind_another_web_server(arrive: Arrive, behind: Museum) -> None:
    """Signed in, a photo sent, its stages streamed, its result and all pictures shown; nothing is asked of the gateway itself."""
    person = signed_in(arrive, behind)
    person.choose(("saw.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 81)))
    with held(behind.running, "search-interactive"):
        person.find()
        expect(person.main.locator(".progress-now")).to_have_text(person.t("progress.search"))
    person.result()
    assert person.names()[0] == things.record_of(things.KNOWN_TOOL)["Name"]
    for image in person.hits.locator(".hit-pic img").all():
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("(one) => one.naturalWidth > 0")
    person.button("same.different").first.click()
    person.value("Name").fill("Пила")
    person.saved()
    assert not [url for _, url in person.asked if "/api/" in url and not url.startswith(behind.base)]


def test_another_gateway_goes_on_where_one_is_killed(arrive: Arrive, museum: Museum, tmp_path: Path) -> None:
    """In the middle of a search, and it never comes back; nobody presses anything."""
    with replica(museum.running, tmp_path) as (doomed, part), before(museum, doomed.base, museum.base) as there:
        person = signed_in(arrive, there)
        person.excused.extend(("ERR_", "Failed to load resource", "502"))
        person.choose(("saw.jpg", "image/jpeg", things.seen_again(things.KNOWN_TOOL, 82)))
        with held(there.running, "search-interactive"):
            person.find()
            expect(person.main.locator(".progress-now")).to_have_text(person.t("progress.search"))
            kill(part)
        person.result()
        assert person.names()[0] == things.record_of(things.KNOWN_TOOL)["Name"]
