"""A run in memory for a plugin's tests: no folder, no display, and all its parts accessible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.interfaces import Networks, Player
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import find_source
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.examples import choose_examples
from ganzoo_core.sampling.samples import Samples
from ganzoo_core.sampling.surroundings import undisturbed
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.statistics import OwnStatistics
from ganzoo_core.variant import Variant

# The run's settings that bear on its numbers; the others are about a folder.
_OF_THE_RUN = {"seed", "device", "precision", "compile", "cuda_graph", "accumulate", "sync_batchnorm"}


def train_steps(
    variant: str | type[Variant] | Variant, dataset: str | Dataset, steps: int, **settings: Any
) -> Training:
    """Train in memory, in float32 on the CPU unless `settings` say otherwise; 0 steps only initialise.

    `variant`: a name, a class or an instance; the last two need not be installed. `dataset`: one in memory, or a name.
    `settings`: the variant's, and those of the run that affect its numbers: `batch_size=8, n_critic=2, seed=1,
    accumulate=2`. Raises as `ganzoo.train`.
    """
    run = {name: settings.pop(name) for name in _OF_THE_RUN & settings.keys()}
    chosen = _chosen(variant, settings)
    with undisturbed(training=True):
        data = _loaded(dataset)
        engine = Engine(chosen, data, RunSettings.from_dict({"device": "cpu", "precision": "fp32"} | run))
    return Training(chosen, data, engine).train(steps)


class Training:
    """A run in memory after its last step so far; `train_steps` starts one.

    `networks`: those that train, and the loss. `players`: in the order of their updates. `records`: the numbers of each
    step, named as in metrics.jsonl.
    """

    variant: Variant
    dataset: Dataset
    networks: Networks
    players: list[Player]
    records: list[dict[str, float]]

    def __init__(self, variant: Variant, dataset: Dataset, engine: Engine) -> None:
        self.variant, self.dataset = variant, dataset
        self.networks, self.players = engine.networks, engine.players
        self.records = []
        self._engine = engine
        self._statistics = OwnStatistics(engine, balance=False)

    @property
    def step(self) -> int:
        """How many steps have been trained."""
        return self._engine.step

    def train(self, steps: int) -> Self:
        """Train for `steps` more steps; the result is bit for bit the same as from one longer call."""
        with undisturbed(training=True):
            for _ in range(steps):
                self.records.append(self._engine.measure(self._engine.train_step()))
        return self

    def sample(
        self,
        n: int | None = None,
        *,
        labels: Sequence[str | int] | None = None,
        seed: int = 0,
        inputs: Mapping[str, Any] | None = None,
        text: str | Sequence[str] | None = None,
    ) -> Samples:
        """Samples of the generator, or of the averaged one if there is one: see `TrainedGenerator.sample`.

        Without inputs, one that takes some gets those of the data's rows.
        """
        engine = self._engine
        examples = choose_examples(self.variant, engine.inputs, self.dataset, 0) if engine.inputs else {}
        spec, device = self.dataset.spec, engine.device
        generator = TrainedGenerator(engine.sampler, self.variant, spec, engine.step, device, engine.inputs, examples)
        with self._statistics.given():
            return generator.sample(n, labels=labels, seed=seed, inputs=inputs, text=text)

    def state(self) -> dict[str, Tensor]:
        """Copies of all tensors that the next step depends on, named as in a checkpoint: `generator.*` and so on."""
        return {name: tensor.detach().clone() for name, tensor in self._engine.state().items()}


def _chosen(variant: str | type[Variant] | Variant, settings: dict[str, Any]) -> Variant:
    """The variant with these hyperparameters; an instance keeps its others."""
    if isinstance(variant, Variant):
        if not settings:
            return variant
        cls, config, own = type(variant), type(variant.config), variant.config.to_dict()
    else:
        cls = registry().variant(variant)[0] if isinstance(variant, str) else variant
        config, own = cls.Config, {}
    for name in settings:
        config.check_effect(name, cls.name)
    return cls(config.from_dict(own | settings))


def _loaded(dataset: str | Dataset) -> Dataset:
    """The data set, loaded if it is a name."""
    if isinstance(dataset, Dataset):
        return dataset
    source, path = find_source(dataset)
    return source(None, path).load(data_folder(None))
