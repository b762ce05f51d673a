"""The training step: read `train_step` for the game. Its caller is in trainer.py."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.data import BatchOrder, Dataset
from ganzoo_core.distributed.processes import Processes, SingleProcess
from ganzoo_core.errors import ContractError, FileError, NotFiniteError, PluginError, shorten
from ganzoo_core.guards.contract import checked_decay, checked_latents, checked_terms
from ganzoo_core.interfaces import Batch, Clock, Generator, Player, Turn
from ganzoo_core.networks import own_state
from ganzoo_core.registry import who
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.devices import default_generator, keep_freed_memory, pick_device, pick_precision, to_device
from ganzoo_core.sampling.inputs import derived, taken_inputs
from ganzoo_core.seeds import alone, derive_seed
from ganzoo_core.storage import tensor_files
from ganzoo_core.training.augment import Ada, new_augment
from ganzoo_core.training.averages import Averages
from ganzoo_core.training.cuda_graph import CapturedStep, Play, can_capture
from ganzoo_core.training.diagnostics import check_finite, discriminator_stats, diversity, global_norm
from ganzoo_core.training.few_channels import new_few_channels
from ganzoo_core.training.freeze import frozen_layers
from ganzoo_core.training.kept import CARRIED, FROZEN, carried, check_frozen, digest_of, frozen_parts, own_buffers
from ganzoo_core.training.microbatches import LossState, Microbatches, Update, check_divisible, means, total
from ganzoo_core.training.optimizer_state import OptimizerState
from ganzoo_core.training.parts import new_networks, new_players
from ganzoo_core.training.phases import span_at
from ganzoo_core.training.recompute import new_recomputing
from ganzoo_core.training.stages import Stage, active, assign, new_stages
from ganzoo_core.variant import Variant


class Engine:
    """Networks, players, data and the step number: the whole state of training, and of a checkpoint."""

    def __init__(
        self, variant: Variant, dataset: Dataset, run: RunSettings, processes: Processes | None = None
    ) -> None:
        variant.check_data(dataset.spec)
        self.variant, self.config, self.seed = variant, variant.config, run.seed
        self.processes = SingleProcess() if processes is None else processes
        self.device = pick_device(run.device)
        self.processes.check_device(self.device)
        keep_freed_memory()
        self.accumulate = run.accumulate
        self._who = who(variant)
        with self._named():
            self.stages = new_stages(variant, dataset, run, self.device, self.processes)
        self.dataset = dataset.to(self.device)
        with alone, self._named():
            default_generator(torch.device("cpu")).manual_seed(derive_seed(run.seed, "weights"))
            self.networks = new_networks(variant, dataset.spec)
            self.inputs = taken_inputs(variant, self.networks.generator, dataset.spec)
        parts = self.networks.by_name()
        if run.sync_batchnorm:
            self.processes.share_batch_norm(parts.values())
        for module in parts.values():
            to_device(module, self.device)
        with self._named():
            self.players = new_players(variant, self.networks)
            assign(self.players, self.networks, self.stages)
            decay = checked_decay(type(variant).__name__, variant.average_decay(dataset.spec))
            self.averages = Averages(self.networks, variant.averaged, decay)
        for stage in self.stages:
            check_divisible(variant.name, self.networks, stage.microbatches)
        self._loss_state = LossState(self.networks.loss, self.accumulate, self.processes)
        self._drifting = [
            buffer for module in parts.values() for name, buffer in own_buffers(module)
            if buffer.is_floating_point() and not (module is self.networks.loss and name in self.networks.loss.joins)
        ]  # fmt: skip
        self.augment = new_augment(self.config, dataset.spec, self.networks.loss.boundary, self.device)
        optimizers = {id(p.optimizer): (p.optimizer, f"optimizer.{p.name}") for p in reversed(self.players)}
        self._optimizer_states = [OptimizerState(*found) for found in reversed(optimizers.values())]
        self._rates = {key: [group["lr"] for group in one.param_groups] for key, (one, _) in optimizers.items()}
        self.frozen_layers = frozen_layers(self.networks.discriminator, run.freeze_layers)
        self._frozen = {name: digest_of(network) for name, network in frozen_parts(parts)}
        self._carried: dict[str, Tensor] = {}
        self._autocast: Callable[[], Any] = contextlib.nullcontext
        self.precision = pick_precision(run.precision, self.device, dataset.spec.has_pixels)
        if self.precision == "bf16":
            self._autocast = lambda: torch.autocast(self.device.type, dtype=torch.bfloat16)
        names = ("generator", "discriminator") if run.compile else ()
        self._compiled: dict[str, Any] = {name: torch.compile(parts[name]) for name in names}
        self._few_channels = new_few_channels(parts.values(), self.device)
        self._recomputing = new_recomputing(variant, parts.values(), self.device, is_compiled=run.compile)
        self.step = 0
        self._begin_stage(self.stages[0])
        self._step = torch.zeros((), dtype=torch.int64, device=self.device)
        self._progress = torch.zeros((), device=self.device)
        recorded = run.cuda_graph and self.microbatches.count == 1
        game = self.players, self.networks.loss, self.dataset, self.device
        self._is_recorded = recorded and can_capture(*game, recomputes=self.config.checkpoint_activations)
        self._plays: dict[tuple[str | None, ...], Play] = {}

    @property
    def average(self) -> Generator | None:
        """The averaged generator, where there is one."""
        found: Any = self.averages.modules.get("generator")
        return found

    @property
    def order(self) -> BatchOrder:
        """Which samples the mini-batches of this phase hold."""
        return self.stage.order

    @property
    def microbatches(self) -> Microbatches:
        """How the mini-batches of this phase are split."""
        return self.stage.microbatches

    @property
    def sampler(self) -> Generator:
        """The generator to sample from and to export: the averaged one where there is one."""
        return self.networks.generator if self.average is None else self.average

    def train_step(self) -> dict[str, Update]:
        """Algorithm 1 of arXiv:1406.2661 for any players: each in order, `steps` updates each, on shared batches.

        Returns the last update of each player who moved; one without terms skipped it.
        """
        self.go_to(self.step)
        movers = self.stage.movers(self.step)
        chosen = [self.order.indices(number) for number in self.stage.batch_numbers(self.step)]
        with alone, self._named(), self._few_channels(), self._recomputing():
            self._reseed()
            updates: dict[str, Update] = self._play(movers)(chosen)
        self._carry(movers, updates)
        self.step += 1
        self.averages.follow(self.step)
        return updates

    def go_to(self, step: int) -> None:
        """Stand before the step after `step` steps, in its phase."""
        self.step = step
        self._begin_stage(self.stages[span_at([stage.span for stage in self.stages], step)])
        self._step.fill_(step)
        self._progress.fill_(self.stage.progress(step, self.config.steps))

    def _begin_stage(self, stage: Stage) -> None:
        if stage is getattr(self, "stage", None):
            return
        with self._named():
            parts = [*self.networks.by_name().values(), *self.averages.modules.values()]
            stage.begin(parts, self.players, self._rates, self.frozen_layers.values())
        for state in self._optimizer_states:
            state.note_numbers()
        self.stage = stage
        self.joint = not self.networks.discriminator.mixes_samples
        self._in_play = {player.name: active(player) for player in self.players}

    def _play(self, movers: Sequence[Player]) -> Play:
        """What plays the turns of these players: recorded once for each combination of phase and movers, on a GPU."""
        key = (self.stage.name, *(player.name for player in movers))
        if key not in self._plays:
            play = functools.partial(self._play_turns, movers)
            self._plays[key] = CapturedStep(play, self.state, self._reseed) if self._is_recorded else play
        return self._plays[key]

    def _play_turns(self, movers: Sequence[Player], indices: Sequence[Tensor]) -> dict[str, Update]:
        """The turns of the players who move on the mini-batches at `indices`, a tensor (B,) for each."""
        shared = len(indices) - self.stage.shared_batches(movers)
        batches = [self.make_batch(chosen, is_shared=number >= shared) for number, chosen in enumerate(indices)]
        updates: dict[str, Update] = {}
        self.microbatches.begin_step(self._step_seed())
        for player in movers:
            owns_generator = player.name in self.stage.owners
            for batch in batches[-player.steps :]:
                updates[player.name] = self._play_turn(player, batch, owns_generator)
            if owns_generator:
                for microbatch in itertools.chain(*batches):
                    microbatch.forget()
        if isinstance(self.augment, Ada) and "discriminator" in updates:
            self.augment.observe(updates["discriminator"].turns, self.processes)
        return updates

    def _play_turn(self, player: Player, batch: list[Batch], owns_generator: bool) -> Update:
        """One player's turn: the sum of its terms goes backward, one microbatch at a time, and its optimizer steps."""
        update = Update([], [])
        with self._loss_state.joined():
            for microbatch in self._loss_state.each(self.microbatches.iterate(batch)):
                turn = self._turn(microbatch, owns_generator)
                with self._autocast():
                    terms = checked_terms(f"the {player.name}'s terms", player.terms(turn), with_gradient=True)
                if terms:
                    self._backward(player, terms, is_first=not update.turns)
                update.turns.append(turn)
                update.terms_of.append(terms)
        if terms:
            self._step_optimizer(player)
        return update

    def _turn(self, batch: Batch, owns_generator: bool) -> Turn:
        nets = self.networks
        return Turn(
            batch, nets.generator, nets.discriminator, owns_generator=owns_generator, joint=self.joint,
            further=nets.further, augment=self.augment, judge=self._compiled.get("discriminator"),
        )  # fmt: skip

    def _reseed(self) -> None:
        """Whatever is random in this step comes from (seed, step)."""
        default_generator(self.device).manual_seed(self._step_seed())

    def _step_seed(self) -> int:
        return derive_seed(self.seed, "step", self.step)

    def make_batch(self, indices: Tensor, is_shared: bool) -> list[Batch]:
        """A mini-batch of a step as microbatches, with latents; one that is shared is for the generator's turns too.

        With several, G(z) is computed again for the generator: their graphs would take the memory of the whole.
        """
        generator, size = self.networks.generator, len(indices)
        z = checked_latents(generator, generator.latent(size, default_generator(self.device)), size, self.device)
        clock = Clock(self.stage.name, self._step, self._progress)
        return [
            Batch(
                columns, latents, generator, is_shared and self.accumulate == 1, clock, self._compiled.get("generator")
            )
            for columns, latents in zip(self._columns(indices), self.microbatches.split(z), strict=True)
        ]

    def _columns(self, indices: Tensor) -> list[dict[str, Tensor]]:
        """The columns of this process's microbatches. What a variant derives, it derives from the whole mini-batch."""
        if type(self.variant).derive is Variant.derive:
            return [self.dataset.batch(chosen) for chosen in self.microbatches.split(indices)]
        whole = derived(self.variant, self.dataset.batch(indices), default_generator(self.device), self.stage.name)
        parts = {name: self.microbatches.split(column) for name, column in whole.items()}
        return [dict(zip(parts, columns, strict=True)) for columns in zip(*parts.values(), strict=True)]

    def _backward(self, player: Player, terms: dict[str, Tensor], is_first: bool) -> None:
        """Add up the gradients of the terms; `inputs` leaves out all that are not in play."""
        if is_first:
            player.optimizer.zero_grad()
        total(terms).backward(inputs=self._in_play[player.name])

    def _step_optimizer(self, player: Player) -> None:
        """Minimise the mean over the microbatches by one step. Processes' buffers are averaged too."""
        gradients = [p.grad for p in player.parameters if p.grad is not None]
        if self.accumulate > 1:
            torch._foreach_div_(gradients, self.accumulate)
        self.processes.average([*gradients, *self._drifting])
        player.optimizer.step()
        if player.after_update is not None:
            player.after_update()

    def _carry(self, movers: Sequence[Player], updates: dict[str, Update]) -> None:
        """Keep the terms of who moves in one of several steps, means over the processes, until it moves again."""
        lazy = [player.name for player in movers if player.every > 1]
        terms = {f"{name}/{term}": value for name in lazy for term, value in updates[name].terms.items()}
        values = [value.detach().float().clone() for value in terms.values()]
        self.processes.average(values)
        self._carried |= dict(zip(terms, values, strict=True))

    def measure(self, updates: dict[str, Update]) -> dict[str, float]:
        """The step's numbers, read in one transfer: terms, extra scalars, D's statistics, the norm of G's gradient.

        They are means over the processes. Raises `NotFiniteError` if one of them, or a weight, is NaN or infinite, and
        `TrainingError` if processes have diverged.
        """
        values = {f"{player}/{name}": term for player, update in updates.items() for name, term in update.terms.items()}
        movers = tuple(f"{player.name}/" for player in self.stage.players)
        values |= {name: term for name, term in self._carried.items() if name.startswith(movers)}
        if "discriminator" in updates:
            loss, turns = self.networks.loss, updates["discriminator"].turns
            told = [self._figures(turn) | discriminator_stats(turn, loss.boundary) for turn in turns]
            values |= means(told) | diversity(turns, self.processes.gather)
        if isinstance(self.augment, Ada):
            values["augment_p"] = self.augment.p
        if gradients := [p.grad for p in self.networks.generator.parameters() if p.grad is not None]:
            values["generator_gradient"] = global_norm(gradients)
        weights = self._weights()
        numbers = torch.stack([value.detach().float() for value in [*values.values(), global_norm(weights.values())]])
        *figures, norm = self.processes.mean(numbers).tolist()
        record = dict(zip(values, figures, strict=True))
        for name, number in record.items():
            if not math.isfinite(number):
                what = "loss term" if "/" in name else "figure"
                raise NotFiniteError(f"the {what} {name} is {number} at step {self.step}", self.step)
        check_finite(weights, norm, self.step)
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

    def _weights(self) -> dict[str, Tensor]:
        """Parameters and buffers of all networks, by name."""
        return {
            f"{name}.{key}": tensor for name, module in self._modules() for key, tensor in own_state(module).items()
        }

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        """The optimizers' tensors, by name."""
        return {name: tensor for state in self._optimizer_states for name, tensor in state.tensors().items()}

    def state(self) -> dict[str, Tensor]:
        """Every tensor that the rest of the run depends on. Raises `NotFiniteError` if one is not finite."""
        tensors = self._weights() | self._optimizer_tensors()
        tensors |= {f"{CARRIED}.{name}": tensor for name, tensor in self._carried.items()}
        tensors |= {f"{FROZEN}.{name}": tensor for name, tensor in self._frozen.items()}
        check_finite(tensors, float(global_norm(tensors.values())), self.step)
        return tensors

    def restore(self, step: int, tensors: dict[str, Tensor], path: Any) -> None:
        """Continue from what `state` gave after `step` steps. Raises `FileError` if it does not fit."""
        self.go_to(step)
        owners = [*dict(self._modules()), *(state.prefix for state in self._optimizer_states), CARRIED, FROZEN]
        for tensor in tensors:
            if not tensor.startswith(tuple(f"{owner}." for owner in owners)):
                raise FileError(f"{path} does not fit this run: it has an unknown tensor {shorten(tensor)}")
        check_frozen(self._frozen, tensor_files.part(tensors, FROZEN), path)
        self._carried = carried(tensor_files.part(tensors, CARRIED), self.players, path, self.device)
        for state in self._optimizer_states:
            state.restore(tensors, path)
        for name, module in self._modules():
            if name != "augment" or tensor_files.part(tensors, name):  # which a resume may turn on
                tensor_files.load_into(module, tensors, name, path, own_state(module))

    def parameter_counts(self) -> dict[str, int]:
        """How many parameters each network has; networks without any are left out."""
        counts = {name: sum(p.numel() for p in m.parameters()) for name, m in self.networks.by_name().items()}
        return {name: count for name, count in counts.items() if count}

    def disable_graph(self) -> None:
        """Capture and replay nothing from now on, so that hooks are called."""
        self._is_recorded = False
        self._plays.clear()

    def _modules(self) -> list[tuple[str, nn.Module]]:
        augment = {"augment": self.augment} if isinstance(self.augment, Ada) else {}
        return [*self.networks.by_name().items(), *self.averages.by_prefix().items(), *augment.items()]
