"""The page of a run that trains: what it is sent, what it may ask for, and that the run is as without. No browser."""

from __future__ import annotations

import base64
import json
import os
import signal
import stat
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
import torch

import ganzoo_core as ganzoo
from ganzoo_core.errors import Interrupted
from ganzoo_tools.watching.pace import Pace
from ganzoo_tools.watching.plane import Plane, arrows, belief
from ganzoo_tools.watching.server import WatchServer, as_sent
from ganzoo_tools.watching.view import View
from ganzoo_tools.watching.watch import Watch

PLAIN = {"data": "ring8", "steps": 40, "batch_size": 16, "device": "cpu", "log_every": 4}


class Reader:
    """Reads the events of a page, and asks for what its buttons do."""

    def __init__(self, server: WatchServer) -> None:
        self.server = server
        self.events: list[tuple[str, Any]] = []
        self._lines = self.ask("events")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def ask(self, name: str, method: str = "GET", **headers: str) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=20)
        connection.request(method, f"/{self.server.key}/{name}", headers=headers)
        return connection.getresponse()

    def press(self, wish: str) -> int:
        return self.ask(f"control?do={wish}", "POST", Origin=f"http://{self.server.hosts[0]}").status

    def wait_for(self, name: str, holds: Callable[[Any], bool] = lambda data: True) -> Any:
        """The newest event of that name for which it holds."""
        end_s = time.monotonic() + 60
        while time.monotonic() < end_s:
            for found, data in reversed(self.events):
                if found == name and holds(data):
                    return data
            time.sleep(0.01)
        raise AssertionError(f"no {name} among {[found for found, _ in self.events]}")

    def close(self) -> None:
        self._thread.join(20)

    def _read(self) -> None:
        name = ""
        for line in self._lines:
            key, _, value = line.decode().rstrip("\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                self.events.append((name, value if name == "charts" else json.loads(value)))


class Run:
    """A run in a thread of the test's own, watched by a reader from its first step on."""

    def __init__(self, out: Path, variant: str, **settings: Any) -> None:
        self.out = out
        self.ended: BaseException | None = None
        self._thread = threading.Thread(target=self._train, args=(variant, PLAIN | settings))
        self._begun = threading.Event()

        class Began(ganzoo.Callback):
            def on_start(_, run: ganzoo.RunInfo) -> None:
                self.reader = Reader(self.watch.server)
                assert self.reader.press("pause") == 200  # before the first step
                self._begun.set()

        self.watch, self._began = Watch(), Began()
        self._thread.start()
        assert self._begun.wait(60)

    def _train(self, variant: str, settings: dict[str, Any]) -> None:
        try:
            ganzoo.train(variant, out=self.out, callbacks=[self.watch, self._began], **settings)
        except Interrupted as error:
            self.ended = error

    def close(self) -> None:
        self.watch.view.ask("stop")  # where it has not ended
        self._thread.join(60)
        self.reader.close()


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    begun: list[Run] = []

    def begin(variant: str = "vanilla", **settings: Any) -> Run:
        begun.append(Run(tmp_path / f"run-{len(begun)}", variant, **settings))
        return begun[-1]

    yield begin
    for run in begun:
        run.close()


def test_a_run_pauses_steps_and_goes_on_bit_for_bit(begin: Callable[..., Run], tmp_path: Path) -> None:
    run = begin()
    reader = run.reader
    assert reader.wait_for("state", lambda now: now["waits"])["step"] == "1 of 40"
    for step in (2, 3):
        assert reader.press("step") == 200
        now = reader.wait_for("state", lambda now, step=step: now["waits"] and now["step"] == f"{step} of 40")
        assert now["paused"] and reader.wait_for("plane", lambda found, step=step: found["step"] == step)
    time.sleep(0.3)
    assert run.watch.view.step == 3  # it stands still
    assert reader.press("go") == 200
    assert reader.wait_for("end") == {"step": "40", "done": True, "report": str(run.out / "report.html")}
    run.close()
    plain = ganzoo.train("vanilla", out=tmp_path / "plain", **PLAIN)
    for name in ("generator.safetensors", "checkpoint.safetensors"):
        assert (run.out / name).read_bytes() == (plain.folder / name).read_bytes()
    assert (run.out / "report.html").exists() and not (run.out / "live.html").exists()


def test_what_a_page_is_sent(begin: Callable[..., Run]) -> None:
    run = begin(snapshots=[1, 10])
    reader = run.reader
    reader.press("go")
    reader.wait_for("end")
    names = [name for name, _ in reader.events]
    assert names[-1] == "end" and [data["step"] for name, data in reader.events if name == "snapshot"] == [
        "1",
        "10",
        "40",
    ]
    picture = next(data["uri"] for name, data in reader.events if name == "snapshot")
    first = (run.out / "samples" / "step-000001.png").read_bytes()
    assert picture == f"data:image/png;base64,{base64.b64encode(first).decode()}"
    charts = "".join(data for name, data in reader.events if name == "charts")
    assert "Loss of the generator" in charts and "Diversity" in charts
    last = [data for name, data in reader.events if name == "state"][-1]
    assert [name for name, _ in last["figures"]] == ["discriminator loss", "generator loss", "told right", "diversity"]
    assert (last["step"], last["share"], last["paused"], last["stopping"]) == ("40 of 40", 1.0, False, False)


def test_stop_saves_all_and_says_so(begin: Callable[..., Run]) -> None:
    run = begin("dcgan", data="digits")
    assert run.reader.wait_for("state", lambda now: now["waits"])
    run.reader.press("stop")
    assert run.reader.wait_for("end")["done"] is False and run.reader.wait_for("end")["step"] == "1"
    run.close()
    assert str(run.ended).startswith("stopped by SIGINT at step 1 of 40, all saved")
    assert not [name for name, _ in run.reader.events if name == "plane"]
    assert (run.out / "report.html").exists()


def test_the_door_of_a_run_that_lives(begin: Callable[..., Run]) -> None:
    run = begin()
    live = run.out / "live.html"
    assert run.watch.server.url in live.read_text()
    if sys.platform != "win32":
        assert stat.S_IMODE(live.stat().st_mode) == 0o600
    run.close()
    assert not live.exists()


def test_who_is_answered(begin: Callable[..., Run]) -> None:
    run = begin()
    server, ask = run.watch.server, run.reader.ask
    page = ask("")
    assert page.status == 200 and "frame-ancestors 'none'" in str(page.headers["Content-Security-Policy"])
    body = page.read().decode()
    assert "<script>" not in body and "style=" not in body and "vanilla on ring8" in body
    for name in ("page.css", "watch.css", "page.js", "watch.js"):
        assert f'"{name}"' in body and len(ask(name).read()) > 500
    assert ask("explore.js").status == ask("control?do=go").status == 404
    nothing = b"there is nothing here; use the address that `ganzoo run --watch` printed\n"
    key, server.key = server.key, "another"
    for path in ("", "events", "page.js"):
        server.key = "another"
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        connection.request("GET", f"/{key}/{path}")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (404, nothing)
    server.key = key
    assert ask("events", Host="evil.example").status == 403
    own = f"http://{server.hosts[0]}"
    for headers in ({}, {"Origin": "null"}, {"Origin": "http://evil.example"}):
        refused = ask("control?do=go", "POST", **headers)
        assert (refused.status, refused.read()) == (403, b"this server takes nothing but from its own page\n")
    wrong = ask("control?do=explode", "POST", Origin=own)
    assert (wrong.status, wrong.read()) == (400, b"do must be one of pause, step, go, stop, but is 'explode'\n")
    assert ask("other?do=go", "POST", Origin=own).status == 404
    assert run.watch.view.is_paused


def test_nothing_is_drawn_where_nobody_looks(tmp_path: Path) -> None:
    watch = Watch()
    ganzoo.train("vanilla", out=tmp_path / "run", callbacks=[watch], **PLAIN)
    assert watch.view.frame is None and watch.view.viewers == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_ctrl_c_ends_a_run_that_pauses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Pause(Watch):
        def on_start(self, run: ganzoo.RunInfo) -> None:
            super().on_start(run)
            self.view.ask("pause")
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(Interrupted, match="stopped by SIGINT at step 1 of 40, all saved"):
        ganzoo.train("vanilla", out=tmp_path / "run", callbacks=[Pause()], **PLAIN)
    assert "watch it   http://127.0.0.1:" in capsys.readouterr().err


def test_a_pause_is_no_time_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    run = ganzoo.RunInfo(tmp_path, "vanilla", None, {}, "cpu", {}, 0, 100)  # type: ignore[arg-type]
    view = View(run)
    now_s[0] = 10.0
    view.add({"step": 50})
    view.ask("pause")
    assert view.answer(50) == "wait"
    now_s[0] = 500.0
    assert view._progress.left_s == 10.0
    view.ask("go")
    assert view.answer(50) is None and view._progress.left_s == 10.0 and view.answer(51) is None


def test_many_records_become_fewer(tmp_path: Path) -> None:
    view = View(ganzoo.RunInfo(tmp_path, "vanilla", None, {}, "cpu", {}, 0, 10**6))  # type: ignore[arg-type]
    for step in range(1, 5001):
        view.add({"step": step, "generator/adversarial": 0.5})
    assert 1000 <= len(view._records) <= 2001 and view._records[-1]["step"] == 5000


# the plane


def test_arrows_have_one_scale_and_a_limit() -> None:
    pull = torch.tensor([[3.0, 4.0], [0.3, 0.4], *[[0.6, 0.8]] * 30])
    found = arrows(pull)
    assert torch.allclose(found[2], torch.tensor([0.09, 0.12])) and torch.allclose(found[1] * 2, found[2])
    assert torch.allclose(found[0].norm(), torch.tensor(0.15))  # not five times as long
    assert torch.equal(arrows(torch.zeros(4, 2)), torch.zeros(4, 2))


def test_belief_is_a_probability_or_a_rank() -> None:
    assert torch.allclose(belief(torch.tensor([0.0, 2.0]), 0.0), torch.sigmoid(torch.tensor([0.0, 2.0])))
    assert torch.allclose(belief(torch.tensor([1.0]), 1.0), torch.tensor([0.5]))
    scores = torch.tensor([-100.0, 0.0, 100.0])
    assert torch.allclose(belief(scores, None), torch.sigmoid(torch.tensor([-2.0, 0.0, 2.0])))
    assert torch.equal(belief(torch.zeros(3), None), torch.full((3,), 0.5))


class Known:
    """A look at a known game: the discriminator likes the right, and judges no sample alone if it `fails`."""

    boundary = 0.0
    real = torch.tensor([[1.0, 0.5]])

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def pulled(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([[0.25, -0.5]]), torch.tensor([[2.0, 0.0]])

    def judge(self, x: torch.Tensor) -> torch.Tensor:
        if self.fails:
            raise ValueError("no labels")
        return 1000 * (x[:, 0] > 0) - 500 * torch.ones(len(x))


def test_a_frame_says_where_all_is() -> None:
    plane = Plane()
    frame = json.loads(plane.frame(7, Known()))  # type: ignore[arg-type]
    surface = base64.b64decode(frame.pop("surface"))
    assert frame == {"step": 7, "real": [1000, 500], "fake": [250, -500], "pull": [150, 0]}
    assert len(surface) == 400 and list(surface[:20]) == [0] * 10 + [255] * 10  # row by row, from the left
    plane.show_real(torch.tensor([[-1.0, 0.0], [0.0, 1.0]]))
    assert json.loads(plane.frame(8, Known()))["real"] == [-1000, 0, 0, 1000]  # type: ignore[arg-type]
    blind = json.loads(Plane().frame(7, Known(fails=True)))  # type: ignore[arg-type]
    assert blind["surface"] is None and blind["fake"] == [250, -500]


def test_a_plane_that_cannot_be_drawn_is_left_out(
    begin: Callable[..., Run], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise ValueError("no gradient")

    monkeypatch.setattr(Plane, "frame", fail)
    run = begin()
    assert run.reader.wait_for("state", lambda now: now["waits"])
    run.reader.press("go")
    assert run.reader.wait_for("end")["done"]
    assert [record.getMessage() for record in caplog.records if "plane" in record.getMessage()] == [
        "the plane is not shown, as it could not be drawn: ValueError: no gradient"
    ]


def test_a_notebook_holds_the_page_in_a_frame(begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, Any]] = []
    display = types.ModuleType("IPython.display")
    display.IFrame = lambda src, width, height: (src, width, height)  # type: ignore[attr-defined]
    display.display = shown.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr("ganzoo_tools.watching.watch.in_notebook", lambda: True)
    monkeypatch.setattr("ganzoo_core.training.train.in_notebook", lambda: False)
    run = begin()
    assert shown == [(run.watch.server.url, "100%", 900)]
    policy = str(run.reader.ask("").headers["Content-Security-Policy"])
    assert policy.endswith("frame-ancestors http://localhost:* http://127.0.0.1:*")


def test_the_browser_is_opened_on_a_terminal(
    begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr("ganzoo_tools.watching.watch.open_browser", opened.append)
    begin()
    assert opened == []
    monkeypatch.setattr("ganzoo_tools.watching.watch.is_interactive", lambda: True)
    assert opened == [] and [run.out / "live.html" for run in [begin()]] == opened


def test_what_takes_long_is_done_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    pace = Pace(0.1, 0.02)
    assert pace.is_due
    for spent_s, next_s in [(0.05, 0.1), (0.001, 0.1), (0.01, 0.5)]:  # the first time does not count
        began_s = now_s[0]
        with pace.measured():
            now_s[0] += spent_s
        now_s[0] = began_s + 0.99 * next_s
        assert not pace.is_due
        now_s[0] = began_s + 1.01 * next_s
        assert pace.is_due


def test_an_event_of_several_lines_is_sent_as_such() -> None:
    assert as_sent("charts", "<p>\n</p>") == b"event: charts\ndata: <p>\ndata: </p>\n\n"
