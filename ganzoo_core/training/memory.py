"""Whether a run fits into memory: its step is tried on the meta device, where nothing is allocated, before any is."""

from __future__ import annotations

import logging
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
from ganzoo_core.training.failures import sentence
from ganzoo_core.training.free_memory import free_memory
from ganzoo_core.training.phases import spans
from ganzoo_core.training.recompute import new_recomputing
from ganzoo_core.training.stages import active, begin_phase
from ganzoo_core.variant import Variant

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
        spec, variant = self.spec, self.plan.variant
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
            return _ENDLESS if _UNTOLD in str(error).lower() else None

    def _need(self, variant: Variant, spec: DataSpec) -> int:
        with torch.device("meta"):
            made = variant.generator(spec), variant.discriminator(spec), variant.loss()
            networks = Networks(*made, variant.further_networks(spec))
        networks.generator.sampling = variant.Sampling()
        players = variant.players(networks)
        parts = networks.by_name()
        averages = [parts[name] for name in variant.averaged] if variant.config.ema_decay else []
        weights = sum(_nbytes(module) for module in (*parts.values(), *averages))
        gradients = sum({id(p): p.nbytes for player in players for p in player.parameters}.values())
        state = weights + sum({id(player.optimizer): remembered(player) for player in players}.values())
        fits = state + gradients <= self.free  # else a latent, which is made in earnest, might not either
        step = self._most_of_steps(variant, spec, networks, players) - gradients if fits else 0
        if self.halves:
            step = (step + weights) // 2  # and the copies of the weights in which it computes
        if self.device.type != "cpu":
            return state + gradients + step
        here = self.processes.size_here
        return here * (state + gradients + _BESIDE) + max(here * step, _COPIES_TO_SAVE * state)

    def _most_of_steps(self, variant: Variant, spec: DataSpec, networks: Networks, players: list[Player]) -> int:
        """The most bytes that a step of any phase has in use beside weights and optimizers."""
        most = 0
        for span in spans(variant, spec):
            begin_phase(list(networks.by_name().values()), span.name)
            size = variant.config.batch_size if span.phase is None else span.phase.batch_size
            movers = [player for player in players if player.phases is None or span.name in player.phases]
            if movers:
                most = max(most, self._step(variant, spec, networks, movers, size or variant.config.batch_size))
        return most

    def _step(
        self, variant: Variant, spec: DataSpec, networks: Networks, players: list[Player], batch_size: int
    ) -> int:
        """The most bytes that a step of these players has in use."""
        pieces = self.accumulate * self.processes.size
        n = max(1, batch_size // pieces)
        columns = _columns(variant, spec, n)
        z = networks.generator.latent(1, torch.Generator())
        z = torch.empty((n, *z.shape[1:]), dtype=z.dtype, device="meta")
        batch = Batch(columns, z, networks.generator, keep_graph=self.accumulate == 1)
        with Tally() as tally:
            for player in players:
                for parameter in active(player):
                    parameter.grad = torch.empty_like(parameter)  # of the step before
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


def _columns(variant: Variant, spec: DataSpec, n: int) -> dict[str, Tensor]:
    """The columns of n samples without numbers; what the variant derives is as large as it is of a few, in earnest."""
    found = blank_batch(variant, spec)
    return {name: torch.empty((n, *c.shape[1:]), dtype=c.dtype, device="meta") for name, c in found.items()}


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
