"""The page of `ganzoo explore`, and its server."""

from __future__ import annotations

import json
import re
import time
from http import HTTPStatus
from urllib.parse import quote

from ganzoo_core.drawing.pictures import TURN
from ganzoo_core.report.page import look, render
from ganzoo_tools.exploration.directions import MOST
from ganzoo_tools.exploration.latents import Explorer
from ganzoo_tools.exploration.material import MOST_BYTES
from ganzoo_tools.serving.server import PageHandler, PageServer


class ExploreServer(PageServer):
    """Serves the page of an explorer. `seed` and `label` are what it begins with."""

    program = "ganzoo explore"
    files = ("page.css", "explore.css", "page.js", "explore.js")

    def __init__(self, explorer: Explorer, *, seed: int = 0, label: int | None = None) -> None:
        super().__init__(_Handler)
        self.explorer = explorer
        self._start = {"seed": seed, "label": label}

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


class _Handler(PageHandler):
    server: ExploreServer

    def receives(self) -> bool:
        """Pictures of the user's, where the generator takes any."""
        return "image" in self.server.explorer.material.takes

    def receive(self, name: str, query: dict[str, str]) -> None:
        """Take a picture."""
        length = self.headers.get("Content-Length", "")
        if name != "picture":
            self.nothing()
        elif not (length.isascii() and length.isdecimal() and len(length) < 12 and int(length) <= MOST_BYTES):
            most = f"a picture may have at most {MOST_BYTES // 2**20} MB"
            self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, most)
        else:
            self.server.explorer.material.receive(self.rfile.read(int(length)))
            self.send(HTTPStatus.OK, "text/plain; charset=utf-8", b"")

    def answer(self, name: str, query: dict[str, str]) -> None:
        """Send a picture, or the latent behind it."""
        explorer = self.server.explorer
        if name == "picture.png":
            started_s = time.perf_counter()
            picture = explorer.picture(explorer.parse_query(query), large=query.get("large") == "1")
            spent = f"picture;dur={(time.perf_counter() - started_s) * 1000:.1f}"
            left = quote(", ".join(explorer.material.left_out(query.get("text"))))
            told = {"Server-Timing": spent} | ({"Ganzoo-Left-Out": left} if left else {})
            self.send(HTTPStatus.OK, "image/png", picture, told | self._named("png", query))
        elif name == "latent.json":
            record = json.dumps(explorer.latent_json(explorer.parse_query(query)), indent=1).encode()
            self.send(HTTPStatus.OK, "application/json", record, self._named("json", query))
        else:
            self.nothing()

    def _named(self, suffix: str, query: dict[str, str]) -> dict[str, str]:
        """What a browser calls the file where it keeps it."""
        generator = self.server.explorer.generator
        stem = f"{generator.variant.name}-{generator.spec.name}-seed{query.get('seed', 0)}"
        return {"Content-Disposition": f'inline; filename="{re.sub(r"[^A-Za-z0-9._-]+", "-", stem)}.{suffix}"'}
