"""A setting that does nothing: refused where somebody asks for it, dropped where a file from before still holds it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

import ganzoo_core as ganzoo
import ganzoo_tools
from ganzoo_core.cli import main
from ganzoo_core.errors import SettingError
from ganzoo_core.report.command import command, run_settings
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage import tensor_files
from ganzoo_core.testing import check, train_steps

# Like a plugin written for 0.1: Adam's moments are listed, and do nothing.
OLD = """
from dataclasses import dataclass
from ganzoo_core import hookimpl, option
from ganzoo_toy import Toy, ToyConfig
GANZOO_API = 1
@dataclass(frozen=True, kw_only=True)
class RmsConfig(ToyConfig):
    batch_size: int = option(8, "samples per update", minimum=1)
class Rms(Toy):
    "Moved by RMSProp."
    name = "rms"
    Config = RmsConfig
    def optimizer(self, player, parameters):
        from torch.optim import RMSprop
        return RMSprop(parameters, lr=self.config.generator_lr)
@hookimpl
def ganzoo_variants():
    return [Rms]
"""
UNUSED = {"beta1": "RMSProp has no such moment", "discriminator_lr": "both move at one rate"}
NEW = OLD.replace("    batch_size:", f"    unused = {UNUSED}\n    batch_size:")
REFUSED = "beta1 has no effect on rms: RMSProp has no such moment; leave it out"
HELD = {"beta1": 0.3, "discriminator_lr": 0.5}


@pytest.fixture
def release(plugin_site: Any) -> Callable[[str], None]:
    """Installs one release of the plugin in place of another."""
    plugin_site.install("ganzoo-rms", {"ganzoo_rms.py": OLD})

    def install(source: str) -> None:
        (plugin_site.folder / "ganzoo_rms.py").write_text(source)
        plugin_site.forget()

    return install


def old_run(folder: Path, steps: int = 2) -> Path:
    ganzoo.train("rms", data="ring8", steps=steps, device="cpu", out=folder, **HELD)
    return folder


def ganzoo_cli(*words: str) -> Any:
    return CliRunner().invoke(main, words)


def test_a_setting_without_effect_is_not_listed(release: Callable[[str], None], in_tmp: Path) -> None:
    shown = {}
    for source in (OLD, NEW):
        release(source)
        shown[source] = {s["name"] for s in json.loads(ganzoo_cli("show", "rms", "--json").stdout)["settings"]}
    assert shown[OLD] - shown[NEW] == HELD.keys() and shown[NEW] < shown[OLD]
    run = ganzoo.train("rms", data="ring8", steps=1, device="cpu", out=in_tmp / "run")
    assert not HELD.keys() & run.info["settings"].keys()
    with safe_open(run.folder / "generator.safetensors", "pt") as file:
        assert not HELD.keys() & json.loads(file.metadata()["ganzoo"])["config"].keys()


def test_whoever_asks_for_it_is_told_why_not(release: Callable[[str], None], in_tmp: Path) -> None:
    release(NEW)
    (in_tmp / "rms.toml").write_text("beta1 = 0.5\n")
    for words in (
        ("run", "rms", "--data", "ring8", "--set", "beta1=0.9"),
        ("run", "rms", "--data", "ring8", "--set", "beta1=nonsense"),
        ("run", "rms", "--data", "ring8", "--config", "rms.toml"),
        ("show", "rms", "--set", "beta1=0.9"),
        ("compare", "--variants", "toy,rms", "--data", "ring8", "--minutes", "0.01", "--set", "beta1=0.9"),
    ):
        result = ganzoo_cli(*words)
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {REFUSED}\n"), words
    from ganzoo_rms import Rms

    for ask in (
        lambda: ganzoo.train("rms", data="ring8", beta1=0.5),
        lambda: train_steps("rms", "ring8", 1, beta1=0.5),
        lambda: train_steps(Rms(), "ring8", 1, beta1=0.5),
    ):
        with pytest.raises(SettingError) as caught:
            ask()
        assert str(caught.value) == REFUSED
    assert not (in_tmp / "runs").exists()


@pytest.mark.long
def test_a_run_that_holds_it_goes_on_bit_for_bit(release: Callable[[str], None], in_tmp: Path) -> None:
    run, whole = old_run(in_tmp / "run"), old_run(in_tmp / "whole", 4)
    release(NEW)
    for ask in (lambda: ganzoo.train(resume=run, steps=4, beta1=0.3), lambda: resume(run, texts={"beta1": "0.3"})):
        with pytest.raises(SettingError) as caught:
            ask()
        assert str(caught.value) == REFUSED
    resumed = resume(run)
    ends = [tensor_files.load(path / "checkpoint.safetensors", "checkpoint")[1] for path in (run, whole)]
    assert ends[0].keys() == ends[1].keys() and all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert not HELD.keys() & resumed.info["settings"].keys()
    assert resumed.info["changes"] == [{"step": 2, "settings": {"steps": 4}}]


def resume(run: Path, **asked: Any) -> ganzoo.Run:
    return ganzoo.train(resume=run, steps=4, **asked)


def test_a_run_and_weights_that_hold_it_are_sampled_and_judged(release: Callable[[str], None], in_tmp: Path) -> None:
    run = old_run(in_tmp / "run")
    with safe_open(run / "generator.safetensors", "pt") as file:
        assert HELD.items() <= json.loads(file.metadata()["ganzoo"])["config"].items()
    before = ganzoo.load(run).sample(9).values
    release(NEW)
    for source in (run, run / "generator.safetensors"):
        generator = ganzoo.load(source)
        assert torch.equal(generator.sample(9).values, before)
        assert generator.variant.config.beta1 == 0.5  # which nobody reads
    assert ganzoo_tools.evaluate(run, n=100, seeds=1, device="cpu").step == 2


def test_its_report_offers_a_command_that_runs(release: Callable[[str], None], in_tmp: Path) -> None:
    run = old_run(in_tmp / "run")
    release(NEW)
    page = ganzoo_cli("report", str(run))
    assert page.exit_code == 0, page.stderr
    text = (run / "report.html").read_text(encoding="utf-8")
    assert "beta2" in text and "beta1" not in text and "discriminator_lr" not in text
    info = json.loads((run / "run.json").read_text())
    assert info["settings"]["beta1"] == 0.3  # a report changes no run
    _, *words = shlex.split(command("rms", run_settings(RunFolder.open(run).metadata())))
    again = ganzoo_cli(*words, "--out", "again", "--quiet")
    assert again.exit_code == 0, again.stderr


def test_it_is_the_same_recipe_as_one_without(release: Callable[[str], None], in_tmp: Path) -> None:
    runs = [old_run(in_tmp / "old")]
    release(NEW)
    runs.append(ganzoo.train("rms", data="ring8", steps=2, seed=1, device="cpu", out=in_tmp / "new").folder)
    (recipe,) = ganzoo_tools.compare(runs, n=100, device="cpu").recipes
    assert recipe.name == "rms" and [candidate.seed for candidate in recipe.candidates] == [0, 1]


@pytest.mark.long
def test_both_releases_keep_the_promises(release: Callable[[str], None]) -> None:
    for source in (OLD, NEW):
        release(source)
        assert [result.failure for result in check("rms") if result.failure] == []
