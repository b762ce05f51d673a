"""A server on this machine that misbehaves as asked, for what is fetched from elsewhere."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENDLESS = b"endless"  # a file that has no end, and whose length nobody says


class Site(ThreadingHTTPServer):
    """Files, redirects and errors by path, and what goes wrong. `requests` has the method, path and headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.redirects: dict[str, str] = {}
        self.errors: dict[str, int] = {}
        self.cuts: list[int] = []  # after how many bytes of each answer the connection ends, one answer after another
        self.stalls = False  # where it is cut, go silent instead
        self.knows_ranges = True
        self.wrong_ranges = False
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.stalled, self.goes_on = threading.Event(), threading.Event()
        self.scheme = "http"

    def encrypt(self, certificate: str, key: str) -> None:
        """Speak TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    def at(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of a path."""
        return f"{self.scheme}://{host}:{self.server_port}{path}"

    def ranges(self) -> list[str | None]:
        """The part that each request asked for."""
        return [headers.get("Range") for _, _, headers in self.requests]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a client has gone."""


class _Answer(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        if path in self.server.redirects or path in self.server.errors:
            self.send_response(self.server.errors.get(path, 302))
            self.send_header("Location", self.server.redirects.get(path, ""))
            for name, value in self.server.headers.get(path, {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in self.server.files:
            self._send(path)
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def _send(self, path: str) -> None:
        body, start = self.server.files[path], 0
        asked = self.headers.get("Range")
        if asked and self.server.knows_ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            first = start + 1 if self.server.wrong_ranges else start
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        headers = {} if body is ENDLESS else {"Content-Length": str(len(body) - start)}
        for name, value in (headers | self.server.headers.get(path, {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        while body is ENDLESS:
            self.wfile.write(bytes(2**16))
        cut = self.server.cuts.pop(0) if self.server.cuts else len(body)
        self.wfile.write(body[start:][:cut])
        if self.server.stalls and cut < len(body) - start:
            self.server.stalled.set()
            self.server.goes_on.wait(60)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(*, certificate: tuple[str, str] | None = None) -> Iterator[Site]:
    """A server for as long as it lasts, with TLS where a certificate and its key are given."""
    with Site() as site:
        if certificate:
            site.encrypt(*certificate)
        thread = threading.Thread(target=site.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            site.goes_on.set()
            site.shutdown()
            thread.join()
