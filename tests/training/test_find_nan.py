"""Where NaN and infinities begin: found by training again from the last checkpoint."""

from __future__ import annotations

import math

import pytest
import torch
from engines import dataset
from ganzoo_toy import Toy, ToyConfig

import ganzoo_core as ganzoo
from ganzoo_core.errors import NotFiniteError, TrainingError
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.storage import tensor_files
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.find_nan import find_first_nan

FOUND = NotFiniteError("the loss term x is nan at step 5", 5)


@pytest.fixture
def engine(tmp_path) -> Engine:
    """An engine that stands at step 3, with a checkpoint of step 1."""
    e = Engine(Toy(ToyConfig()), dataset(), RunSettings(device="cpu"))
    e.train_step()
    tensor_files.save(tmp_path / "x", "checkpoint", {"step": 1}, e.state())
    e.train_step()
    e.train_step()
    return e


def search(engine: Engine, tmp_path) -> str:
    return str(find_first_nan(FOUND, engine, tmp_path / "x", lambda: False))


def test_a_layer(engine, tmp_path):
    layer = engine.networks.discriminator.hidden
    layer.register_forward_hook(lambda *_: torch.full((32, 8), torch.inf) if engine.step == 3 else None, prepend=True)
    message = search(engine, tmp_path)
    assert "; it began at step 4, where the layer discriminator.hidden gave a number that is not finite; the" in message
    assert message.startswith("the loss term x is nan at step 5; it began") and "lower --set generator_lr" in message


def test_a_gradient(engine, tmp_path):
    terms = engine.players[1].terms
    bias = engine.networks.generator.output.bias
    engine.players[1].terms = lambda turn: terms(turn) | {"root": (bias * 0).sqrt().sum()}  # 0, with a slope of 0 * inf
    assert "it began at step 2, where the gradient of generator.output.bias was not finite in the generator's turn" in (
        search(engine, tmp_path)
    )


def test_an_update(engine, tmp_path):
    engine.players[0].optimizer.param_groups[0]["lr"] = math.inf
    assert "it began at step 2, where the discriminator's update made discriminator.hidden.weight not finite" in (
        search(engine, tmp_path)
    )


def test_what_does_not_come_again_is_told_as_it_was_found(engine, tmp_path):
    assert find_first_nan(FOUND, engine, tmp_path / "x", lambda: False) is FOUND
    assert engine.step == 5
    assert find_first_nan(FOUND, engine, tmp_path / "nowhere", lambda: False) is FOUND
    assert find_first_nan(FOUND, engine, tmp_path / "x", lambda: True) is FOUND
    assert engine.step == 1


def test_a_run_whose_steps_are_too_long(in_tmp):
    """As a user meets it: the weights, then the numbers they give, grow beyond float32."""
    with pytest.raises(TrainingError) as caught:
        ganzoo.train("toy", data="ring8", device="cpu", log_every=5, generator_lr=1e38, out="run")
    message = str(caught.value)
    assert "at step 5; it began at step 2, where the layer generator.hidden gave a number that is not finite" in message
    assert tensor_files.load(in_tmp / "run" / "checkpoint.safetensors", "checkpoint")[0]["step"] == 0
