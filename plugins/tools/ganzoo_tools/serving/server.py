"""A server of a page on this machine alone, for those alone who know its address.

Other machines can't reach it, as it listens on the loopback. Other pages in the same browser could, so each request
must name this host (a stranger's name that was made to point here does not) and hold a random key. No command holds
that key: the browser is opened on a file (door.py) that leads to the page.
"""

from __future__ import annotations

import abc
import hmac
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from ganzoo_core.errors import GanzooError, SettingError, shorten
from ganzoo_core.report.page import render
from ganzoo_core.storage.names import one_line

_HOST = "127.0.0.1"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors "
)
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_KINDS = {".css": "text/css", ".js": "text/javascript"}
_IDLE_S = 60
_MOST_FIELDS = 20


class PageServer(ThreadingHTTPServer, abc.ABC):
    """Serves a page at `url`, and the `files` beside it. `program` printed its address.

    `door` is a file that leads to the page, of use until somebody is there. `frames`: the pages that may hold this one
    in a frame of theirs, as a Content-Security-Policy names them.
    """

    daemon_threads = True
    program: ClassVar[str]
    files: ClassVar[tuple[str, ...]]

    def __init__(self, handler: type[PageHandler]) -> None:
        super().__init__((_HOST, 0), handler)
        self.door: Path | None = None
        self.frames = "'none'"
        self.key = secrets.token_urlsafe(32)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{_HOST}:{self.server_port}/{self.key}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a request may call this machine."""
        return f"{_HOST}:{self.server_port}", f"localhost:{self.server_port}"

    @abc.abstractmethod
    def page(self) -> bytes:
        """The page itself."""


class PageHandler(BaseHTTPRequestHandler):
    """Answers one request after another of a connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the browser's receipt of its head
    server_version, sys_version = "ganzoo", ""

    def answer(self, name: str, query: dict[str, str]) -> None:
        """Answer one who asks for a name that is neither the page nor a file beside it."""
        self.nothing()

    def receive(self, name: str, query: dict[str, str]) -> None:
        """Take what the page itself sends."""
        self.nothing()

    def receives(self) -> bool:
        """Whether the page sends anything at all."""
        return False

    def do_GET(self) -> None:
        """Answer, or refuse in a sentence."""
        self._guarded(self._answer)

    def do_POST(self) -> None:
        """Take what the page sends, and nobody else."""
        if not self.receives():
            self.send_error(HTTPStatus.NOT_IMPLEMENTED, "Unsupported method ('POST')")
            return
        self.close_connection = True  # what is refused is not read
        if self.headers.get("Origin") not in [f"http://{host}" for host in self.server.hosts]:
            self.refuse(HTTPStatus.FORBIDDEN, "this server takes nothing but from its own page")
            return
        self._guarded(self.receive)

    def _answer(self, name: str, query: dict[str, str]) -> None:
        if name == "":
            if self.server.door is not None:
                self.server.door.unlink(missing_ok=True)
            self.send(HTTPStatus.OK, "text/html; charset=utf-8", self.server.page())
        elif name in self.server.files:
            self.send(HTTPStatus.OK, f"{_KINDS[Path(name).suffix]}; charset=utf-8", render(name, "ganzoo_tools"))
        else:
            self.answer(name, query)

    def _guarded(self, answer: Callable[[str, dict[str, str]], None]) -> None:
        """Answer one who knows the key, or refuse in a sentence."""
        if self.headers.get_all("Host") not in [[host] for host in self.server.hosts]:
            self.refuse(HTTPStatus.FORBIDDEN, "this server answers requests to its own address alone")
            return
        path, _, query = self.path.partition("?")
        key, _, name = path.removeprefix("/").partition("/")
        if not hmac.compare_digest(key.encode(), self.server.key.encode()) or not path.startswith(f"/{key}/"):
            self.nothing()
            return
        try:
            answer(name, _parsed(query))
        except GanzooError as error:
            self.refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the browser has left
        except Exception as error:  # noqa: BLE001 - whatever a stranger's generator raises
            self.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {shorten(error)}")

    def nothing(self) -> None:
        """Say that nothing is here."""
        sentence = f"there is nothing here; use the address that `{self.server.program}` printed"
        self.refuse(HTTPStatus.NOT_FOUND, sentence)

    def refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Answer by a sentence."""
        self.send(status, "text/plain; charset=utf-8", f"{one_line(sentence)}\n".encode())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library refuses by itself: requests it can't read, and methods other than GET and POST."""
        self.close_connection = True
        status = HTTPStatus(code)
        self.refuse(status, message or status.phrase)

    def send(self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, Any] | None = None) -> None:
        """Send a whole answer."""
        self.begin(status, kind, {"Content-Length": len(body), **(headers or {})})
        self.wfile.write(body)

    def begin(self, status: HTTPStatus, kind: str, headers: dict[str, Any]) -> None:
        """Send the head of an answer."""
        self.send_response(status)
        policy = {"Content-Security-Policy": _POLICY + self.server.frames}
        for name, value in {**policy, **_HEADERS, "Content-Type": kind, **headers}.items():
            self.send_header(name, str(value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is for the address, and for what goes wrong."""


def _parsed(query: str) -> dict[str, str]:
    """The fields of a query. Raises `SettingError` where they are too many."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise SettingError(f"an address may have at most {_MOST_FIELDS} fields, but this one has more") from None
