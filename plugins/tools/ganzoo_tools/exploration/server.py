"""The page of `ganzoo explore`, and its server: on this machine alone, for those alone who know its address.

Other machines can't reach it, as it listens on the loopback. Other pages in the same browser could, so each request
must name this host (a stranger's name that was made to point here does not) and hold a random key. No command holds
that key: the browser is opened on a file (door.py) that leads to the page.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from ganzoo_core.drawing.pictures import TURN
from ganzoo_core.errors import GanzooError, SettingError, shorten
from ganzoo_core.report.page import look, render
from ganzoo_core.storage.names import one_line
from ganzoo_tools.exploration.directions import MOST
from ganzoo_tools.exploration.latents import Explorer
from ganzoo_tools.exploration.material import MOST_BYTES

_HOST = "127.0.0.1"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_FILES = {
    "page.css": "text/css", "explore.css": "text/css",
    "page.js": "text/javascript", "explore.js": "text/javascript",
}  # fmt: skip
_NOTHING = "there is nothing here; use the address that `ganzoo explore` printed"
_IDLE_S = 60
_MOST_FIELDS = 20


class ExploreServer(ThreadingHTTPServer):
    """Serves the page of an explorer at `url`. `seed` and `label` are what it begins with.

    `door` is a file that leads to the page, of use until somebody is there.
    """

    daemon_threads = True

    def __init__(self, explorer: Explorer, *, seed: int = 0, label: int | None = None) -> None:
        super().__init__((_HOST, 0), _Handler)
        self.explorer = explorer
        self.door: Path | None = None
        self.key = secrets.token_urlsafe(32)
        self._start = {"seed": seed, "label": label}

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{_HOST}:{self.server_port}/{self.key}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a request may call this machine."""
        return f"{_HOST}:{self.server_port}", f"localhost:{self.server_port}"

    def page(self) -> bytes:
        """The page itself."""
        generator = self.explorer.generator
        return render(
            "explore.html",
            "ganzoo_tools",
            variant=generator.variant,
            spec=generator.spec,
            step=generator.step,
            directions=len(self.explorer.directions),
            most=MOST,
            reach=self.explorer.reach,
            look=look(generator.spec),
            turn=round(TURN),
            takes=self.explorer.material.takes,
            examples=self.explorer.material.examples,
            is_plot=not generator.spec.has_pixels,
            **self._start,
        )


class _Handler(BaseHTTPRequestHandler):
    """Answers one request after another of a connection."""

    server: ExploreServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the browser's receipt of its head
    server_version, sys_version = "ganzoo", ""

    def do_GET(self) -> None:
        """Answer, or refuse in a sentence."""
        self._guarded(self._answer)

    def do_POST(self) -> None:
        """Take a picture of the user's, sent by the page itself."""
        if "image" not in self.server.explorer.material.takes:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED, "Unsupported method ('POST')")
            return
        self.close_connection = True  # what is refused is not read
        if self.headers.get("Origin") not in [f"http://{host}" for host in self.server.hosts]:
            self._refuse(HTTPStatus.FORBIDDEN, "this server takes pictures from its own page alone")
            return
        self._guarded(self._receive)

    def _receive(self, name: str, query: dict[str, str]) -> None:
        length = self.headers.get("Content-Length", "")
        if name != "picture":
            self._refuse(HTTPStatus.NOT_FOUND, _NOTHING)
        elif not (length.isascii() and length.isdecimal() and len(length) < 12 and int(length) <= MOST_BYTES):
            most = f"a picture may have at most {MOST_BYTES // 2**20} MB"
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, most)
        else:
            self.server.explorer.material.receive(self.rfile.read(int(length)))
            self._send(HTTPStatus.OK, "text/plain; charset=utf-8", b"")

    def _guarded(self, answer: Callable[[str, dict[str, str]], None]) -> None:
        """Answer one who knows the key, or refuse in a sentence."""
        if self.headers.get_all("Host") not in [[host] for host in self.server.hosts]:
            self._refuse(HTTPStatus.FORBIDDEN, "this server answers requests to its own address alone")
            return
        path, _, query = self.path.partition("?")
        key, _, name = path.removeprefix("/").partition("/")
        if not hmac.compare_digest(key.encode(), self.server.key.encode()) or not path.startswith(f"/{key}/"):
            self._refuse(HTTPStatus.NOT_FOUND, _NOTHING)
            return
        try:
            answer(name, _parsed(query))
        except GanzooError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except ConnectionError:
            self.close_connection = True  # the browser has left
        except Exception as error:  # noqa: BLE001 - whatever a stranger's generator raises
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {shorten(error)}")

    def _answer(self, name: str, query: dict[str, str]) -> None:
        explorer = self.server.explorer
        if name == "":
            if self.server.door is not None:
                self.server.door.unlink(missing_ok=True)
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page())
        elif name in _FILES:
            self._send(HTTPStatus.OK, f"{_FILES[name]}; charset=utf-8", render(name, "ganzoo_tools"))
        elif name == "picture.png":
            started_s = time.perf_counter()
            picture = explorer.picture(explorer.parse_query(query), large=query.get("large") == "1")
            spent = f"picture;dur={(time.perf_counter() - started_s) * 1000:.1f}"
            left = quote(", ".join(explorer.material.left_out(query.get("text"))))
            told = {"Server-Timing": spent} | ({"Ganzoo-Left-Out": left} if left else {})
            self._send(HTTPStatus.OK, "image/png", picture, told | self._named("png", query))
        elif name == "latent.json":
            record = json.dumps(explorer.latent_json(explorer.parse_query(query)), indent=1).encode()
            self._send(HTTPStatus.OK, "application/json", record, self._named("json", query))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, _NOTHING)

    def _named(self, suffix: str, query: dict[str, str]) -> dict[str, str]:
        """What a browser calls the file where it keeps it."""
        generator = self.server.explorer.generator
        stem = f"{generator.variant.name}-{generator.spec.name}-seed{query.get('seed', 0)}"
        return {"Content-Disposition": f'inline; filename="{re.sub(r"[^A-Za-z0-9._-]+", "-", stem)}.{suffix}"'}

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{one_line(sentence)}\n".encode())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses by itself: requests it can't read, and methods other than GET and POST."""
        self.close_connection = True
        status = HTTPStatus(code)
        self._refuse(status, message or status.phrase)

    def _send(self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, Any] | None = None) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": len(body), **(headers or {})}.items():
            self.send_header(name, str(value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is for the address, and for what goes wrong."""


def _parsed(query: str) -> dict[str, str]:
    """The fields of a query. Raises `SettingError` where they are too many."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise SettingError(f"an address may have at most {_MOST_FIELDS} fields, but this one has more") from None
