"""Callbacks that look at each step: what they see, that nothing of it changes a run, and that a run waits for them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ganzoo_toy import Toy

import ganzoo_core as ganzoo
from ganzoo_core.errors import Interrupted
from ganzoo_core.losses import NonSaturating


def assert_same_end(a: Path, b: Path) -> None:
    for name in ("generator.safetensors", "checkpoint.safetensors", "samples.gif"):
        assert (a / name).read_bytes() == (b / name).read_bytes()


class Eye(ganzoo.Callback):
    """Does something at each step, and answers with it."""

    def __init__(self, do: Callable[[int, Any], Any]) -> None:
        self.do = do
        self.steps: list[int] = []

    def on_step(self, step: int, look: Any) -> Any:
        self.steps.append(step)
        return self.do(step, look)


def train(variant: Any, out: Path, *callbacks: ganzoo.Callback, **settings: Any) -> ganzoo.Run:
    plain = {"data": "ring8", "steps": 12, "batch_size": 16, "device": "cpu", "log_every": 4}
    return ganzoo.train(variant, out=out, callbacks=callbacks, **(plain | settings))


class CountingBoth(NonSaturating):
    """Counts the generator's turns in a buffer; the count scales a term, so that a turn too many would show."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("turns", torch.zeros(()))

    def for_generator(self, turn: ganzoo.Turn) -> dict[str, torch.Tensor]:
        self.turns += 1
        return {name: term * (1 + 0.1 * self.turns) for name, term in super().for_generator(turn).items()}


class Counting(Toy):
    name = "counting"

    def loss(self) -> ganzoo.Loss:
        return CountingBoth()


def look_at_all(step: int, look: Any) -> None:
    look.pulled()
    look.judge(torch.zeros(5, 2) if look.real.ndim == 2 else look.real)
    torch.rand(3)


@pytest.mark.parametrize(
    ("variant", "settings"),
    [
        ("vanilla", {}),
        ("cgan", {}),
        ("wgan-gp", {}),
        (Counting, {"ema_decay": 0.9}),
        pytest.param("dcgan", {"data": "digits"}, marks=pytest.mark.long),
    ],
)
def test_a_run_that_is_looked_at_ends_bit_for_bit_as_one_that_is_not(
    tmp_path: Path, variant: Any, settings: dict[str, Any]
) -> None:
    eye = Eye(look_at_all)
    runs = [train(variant, tmp_path / name, *eyes, **settings) for name, eyes in (("a", [eye]), ("b", []))]
    assert eye.steps == list(range(1, 13))
    assert_same_end(runs[0].folder, runs[1].folder)


def test_what_is_seen(tmp_path: Path) -> None:
    found: dict[str, Any] = {}

    def look(step: int, look: Any) -> None:
        fake, pull = look.pulled()
        found[f"fake {step}"], found[f"pull {step}"] = fake, pull
        found[f"on fake {step}"], found[f"real {step}"] = look.judge(fake), look.real
        found[f"better {step}"] = look.judge(fake + 1e-3 * pull)
        found["boundary"] = look.boundary

    train("vanilla", tmp_path / "run", Eye(look))
    assert found["fake 1"].shape == found["pull 1"].shape == found["real 1"].shape == (16, 2)
    assert found["on fake 1"].shape == (16,) and found["boundary"] == 0.0
    assert torch.equal(found["real 1"], found["real 12"]) and not torch.equal(found["fake 1"], found["fake 12"])
    for step in range(1, 13):  # the generator pulls a sample up the discriminator's hill
        assert (found[f"better {step}"] >= found[f"on fake {step}"]).all()


def test_the_pull_of_a_known_loss(tmp_path: Path) -> None:
    """-log D(G(z)) of logits l has the gradient -sigmoid(-l) dl/dx for each sample by itself."""
    found: list[tuple[torch.Tensor, ...]] = []

    def look(step: int, look: Any) -> None:
        fake, pull = look.pulled()
        nudge = 1e-3 * torch.eye(2)
        slopes = [(look.judge(fake + n) - look.judge(fake - n)) / 2e-3 for n in nudge]
        found.append((pull, torch.sigmoid(-look.judge(fake))[:, None] * torch.stack(slopes, 1)))

    train("vanilla", tmp_path / "run", Eye(look), steps=30)
    pull, expected = found[-1]
    assert pull.abs().max() > 1e-3
    torch.testing.assert_close(pull, expected, rtol=0.05, atol=2e-3)


def test_a_conditional_discriminator_judges_under_the_label_that_suits_best(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []

    def look(step: int, look: Any) -> None:
        x = torch.linspace(-1, 1, 6).reshape(3, 2)
        discriminator = look._engine.networks.discriminator
        discriminator.eval()
        by_label = torch.stack([discriminator(x, torch.full((3,), k)) for k in range(8)])
        discriminator.train()
        seen.append((look.judge(x) - by_label.amax(0)).abs().max())

    train("cgan", tmp_path / "run", Eye(look), steps=2)
    assert max(seen) < 1e-5


def test_a_run_waits_and_goes_on_bit_for_bit(tmp_path: Path) -> None:
    waits = iter(["wait"] * 5)
    eye = Eye(lambda step, look: next(waits, None) if step == 7 else None)
    runs = [train("vanilla", tmp_path / name, *eyes) for name, eyes in (("a", [eye]), ("b", []))]
    assert eye.steps == [*range(1, 7), *[7] * 6, *range(8, 13)]
    assert_same_end(runs[0].folder, runs[1].folder)


def test_stop_ends_it_with_all_saved(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="stopped by SIGINT at step 5 of 12, all saved; go on with: ganzoo run"):
        train("vanilla", tmp_path / "run", Eye(lambda step, look: "stop" if step == 5 else None))
    ganzoo.train(resume=tmp_path / "run")
    assert_same_end(tmp_path / "run", train("vanilla", tmp_path / "whole").folder)


def test_ctrl_c_ends_a_run_that_waits(tmp_path: Path) -> None:
    def wait(step: int, look: Any) -> str | None:
        if step == 5 and len(eye.steps) == 5:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        return "wait" if step == 5 else None

    eye = Eye(wait)
    with pytest.raises(Interrupted, match="stopped by SIGINT at step 5 of 12, all saved"):
        train("vanilla", tmp_path / "run", eye)


def test_looking_takes_no_training_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])

    def take_long(step: int, look: Any) -> None:
        now_s[0] += 100.0

    run = train("vanilla", tmp_path / "run", Eye(take_long))
    assert [record["samples_per_s"] > 1e6 for record in run.records() if "samples_per_s" in record] == [True] * 3
