"""What Python decides of a step, the same within a phase: who moves, on how many samples, and on which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from ganzoo_core.data import BatchOrder, Dataset
from ganzoo_core.distributed.processes import Processes
from ganzoo_core.errors import ContractError
from ganzoo_core.interfaces import Networks, Part, Player
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.devices import default_generator
from ganzoo_core.training.microbatches import Microbatches
from ganzoo_core.training.phases import Span, spans
from ganzoo_core.variant import Variant


@dataclass
class Stage:
    """A phase at work: its mini-batches, and the players in play, of whom `owners` own parameters of the generator."""

    span: Span
    order: BatchOrder
    microbatches: Microbatches
    players: list[Player] = field(default_factory=list)
    owners: frozenset[str] = frozenset()

    @property
    def name(self) -> str | None:
        """The phase's name; None in a game without phases."""
        return self.span.name

    @property
    def batches_per_step(self) -> int:
        """How many mini-batches a step takes: as many as the player with most updates."""
        return max(player.steps for player in self.players)

    def movers(self, step: int) -> list[Player]:
        """The players who move in the step after `step` steps."""
        return [player for player in self.players if step % player.every == 0]

    def batch_numbers(self, step: int) -> range:
        """The numbers, in `order`, of that step's mini-batches."""
        first = (step - self.span.start) * self.batches_per_step
        return range(first, first + self.batches_per_step)

    def shared_batches(self, movers: Sequence[Player]) -> int:
        """How many of a step's last mini-batches the generator's owners move on too."""
        return max((player.steps for player in movers if player.name in self.owners), default=0)

    def progress(self, step: int, total_steps: int) -> float:
        """The part of the phase that is over after `step` steps of the run."""
        end = total_steps if self.span.end is None else self.span.end
        return min(1.0, (step - self.span.start) / max(1, end - self.span.start))

    def begin(
        self,
        parts: Sequence[nn.Module],
        players: Sequence[Player],
        rates: dict[int, list[float]],
        frozen: Iterable[nn.Parameter] = (),
    ) -> None:
        """Tell the parts, and set the optimizers' learning rates: the phase's, or the `rates` that they had first.

        What is `frozen` stays out of play in every phase.
        """
        begin_phase(parts, self.name)
        for parameter in frozen:
            parameter.requires_grad_(False)
        own = {} if self.span.phase is None else self.span.phase.learning_rates
        for player in players:
            for group, rate in zip(player.optimizer.param_groups, rates[id(player.optimizer)], strict=True):
                group["lr"] = rate
        for player in players:
            for group in player.optimizer.param_groups if player.name in own else ():
                group["lr"] = own[player.name] * group.get("lr_factor", 1.0)
        for player in self.players:
            if not active(player):
                raise ContractError(
                    "gradients",
                    f"the player {player.name} must have parameters in play in the phase {self.name}, but none of its "
                    f"own requires a gradient there",
                )


def begin_phase(parts: Sequence[nn.Module], phase: str | None) -> None:
    """Tell networks and loss of a phase; a game without phases has nothing to tell."""
    for part in parts:
        if phase is not None and isinstance(part, Part):
            part.begin_phase(phase)


def active(player: Player) -> list[nn.Parameter]:
    """The parameters of a player that are in play: those that require a gradient."""
    return [parameter for parameter in player.parameters if parameter.requires_grad]


def new_stages(
    variant: Variant, dataset: Dataset, run: RunSettings, device: torch.device, processes: Processes
) -> list[Stage]:
    """The stages of a run, still without players. Raises as `BatchOrder` and `Microbatches` do."""
    rng, found = default_generator(device), []
    for span in spans(variant, dataset.spec):
        size = variant.config.batch_size if span.phase is None else span.phase.batch_size or variant.config.batch_size
        order = BatchOrder(dataset, size, run.seed, device, balance=run.balance, by_class=variant.balanced)
        ranks = processes.rank, processes.size
        found.append(Stage(span, order, Microbatches(size, run.accumulate, rng, *ranks, order.groups)))
    return found


def assign(players: Sequence[Player], networks: Networks, stages: Sequence[Stage]) -> None:
    """Give each stage its players and the samples that follow those of the stage before."""
    generator = {id(p) for p in networks.generator.parameters()}
    owners = frozenset(player.name for player in players if any(id(p) in generator for p in player.parameters))
    first = 0
    for stage in stages:
        stage.players = [p for p in players if p.phases is None or stage.name in p.phases]
        stage.owners = owners
        for text in _faults(stage, players, stages):
            raise ContractError("schedule", text)
        stage.order.first = first
        if stage.span.end is not None:
            first += (stage.span.end - stage.span.start) * stage.batches_per_step * stage.order.batch_size


def _faults(stage: Stage, players: Sequence[Player], stages: Sequence[Stage]) -> Iterator[str]:
    """What is wrong with who moves in a stage, in words."""
    names = [one.name for one in stages]
    for player in players:
        for name in player.phases or ():
            if name not in names:
                known = ", ".join(map(str, names))
                yield f"the player {player.name} moves in the phase {name!r}, but the phases are {known}"
    if not stage.players:
        yield f"a player must move in each phase, but none moves in {stage.name}"
    rates = {} if stage.span.phase is None else stage.span.phase.learning_rates
    for name in rates:
        if name not in {player.name for player in stage.players}:
            yield f"the phase {stage.name} gives a learning rate to {name}, but there move {_names(stage.players)}"


def _names(players: Sequence[Player]) -> str:
    return ", ".join(player.name for player in players)
