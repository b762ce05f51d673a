"""The training step: read `train_step` for the game. Its caller is in trainer.py."""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.data import BatchOrder, Dataset
from ganzoo_core.distributed.processes import Processes, SingleProcess
from ganzoo_core.errors import ContractError, FileError, NotFiniteError, PluginError, shorten
from ganzoo_core.guards.contract import checked_latents, checked_terms
from ganzoo_core.interfaces import Batch, Generator, Player, Turn
from ganzoo_core.registry import who
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.devices import default_generator, keep_freed_memory, pick_device, pick_precision, to_device
from ganzoo_core.sampling.inputs import derived, taken_inputs
from ganzoo_core.seeds import alone, derive_seed
from ganzoo_core.storage import tensor_files
from ganzoo_core.training import cuda_graph
from ganzoo_core.training.diagnostics import all_finite, discriminator_stats, global_norm
from ganzoo_core.training.microbatches import Microbatches, Update, check_divisible, means
from ganzoo_core.training.optimizer_state import OptimizerState
from ganzoo_core.training.parts import new_networks, new_players
from ganzoo_core.variant import Variant

AVERAGED_EVERY = 4


class Engine:
    """Networks, players, data and the step number: the whole state of training, and of a checkpoint."""

    def __init__(
        self, variant: Variant, dataset: Dataset, run: RunSettings, processes: Processes | None = None
    ) -> None:
        variant.check_data(dataset.spec)
        self.config = variant.config
        self.seed = run.seed
        self.processes = SingleProcess() if processes is None else processes
        self.device = pick_device(run.device)
        self.processes.check_device(self.device)
        keep_freed_memory()
        self.variant = variant
        balance = {"balance": run.balance, "by_class": variant.balanced}
        self.order = BatchOrder(dataset, self.config.batch_size, run.seed, self.device, **balance)
        self.accumulate = run.accumulate
        rng = default_generator(self.device)
        rank, size = self.processes.rank, self.processes.size
        groups = self.order.groups
        self.microbatches = Microbatches(self.config.batch_size, run.accumulate, rng, rank, size, groups)
        self.dataset = dataset.to(self.device)
        self._who = who(variant)
        with alone, self._named():
            default_generator(torch.device("cpu")).manual_seed(derive_seed(run.seed, "weights"))
            self.networks = new_networks(variant, dataset.spec)
            self.inputs = taken_inputs(variant, self.networks.generator, dataset.spec)
        if run.sync_batchnorm:
            self.processes.share_batch_norm(self.networks)
        for module in self.networks:
            to_device(module, self.device)
        with self._named():
            self.players = new_players(variant, self.networks)
        check_divisible(variant.name, self.networks, self.microbatches)
        self._drifting = [b for module in self.networks for b in module.buffers() if b.is_floating_point()]
        self._optimizer_states = [OptimizerState(p.optimizer, f"optimizer.{p.name}") for p in self.players]
        self.average = copy.deepcopy(self.networks.generator) if self.config.ema_decay else None
        self.joint = not self.networks.discriminator.mixes_samples
        owned = {id(p) for p in self.networks.generator.parameters()}
        self._owns_generator = [any(id(p) in owned for p in player.parameters) for player in self.players]
        self._batches_per_step = max(player.steps for player in self.players)
        self._shared_batches = max(p.steps for p, owns in zip(self.players, self._owns_generator, strict=True) if owns)
        self._autocast: Callable[[], Any] = contextlib.nullcontext
        self.precision = pick_precision(run.precision, self.device, dataset.spec.has_pixels)
        if self.precision == "bf16":
            self._autocast = lambda: torch.autocast(self.device.type, dtype=torch.bfloat16)
        if run.compile:
            self.networks.generator.compile()
            self.networks.discriminator.compile()
        self.step = 0
        self._play: cuda_graph.Play = self._play_turns
        recorded = run.cuda_graph and self.microbatches.count == 1
        if recorded and cuda_graph.can_capture(self.players, self.networks.loss, self.dataset, self.device):
            self._play = cuda_graph.CapturedStep(self._play_turns, self.state, self._reseed)

    @property
    def sampler(self) -> Generator:
        """The generator to sample from and to export: the averaged one where there is one."""
        return self.networks.generator if self.average is None else self.average

    def train_step(self) -> dict[str, Update]:
        """Algorithm 1 of arXiv:1406.2661 for any players: each in order, `steps` updates each, on shared batches.

        Returns each player's last update; one without terms skipped it.
        """
        first = self.step * self._batches_per_step
        chosen = [self.order.indices(first + k) for k in range(self._batches_per_step)]
        with alone, self._named():
            self._reseed()
            updates: dict[str, Update] = self._play(chosen)
        self.step += 1
        self._update_average()
        return updates

    def _play_turns(self, indices: Sequence[Tensor]) -> dict[str, Update]:
        """Every player's turns on the mini-batches at `indices`, a tensor (B,) for each."""
        batches = [self._make_batch(number, chosen) for number, chosen in enumerate(indices)]
        updates: dict[str, Update] = {}
        self.microbatches.begin_step(self._step_seed())
        for player, owns_generator in zip(self.players, self._owns_generator, strict=True):
            for batch in batches[-player.steps :]:
                updates[player.name] = self._play_turn(player, batch, owns_generator)
            if owns_generator:
                for microbatch in itertools.chain(*batches):
                    microbatch.forget()
        return updates

    def _play_turn(self, player: Player, batch: list[Batch], owns_generator: bool) -> Update:
        """One player's turn: the sum of its terms goes backward, one microbatch at a time, and its optimizer steps."""
        update = Update([], [])
        for microbatch in self.microbatches.iterate(batch):
            turn = Turn(microbatch, *self.networks[:2], owns_generator=owns_generator, joint=self.joint)
            with self._autocast():
                terms = checked_terms(f"the {player.name}'s terms", player.terms(turn), with_gradient=True)
            if terms:
                self._backward(player, terms, is_first=not update.turns)
            update.turns.append(turn)
            update.terms_of.append(terms)
        if terms:
            self._step_optimizer(player)
        return update

    def _reseed(self) -> None:
        """Whatever is random in this step comes from (seed, step)."""
        default_generator(self.device).manual_seed(self._step_seed())

    def _step_seed(self) -> int:
        return derive_seed(self.seed, "step", self.step)

    def _make_batch(self, number: int, indices: Tensor) -> list[Batch]:
        """Mini-batch `number` of a step as microbatches, with latents; the last is shared with the generator's turns.

        With several, G(z) is computed again for the generator: their graphs would take the memory of the whole.
        """
        generator, size = self.networks.generator, self.config.batch_size
        z = checked_latents(generator, generator.latent(size, default_generator(self.device)), size, self.device)
        keep_graph = self.accumulate == 1 and number >= self._batches_per_step - self._shared_batches
        return [
            Batch(columns, latents, generator, keep_graph)
            for columns, latents in zip(self._columns(indices), self.microbatches.split(z), strict=True)
        ]

    def _columns(self, indices: Tensor) -> list[dict[str, Tensor]]:
        """The columns of this process's microbatches. What a variant derives, it derives from the whole mini-batch."""
        if type(self.variant).derive is Variant.derive:
            return [self.dataset.batch(chosen) for chosen in self.microbatches.split(indices)]
        whole = derived(self.variant, self.dataset.batch(indices), default_generator(self.device))
        parts = {name: self.microbatches.split(column) for name, column in whole.items()}
        return [dict(zip(parts, columns, strict=True)) for columns in zip(*parts.values(), strict=True)]

    def _backward(self, player: Player, terms: dict[str, Tensor], is_first: bool) -> None:
        """Add up the gradients of the terms; `inputs` leaves out all other parameters."""
        if is_first:
            player.optimizer.zero_grad()
        total(terms).backward(inputs=player.parameters)

    def _step_optimizer(self, player: Player) -> None:
        """Minimise the mean over the microbatches by one step. Processes' buffers are averaged too."""
        gradients = [p.grad for p in player.parameters if p.grad is not None]
        if self.accumulate > 1:
            torch._foreach_div_(gradients, self.accumulate)
        self.processes.average([*gradients, *self._drifting])
        player.optimizer.step()
        if player.after_update is not None:
            player.after_update()

    def _update_average(self) -> None:
        """Move the averaged generator by 1 - decay towards the trained one (arXiv:1806.04498, equation 2).

        The decay grows to `ema_decay`, so that the random weights at the start are soon forgotten: after step k it
        averages over about the last third of k. Every fourth step is averaged, as to read and write all weights takes
        a small network some percent of a step.
        """
        if self.average is None or self.step % AVERAGED_EVERY:
            return
        decay = min(self.config.ema_decay, self.step / (self.step + 3)) ** AVERAGED_EVERY
        with torch.no_grad():
            generator = self.networks.generator
            average: list[Tensor] = list(self.average.parameters())
            current: list[Tensor] = list(generator.parameters())
            torch._foreach_lerp_(average, current, 1 - decay)
            for old, new in zip(self.average.buffers(), generator.buffers(), strict=True):
                old.copy_(new)

    def measure(self, updates: dict[str, Update]) -> dict[str, float]:
        """The step's numbers, read in one transfer: terms, extra scalars, D's statistics, the norm of G's gradient.

        They are means over the processes. Raises `NotFiniteError` if one of them, or a weight, is NaN or infinite, and
        `TrainingError` if processes have diverged.
        """
        values = {f"{player}/{name}": term for player, update in updates.items() for name, term in update.terms.items()}
        if "discriminator" in updates:
            loss, turns = self.networks.loss, updates["discriminator"].turns
            values |= means([self._figures(turn) | discriminator_stats(turn, loss.boundary) for turn in turns])
        if gradients := self._generator_gradients():
            values["generator_gradient"] = global_norm(gradients)
        weights = self._weights()
        numbers = torch.stack([value.detach().float() for value in [*values.values(), global_norm(weights.values())]])
        *figures, norm = self.processes.mean(numbers).tolist()
        record = dict(zip(values, figures, strict=True))
        for name, number in record.items():
            if not math.isfinite(number):
                what = "loss term" if "/" in name else "figure"
                raise NotFiniteError(f"the {what} {name} is {number} at step {self.step}", self.step)
        self._check_finite(weights, norm)
        if self.processes.size > 1:
            self.processes.check_equal(weights | self._optimizer_tensors(), self.step)
        return {"step": self.step, **record}

    def _figures(self, turn: Turn) -> dict[str, Tensor]:
        with self._named():
            return checked_terms("the loss's figures", self.networks.loss.figures(turn), with_gradient=False)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Name the variant and its package in front of a rule that a part of it breaks."""
        try:
            yield
        except ContractError as error:
            raise PluginError(f"{self._who}: {error}") from error

    def _generator_gradients(self) -> list[Tensor]:
        """The gradients of the generator's last update."""
        return [p.grad for p in self.networks.generator.parameters() if p.grad is not None]

    def _check_finite(self, tensors: dict[str, Tensor], norm: float) -> None:
        """Raise `NotFiniteError` if a tensor of that global norm holds NaN or an infinity."""
        for name, tensor in {} if math.isfinite(norm) else tensors.items():
            if not all_finite(tensor):
                what = f"the weight {name} holds a number that is not finite at step {self.step}"
                raise NotFiniteError(what, self.step)

    def _weights(self) -> dict[str, Tensor]:
        """Parameters and buffers of all networks, by name."""
        return {
            f"{name}.{key}": tensor for name, module in self._modules() for key, tensor in module.state_dict().items()
        }

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        """The optimizers' tensors, by name."""
        return {name: tensor for state in self._optimizer_states for name, tensor in state.tensors().items()}

    def state(self) -> dict[str, Tensor]:
        """Every tensor that the rest of the run depends on. Raises `NotFiniteError` if one is not finite."""
        tensors = self._weights() | self._optimizer_tensors()
        self._check_finite(tensors, float(global_norm(tensors.values())))
        return tensors

    def restore(self, step: int, tensors: dict[str, Tensor], path: Any) -> None:
        """Continue from what `state` gave after `step` steps. Raises `FileError` if it does not fit."""
        owners = [*dict(self._modules()), *(state.prefix for state in self._optimizer_states)]
        for tensor in tensors:
            if not tensor.startswith(tuple(f"{owner}." for owner in owners)):
                raise FileError(f"{path} does not fit this run: it has an unknown tensor {shorten(tensor)}")
        for state in self._optimizer_states:
            state.restore(tensors, path)
        for name, module in self._modules():
            tensor_files.load_into(module, tensors, name, path)
        self.step = step

    def parameter_counts(self) -> dict[str, int]:
        """How many parameters each network has; networks without any are left out."""
        counts = {name: sum(p.numel() for p in m.parameters()) for name, m in self.networks._asdict().items()}
        return {name: count for name, count in counts.items() if count}

    def disable_graph(self) -> None:
        """Capture and replay nothing from now on, so that hooks are called."""
        self._play = self._play_turns

    def _modules(self) -> list[tuple[str, nn.Module]]:
        named: list[tuple[str, nn.Module]] = list(self.networks._asdict().items())
        return named if self.average is None else [*named, ("average", self.average)]


def total(terms: dict[str, Tensor]) -> Tensor:
    """The sum of a player's terms."""
    first, *rest = terms.values()
    for term in rest:
        first = first + term
    return first
