"""Every hyperparameter that a variant of plugins/ lists does something: what is listed and ignored misleads."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from few import FEW

from ganzoo_core import Dataset, DataSpec, Input
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.runs.presets import presets
from ganzoo_core.settings import Option
from ganzoo_core.testing import Training, train_steps

PLUGINS = Path(__file__).parents[1] / "plugins"
PACKAGES = {
    f"ganzoo-{path.parents[1].name}" for part in ("networks", "loss") for path in PLUGINS.glob(f"*/*/{part}.py")
}
STEPS = 4  # the fourth is the first to move the averaged weights
# What is given of these where a variant has it.
BASE = {"batch_size": 8, "pretraining_steps": 2, "reading_steps": 1, "stage1_steps": 1, "labelled": 0.5}
# Where one more, or half of it, is no value that is allowed or that acts on small pictures.
OTHER: dict[tuple[str, str], Any] = {
    ("r3gan", "width"): 40,
    ("r3gan", "group_width"): 4,
    ("progan", "full_side"): 16,
    ("stylegan2", "full_side"): 16,
    ("sngan", "attention_side"): 8,
    ("projection", "attention_side"): 8,
    ("sagan", "attention_side"): 0,
    ("biggan", "attention_side"): 0,
    ("srgan", "scale"): 2,
    ("esrgan", "scale"): 2,
    ("stackgan", "enlarge"): 4,
    **{(name, "batch_size"): 16 for name in ("cyclegan", "discogan", "dualgan", "unit", "munit")},
}

# `steps` says how long to train, and `checkpoint_activations` changes no number (tests/training/test_recompute.py); all
# others must make another generator, or another way there.
IDLE = ("steps", "checkpoint_activations")
LISTED = [
    pytest.param(name, option, marks=[pytest.mark.long] * (name not in FEW), id=f"{name}-{option.name}")
    for name, (cls, plugin) in registry().variants().items()
    if plugin.package in PACKAGES
    for option in cls.Config.options()
    if option.name not in IDLE and (option.choices is None or len(option.choices) > 1)
]


@cache
def data(name: str) -> Dataset:
    """Points, voxels, images with texts, or images of that size and a labelled source of each, of random numbers."""
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(32) % 2
    if name == "points":
        samples = torch.rand(32, 2, generator=rng) * 2 - 1
        return Dataset(DataSpec(name, (2,), ("a", "b"), "points"), samples, labels)
    if name == "voxels":
        samples = torch.randint(0, 256, (32, 1, 16, 16, 16), generator=rng, dtype=torch.uint8)
        return Dataset(DataSpec(name, (1, 16, 16, 16), ("a", "b"), name), samples, labels)
    if name == "texts":
        words = Input(name="text", kind="text", shape=(3,), names=("a", "b", "c", "d"))
        samples = torch.randint(0, 256, (32, 1, 32, 32), generator=rng, dtype=torch.uint8)
        extra = {"text": torch.randint(0, 5, (32, 3), generator=rng)}
        return Dataset(DataSpec(name, (1, 32, 32), columns=(words,)), samples, extra=extra)
    side = int(name)
    samples, source = torch.randint(0, 256, (2, 32, 1, side, side), generator=rng, dtype=torch.uint8)
    column = Input(name="source", kind="image", shape=(1, side, side))
    its_label = Input(name="source_labels", kind="numbers", shape=(2,))
    extra = {"source": source, "source_labels": torch.eye(2)[labels.flip(0)]}
    return Dataset(DataSpec(name, (1, side, side), ("a", "b"), columns=(column, its_label)), samples, labels, extra)


def other(variant: str, option: Option) -> Any:
    """Another value than the default, or than the one of BASE."""
    if (variant, option.name) in OTHER:
        return OTHER[variant, option.name]
    value = BASE.get(option.name, option.default)
    if option.choices:
        return next(choice for choice in option.choices if choice != value)
    if option.type == "bool":
        return not value
    if option.type.startswith("int,..."):
        return (3,)
    if option.type.startswith("int"):
        return 3 if value is None else value + 1
    assert option.type.startswith("float"), f"tell what to try of a {option.type}"
    return value / 2 if value else 0.25


def states(training: Training) -> list[dict[str, torch.Tensor]]:
    return [training.state(), training.train(STEPS).state()]


@cache
def usual(variant: str, name: str) -> list[dict[str, torch.Tensor]]:
    return states(train_steps(variant, data(name), 0, **base(variant)))


def base(variant: str) -> dict[str, Any]:
    names = registry().variant(variant)[0].Config.names()
    return {name: value for name, value in BASE.items() if name in names}


def acts(variant: str, option: Option, name: str) -> bool:
    """Whether another value begins with other weights on that data, or trains to others, the averaged ones included."""
    try:
        training = train_steps(variant, data(name), 0, **base(variant) | {option.name: other(variant, option)})
    except (DataError, SettingError):
        return False  # not for such data, or not with such a value
    before, after = usual(variant, name)
    return not same(training.state(), before) or not same(training.train(STEPS).state(), after)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_all_of_the_zoo_is_here() -> None:
    assert {registry().variant(param.values[0])[1].package for param in LISTED} == PACKAGES


@pytest.mark.parametrize(("variant", "option"), LISTED)
def test_every_hyperparameter_acts(variant: str, option: Option) -> None:
    assert any(acts(variant, option, name) for name in ("points", "16", "32", "voxels", "texts")), (
        f"{option.name} does nothing on any kind of data; state in {variant}'s Config why it is `unused`"
    )


PRESETS = [(name, file) for name, (cls, _) in registry().variants().items() for file in presets(cls).values()]


@pytest.mark.parametrize(("variant", "file"), PRESETS, ids=[f"{name}-{file.stem}" for name, file in PRESETS])
def test_every_preset_is_of_settings_that_there_are(variant: str, file: Path) -> None:
    settings = tomllib.loads(file.read_text())
    settings.pop("epochs", None)  # in place of steps
    config = registry().variant(variant)[0].Config
    assert settings.keys() <= {option.name for option in config.options()}
    assert config.from_dict(settings) != config()
