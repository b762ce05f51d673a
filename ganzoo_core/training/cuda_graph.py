"""A step captured once as a CUDA graph and replayed: the GPU no longer waits for Python between its kernels.

What it brings on a GPU is in benchmarks/NOTES.md. `--set cuda_graph=false` runs every step from Python.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ganzoo_core.data import Dataset
    from ganzoo_core.interfaces import Loss, Player

WARM_UP_STEPS = 3  # libraries choose their kernels, optimizers make their memory; by then all tensors are in place
TOLERANCE = 0.05

_log = logging.getLogger("ganzoo")

Play = Callable[[Sequence[Tensor]], Any]


def warn(why: str) -> None:
    """Say that steps run without a graph, and why."""
    _log.warning("steps are not recorded as a CUDA graph: %s", why)


def can_capture(
    players: list[Player], loss: Loss, dataset: Dataset, device: torch.device, *, recomputes: bool = False
) -> bool:
    """Whether steps can be replayed without Python; prepares the optimizers for it. Warns of a GPU that can't.

    `recomputes`: whether the backward pass computes activations again.
    """
    if device.type != "cuda":
        return False
    why = "checkpoint_activations sets back random numbers in Python" if recomputes else None
    if why := why or _obstacle(players, loss, dataset, device):
        warn(why)
        return False
    for player in players:
        for group in player.optimizer.param_groups:
            group["capturable"] = True
    return True


def _obstacle(players: list[Player], loss: Loss, dataset: Dataset, device: torch.device) -> str | None:
    if any(column.device != device for column in (dataset.samples, *dataset.extra.values())):
        return f"{dataset.spec.name} does not fit on the GPU"
    if loss.may_pass:
        return f"{type(loss).__name__} decides in Python whether a player passes"
    for player in players:
        if "capturable" not in player.optimizer.defaults:
            return f"{type(player.optimizer).__name__}, the {player.name}'s optimizer, is not capturable"
    return None


class CudaGraph:
    """A function's work on the GPU, to be repeated on the same tensors."""

    def __init__(self) -> None:
        # One for warm-up and capture: autograd hands a gradient over on the stream of the parameter's first use.
        self.stream = torch.cuda.Stream()

    def capture(self, function: Callable[[], Any]) -> Any:
        """Call the function; its kernels are captured, not run. Returns its result: tensors to be filled later."""
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=self.stream):
            return function()

    def replay(self) -> None:
        """Run the kernels."""
        self.graph.replay()

    def on_side_stream(self, function: Callable[[], Any]) -> Any:
        """Call the function on the stream of the capture: what is captured later must have run before."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            result = function()
        torch.cuda.current_stream().wait_stream(self.stream)
        return result


class CapturedStep:
    """Replaces `play(indices)`: first steps run normally, then one is captured, checked against `play`, and replayed.

    `state` gives the live tensors that a step changes; `reseed` sets the random state of the step. What `play` returned
    during capture is returned each time, its tensors refilled. A step that can't be captured, or whose replay differs,
    runs without a graph from then on, with a warning that says why.
    """

    def __init__(
        self, play: Play, state: Callable[[], dict[str, Tensor]], reseed: Callable[[], None], graph: Any = None
    ) -> None:
        self.play, self.state, self.reseed = play, state, reseed
        self.graph = CudaGraph() if graph is None else graph
        self.played = 0
        self.given_up = False
        self.indices: list[Tensor] = []
        self.result: Any = None

    def __call__(self, indices: Sequence[Tensor]) -> Any:
        """One step on the mini-batches at `indices`, a tensor (B,) for each."""
        if self.given_up:
            return self.play(indices)
        if self.played < WARM_UP_STEPS:
            self.played += 1
            return self.graph.on_side_stream(lambda: self.play(indices))
        if self.result is None:
            return self._capture(indices)
        self._replay(indices)
        return self.result

    def _replay(self, indices: Sequence[Tensor]) -> None:
        for place, chosen in zip(self.indices, indices, strict=True):
            place.copy_(chosen)
        self.graph.replay()

    def _capture(self, indices: Sequence[Tensor]) -> Any:
        """Play the step, then record and replay it from the same start: both must lead to the same place."""
        if any(".group." in name for name in self.state()):
            self.given_up = True
            warn("a learning rate or another number of an optimizer changes in Python")
            return self.play(indices)
        before = {name: tensor.clone() for name, tensor in self.state().items()}
        played = self.graph.on_side_stream(lambda: self.play(indices))
        after = {name: tensor.clone() for name, tensor in self.state().items()}
        try:
            self.indices = [chosen.clone() for chosen in indices]
            self._set(before)
            result = self.graph.capture(lambda: self.play(self.indices))
            self.reseed()
            self._replay(indices)
            distance = self._distance(before, after)
        except RuntimeError as error:
            words = str(error).partition("\n")[0]
            return self._give_up(f"the step can't be recorded ({words})", after, played)
        if not distance <= TOLERANCE:
            return self._give_up(f"the recorded step goes elsewhere by {distance:.0%} of its length", after, played)
        self.result = result
        return result

    def _give_up(self, why: str, after: dict[str, Tensor], played: Any) -> Any:
        warn(why)
        self.given_up = True
        self._set(after)
        return played

    def _set(self, values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(values[name])

    def _distance(self, before: dict[str, Tensor], after: dict[str, Tensor]) -> float:
        """How far from `after` the state is now, as a share of the way from `before`: the sum over squares, rooted."""
        miss = way = 0.0
        for name, now in self.state().items():
            miss += float((now.double() - after[name].double()).square().sum())
            way += float((after[name].double() - before[name].double()).square().sum())
        return (miss / way) ** 0.5 if way else 0.0
