"""A game that has stopped is told of, once; a game that goes on is not."""

from __future__ import annotations

import pytest

import ganzoo_core as ganzoo
from ganzoo_core.training import collapse_warning
from ganzoo_core.training.collapse_warning import AlikeWarning, CollapseWarning, DivergenceWarning


def messages(caplog, *games: tuple[int, float, float]) -> list[str]:
    """The warnings of log lines every 20 steps: how many, with which loss of D, and which gradient of G."""
    watch, step = CollapseWarning(), 0
    for lines, loss, gradient in games:
        for _ in range(lines):
            step += 20
            watch.on_log(
                {
                    "step": step,
                    "discriminator/real": loss / 2,
                    "discriminator/fake": loss / 2,
                    "generator_gradient": gradient,
                }
            )
            watch.on_log({"step": step, "modes_covered": 8})
    return [record.message for record in caplog.records]


def test_a_collapse_is_told_of_once_with_advice(caplog):
    (message,) = messages(caplog, (5, 0.7, 0.1), (50, 1e-3, 1e-6))
    assert message.startswith(
        "the game has collapsed since step 120: the discriminator's loss is 0.001 and the norm of"
    )
    assert (
        "the generator's gradient 1e-06" in message and "The run goes on" in message and "discriminator_lr" in message
    )


def test_a_game_that_goes_on_is_left_alone(caplog):
    assert not messages(caplog, (100, 0.7, 0.1))
    assert not messages(caplog, (100, 1e-3, 0.1)), "D is sure, but G learns"
    assert not messages(caplog, (100, 0.7, 1e-6)), "G stands still, but D is not sure"
    assert not messages(caplog, *[(10, 1e-3, 1e-6), (1, 0.7, 0.1)] * 5), "never for long"


def test_a_run_is_watched_and_goes_on(in_tmp, caplog, monkeypatch):
    for name in ("CERTAIN_LOSS", "NO_GRADIENT"):
        monkeypatch.setattr(collapse_warning, name, 1e9)
    monkeypatch.setattr(collapse_warning, "PATIENCE_STEPS", 10)
    run = ganzoo.train("toy", data="ring8", device="cpu", log_every=5)
    assert ["collapsed since step 5" in record.message for record in caplog.records] == [True]
    assert run.records()[-1]["step"] == 30


def diverged(caplog, *losses: float) -> list[str]:
    watch = DivergenceWarning()
    for number, loss in enumerate(losses, start=1):
        watch.on_log({"step": 20 * number, "discriminator/real": 0.1, "generator/fool": loss})
        watch.on_log({"step": 20 * number, "modes_covered": 8})
    return [record.getMessage() for record in caplog.records]


def test_a_divergence_is_told_of_once(caplog):
    (message,) = diverged(caplog, 0.7, -1.4757395e22, -1.4757395e22, -1.4757395e22)
    assert message == (
        "the game has diverged since step 40: the generator's loss is -1.5e22. The run goes on; stop it with Ctrl-C "
        "and begin anew with a lower generator_lr and discriminator_lr"
    )


def test_a_lone_peak_is_no_divergence(caplog):
    assert not diverged(caplog, 0.7, 1e22, 0.7, 1e22, 9e5, 9e5)


def test_a_diverging_run_is_told_of(in_tmp, caplog):
    ganzoo.train("vanilla", data="ring8", device="cpu", steps=60, texts={"generator_lr": "1e3"}, discriminator_lr=1e3)
    assert sum("the game has diverged since step" in record.getMessage() for record in caplog.records) == 1


def alike(caplog, *games: tuple[int, float]) -> list[str]:
    """The warnings of log lines every 20 steps: how many, with which diversity."""
    watch, step = AlikeWarning(), 0
    for lines, found in games:
        for _ in range(lines):
            step += 20
            watch.on_log({"step": step, "diversity": found})
            watch.on_log({"step": step, "modes_covered": 8})
    return [record.message for record in caplog.records]


def test_samples_that_become_alike_are_told_of_once(caplog):
    (message,) = alike(caplog, (50, 0.1), (50, 0.9), (100, 0.2))
    assert message.startswith(
        "the generator's samples have been alike since step 2020: they are 20% as far from one another as real ones, "
        "and were 90%. This is mode collapse"
    )
    assert "The run goes on" in message and "lower generator_lr" in message


def test_samples_that_never_differ_are_told_of(caplog):
    (message,) = alike(caplog, (400, 0.1))
    assert "alike since step 3020" in message and "and never were farther" in message


def test_samples_that_differ_enough_are_left_alone(caplog):
    assert not alike(caplog, (149, 0.1), (400, 0.5))
    assert not alike(caplog, (50, 0.9), (400, 0.4)), "half of what it was"
    assert not alike(caplog, *[(10, 0.1), (1, 0.9)] * 20), "never for long"


@pytest.mark.long
def test_a_collapse_that_is_provoked_is_seen_soon(in_tmp, caplog):
    """A discriminator that hardly learns lets a trained generator run to the one sample that it likes best."""
    settings = {"generator_widths": "128,256,512", "generator_lr": "0.001", "discriminator_lr": "2e-6"}
    ganzoo.train("vanilla", start="vanilla", steps=500, out="bad", device="cpu", texts=settings)
    assert any("have been alike since step" in record.message for record in caplog.records)
    caplog.clear()
    ganzoo.train("vanilla", start="vanilla", steps=500, out="good", device="cpu", texts=dict([*settings.items()][:1]))
    assert not any("alike" in record.message for record in caplog.records)
