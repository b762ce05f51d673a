"""A stranger's run whose files are links, pipes or devices: no command reaches outside of it, none waits for ever."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.cli import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")

COMMANDS: dict[str, Callable[[Path], list[object]]] = {
    "report": lambda run: ["report", run],
    "sample": lambda run: ["sample", run],
    "gif": lambda run: ["sample", run, "-o", run.parent / "snapshots.gif"],
    "evaluate": lambda run: ["evaluate", run, "-n", 100, "--seeds", 1],
    "compare": lambda run: ["compare", run, run.parent / "other"],
    "explore": lambda run: ["explore", run, "--interpolate", 3],
    "resume": lambda run: ["run", "--resume", run, "--steps", 4, "--quiet"],
}
LIMIT_S = 60


def invoke(command: str, run: Path) -> Result:
    """Run a command in this process; one that waits for ever is ended."""

    def waited(*_: object) -> None:
        raise AssertionError(f"{command} waits for ever")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(LIMIT_S)
    try:
        return CliRunner().invoke(main, [str(word) for word in COMMANDS[command](run)])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that has all its files, as every command was called for it, and another to compare with."""
    home = tmp_path_factory.mktemp("strange")
    settings = {"data": "ring8", "steps": 2, "device": "cpu", "snapshots": [1], "texts": {"keep": "1"}}
    ganzoo.train("toy", out=home / "run", **settings)
    ganzoo.train("toy", out=home / "other", seed=1, **settings)
    for command in ("evaluate", "sample", "compare", "explore"):
        assert invoke(command, home / "run").exit_code == 0
    assert CliRunner().invoke(main, ["run", "--resume", str(home / "run"), "--steps", "3", "--quiet"]).exit_code == 0
    Image.new("RGB", (8, 8)).save(home / "run" / "evaluation.png")  # which data with pixels has
    return home


@pytest.fixture(scope="module")
def names(whole: Path) -> list[str]:
    """All that a run holds, files and folders."""
    return sorted(str(path.relative_to(whole / "run")) for path in (whole / "run").rglob("*"))


def same(path: Path, outside: Path) -> None:
    """A link to what was there before, moved outside."""
    target = outside / "moved"
    path.rename(target)
    path.symlink_to(os.path.relpath(target, path.parent))


def other_name(path: Path, outside: Path) -> None:
    """A second name of a file outside."""
    if path.is_file():
        os.link(path, outside / "second")
    else:
        same(path, outside)


def replaced_by(make: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    def form(path: Path, outside: Path) -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path, outside)

    return form


FORMS: dict[str, Callable[[Path, Path], None]] = {
    "a link to the same": same,
    "a second name": other_name,
    "a link to a file": replaced_by(lambda path, outside: path.symlink_to(outside / "secret")),
    "a link to a folder": replaced_by(lambda path, outside: path.symlink_to(outside / "folder")),
    "a link to nothing": replaced_by(lambda path, outside: path.symlink_to(outside / "nothing")),
    "an endless device": replaced_by(lambda path, outside: path.symlink_to("/dev/zero")),
    "a pipe": replaced_by(lambda path, outside: os.mkfifo(path)),
    "a folder": replaced_by(lambda path, outside: path.mkdir()),
    "nothing": replaced_by(lambda path, outside: None),
}


