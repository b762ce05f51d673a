"""What a newcomer meets first: `ganzoo` by itself, `ganzoo doctor`, the Tab key."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
import torch
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from ganzoo_core.cli import doctor, first_steps, main, teach
from ganzoo_core.errors import SettingError
from ganzoo_core.hookspecs import VERSION
from ganzoo_core.registry import registry
from ganzoo_core.sampling.devices import pick_device


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def completed(*words: str) -> list[str]:
    """What is offered for the last of the words."""
    *before, last = words
    return [item.value for item in ShellComplete(main, {}, "ganzoo", "_GANZOO_COMPLETE").get_completions(before, last)]


def test_by_itself_it_names_five_commands_that_work_as_they_stand() -> None:
    result = run()
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line for line in result.stdout.splitlines() if line.startswith("ganzoo ")]
    assert [line.split("  ")[0] for line in lines[:5]] == [command for command, _ in first_steps.first_evening()]
    assert len(first_steps.first_evening()) == 5
    for command, _ in first_steps.first_evening():
        name, *arguments = command.split()[1:]
        found = main.get_command(click.Context(main), name)
        found.make_context(name, arguments)
    assert max(len(line.rstrip()) for line in result.stdout.splitlines()) <= 80


def test_one_begins_with_the_oldest_variant_that_can_be_asked_for_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    def zoo(*rows: tuple[str, int, bool, tuple[str, ...]]) -> None:
        found = {n: (SimpleNamespace(name=n, year=y, conditional=c, kinds=k), None) for n, y, c, k in rows}
        monkeypatch.setattr(first_steps, "registry", lambda: SimpleNamespace(variants=lambda: found, commands=dict))

    zoo(("a", 2013, True, ("points",)), ("b", 2014, False, ("images",)), ("c", 2016, True, ("images",)))
    assert first_steps.first_variant() == "c"
    zoo(("b", 2014, False, ("images",)), ("d", 2012, False, ("images",)))
    assert first_steps.first_variant() == "d"
    zoo()
    assert first_steps.first_variant() == "NAME"
    assert [command.split()[1] for command, _ in first_steps.first_evening()] == ["run", "sample", "report"]


def test_the_doctor_finds_nothing_missing_here() -> None:
    result = run("doctor")
    assert result.exit_code == 0 and "Nothing is missing." in result.stdout
    for word in (VERSION, torch.__version__, "digits", "precision", "free memory"):
        assert word in result.stdout
    found = {one["what"]: one for one in json.loads(run("doctor", "--json").stdout)["findings"]}
    assert found["device"]["found"].startswith(("cpu", "cuda", "mps")) and found["PyTorch"]["advice"] is None


def test_the_doctor_says_what_to_do(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    monkeypatch.setattr("ganzoo_core.training.free_memory.free_memory", lambda device: 10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**8))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    broken = SimpleNamespace(name="bad", package="ganzoo-bad", error="No module named 'x'")
    zoo = SimpleNamespace(variants=dict, datasets=dict, plugins=lambda: [broken])
    monkeypatch.setattr(doctor, "registry", lambda: zoo)
    advice = {one.what: one.advice for one in doctor.examine(in_tmp / "data")}
    assert advice["PyTorch"] == ("PyTorch must be at least 2.6, but is 2.5.1+cpu: pip install -U torch torchvision")
    assert advice["device"] == (
        "there is an NVIDIA driver, but this PyTorch can't use it: see pytorch.org for a build that fits it"
    )
    assert advice["free memory"] == "close other programs, or take a small batch_size"
    assert advice["disk for runs"] == (
        "a run of images takes some hundred megabytes: free some space; runs go elsewhere with --out DIR"
    )
    assert advice["disk for data"].endswith("data goes elsewhere with --data-dir DIR")
    assert advice["variants"] == "install one: pip install ganzoo-NAME"
    assert advice["plugin bad"] == "pip install -U ganzoo-bad, or pip uninstall ganzoo-bad"
    monkeypatch.setattr("ganzoo_core.training.free_memory.free_memory", lambda device: None)
    assert {one.what: one.found for one in doctor.examine(in_tmp)}["free memory"] == "not told by this system"


def test_the_doctor_survives_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise doctor.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "version", missing)
    assert doctor._torch().advice == "torchvision is missing: pip install torchvision"


def test_names_are_completed(in_tmp: Path) -> None:
    wgans = ["wgan", "wgan-div", "wgan-gp"]
    assert completed("run", "wg") == wgans == completed("show", "wg") == completed("check", "wg")
    assert completed("run", "cgan", "--data", "ri") == ["ring8"]
    assert completed("run", "cgan", "--data", "fol") == ["folder:"]
    (in_tmp / "photos").mkdir()
    (in_tmp / ".hidden").mkdir()
    assert completed("run", "cgan", "--data", "folder:") == ["folder:photos"]
    assert completed("run", "cgan", "--data", "folder:nowhere/") == []


def test_runs_are_completed_the_newest_first(in_tmp: Path) -> None:
    assert completed("report", "ru") == ["ru"]  # a file, for the shell to find
    for number, name in enumerate(("runs/one", "runs/two", "elsewhere/three")):
        (in_tmp / name).mkdir(parents=True)
        (in_tmp / name / "run.json").touch()
        os.utime(in_tmp / name / "run.json", (number, number))
    (in_tmp / "runs" / "none").mkdir()
    for words in (
        ("report",),
        ("sample",),
        ("run", "--resume"),
        ("evaluate",),
        ("explore",),
        ("export",),
        ("compare",),
    ):
        assert completed(*words, "ru") == ["runs/two", "runs/one"], words
    assert completed("report", "elsewhere/t") == ["elsewhere/three"]
    assert completed("sample", "runs/o") == ["runs/one"]


SCRIPTS = {
    "bash": """eval "$(_GANZOO_COMPLETE=bash_source ganzoo)"
