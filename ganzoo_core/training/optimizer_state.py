"""An optimizer's state, as tensors for a checkpoint and back: moments, and numbers that a schedule changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.errors import FileError, shorten
from ganzoo_core.storage.tensor_files import check_finite, check_fit, forms

_GROUP = "group"


class OptimizerState:
    """An optimizer's state: tensors `prefix.<parameter index>.<name>` and `prefix.group.<group index>.<name>`.

    Of `param_groups`, numbers that were changed or added since `note_numbers` was last called are kept: a learning rate
    that a schedule changed, a count. The rest follow the run's settings, which a resumed run may change.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, prefix: str) -> None:
        self.optimizer = optimizer
        self.prefix = prefix
        self.note_numbers()

    def note_numbers(self) -> None:
        """Take the numbers of the groups as they are now for those that the settings say: as a phase begins."""
        self._made = [_numbers(group) for group in self.optimizer.param_groups]

    def tensors(self) -> dict[str, Tensor]:
        """All that the rest of a run depends on."""
        memory = {
            f"{index}.{name}": _tensor(value)
            for index, parameter in enumerate(self._parameters())
            for name, value in self.optimizer.state.get(parameter, {}).items()
            if value is not None
        }
        for index, (group, made) in enumerate(zip(self.optimizer.param_groups, self._made, strict=True)):
            for name, number in _numbers(group).items():
                if name not in made or not torch.equal(number, made[name]):
                    memory[f"{_GROUP}.{index}.{name}"] = number
        return {f"{self.prefix}.{name}": tensor for name, tensor in memory.items()}

    def restore(self, tensors: dict[str, Tensor], path: Path) -> None:
        """Load what `tensors` gave. The parameters change on the way: load them after this.

        Raises `FileError` for tensors that this optimizer never stores, as fused kernels trust sizes and would write
        beyond them. The digest of the whole file ensures that nothing was left out.
        """
        self._step_with_zeros()
        memory = {k.removeprefix(f"{self.prefix}."): t for k, t in tensors.items() if k.startswith(f"{self.prefix}.")}
        memory.pop("names", None)  # in files of 0.1: a digest of the names, which the file's own covers
        found: dict[str, dict[str, Tensor]] = {}
        for name, tensor in memory.items():
            owner, _, key = name.rpartition(".")
            found.setdefault(owner, {})[key] = tensor
        for index, parameter in enumerate(self._parameters()):
            if values := found.pop(str(index), None):
                self._restore_moments(index, parameter, values, path)
            else:
                self.optimizer.state.pop(parameter, None)  # it had no gradient yet
        for index, group in enumerate(self.optimizer.param_groups):
            for key, number in found.pop(f"{_GROUP}.{index}", {}).items():
                if not _set_number(group, key, number):
                    raise FileError(f"{path} does not fit this {self.prefix}: its group {index} can't have this {key}")
        for owner in found:
            raise FileError(f"{path} does not fit this {self.prefix}: it has an unknown part {shorten(owner)}")

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _step_with_zeros(self) -> None:
        """Make a step with gradients of zero: then there is room for all that it may remember, in the right form."""
        groups = [dict(group) for group in self.optimizer.param_groups]
        for parameter in self._parameters():
            parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()
        self.optimizer.zero_grad()
        for group, before in zip(self.optimizer.param_groups, groups, strict=True):
            group.clear()
            group.update(before)

    def _restore_moments(self, index: int, parameter: Tensor, values: dict[str, Tensor], path: Path) -> None:
        memory = self.optimizer.state[parameter]
        expected = {name: _tensor(value) for name, value in memory.items() if value is not None}
        check_fit(path, f"{self.prefix}.{index}", expected, *forms(values))
        for name, value in values.items():
            check_finite(path, f"{self.prefix}.{index}.{name}", value)
            if isinstance(memory[name], Tensor):
                memory[name].copy_(value)
            else:
                memory[name] = value.item()


def _numbers(group: dict[str, Any]) -> dict[str, Tensor]:
    """The numbers in a parameter group, copied: floats, whole numbers, tuples of them, scalar tensors."""
    return {name: _tensor(value).clone() for name, value in group.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(type(item) in (int, float) for item in value)
    return type(value) in (int, float) or (isinstance(value, Tensor) and value.ndim == 0)


def _tensor(value: Any) -> Tensor:
    """A number or numbers as a tensor that gives them back unchanged; a tensor as it is."""
    if isinstance(value, Tensor):
        return value
    return torch.tensor(value, dtype=torch.int64 if type(value) is int else torch.float64)


def _set_number(group: dict[str, Any], name: str, number: Tensor) -> bool:
    """Give a group back one of its numbers, in the type it has there; False where that can't be."""
    old = group.get(name, 0)
    if not _is_number(old) or _tensor(old).shape != number.shape or not bool(torch.isfinite(number).all()):
        return False
    if number.dtype not in ({old.dtype} if isinstance(old, Tensor) else {torch.int64, torch.float64}):
        return False
    if isinstance(old, Tensor):
        old.copy_(number)
    else:
        group[name] = tuple(number.tolist()) if isinstance(old, tuple) else number.item()
    return True
