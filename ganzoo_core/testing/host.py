"""What a turn asks of the host that it must not: values of tensors, and tensors made elsewhere than on the device."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_aten = torch.ops.aten
_READS = {_aten._local_scalar_dense.default, _aten.equal.default, _aten.is_nonzero.default}
# The host must know how many numbers these give.
_SIZED = {
    _aten.nonzero.default, _aten.masked_select.default, _aten._unique2.default, _aten.unique_dim.default,
    _aten.unique_consecutive.default, _aten.repeat_interleave.Tensor,
}  # fmt: skip
_INDEXED = {_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default, _aten._index_put_impl_.default}
_OURS = ("torch", "ganzoo_core")
_MASKS = (torch.bool, torch.uint8)


class HostReads(TorchDispatchMode):
    """Counts how often the host reads a tensor's value, or must know one to go on, as with a mask for an index."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function."""
        is_masked = function in _INDEXED and any(index is not None and index.dtype in _MASKS for index in args[1])
        self.reads += is_masked or function in _READS or function in _SIZED
        return function(*args, **(kwargs or {}))


class Strays(TorchDispatchMode):
    """Notes the first function that makes or takes a tensor on the CPU where all else is on the meta device.

    Scalars are no matter: a kernel takes their values along.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first: str | None = None

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function."""
        before = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        if any(map(_is_stray, before)):
            self._note(function)
        result = function(*args, **(kwargs or {}))
        if any(isinstance(x, Tensor) and _is_stray(x) for x in tree_leaves(result)):
            self._note(function)
        return result

    def _note(self, function: Any) -> None:
        self.first = self.first or f"{function.overloadpacket.__name__} at {_place()}"


def _place() -> str:
    """The innermost line of code that is neither torch's nor ours."""
    frame = sys._getframe()
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _OURS:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_stray(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.ndim > 0
