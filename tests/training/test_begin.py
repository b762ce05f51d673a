"""`--from`: a run begins with another's weights as far as they fit, says which do not, and keeps what they were."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import FileError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import resolve
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.storage import tensor_files
from ganzoo_core.testing.cases import Case
from ganzoo_core.testing.game_rules import gradients, moves
from ganzoo_core.training.begin import begin_with
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.freeze import frozen_layers

SMALL = {"batch_size": 8, "device": "cpu"}


@pytest.fixture(scope="module")
def donor(tmp_path_factory) -> ganzoo.Run:
    out = tmp_path_factory.mktemp("donor") / "run"
    return ganzoo.train("cgan", data="digits", steps=3, ema_decay=0.5, out=out, **SMALL)


def engine(variant: str = "cgan", data: str = "digits", **settings: object) -> Engine:
    plan = resolve(variant, {"data": data, **SMALL, **settings})
    return Engine(plan.variant, plan.source.load(Path()), plan.run)


def weights(run: ganzoo.Run) -> dict[str, torch.Tensor]:
    return tensor_files.load(run.folder / "checkpoint.safetensors", "checkpoint")[1]


def test_both_players_begin_with_a_runs_and_the_average_with_them(donor):
    begun = engine(ema_decay=0.9, seed=5)
    found = begin_with(begun, donor.folder)
    file = donor.folder / "checkpoint.safetensors"
    assert found["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest() and found["left"] == []
    assert (found["source"], found["step"]) == (str(donor.folder), 3)
    state, theirs = begun.state(), weights(donor)
    own = [name for name in theirs if name.startswith(("generator.", "discriminator."))]
    assert len(own) == found["taken"]
    for name in own:
        assert torch.equal(state[name], theirs[name]), name
        if name.startswith("generator."):
            assert torch.equal(state[f"average.{name.removeprefix('generator.')}"], theirs[name]), name


def test_a_file_of_a_generator_leaves_the_discriminator(donor):
    begun, fresh = engine(seed=5), engine(seed=5)
    found = begin_with(begun, donor.folder / "generator.safetensors")
    assert all(name.startswith("discriminator.") for name in found["left"]) and found["left"]
    theirs = tensor_files.load(donor.folder / "generator.safetensors", "generator")[1]
    state, before = begun.state(), fresh.state()
    for name, tensor in theirs.items():
        assert torch.equal(state[f"generator.{name}"], tensor)
    for name in found["left"]:
        assert torch.equal(state[name], before[name])


def test_what_does_not_fit_is_named_and_begins_anew(donor, caplog):
    """Shapes of another latent differ in the first layer alone."""
    begun, fresh = engine(latent_dim=7), engine(latent_dim=7)
    with caplog.at_level("INFO", "ganzoo"):
        found = begin_with(begun, donor.folder)
    assert found["left"] and all(name.startswith("generator.") for name in found["left"])
    assert f"do not fit the weights of {donor.folder} and begin anew: {found['left'][0]}" in caplog.text
    for name in found["left"]:
        assert torch.equal(begun.state()[name], fresh.state()[name])
    with pytest.raises(SettingError, match="none of its weights fits these networks by name and shape"):
        begin_with(engine("toy", "ring8"), donor.folder)


def test_a_run_says_what_it_began_with_and_learns_on(donor, tmp_path):
    words = ["run", "cgan", "--from", str(donor.folder), "--out", str(tmp_path / "run"), "--steps", "2", "--seed", "7"]
    result = CliRunner().invoke(main, [*words, "--batch-size", "8", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    kept = json.loads((tmp_path / "run" / "run.json").read_text())["began_with"]
    assert kept["source"] == str(donor.folder) and kept["taken"] and kept["left"] == []
    ganzoo.train(resume=tmp_path / "run", steps=4)
    again = json.loads((tmp_path / "run" / "run.json").read_text())
    assert again["began_with"] == kept and "began_with" not in str(again["changes"])


def test_one_that_was_stopped_before_its_first_checkpoint_begins_with_them_again(donor, tmp_path):
    whole = ganzoo.train("cgan", data="digits", steps=2, start=donor.folder, out=tmp_path / "whole", **SMALL)
    stopped = ganzoo.train("cgan", data="digits", steps=2, start=donor.folder, out=tmp_path / "stopped", **SMALL)
    for name in ("checkpoint.safetensors", "generator.safetensors", "metrics.jsonl"):
        (stopped.folder / name).unlink()
    ganzoo.train(resume=stopped.folder)
    first, second = weights(whole), weights(stopped)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_other_weights_under_that_name_are_refused(donor, tmp_path):
    shutil.copytree(donor.folder, tmp_path / "donor")
    run = ganzoo.train("cgan", data="digits", steps=1, start=tmp_path / "donor", out=tmp_path / "run", **SMALL)
    for name in ("checkpoint.safetensors", "metrics.jsonl"):
        (run.folder / name).unlink()
    ganzoo.train(resume=tmp_path / "donor", steps=4)
    with pytest.raises(FileError, match="began with the weights of .*donor, which are others now; run it anew"):
        ganzoo.train(resume=run.folder)


def test_what_can_not_be_begun_with_is_said_and_leaves_no_folder(donor, tmp_path):
    def refused(*words: str) -> str:
        result = CliRunner().invoke(main, ["run", "cgan", "--steps", "1", "--out", str(tmp_path / "new"), *words])
        assert result.exit_code != 0 and not (tmp_path / "new").exists()
        return result.stderr

    assert "there is no run folder, weights file or variant 'nothing'" in refused("--from", "nothing")
    assert "toy ships no weights" in refused("--from", "toy")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes((donor.folder / "generator.safetensors").read_bytes()[:1000])
    assert "broken.safetensors" in refused("--from", str(broken))
    header, tensors = tensor_files.load(donor.folder / "generator.safetensors", "generator")
    next(iter(tensors.values()))[:] = torch.nan
    known = {k: v for k, v in header.items() if k not in ("kind", "format_version", "digest")}
    tensor_files.save(tmp_path / "nan.safetensors", "generator", known, tensors)
    assert "not finite" in refused("--from", str(tmp_path / "nan.safetensors"))
    with pytest.raises(SettingError, match="--from and --resume exclude each other"):
        ganzoo.train(resume=donor.folder, start=donor.folder)


def discriminator_of(run: ganzoo.Run) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in weights(run).items() if name.startswith("discriminator.")}


def test_frozen_layers_stay_as_they_were_and_the_others_learn(donor, tmp_path):
    """Also through a resume, and all the same to the last bit."""
    frozen = {"start": donor.folder, "seed": 5, "freeze_layers": 2, **SMALL}
    run = ganzoo.train("cgan", data="digits", steps=4, out=tmp_path / "run", **frozen)
    layers = {f"discriminator.{name}" for name in engine(freeze_layers=2).frozen_layers}
    assert len({name.rpartition(".")[0] for name in layers}) == 2 and layers == set(
        list(layers_in_order(run))[: len(layers)]
    )
    theirs = discriminator_of(donor)
    moved = {name for name, tensor in discriminator_of(run).items() if not torch.equal(tensor, theirs[name])}
    assert moved and not moved & layers and layers_in_order(run)[-1] in moved
    half = ganzoo.train("cgan", data="digits", steps=2, out=tmp_path / "half", **frozen)
    ganzoo.train(resume=half.folder, steps=4)
    first, second = weights(run), weights(half)
    assert all(torch.equal(first[name], second[name]) for name in first)


def layers_in_order(run: ganzoo.Run) -> list[str]:
    discriminator = engine().networks.discriminator
    return [f"discriminator.{name}" for name, _ in discriminator.named_parameters()]


def test_a_parametrized_layer_is_one_layer():
    network = torch.nn.Sequential(torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(3, 3)), torch.nn.ReLU(),
                                  torch.nn.Linear(3, 1))  # fmt: skip
    assert set(frozen_layers(network, 1)) == {"0.bias", "0.parametrizations.weight.original"}


def test_layers_that_a_phase_would_free_stay_frozen():
    """A network may say in `begin_phase` what is in play."""
    begun = engine("progan", steps=20, freeze_layers=1)
    for stage in begun.stages:
        begun.go_to(stage.span.start)
        assert not any(p.requires_grad for p in begun.frozen_layers.values())


def test_what_can_not_be_frozen_is_said_and_leaves_no_folder(donor, tmp_path):
    def refused(**settings: object) -> str:
        with pytest.raises(SettingError) as error:
            ganzoo.train("cgan", data="digits", steps=1, out=tmp_path / "new", **SMALL, **settings)
        assert not (tmp_path / "new").exists()
        return str(error.value)

    assert "freeze_layers keeps what another run has learned; give --from SOURCE, or leave" in refused(freeze_layers=1)
    told = refused(freeze_layers=99, start=donor.folder)
    assert "freeze_layers must be below" in told and "layers of" in told and "but is 99" in told
    told = refused(freeze_layers=1, start=donor.folder / "generator.safetensors")
    assert "has none of discriminator." in told and "or freeze fewer" in told


@pytest.mark.parametrize("variant", ["cgan", "sngan", "progan"])
def test_the_rules_of_the_game_hold_with_frozen_layers(variant: str, monkeypatch):
    """Gradients reach all that is in play, and only whoever moves is moved."""
    cls, plugin = registry().variant(variant)
    case = Case(cls, plugin, resolve(variant, {"data": "digits"}).source.load(Path()))
    settings = RunSettings(device="cpu", precision="fp32", freeze_layers=2)
    monkeypatch.setattr(Case, "engine", lambda self, **_: Engine(self.new_variant(), self.dataset, settings))
    assert case.engine().frozen_layers
    gradients(case)
    moves(case)
