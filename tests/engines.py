"""Small engines for the tests of training, and a stand-in that records Python and replays it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from ganzoo_toy import Toy, ToyConfig

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training.cuda_graph import CapturedStep
from ganzoo_core.training.engine import Engine

CONFIG = ToyConfig()


def dataset(size: int = 64, classes: int = 3) -> Dataset:
    rng = torch.Generator().manual_seed(1)
    names = tuple("abcdefgh"[:classes])
    samples = torch.rand(size, 2, generator=rng) * 2 - 1
    labels = torch.arange(size) % classes if classes else None
    return Dataset(DataSpec("plane", (2,), names, "points"), samples, labels)


def engine(variant=Toy, run: RunSettings | None = None, **config) -> Engine:
    return Engine(variant(replace(CONFIG, **config)), dataset(), run or RunSettings(device="cpu"))


def weights(e: Engine) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in e.state().items()}


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


class PythonGraph:
    """Keeps the function, and leaves the state as it was, as a graph's recording does."""

    def __init__(self, state):
        self.state, self.replays = state, 0

    def on_side_stream(self, function):
        return function()

    def capture(self, function):
        self.function, before = function, {name: tensor.clone() for name, tensor in self.state().items()}
        self.result = function()
        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(before[name])
        return self.result

    def replay(self):
        self.replays += 1
        self.result |= self.function()


def recorded(e, graph_class=PythonGraph):
    """One stand-in for all combinations of phase and movers; its replays count together."""
    made = graph_class(e.state)

    def play(movers):
        key = (e.stage.name, *(player.name for player in movers))
        if key not in e._plays:
            graph = made if not e._plays else graph_class(e.state)
            e._plays[key] = CapturedStep(partial(e._play_turns, movers), e.state, e._reseed, graph)
        return e._plays[key]

    e._is_recorded, e._play = True, play
    return made
