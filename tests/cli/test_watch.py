"""`ganzoo run --watch` and `ganzoo report --live`: the core's part, with a watcher of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.distributed.processes import SingleProcess
from ganzoo_core.errors import FileError, SettingError
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.training.train import _watchers

SHORT = ["run", "toy", "--data", "ring8", "--steps", "3", "--device", "cpu"]
WATCHER = """
import ganzoo_core as ganzoo
from ganzoo_core import hookimpl

GANZOO_API = 2


class Watch(ganzoo.Callback):
    def on_start(self, run):
        (run.folder / "watched").write_text(run.variant)


@hookimpl
def ganzoo_watchers():
    return [Watch()]
"""


def said(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.output


@pytest.fixture
def watcher(plugin_site: Any, monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> None:
    """One of the test's own, and no other."""
    plugin_site.install("ganzoo-eye", {"ganzoo_eye.py": WATCHER})
    monkeypatch.setenv("GANZOO_PLUGINS", "ganzoo-core,ganzoo-toy,ganzoo-eye")


def test_a_plugin_watches_where_that_is_asked_for(watcher: None) -> None:
    assert said(*SHORT, "--out", "plain")[0] == said(*SHORT, "--out", "watched", "--watch", "--quiet")[0] == 0
    assert not Path("plain/watched").exists() and Path("watched/watched").read_text() == "toy"
    assert said("run", "--resume", "plain", "--steps", "5", "--watch")[0] == 0
    assert Path("plain/watched").exists()
    status, words = said(*SHORT, "--processes", "2", "--watch")
    assert status == 2 and words.endswith("Error: --watch and --processes exclude each other; give one of them\n")


def test_watching_takes_a_package(plugin_site: Any, monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> None:
    monkeypatch.setenv("GANZOO_PLUGINS", "ganzoo-core,ganzoo-toy")
    said_so = "Error: to watch a run takes a package that shows it: pip install ganzoo-tools\n"
    assert said(*SHORT, "--watch") == (1, said_so)
    assert not Path("runs").exists()


def test_one_process_alone_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = SingleProcess()
    monkeypatch.setattr(processes, "size", 2)
    with pytest.raises(SettingError, match="watch is for a run in one process, as it may pause, but there are 2"):
        _watchers(processes)


def test_the_live_page_of_a_run(in_tmp: Path) -> None:
    class Look(ganzoo.Callback):
        def on_start(self, run: Any) -> None:
            folder = RunFolder.open(run.folder)
            with pytest.raises(FileError) as caught:
                folder.live_page()
            words = "run was not started with --watch; stop it, and go on with: ganzoo run --resume run --watch"
            assert str(caught.value) == words
            folder.live.write_text("on")
            seen.append(said("report", "run", "--live"))

    seen: list[tuple[int, str]] = []
    ganzoo.train("toy", data="ring8", steps=3, out="run", callbacks=[Look()], device="cpu")
    assert seen == [(0, "run/live.html\n")]
    dead = (1, "Error: run does not live: nothing trains there; leave out --live for its report\n")
    assert Path("run/live.html").exists() and said("report", "run", "--live") == dead  # what a killed run leaves
    ganzoo.train(resume="run", steps=5)
    assert not Path("run/live.html").exists()
    Path("run/.lock").unlink()
    assert said("report", "run", "--live") == dead and not Path("run/.lock").exists()


def test_on_a_terminal_it_opens_in_the_browser(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr(RunFolder, "live_page", lambda folder: folder.live)
    ganzoo.train("toy", data="ring8", steps=3, out="run", device="cpu")
    assert said("report", "run", "--live") == (0, "run/live.html\n") and not opened
    monkeypatch.setattr("ganzoo_core.cli.report.is_interactive", lambda: True)
    assert said("report", "run", "--live")[0] == 0 and opened == [(in_tmp / "run" / "live.html").as_uri()]
