"""Killed at any operation on files, a command leaves nothing half; called again, it does what it would have done."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from ganzoo_core.storage.files import UNFINISHED

TRAIN = ["run", "vanilla", "--data", "ring8", "--batch-size", "8", "--steps", "4", "--device", "cpu", "--quiet"]
JUDGED = ["-n", "100", "--device", "cpu"]
COMMANDS = {
    "picture": ["sample", "one", "-o", "x.png"],
    "arrays": ["sample", "one", "-n", "100", "-o", "x.npz"],
    "motion": ["sample", "one", "-o", "x.gif"],
    "new-folder": ["sample", "images", "-n", "20", "-o", "out/"],
    "empty-folder": ["sample", "images", "-n", "20", "-o", "empty/"],
    "report": ["report", "one"],
    "explore": ["explore", "one", "-o", "x.png"],
    "new": ["new", "mine", "--author", "A"],
    "evaluate": ["evaluate", "one", "--seeds", "1", *JUDGED],
    "compare": ["compare", "one", "two", *JUDGED],
    "export": ["export", "one", "-o", "x.onnx"],
}


@pytest.fixture(scope="module")
def runs(mother, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("runs")
    for name, more in {"one": [], "two": ["--seed", "1"], "images": ["--data", "digits"]}.items():
        assert mother.run(*TRAIN, *more, "--out", home / name) == (0, "")
    (home / "empty").mkdir()
    return home


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Killing:
    """One command, undisturbed and killed, each time in a copy of the runs."""

    def __init__(self, forks, runs: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.forks, self.runs, self.command = forks, runs, command
        self.patch, self.home = monkeypatch, tmp_path
        self.begin("whole")
        self.moments, start_s = random.Random(0), time.monotonic()
        code, errors = forks.run(*command, count_operations=[str(tmp_path / "count")])
        assert code == 0, errors
        self.longest_s = time.monotonic() - start_s
        self.operations = int((tmp_path / "count").read_text())
        self.before, self.whole = contents(runs), contents(tmp_path / "whole")

    def begin(self, name: str) -> None:
        shutil.rmtree(self.home / name, ignore_errors=True)
        shutil.copytree(self.runs, self.home / name)
        self.patch.chdir(self.home / name)

    def killed(self, by: int, **when: list[int]) -> None:
        """Kill it, call it again, and see that all is as if it had not been killed."""
        self.begin("killed")
        process = self.forks.start(*self.command, **when)
        if not when:
            time.sleep(self.moments.uniform(0, self.longest_s))
            process.send(by)
        code = process.wait()
        self.check_left(contents(Path.cwd()), by)
        if code == 1:
            assert process.errors.splitlines()[-1] == "Error: stopped by SIGTERM"
        else:
            assert code in (0, -by), process.errors
        code, errors = self.forks.run(*self.command)
        assert code == 0 or "is not empty" in errors or "is already there" in errors, errors
        assert contents(Path.cwd()) == self.whole
        assert not list(Path.cwd().rglob(f"{UNFINISHED}*"))

    def killed_at(self, number: int, by: int) -> None:
        """Kill it at an operation on files."""
        self.killed(by, die_at=[number, by])

    def check_left(self, left: dict[str, bytes], by: int) -> None:
        """All files are as they were or as they will be, but for what SIGKILL gave no time to clear away."""
        for name, content in left.items():
            if UNFINISHED in name:
                assert by == signal.SIGKILL, f"{name} is left"
            else:
                assert content in (self.before.get(name), self.whole.get(name)), f"{name} is half"


@pytest.mark.parametrize(
    "name", [pytest.param("picture", marks=pytest.mark.long), "new-folder", "empty-folder", "new", "evaluate"]
)
def test_a_command_killed_at_some_operations_on_files(name, forks, runs, monkeypatch, tmp_path):
    killing = Killing(forks, runs, COMMANDS[name], monkeypatch, tmp_path)
    killing.killed_at(killing.operations // 2, signal.SIGTERM)
    killing.killed_at(killing.operations - 2, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_thirty_times(name, by, forks, runs, monkeypatch, tmp_path, capsys):
    """At operations on files, all where they are few, and at moments."""
    killing = Killing(forks, runs, COMMANDS[name], monkeypatch, tmp_path)
    numbers = range(1, killing.operations + 1)
    numbers = sorted(killing.moments.sample(numbers, min(20, len(numbers))))
    for number in numbers:
        killing.killed_at(number, by)
    for _ in range(30 - len(numbers)):
        killing.killed(by)
    with capsys.disabled():
        print(f"\n{name}: 30 times {by.name}, {len(numbers)} of them at one of its {killing.operations} operations")
