"""An HTTP server of a test, on a port of its own."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class _Handler(BaseHTTPRequestHandler):
    server: Listening

    def do_POST(self) -> None:
        """Ask the server what it answers."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status, answer = self.server.answer(self.path, dict(self.headers), body)
        self.send_response(status)
        self.send_header("content-type", self.server.content_type)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        """The same."""
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Listening(ThreadingHTTPServer):
    """Listens once it is made. A subclass says what it answers to GET and POST, and has what it keeps."""

    daemon_threads = True
    content_type = "text/plain"
    scheme = "http"

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Handler)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Status and body."""
        raise NotImplementedError

    @classmethod
    @contextlib.contextmanager
    def listening(cls, host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> Iterator[Self]:
        """In a thread of its own, until the block ends; behind TLS where a certificate is given."""
        with cls(host) as server:
            if tls:
                server.socket, server.scheme = tls.wrap_socket(server.socket, server_side=True), "https"
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield server
            finally:  # a test that fails must end too
                server.shutdown()
                thread.join()

    @property
    def url(self) -> str:
        """Its address, as this machine knows it."""
        return f"{self.scheme}://{self.server_address[0]!s}:{self.server_port}/"
