"""`ganzoo_core.testing.train_steps`: it trains as `ganzoo.train` does, bit for bit, and shows what it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ganzoo_toy import Toy, ToyConditional, ToyConfig
from torch import Tensor

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec
from ganzoo_core.data import Dataset
from ganzoo_core.errors import DataError, SettingError, TrainingError, UnknownNameError
from ganzoo_core.storage import tensor_files
from ganzoo_core.testing import Training, train_steps


def plane(classes: tuple[str, ...] = ()) -> Dataset:
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % len(classes) if classes else None
    return Dataset(DataSpec("plane", (2,), classes, "points"), torch.rand(64, 2, generator=rng) * 2 - 1, labels)


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def numbers(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in record.items() if name != "samples_per_s"} for record in records]


@pytest.mark.parametrize("settings", [{}, {"seed": 3, "precision": "bf16", "n_critic": 2, "ema_decay": 0.9}])
def test_it_is_the_run_that_train_makes(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = ganzoo.train(
        "toy-conditional", data="digits", steps=5, log_every=1, snapshots=(5,), device="cpu", out=tmp_path / "run",
        **{"precision": "fp32"} | settings,
    )  # fmt: skip
    training = train_steps("toy-conditional", "digits", 5, **settings)
    assert numbers(training.records) == numbers(run.records())
    assert same(training.state(), tensor_files.load(tmp_path / "run" / "checkpoint.safetensors", "checkpoint")[1])
    asked: dict[str, Any] = {"labels": ["3", 1], "seed": 2}
    ours, theirs = training.sample(70, **asked), run.sample(70, **asked)
    assert torch.equal(ours.values, theirs.values) and ours.labels.tolist() == theirs.labels.tolist()


def test_it_goes_on_as_if_asked_for_at_once() -> None:
    whole, parts = train_steps(Toy, plane(), 6), train_steps(Toy, plane(), 0)
    assert (parts.step, parts.records) == (0, [])
    assert parts.train(2) is parts
    before = parts.state()
    torch.manual_seed(99)
    assert parts.train(4).step == whole.step == 6
    assert parts.records == whole.records and [record["step"] for record in whole.records] == [1, 2, 3, 4, 5, 6]
    assert same(parts.state(), whole.state()) and not same(before, whole.state())


def test_a_name_a_class_and_an_instance_are_one() -> None:
    states = [
        train_steps(variant, plane(), 2, **settings).state()
        for variant, settings in (
            ("toy", {"width": 3}),
            (Toy, {"width": 3}),
            (Toy(ToyConfig(width=3)), {}),
            (Toy(ToyConfig(width=9, n_critic=1)), {"width": 3}),
        )
    ]
    assert all(same(states[0], state) for state in states[1:])
    assert not same(states[0], train_steps("toy", plane(), 2, width=3, seed=1).state())


def test_an_instance_keeps_its_own_settings_and_is_left_as_it_is() -> None:
    variant = Toy(ToyConfig(width=3, batch_size=8))
    training = train_steps(variant, plane(), 0, n_critic=4)
    assert (training.variant.config.width, training.variant.config.n_critic) == (3, 4)
    assert [player.steps for player in training.players] == [4, 1] and variant.config.n_critic == 1


def test_what_it_is_made_of_is_in_sight() -> None:
    data = plane(("a", "b"))
    training = train_steps(ToyConditional, data, 0, n_critic=2)
    moves: list[str] = []
    for player in training.players:
        player.optimizer.register_step_post_hook(lambda *_, name=player.name: moves.append(name))
    assert training.dataset is data
    assert training.players[0].parameters == list(training.networks.discriminator.parameters())
    training.train(2)
    assert moves == 2 * ["discriminator", "discriminator", "generator"]
    assert {"discriminator/real", "generator/adversarial", "d_real", "generator_gradient"} <= training.records[0].keys()
    assert (
        training.sample().labels.tolist() == [0, 1] * 500
        and training.sample(3, labels=["b"]).labels.tolist() == [1] * 3
    )


def test_samples_are_the_averaged_generators() -> None:
    training = train_steps(Toy, plane(), 8, ema_decay=0.9)
    state, last = training.state(), train_steps(Toy, plane(), 8)
    assert same(
        {k: v for k, v in state.items() if k.startswith("generator.")},
        {k: v for k, v in last.state().items() if k.startswith("generator.")},
    )
    assert not torch.equal(training.sample(4).values, last.sample(4).values)


def test_random_numbers_of_the_caller_are_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train_steps(Toy, plane(), 2).train(1).sample(3)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("error", "message", "ask"),
    [
        (UnknownNameError, "there is no variant called 'tyo'; did you mean toy", lambda: toy(variant="tyo")),
        (UnknownNameError, "there is no data set called 'diggits'", lambda: toy(data="diggits")),
        (UnknownNameError, "there is no setting called 'widht'; did you mean width", lambda: toy(widht=3)),
        (UnknownNameError, "there is no setting called 'snapshots'", lambda: toy(snapshots=(1,))),
        (SettingError, "width must be a whole number, but is '3'", lambda: toy(width="3")),
        (SettingError, "seed must be at least 0, but is -1", lambda: toy(seed=-1)),
        (DataError, "batch_size must be at most 64, the size of plane, but is 65", lambda: toy(batch_size=65)),
        (DataError, "toy-conditional needs labels, but plane has none", lambda: toy(variant=ToyConditional)),
        (TrainingError, "the loss term discriminator/real is nan at step 2", lambda: toy(poison_step=2)),
    ],
)  # fmt: skip
def test_mistakes_are_told_as_by_train(error: type[Exception], message: str, ask: Any) -> None:
    with pytest.raises(error, match=message):
        ask()


def toy(variant: Any = "toy", data: Any = None, **settings: Any) -> Training:
    return train_steps(variant, data or plane(), 3, **settings)
