"""Games with phases and seldom players, of plugins and of examples/*.py: every promise, and resumed at each border."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import pytest
import torch

import ganzoo_core as ganzoo
from ganzoo_core import registry as registry_module
from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.runs import own
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.storage import tensor_files
from ganzoo_core.testing import RULES, _failure, rules
from ganzoo_core.testing.cases import Case
from ganzoo_core.testing.steps import NotShown
from ganzoo_core.training.engine import Engine

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = {
    "progan": ("ganzoo_progan", "Progan", {"level_steps": 2, "width": 4, "batch_size": 4, "latent_dim": 8}),
    "stylegan2": ("ganzoo_progan", "Stylegan2", {"width": 4, "batch_size": 4, "latent_dim": 8}),
    "srgan": ("srgan", "Srgan", {"pretraining_steps": 3, "width": 4, "blocks": 1, "batch_size": 4}),
    "my_gan": ("my_gan", "MyGan", {"batch_size": 4}),
}
GAMES = [pytest.param(game, marks=[pytest.mark.long] * (game != "my_gan")) for game in SMALL]


@pytest.fixture(autouse=True)
def _beside(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    registry_module.registry.cache_clear()


def small(game: str) -> type[ganzoo.Variant]:
    """The variant of a plugin or a file with networks that take no time."""
    module, name, settings = SMALL[game]
    variant = getattr(importlib.import_module(module), name)
    fields = [(key, type(value), value) for key, value in settings.items()]
    config = dataclasses.make_dataclass("Small", fields, bases=(variant.Config,), frozen=True, kw_only=True)
    made = type(name, (variant,), {"Config": config, "__module__": variant.__module__, "__doc__": variant.__doc__})
    own.add_class(made)
    return made


def images(n: int = 32) -> Dataset:
    samples = torch.randint(0, 256, (n, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Dataset(DataSpec("noise", (1, 16, 16)), samples)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule is not rules.data], ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("game", GAMES)
def test_every_promise_is_kept(game, rule, in_tmp):
    variant = small(game)
    case = Case(variant, registry_module.registry().variant(variant.name)[1], images())
    try:
        assert _failure(rule, [case]) is None
    except NotShown:
        assert rule is rules.light_import  # which is about packages


@pytest.mark.parametrize("game", GAMES)
def test_a_run_resumed_at_any_step_ends_where_the_uninterrupted_one_ends(game, tmp_path):
    variant, steps, path = small(game), 12, tmp_path / "checkpoint.safetensors"

    def engine() -> Engine:
        return Engine(variant(variant.Config(steps=steps)), images(), RunSettings(device="cpu", precision="fp32"))

    whole, states = engine(), []
    for _ in range(steps):
        states.append({name: tensor.clone() for name, tensor in whole.state().items()})
        whole.train_step()
    for step in range(steps):
        tensor_files.save(path, "checkpoint", {"step": step}, states[step])
        resumed = engine()
        resumed.restore(step, tensor_files.load(path, "checkpoint")[1], path)
        while resumed.step < steps:
            resumed.train_step()
        for name, tensor in whole.state().items():
            assert torch.equal(tensor, resumed.state()[name]), (step, name)


def test_progan_computes_the_levels_begun_and_no_others():
    variant = small("progan")
    engine = Engine(variant(), images(), RunSettings(device="cpu"))
    assert [stage.name for stage in engine.stages] == ["0", "1 fades in", "1", "2 fades in", "2"]
    called: list[int] = []
    for number, block in enumerate(engine.networks.generator.blocks):
        block.register_forward_hook(lambda *_, number=number: called.append(number))
    for stage, levels in zip(engine.stages, [{0}, {0, 1}, {0, 1}, {0, 1, 2}, {0, 1, 2}], strict=True):
        called.clear()
        engine.go_to(stage.span.start)
        engine.train_step()
        assert set(called) == levels
    assert len(engine.networks.generator(torch.randn(2, 8))[0, 0]) == 16


def test_srgan_learns_the_content_first_and_takes_pictures_of_any_size():
    variant = small("srgan")
    engine = Engine(variant(), images(), RunSettings(device="cpu"))
    records = [engine.measure(engine.train_step()) for _ in range(4)]
    assert "pretrainer/content" in records[2] and "discriminator/real" not in records[2]
    assert {"generator/content", "generator/adversarial", "discriminator/real"} <= records[3].keys()
    generator = engine.networks.generator.eval()
    assert generator(torch.zeros(1, 0), source=torch.zeros(1, 1, 5, 7)).shape == (1, 1, 20, 28)


def test_stylegan2_truncates_and_is_seldom_penalised():
    variant = small("stylegan2")
    engine = Engine(variant(), images(), RunSettings(device="cpu"))
    moved = [set(engine.train_step()) for _ in range(17)]
    assert [step for step, names in enumerate(moved) if "r1" in names] == [0, 16]
    assert [step for step, names in enumerate(moved) if "path" in names] == [0, 4, 8, 12, 16]
    rates = {group["lr"] for group in engine.players[2].optimizer.param_groups}
    assert rates == {0.8 * 2e-3, 0.8 * 2e-3 * 0.01}  # slowed for the path length; the mapping's is a hundredth
    generator = engine.networks.generator.eval()
    z = torch.randn(4, 8)
    generator.sampling = variant.Sampling(truncation=0.0)
    same = generator(z)
    assert torch.allclose(same, same[:1].expand_as(same), atol=1e-6)
    generator.sampling = variant.Sampling()
    assert not torch.allclose(generator(z), same)