def state(outside: Path) -> dict[str, tuple[int, bytes | None]]:
    return {
        str(path.relative_to(outside)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in sorted(outside.rglob("*"))
    }


def check(whole: Path, home: Path, name: str, form: str, command: str) -> None:
    """One thing in the run takes a strange form: the command ends, in time, and outside all is as it was."""
    shutil.copytree(whole, home, dirs_exist_ok=True)
    run, outside = home / "run", home / "outside"
    (outside / "folder").mkdir(parents=True)
    for secret in (outside / "secret", outside / "folder" / "step-000000.safetensors"):
        secret.write_bytes(b"secret")
        secret.chmod(0o600)
    FORMS[form](run / name, outside)
    before = state(outside)
    result = invoke(command, run)
    assert state(outside) == before, f"{name} as {form}: {command} changed what is outside"
    assert result.exit_code in (0, 1) and isinstance(result.exception, SystemExit | None), result.exception
    assert "a bug" not in result.output, f"{name} as {form}: {result.output}"
    if result.exit_code == 1:
        assert result.stderr.splitlines()[-1].startswith("Error: "), result.output


def check_some(whole: Path, names: list[str], tmp_path: Path, every: int) -> None:
    cases = list(itertools.product(names, FORMS, COMMANDS))[::every]
    for number, case in enumerate(cases):
        check(whole, tmp_path / str(number), *case)
        shutil.rmtree(tmp_path / str(number))


@pytest.mark.long
def test_some_strange_forms(whole: Path, names: list[str], tmp_path: Path) -> None:
    check_some(whole, names, tmp_path, every=53)  # which divides no count, so that each form and command has its turn


@pytest.mark.slow
def test_all_strange_forms(whole: Path, names: list[str], tmp_path: Path) -> None:
    check_some(whole, names, tmp_path, every=1)


HARMFUL = [
    ("report.html", "a link to a file", "report", 0),
    ("samples-seed0.png", "a link to a file", "sample", 0),
    ("interpolation-seed0.png", "a link to nothing", "explore", 0),
    ("samples/step-000004.png", "a link to a file", "resume", 0),
    ("loss.png", "a link to a file", "resume", 0),
    ("samples.gif", "a link to nothing", "resume", 0),
    ("metrics.jsonl", "a second name", "resume", 0),
    ("metrics.jsonl", "a link to the same", "resume", 0),
    ("checkpoint.safetensors", "a link to the same", "resume", 0),
    ("evaluation.json", "a link to a file", "evaluate", 0),
    (".lock", "a link to nothing", "resume", 1),
    (".lock", "a pipe", "resume", 1),
    ("checkpoints", "a link to the same", "resume", 1),
    ("checkpoints", "a link to a folder", "resume", 1),
    ("samples", "a link to the same", "resume", 1),
]


@pytest.mark.parametrize(("name", "form", "command", "code"), HARMFUL)
def test_what_would_reach_outside(whole: Path, tmp_path: Path, name: str, form: str, command: str, code: int) -> None:
    shutil.copytree(whole, tmp_path / "a")
    (tmp_path / "a" / "run" / name).touch()  # one that the run would have a step later
    check(tmp_path / "a", tmp_path / "b", name, form, command)
    found = tmp_path / "b" / "run" / name
    if code == 1:
        last = (found.parent / "metrics.jsonl").read_bytes()
        assert last == (whole / "run" / "metrics.jsonl").read_bytes(), "before a step is trained"
    assert found.is_symlink() == (code == 1 and form != "a pipe"), "a link is replaced, or the command refuses"


def test_the_files_named_by_nobody_beside_the_runs(whole: Path, tmp_path: Path) -> None:
    """The page of a comparison, a folder of a race, and the folder for a new run."""
    home, outside = tmp_path / "home", tmp_path / "outside"
    shutil.copytree(whole, home)
    outside.mkdir()
    (outside / "page").write_bytes(b"mine")
    (home / "comparison.html").unlink()
    (home / "comparison.html").symlink_to(outside / "page")
    assert invoke("compare", home / "run").exit_code == 0
    assert not (home / "comparison.html").is_symlink() and (outside / "page").read_bytes() == b"mine"

    (tmp_path / "race").mkdir()
    (tmp_path / "race" / "toy-seed0").symlink_to(outside)
    race = ["compare", "--variants", "toy", "--data", "ring8", "--minutes", "0.001", "-n", "100"]
    result = CliRunner().invoke(main, [*race, "--out", str(tmp_path / "race")])
    assert result.exit_code == 1 and "toy-seed0 is a link, and nothing is written through" in result.stderr

    for name in (".lock", "samples"):
        (tmp_path / "new").mkdir()
        (tmp_path / "empty").mkdir(exist_ok=True)
        (tmp_path / "new" / name).symlink_to(tmp_path / "empty" if name == "samples" else outside / "made")
        result = CliRunner().invoke(
            main, ["run", "toy", "--data", "ring8", "--steps", "1", "--out", str(tmp_path / "new")]
        )
        assert result.exit_code == 1 and "is a link, and nothing is written through" in result.stderr
        shutil.rmtree(tmp_path / "new")
    assert [path.name for path in outside.iterdir()] == ["page"] and not list((tmp_path / "empty").iterdir())


def test_what_the_user_names_may_be_a_link_of_his(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(whole / "run")
    assert invoke("report", tmp_path / "run").exit_code == 0, "also a run as a whole"
    for ending, command in {
        ".png": ["sample", "-n", "8"],
        ".npz": ["sample", "-n", "8"],
        ".gif": ["sample"],
        "-explored.gif": ["explore", "--interpolate", "3"],
    }.items():
        target, link = tmp_path / f"target{ending}", tmp_path / f"link{ending}"
        target.write_bytes(b"")
        link.symlink_to(target)
        result = CliRunner().invoke(main, [command[0], str(whole / "run"), *command[1:], "-o", str(link)])
        assert result.exit_code == 0, result.output
        assert link.is_symlink() and target.stat().st_size, ending