COMP_WORDS=(ganzoo show wg) COMP_CWORD=2; _ganzoo_completion ganzoo; printf '%s\\n' "${COMPREPLY[@]}"\n""",
    "zsh": """autoload -U compinit; compinit -D; eval "$(_GANZOO_COMPLETE=zsh_source ganzoo)"
compadd() { printf '%s\\n' "$@" }; _describe() { printf '%s\\n' "${(@P)3}" }
words=(ganzoo show wg) CURRENT=3; _ganzoo_completion""",
    "fish": "_GANZOO_COMPLETE=fish_source ganzoo | source; complete -C 'ganzoo show wg'",
}


@pytest.mark.parametrize("shell", SCRIPTS)
def test_each_shell_completes(shell: str, in_tmp: Path, subprocess_env: dict[str, str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    scripts = Path(sys.executable).parent
    env = subprocess_env | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "HOME": str(in_tmp)}
    command = [shell, "-c", SCRIPTS[shell]]
    done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert "wgan" in done.stdout and "wgan-gp" in done.stdout and "vanilla" not in done.stdout, done.stderr


def test_a_run_named_without_its_parent_is_found_for_the_user(in_tmp: Path) -> None:
    Path("runs/cgan-digits-1").mkdir(parents=True)
    assert "did you mean runs/cgan-digits-1?" in run("sample", "cgan-digits-1").stderr


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("no", name="torch"), "'torch' is missing in this environment; .* pip install -r"),
        (ModuleNotFoundError("no", name="ganzoo_core.gone"), None),
        (ModuleNotFoundError("no", name="torch.new"), "PyTorch must be at least 2.6, but is 2.5.1"),
        (AttributeError("torch.new"), "PyTorch must be at least 2.6, but is 2.5.1: pip install -U torch torchvision"),
        (ImportError("torch.new"), "PyTorch must be at least 2.6, but is 2.5.1"),
        (ZeroDivisionError("oh"), None),
    ],
)
def test_an_installation_that_lacks_something_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str | None
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(teach.metadata, "version", lambda _: "2.5.1")
    monkeypatch.setattr(main.get_command(click.Context(main), "list"), "callback", fail)
    monkeypatch.setattr(registry(), "fault", lambda *_: None)
    result = run("list")
    said = result.stderr.strip()
    assert result.exit_code == 1 and said.startswith("Error: ") and len(said.splitlines()) == 1
    assert re.search(words or "this is a bug in ganzoo", said), said


def test_why_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for build, why in (("13.0", "PyTorch finds no NVIDIA GPU, or no driver"), (None, "this PyTorch is not built")):
        monkeypatch.setattr(torch.version, "cuda", build)
        monkeypatch.setattr(torch.version, "hip", None)
        with pytest.raises(SettingError, match=f"device must be one this machine has, but is 'cuda'.*{why}"):
            pick_device("cuda")
