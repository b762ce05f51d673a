"""A recorded step: what of it runs on a processor. A stand-in records Python and replays it; no GPU is used here."""

from __future__ import annotations

import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from engines import CONFIG, PythonGraph, assert_equal, dataset, engine, recorded, weights
from ganzoo_toy import Toy

from ganzoo_core.registry import registry
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.testing import cases
from ganzoo_core.training import cuda_graph

SEVEN = ("vanilla", "conv", "dcgan", "cgan", "acgan", "wgan", "wgan-gp")


@pytest.mark.parametrize("name", SEVEN)
def test_replayed_steps_equal_played_ones(name):
    assert name in registry().variants()
    played, replayed = cases(name).tried[0].engine(), cases(name).tried[0].engine()
    graph = recorded(replayed)
    for _ in range(cuda_graph.WARM_UP_STEPS + 3):
        expected, found = played.measure(played.train_step()), replayed.measure(replayed.train_step())
    assert graph.replays == 3
    assert expected == found
    assert_equal(weights(played), weights(replayed))


def warnings(e, caplog, steps=cuda_graph.WARM_UP_STEPS + 2):
    with caplog.at_level(logging.WARNING, "ganzoo"):
        for _ in range(steps):
            e.train_step()
    return [record.getMessage() for record in caplog.records]


def test_a_step_that_can_not_be_recorded_is_played(caplog):
    class Refuses(PythonGraph):
        def capture(self, function):
            super().capture(function)
            raise RuntimeError("operation not permitted when stream is capturing\nCUDA says more")

    plain, e = engine(), engine()
    recorded(e, Refuses)
    (message,) = warnings(e, caplog)
    assert message == (
        "steps are not recorded as a CUDA graph: "
        "the step can't be recorded (operation not permitted when stream is capturing)"
    )
    warnings(plain, caplog)
    assert_equal(weights(plain), weights(e))


def test_a_recording_that_goes_elsewhere_is_dropped(caplog):
    class Wrong(PythonGraph):
        def replay(self):
            super().replay()
            for tensor in self.state().values():
                tensor.detach().add_(1)

    plain, e = engine(), engine()
    recorded(e, Wrong)
    (message,) = warnings(e, caplog)
    assert message.startswith("steps are not recorded as a CUDA graph: the recorded step goes elsewhere by ")
    warnings(plain, caplog)
    assert_equal(weights(plain), weights(e))


def test_a_schedule_in_python_is_not_recorded(caplog):
    plain, e = engine(), engine()
    for one in (plain, e):
        group = one.players[0].optimizer.param_groups[0]
        one.players[0].after_update = lambda group=group: group.update(lr=group["lr"] * 0.9)
    graph = recorded(e)
    assert warnings(e, caplog) == [
        "steps are not recorded as a CUDA graph: a learning rate or another number of an optimizer changes in Python"
    ]
    warnings(plain, caplog)
    assert graph.replays == 0
    assert_equal(weights(plain), weights(e))


def test_hooks_are_called_again_after_play_eagerly():
    e = engine()
    graph = recorded(e)
    for _ in range(cuda_graph.WARM_UP_STEPS + 2):
        e.train_step()
    e.disable_graph()
    e.train_step()
    assert graph.replays == 2


def test_where_steps_can_not_be_recorded(caplog):
    gpu = torch.device("cuda", 0)
    e, data = engine(), dataset()
    there = SimpleNamespace(samples=SimpleNamespace(device=gpu), extra={}, spec=data.spec)
    passing = SimpleNamespace(may_pass=True)
    unknown = [replace(e.players[0], optimizer=SimpleNamespace(defaults={}))]
    loss = e.networks.loss
    obstacles = [
        (e.players, loss, data, gpu, "plane does not fit on the GPU"),
        (e.players, passing, there, gpu, "SimpleNamespace decides in Python whether a player passes"),
        (unknown, loss, there, gpu, "SimpleNamespace, the discriminator's optimizer, is not capturable"),
    ]
    for *arguments, words in obstacles:
        caplog.clear()
        assert not cuda_graph.can_capture(*arguments)
        assert caplog.messages == [f"steps are not recorded as a CUDA graph: {words}"]
    caplog.clear()
    assert not cuda_graph.can_capture(e.players, loss, there, torch.device("cpu")) and not caplog.messages
    assert cuda_graph.can_capture(e.players, loss, there, gpu)
    assert all(group["capturable"] for player in e.players for group in player.optimizer.param_groups)


def test_the_setting_changes_nothing_on_a_processor(caplog):
    plain = engine(Toy, RunSettings(device="cpu", cuda_graph=False), steps=CONFIG.steps)
    e = engine(Toy, RunSettings(device="cpu", cuda_graph=True), steps=CONFIG.steps)
    assert not caplog.messages
    plain.train_step(), e.train_step()
    assert_equal(weights(plain), weights(e))
