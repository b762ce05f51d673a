"""Whether a run fits into memory: its step is tried on the meta device, where nothing is allocated, before any is.

That device is emulated by what PyTorch compiles with, which takes as long to import as PyTorch. So a run of small
networks and small samples is first tried with a few samples, in earnest: most fit many times over. What that device
can't do, such as a context that turns autocast off, is told by the few samples alone.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.distributed.processes import Processes
from ganzoo_core.drawing.words import memory_size
from ganzoo_core.errors import GanzooError, SettingError
from ganzoo_core.interfaces import Batch, Networks, Player, Turn
from ganzoo_core.runs.plan import Plan
from ganzoo_core.sampling.devices import pick_device, pick_precision
from ganzoo_core.sampling.inputs import blank_batch
from ganzoo_core.sampling.tally import Tally
from ganzoo_core.seeds import alone
from ganzoo_core.storage.untrusted import Undrawn
from ganzoo_core.training.failures import sentence
from ganzoo_core.training.free_memory import free_memory
from ganzoo_core.training.phases import spans
from ganzoo_core.training.recompute import new_recomputing
from ganzoo_core.training.stages import active, begin_phase
from ganzoo_core.variant import Variant

_PLAIN = 0.25  # of what is free: less is not looked at closely
_SMALL = 64 * 2**20  # bytes of weights that are allocated to look
_SMALL_SAMPLE = 3 * 64 * 64  # numbers
_FEW = (2, 4, 8)  # samples
_NEAR = 0.8  # of what is free; the estimate was 0.75 to 1.4 times the peak, the least for a large wgan-gp
_COPIES_TO_SAVE = 3  # of weights and optimizers while a checkpoint is written: the tensors, their bytes, the file's
_BESIDE = 200 * 2**20  # what the kernels and the C library keep on a processor: 120 to 260 MB, whatever the size
_SMALLER = (512, 384, 256, 192, 128, 96, 64, 48, 32, 16)  # images to propose
_ENDLESS = 2**63  # bytes, a size that no memory has
_UNTOLD = "overflow"  # in what torch says of a size beyond 63 bits
_PROBE = 1000  # numbers of the parameter with which an optimizer is tried

_log = logging.getLogger("ganzoo")


def check_memory(plan: Plan, dataset: Dataset, processes: Processes) -> None:
    """Raise `SettingError` for a run that the free memory can't hold, saying what would fit; warn if it only just can.

    Neither a variant that can't be tried on the meta device is checked, nor a system that tells nothing of its memory.
    """
    device = pick_device(plan.run.device)
    free = free_memory(device)
    if free is None or plan.variant.config.batch_size > len(dataset):  # which `BatchOrder` refuses
        return
    if device.type == "cuda" and dataset.samples.nbytes <= free // 2:
        free -= dataset.samples.nbytes  # `Dataset.to` moves them there
    trial = _Trial(plan, dataset.spec, processes, device, free)
    if trial.plainly_fits():
        return
    need = trial.need()
    if need is None or need <= _NEAR * free:
        return
    name, batch_size = plan.variant.name, plan.variant.config.batch_size
    where = "the card's memory" if device.type == "cuda" else "memory"
    if need > free:
        amount = "more memory than any machine has" if need == _ENDLESS else f"about {memory_size(need)} of {where}"
        raise SettingError(
            f"{name} on {dataset.spec.name} with batch_size={batch_size} needs {amount}, but "
            f"{memory_size(free)} are free; {trial.what_fits()}"
        )
    _log.warning(
        "%s with batch_size=%d needs about %s of the %s of %s that are free",
        name, batch_size, memory_size(need), memory_size(free), where,
    )  # fmt: skip


def needed_memory(plan: Plan, dataset: Dataset, processes: Processes) -> int | None:
    """The bytes that a run takes of its device's memory beside its data; None where that can't be worked out."""
    need = _Trial(plan, dataset.spec, processes, pick_device(plan.run.device), _ENDLESS).need()
    return None if need == _ENDLESS else need


class _Trial:
    """What a run would take, also with another batch size or image size."""

    def __init__(self, plan: Plan, spec: DataSpec, processes: Processes, device: torch.device, free: int) -> None:
        self.plan, self.spec, self.device, self.free = plan, spec, device, free
        self.accumulate, self.processes = plan.run.accumulate, processes
        self.halves = pick_precision(plan.run.precision, device, spec.has_pixels) == "bf16"

    def need(self, **changed: Any) -> int | None:
        """The bytes it takes of the device's memory; None where that can't be worked out."""
        variant, spec = self.plan.variant, self.spec
        if size := changed.pop("image_size", None):
            spec = replace(spec, shape=(spec.shape[0], size, size))
        try:
            variant = type(variant)(replace(variant.config, **changed))
            variant.check_data(spec)
            return self._need(variant, spec)
        except GanzooError:
            raise
        except Exception as error:
            if words := sentence(error):
                raise SettingError(words) from error
            return _ENDLESS if _UNTOLD in str(error).lower() else self._by_few(variant, spec)

    def plainly_fits(self) -> bool:
        """Whether it takes a small part of what is free, by steps of a few samples; False where they don't tell."""
        need = self._by_few(self.plan.variant, self.spec)
        return need is not None and need <= _PLAIN * self.free

    def _by_few(self, variant: Variant, spec: DataSpec) -> int | None:
        """The bytes it takes, or some more, by steps of a few samples; None where they are too large, or can't be."""
        try:
            networks, players = _game(variant, spec, "meta")
            weights, gradients, state = _kept(variant, spec, networks, players)
            sizes = self._batch_sizes(variant, spec)
            if weights > _SMALL or math.prod(spec.shape) > _SMALL_SAMPLE or min(sizes) < min(_FEW):
                return None
            with alone, torch.random.fork_rng(devices=[]):
                networks, players = _game(variant, spec, "cpu")
                for module in networks.by_name().values():
                    for parameter in module.parameters():
                        parameter.data.zero_()
                found = [self._most_of_steps(variant, spec, networks, players, few) for few in _FEW]
            step = _at(max(sizes), found)
        except Exception:  # noqa: BLE001 - what a few samples raise, the meta device may not
            return None
        return self._sum(weights, gradients, state, step)

    def _need(self, variant: Variant, spec: DataSpec) -> int:
        networks, players = _game(variant, spec, "meta")
        weights, gradients, state = _kept(variant, spec, networks, players)
        fits = state + gradients <= self.free  # else a latent, which is made in earnest, might not either
        step = self._most_of_steps(variant, spec, networks, players) if fits else gradients
        return self._sum(weights, gradients, state, step)

    def _sum(self, weights: int, gradients: int, state: int, step: int) -> int:
        step -= gradients
        if self.halves:
            step = (step + weights) // 2  # and the copies of the weights in which it computes
        if self.device.type != "cpu":
            return state + gradients + step
        here = self.processes.size_here
        return here * (state + gradients + _BESIDE) + max(here * step, _COPIES_TO_SAVE * state)

    def _batch_sizes(self, variant: Variant, spec: DataSpec) -> list[int]:
        """How many samples each phase passes at once."""
        usual, pieces = variant.config.batch_size, self.accumulate * self.processes.size
        sizes = [usual if span.phase is None else span.phase.batch_size or usual for span in spans(variant, spec)]
        return [max(1, size // pieces) for size in sizes]

    def _most_of_steps(
        self, variant: Variant, spec: DataSpec, networks: Networks, players: list[Player], few: int | None = None
    ) -> int:
        """The most bytes that a step of any phase has in use beside weights and optimizers; of a `few` samples."""
        most = 0
        for span, size in zip(spans(variant, spec), self._batch_sizes(variant, spec), strict=True):
            begin_phase(list(networks.by_name().values()), span.name)
            movers = [player for player in players if player.phases is None or span.name in player.phases]
            if movers:
                most = max(most, self._step(variant, spec, networks, movers, few or size))
        return most

    def _step(self, variant: Variant, spec: DataSpec, networks: Networks, players: list[Player], n: int) -> int:
        """The most bytes that a step of these players has in use, with n samples at once."""
        device = next(networks.generator.parameters()).device
        columns = _columns(variant, spec, n, device)
        z = networks.generator.latent(1, torch.Generator())
        z = torch.zeros((n, *z.shape[1:]), dtype=z.dtype, device=device)
        batch = Batch(columns, z, networks.generator, keep_graph=self.accumulate == 1)
        with Tally() as tally:
            for player in players:
                for parameter in active(player):
                    parameter.grad = torch.zeros_like(parameter)  # of the step before
            with new_recomputing(variant, networks.by_name().values(), torch.device("cpu"))():
                turns = [_play(player, batch, networks) for player in players]
        del turns
        others = self.accumulate * max(player.steps for player in players) - 1
        given = sum(column.nbytes for column in columns.values())
        return tally.most + given + (given + columns["real"].nbytes) * others  # each with its fake samples too

    def what_fits(self) -> str:
        """Words for the largest batch size, and the largest images, with which it would fit, and what else would do."""
        pieces, batch_size = self.accumulate * self.processes.size, self.plan.variant.config.batch_size
        halves = [b for k in range(1, 64) if (b := (batch_size >> k) // pieces * pieces)]
        choices: dict[str, list[Any]] = {"batch_size": halves}
        if "image_size" in self.plan.source.Options.names() and self.spec.kind == "images":
            choices["image_size"] = [size for size in _SMALLER if size < max(self.spec.shape[1:])]
        if not self.plan.run.compile:
            choices["checkpoint_activations"] = [] if self.plan.variant.config.checkpoint_activations else [True]
        found = [self._first(name, values) for name, values in choices.items()]
        if any(found):
            return f"{' or '.join(filter(None, found))} would fit"
        return f"make its networks smaller: `ganzoo show {self.plan.variant.name}` lists the settings"

    def _first(self, name: str, values: list[Any]) -> str | None:
        for value in values:
            try:
                need = self.need(**{name: value})
            except GanzooError:  # a size that the variant does not take
                continue
            if need is not None and need <= _NEAR * self.free:
                return f"{name}={str(value).lower()}"
        return None


def _game(variant: Variant, spec: DataSpec, device: str) -> tuple[Networks, list[Player]]:
    """The networks and the players, without a number drawn."""
    with torch.device(device), Undrawn():
        made = variant.generator(spec), variant.discriminator(spec), variant.loss()
        networks = Networks(*made, variant.further_networks(spec))
    networks.generator.sampling = variant.Sampling()
    return networks, variant.players(networks)


def _kept(variant: Variant, spec: DataSpec, networks: Networks, players: list[Player]) -> tuple[int, int, int]:
    """The bytes of the weights, of their gradients, and of the weights with what optimizers keep."""
    parts = networks.by_name()
    averages = [parts[name] for name in variant.averaged] if variant.average_decay(spec) else []
    weights = sum(_nbytes(module) for module in (*parts.values(), *averages))
    gradients = sum({id(p): p.nbytes for player in players for p in player.parameters}.values())
    return weights, gradients, weights + sum({id(p.optimizer): remembered(p) for p in players}.values())


def _at(n: int, found: Sequence[int]) -> int:
    """The most bytes that n samples may take, from those that few take: in proportion, or by the parabola through them.

    In proportion is too much, as weights count in it; but of many the most may be at another moment of the step.
    """
    slopes = [(b - a) / (k - j) for j, k, a, b in zip(_FEW, _FEW[1:], found, found[1:], strict=False)]
    bend = (slopes[1] - slopes[0]) / (_FEW[2] - _FEW[0])
    parabola = found[0] + slopes[0] * (n - _FEW[0]) + max(0.0, bend) * (n - _FEW[0]) * (n - _FEW[1])
    return round(max(parabola, found[-1] * max(1.0, n / _FEW[-1])))


def _columns(variant: Variant, spec: DataSpec, n: int, device: torch.device) -> dict[str, Tensor]:
    """The columns of n blank samples; what the variant derives is as large as it is of a few, in earnest."""
    found = blank_batch(variant, spec)
    return {name: torch.zeros((n, *c.shape[1:]), dtype=c.dtype, device=device) for name, c in found.items()}


def _play(player: Player, batch: Batch, networks: Networks) -> Turn:
    """A player's turn on tensors without numbers, up to its gradients."""
    owned = {id(p) for p in networks.generator.parameters()}
    owns_generator = any(id(p) in owned for p in player.parameters)
    joint = not networks.discriminator.mixes_samples
    generator, discriminator, _ = networks
    turn = Turn(batch, generator, discriminator, owns_generator=owns_generator, joint=joint, further=networks.further)
    if terms := list(player.terms(turn).values()):
        for parameter in player.parameters:
            parameter.grad = None
        sum(terms[1:], terms[0]).backward(inputs=active(player))
    return turn


def remembered(player: Player) -> int:
    """The bytes that a player's optimizer will keep, from a step with one small parameter more."""
    optimizer = player.optimizer
    probe = nn.Parameter(torch.zeros(_PROBE))
    optimizer.add_param_group({"params": [probe]})
    probe.grad = torch.zeros_like(probe)
    optimizer.step()
    kept = sum(value.numel() for value in optimizer.state[probe].values() if isinstance(value, Tensor))
    return round(kept / _PROBE) * sum(p.nbytes for p in player.parameters)


def _nbytes(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))
