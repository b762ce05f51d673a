"""`ganzoo run --watch`: the page of a run that trains, its events, and what its buttons ask for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import torch

import ganzoo_core as ganzoo
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_tools.watching.pace import Pace
from ganzoo_tools.watching.plane import arrows, belief

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RUN = ["run", "vanilla", "--data", "ring8", "--device", "cpu", "--set", "batch_size=32", "--set", "log_every=5"]


@contextmanager
def watched(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run in a process of its own, and the address of its page."""
    command = [sys.executable, "-P", "-m", "ganzoo_core", *RUN, "--watch", "--quiet", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            assert run.stderr is not None
            lines = iter(run.stderr.readline, "")
            yield run, next(found[0] for line in lines if (found := re.search(r"http://\S+/", line)))
        finally:
            run.kill()


def plain(**settings: Any) -> None:
    """The same run, watched by nobody."""
    ganzoo.train("vanilla", data="ring8", out="plain", device="cpu", batch_size=32, log_every=5, **settings)


def ask(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    where = urlsplit(url)
    connection = HTTPConnection(where.hostname or "", where.port, timeout=20)
    connection.request(method, where.path + path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def wish(url: str, what: str) -> tuple[int, str]:
    return ask(url, f"control?do={what}", "POST", Origin=url[: url.index("/", 8)])


class Events:
    """What a browser would be sent, one event after another."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._connection = HTTPConnection(where.hostname or "", where.port, timeout=60)
        self._connection.request("GET", where.path + "events")
        self._answer = self._connection.getresponse()
        assert self._answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"

    def until(self, name: str, holds: Callable[[Any], bool] = lambda _: True) -> Any:
        """The data of the next event of that name of which this holds."""
        kind, data = "", ""
        for line in map(bytes.decode, self._answer):
            field, _, value = line.removesuffix("\n").partition(": ")
            if field == "event":
                kind = value
            elif field == "data":
                data += value
            elif data:  # an empty line ends an event
                found = data if kind == "charts" else json.loads(data)
                if kind == name and holds(found):
                    return found
                data = ""
        raise AssertionError(f"no {name} came any more")


def test_a_run_is_shown_pauses_and_ends_as_it_would_have(in_tmp: Path):
    with watched("--steps", "400", "--out", "watched", "--set", "snapshots=1") as (run, url):
        events = Events(url)
        assert wish(url, "pause") == (200, "")
        step = events.until("state", lambda state: state["waits"])["step"]
        assert 0 < int(step.partition(" ")[0]) < 400
        events.until("plane", lambda plane: f"{plane['step']:,} of 400" == step)
        wish(url, "step")
        after = f"{int(step.partition(' ')[0]) + 1} of 400"
        assert events.until("state", lambda state: state["waits"] and state["step"] != step)["step"] == after
        assert run.poll() is None and RunFolder(Path("watched")).live.stat().st_mode & 0o077 == 0
        wish(url, "go")
        assert "svg" in events.until("charts")
        end = events.until("end")
        assert end["done"] and end["step"] == "400" and end["report"].endswith("report.html")
        assert run.wait(60) == 0
    assert not RunFolder(Path("watched")).live.exists() and Path("watched/report.html").exists()
    plain(steps=400, snapshots=(1,))
    for name in ("generator.safetensors", "checkpoint.safetensors"):
        assert Path("plain", name).read_bytes() == Path("watched", name).read_bytes(), "watching changes no bit"


def test_what_is_shown_of_a_plane(in_tmp: Path):
    with watched("--steps", "100000", "--out", "run") as (_, url):
        wish(url, "pause")
        plane = Events(url).until("plane")
    assert len(plane["fake"]) == len(plane["pull"]) >= 4 and len(plane["real"]) % 2 == 0
    assert all(-1000 <= value <= 1000 for value in plane["real"]) and plane["surface"]


def test_stop_saves(in_tmp: Path):
    with watched("--steps", "100000", "--out", "run") as (run, url):
        events = Events(url)
        wish(url, "stop")
        assert not events.until("end")["done"]
        assert run.wait(60) != 0
    assert ganzoo.load("run").step >= 1


def test_strangers_are_refused(in_tmp: Path):
    with watched("--steps", "100000", "--out", "run") as (_, url):
        assert ask(url, "")[0] == 200 and ask(url, "watch.js")[0] == 200
        assert ask(url, "", Host="evil.example")[0] == 403
        assert ask(url[:-8] + "/", "events")[0] == 404
        assert ask(url, "control?do=stop", "POST", Origin="http://evil.example")[0] == 403
        assert ask(url, "control?do=stop", "POST")[0] == 403
        assert wish(url, "dance") == (400, "do must be one of pause, step, go, stop, but is 'dance'\n")
        assert ask(url, "control?do=stop")[0] == 404, "what changes a run is no GET"
        state = Events(url).until("state")
        assert not state["stopping"] and not state["paused"]


def test_belief_by_hand():
    assert belief(torch.tensor([0.0, 2.0]), 0.0).tolist() == pytest.approx([0.5, 0.880797], abs=1e-5)
    assert belief(torch.tensor([0.5, 2.5]), 0.5).tolist() == pytest.approx([0.5, 0.880797], abs=1e-5)
    ranks = belief(torch.tensor([10.0, 20.0, 30.0]), None)
    assert ranks.tolist() == pytest.approx([0.119203, 0.5, 0.880797], abs=1e-5), "a critic's scores have no scale"


def test_arrows_keep_their_directions_and_are_short_enough():
    pull = torch.tensor([[3.0, 4.0], [0.0, 0.1], [0.0, 0.0], [-300.0, 400.0]])
    drawn = arrows(pull)
    assert drawn.isfinite().all() and (drawn.norm(dim=1) <= drawn.norm(dim=1).max() + 1e-6).all()
    assert torch.nn.functional.cosine_similarity(drawn[[0, 1, 3]], pull[[0, 1, 3]]).tolist() == pytest.approx([1, 1, 1])
    assert drawn.norm(dim=1).max() < 0.5 and drawn[2].tolist() == [0, 0]


def test_a_pace_keeps_to_its_share():
    now = iter([0.0, 2.0])
    pace = Pace(every_s=0.1, share=0.01, cost=lambda: next(now))
    assert pace.is_due
    with pace.measured():
        pass
    assert pace.spent_s == 2 and not pace.is_due
    assert pace._due_s - time.monotonic() == pytest.approx(200, abs=5)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page, light and wide; what the console says is an error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened, said = context.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    context.close()
    assert said == []


def test_the_buttons_in_a_browser(page: Page, in_tmp: Path):
    with watched("--steps", "600", "--out", "watched", "--set", "snapshots=1,10,20") as (run, url):
        page.goto(url)
        status = page.locator("#status")
        page.get_by_role("button", name="Pause").click()
        page.wait_for_function("() => document.getElementById('status').textContent.startsWith('Paused after step')")
        paused = status.inner_text()
        page.wait_for_timeout(500)
        assert status.inner_text() == paused
        step = int(re.findall(r"[\d,]+", paused)[0])
        page.get_by_role("button", name="One step").click()
        page.wait_for_function(
            "step => document.getElementById('status').textContent.startsWith(`Paused after step ${step} `)",
            arg=step + 1,
        )
        assert page.locator("#plane canvas").get_attribute("aria-label").startswith("The plane after step")
        page.get_by_role("button", name="Go on").click()
        page.wait_for_function("() => document.getElementById('status').textContent.startsWith('Done: it ended')")
        assert run.wait(60) == 0
        assert page.get_by_role("button", name="Pause").is_disabled()
        assert page.locator("#charts svg").count() > 0 and page.locator("#snapshots img").count() >= 2
    plain(steps=600, snapshots=(1, 10, 20))
    assert Path("plain/generator.safetensors").read_bytes() == Path("watched/generator.safetensors").read_bytes()


def test_it_stops_and_fits_a_phone(page: Page, in_tmp: Path):
    with watched("--steps", "100000", "--out", "run") as (run, url):
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(url)
        page.locator("#plane canvas[aria-label^='The plane after']").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.get_by_role("button", name="Stop and save").click()
        page.wait_for_function("() => document.getElementById('status').textContent.startsWith('It was stopped')")
        assert run.wait(60) != 0


def test_a_run_that_is_killed_is_told(browser: Browser, in_tmp: Path):
    page = browser.new_page()
    with watched("--steps", "100000", "--out", "run") as (run, url):
        page.goto(url)
        page.locator("#plane canvas[aria-label^='The plane after']").wait_for()
        run.kill()
        page.get_by_text("The run does not answer").wait_for()
    page.close()
