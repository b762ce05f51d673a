"""The page of a run that trains, and its server: what is new comes as server-sent events (HTML, section 9.2)."""

from __future__ import annotations

from http import HTTPStatus
from typing import cast, get_args

from ganzoo_core.errors import SettingError
from ganzoo_core.report.page import render
from ganzoo_core.storage.names import visible
from ganzoo_tools.serving.server import PageHandler, PageServer
from ganzoo_tools.watching.view import View, Wish


class WatchServer(PageServer):
    """Serves the page of a view."""

    program = "ganzoo run --watch"
    files = ("page.css", "watch.css", "page.js", "watch.js")

    def __init__(self, view: View) -> None:
        super().__init__(_Handler)
        self.view = view

    def page(self) -> bytes:
        """The page itself."""
        run = self.view.run
        is_plane = run.data.kind == "points" and run.data.shape == (2,)
        return render("watch.html", "ganzoo_tools", run=run, folder=visible(run.folder), is_plane=is_plane)


class _Handler(PageHandler):
    server: WatchServer

    def receives(self) -> bool:
        """What the buttons want."""
        return True

    def receive(self, name: str, query: dict[str, str]) -> None:
        """Take a wish: `control?do=pause`, `step`, `go` or `stop`."""
        if name != "control":
            self.nothing()
            return
        wish, known = query.get("do", ""), get_args(Wish)
        if wish not in known:
            raise SettingError(f"do must be one of {', '.join(known)}, but is {wish!r}")
        self.server.view.ask(cast(Wish, wish))
        self.send(HTTPStatus.OK, "text/plain; charset=utf-8", b"")

    def answer(self, name: str, query: dict[str, str]) -> None:
        """Send what is new, as long as the run and the browser last."""
        if name != "events":
            self.nothing()
            return
        self.close_connection = True
        self.begin(HTTPStatus.OK, "text/event-stream; charset=utf-8", {})
        try:
            for event in self.server.view.events():
                self.wfile.write(b":\n\n" if event is None else as_sent(*event))
        except OSError:
            pass  # the browser has left


def as_sent(name: str, data: str) -> bytes:
    """An event as it is sent: each line of the data is a field."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"event: {name}\n{lines}\n".encode()
