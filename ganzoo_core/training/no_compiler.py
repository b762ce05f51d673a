"""Optimizers that leave PyTorch's compiler where it is, as long as nobody uses it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch.optim import Optimizer

_COMPILER = "torch._dynamo"


def leave_compiler_out() -> None:
    """Let no optimizer of `torch.optim` import the compiler, which takes longer than PyTorch itself.

    Each does in order to keep its methods out of what is being compiled, which nothing is before somebody imports it:
    then all is as PyTorch made it. Of a method that does not look as in PyTorch 2.6 to 2.14, nothing is changed.
    """
    if _COMPILER in sys.modules:
        return
    for name in ("add_param_group", "zero_grad"):
        method = vars(Optimizer)[name]
        if _is_torchs(method, "torch._compile", "inner"):
            setattr(Optimizer, name, _late(method, method.__wrapped__))
    for kind in vars(torch.optim).values():
        step: Any = vars(kind).get("step") if isinstance(kind, type) and issubclass(kind, Optimizer) else None
        if _is_torchs(step, "torch.optim.optimizer", "_use_grad"):
            kind.step = _late(step, _without_gradients(step.__wrapped__))


def _is_torchs(method: Any, module: str, name: str) -> bool:
    """Whether this is what PyTorch's decorator of that name makes of a method."""
    if not isinstance(method, FunctionType) or not hasattr(method, "__wrapped__"):
        return False
    return method.__globals__.get("__name__") == module and method.__code__.co_name == name


def _late(method: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """`plain` until the compiler is imported, `method` from then on."""

    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        return (method if _COMPILER in sys.modules else plain)(*arguments, **named)

    return call


def _without_gradients(step: Callable[..., Any]) -> Callable[..., Any]:
    """What PyTorch's decorator does around an optimizer's step beside talking to the compiler."""

    def call(optimizer: Optimizer, *arguments: Any, **named: Any) -> Any:
        with torch.set_grad_enabled(optimizer.defaults["differentiable"]):
            return step(optimizer, *arguments, **named)

    return call
