"""Several averages of one training: by the engine's rule they are the engine's own."""

from __future__ import annotations

import pytest
import torch

from benchmarks import averages
from ganzoo_core.runs.plan import resolve
from ganzoo_core.training.engine import Engine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(averages, "SAMPLES", 4)
    plan = resolve("vanilla", {"data": "digits", "device": "cpu"}, {"batch_size": "8"})
    return Engine(plan.variant, plan.source.load(None), plan.run)


def test_the_engines_rule_is_one_of_them(engine: Engine) -> None:
    usual, short = (averages.following(engine, rule) for rule in ("0.999", "0.5"))
    for _ in range(12):
        engine.train_step()
        usual.follow(engine.step)
        short.follow(engine.step)
    ours, others = (torch.cat([p.flatten() for p in one.modules["generator"].parameters()]) for one in (usual, short))
    assert engine.average is not None
    assert torch.equal(ours, torch.cat([p.flatten() for p in engine.average.parameters()]))
    assert not torch.equal(ours, others)


def test_a_slower_rise_forgets_sooner(engine: Engine) -> None:
    first, second = (averages.following(engine, rule) for rule in ("0.999:3", "0.999:10"))
    with torch.no_grad():
        for parameter in engine.networks.generator.parameters():
            parameter.fill_(1.0)
        for average in (first, second):
            for parameter in average.modules["generator"].parameters():
                parameter.zero_()
    for average, ramp in ((first, 3), (second, 10)):
        average.follow(40)
        assert next(average.modules["generator"].parameters()).flatten()[0].item() == pytest.approx(
            1 - (40 / (40 + ramp)) ** 4
        )


def test_samples_are_of_the_weights_given_and_the_average_stays(engine: Engine) -> None:
    assert engine.average is not None
    before = {name: value.clone() for name, value in engine.average.state_dict().items()}
    other = averages.following(engine, "0.9").modules["generator"]
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    found = averages.samples(engine.variant, engine.dataset, engine, other)
    assert found.shape == (4, 1, 28, 28) and not found.any()
    assert all(torch.equal(value, before[name]) for name, value in engine.average.state_dict().items())
