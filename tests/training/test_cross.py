"""Every flag with every variant: it trains, and a resumed run is the same; what can't be is refused with a sentence."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch
from staged import Staged, StagedConfig

import ganzoo_core as ganzoo
from ganzoo_core.errors import SettingError
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.storage import tensor_files
from ganzoo_core.testing.cases import BATCH, Case, cases
from ganzoo_core.training.engine import Engine

SEVEN = ("vanilla", "conv", "dcgan", "cgan", "acgan", "wgan", "wgan-gp")
FLAGS = {
    "bf16": {"precision": "bf16"},
    "accumulate": {"accumulate": 2},
    "sync_batchnorm": {"sync_batchnorm": True},
    "balance": {"balance": True},
    "flip": {"augment": "flip"},
    "diffaugment": {"augment": "diffaugment"},
    "ada": {"augment": "ada"},
    "checkpoint_activations": {"checkpoint_activations": True},
    "all": {"precision": "bf16", "accumulate": 2, "augment": "ada", "ema_decay": 0.9, "checkpoint_activations": True},
}
pytestmark = pytest.mark.long


@functools.cache
def case(name: str) -> Case:
    return cases(name).tried[0]


def engine(name: str, flags: dict) -> Engine:
    found, run = case(name), RunSettings(device="cpu", precision="fp32")
    settings = {key: value for key, value in flags.items() if key in run.to_dict()}
    config = {key: value for key, value in flags.items() if key not in settings}
    variant = found.variant_class(found.variant_class.Config(batch_size=BATCH, **config))
    return Engine(variant, found.dataset, replace(run, **settings))


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
@pytest.mark.parametrize("name", SEVEN)
def test_every_flag_with_every_variant(name, flags, tmp_path):
    whole, resumed = engine(name, flags), engine(name, flags)
    whole.measure(whole.train_step())
    path = tmp_path / "checkpoint.safetensors"
    tensor_files.save(path, "checkpoint", {"step": 1}, whole.state())
    resumed.restore(1, tensor_files.load(path, "checkpoint")[1], path)
    assert whole.measure(whole.train_step()) == resumed.measure(resumed.train_step())
    for key, tensor in whole.state().items():
        assert torch.equal(tensor, resumed.state()[key]), key


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
@pytest.mark.parametrize("name", SEVEN)
def test_activations_computed_again_change_no_number(name, flags):
    """Whatever else is on; in bfloat16, too."""
    kept, dropped = (engine(name, flags | {"checkpoint_activations": on}) for on in (False, True))
    for _ in range(2):
        assert kept.measure(kept.train_step()) == dropped.measure(dropped.train_step())
    for key, tensor in kept.state().items():
        assert torch.equal(tensor, dropped.state()[key]), key


@pytest.mark.parametrize("flags", [f for f in FLAGS.values() if "augment" not in f], ids=lambda f: next(iter(f)))
def test_every_flag_with_a_game_in_stages(flags):
    from engines import dataset

    run = RunSettings(device="cpu", precision="fp32")
    settings = {key: value for key, value in flags.items() if key in run.to_dict()}
    config = {key: value for key, value in flags.items() if key not in settings}
    made = Engine(Staged(StagedConfig(**config)), dataset(), replace(run, **settings))
    for _ in range(14):
        made.measure(made.train_step())


def test_what_can_not_be_augmented_is_refused():
    with pytest.raises(SettingError, match="augment must be none for ring8, which holds points, but is ada"):
        ganzoo.train("vanilla", data="ring8", augment="ada", steps=1)


@pytest.mark.parametrize("name", ["vanilla", "wgan-gp"])
def test_compiled_networks_train_with_and_without_a_penalty(name, in_tmp, monkeypatch):
    """A gradient penalty asks for the gradient of a gradient, which compiled code has not."""
    monkeypatch.setattr("ganzoo_core.training.train.check_compile", lambda *asked: None)  # for a card, tried without
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))  # traced, not built
    records = [
        [r for r in ganzoo.train(name, data="ring8", steps=2, device="cpu", precision="fp32", compile=compiled,
                                 out=f"run-{compiled}", log_every=1, progress=False).records() if "d_real" in r]
        for compiled in (True, False)
    ]  # fmt: skip
    for one, other in zip(*records, strict=True):
        for key in one.keys() - {"samples_per_s"}:
            assert one[key] == pytest.approx(other[key], rel=0.05, abs=0.05), key
