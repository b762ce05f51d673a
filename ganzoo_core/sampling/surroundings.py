"""The program around: what it has switched on is set aside while we compute, and it finds all as it was."""

from __future__ import annotations

import contextlib
import os
import random
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from ganzoo_core.seeds import alone

_inside = 0
_kept = contextlib.ExitStack()


@contextlib.contextmanager
def undisturbed(*, training: bool = False) -> Iterator[None]:
    """Compute as in a process of its own: with gradients, float32, on the CPU unless told otherwise, and no autocast.

    The program's own switches, random states, warning filters and working folder are given back at the end, also after
    an error. Threads that compute at once share what is the process's: the first sets it, the last gives it back.
    `training` says that all devices' random generators are reseeded inside, not the CPU's alone.
    """
    global _inside, _kept
    with alone:
        if not _inside:
            with contextlib.ExitStack() as stack:
                _set_process(stack, training)
                _kept = stack.pop_all()
        _inside += 1
    try:
        with _set_thread():
            yield
    finally:
        with alone:
            _inside -= 1
            if not _inside:
                _kept.close()


def _set_process(stack: contextlib.ExitStack, training: bool) -> None:
    """Set what all threads share, once `stack` knows how to give it back."""
    devices = range(torch.cuda.device_count()) if training or torch.cuda.is_initialized() else []
    stack.enter_context(torch.random.fork_rng(devices=devices))
    stack.callback(random.setstate, random.getstate())
    stack.callback(np.random.set_state, np.random.get_state())
    stack.enter_context(warnings.catch_warnings())
    with contextlib.suppress(FileNotFoundError):  # somebody removed it
        stack.callback(os.chdir, os.getcwd())
    for get, put, usual in _switches():
        with contextlib.suppress(RuntimeError):  # the precision can't be read where a program has set it by parts
            stack.callback(_put, get, put, get())
            _put(get, put, usual)


def _put(get: Callable[[], Any], put: Callable[[Any], Any], value: Any) -> None:
    if get() != value:
        put(value)


def _switches() -> Iterator[tuple[Callable[[], Any], Callable[[Any], Any], Any]]:
    """Torch's switches that all threads share: what reads each, what sets it, and what it usually is."""
    yield torch.get_default_dtype, torch.set_default_dtype, torch.float32
    yield torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 0
    check_nan = torch.is_anomaly_check_nan_enabled()
    yield torch.is_anomaly_enabled, lambda on: torch.autograd.set_detect_anomaly(on, check_nan), False
    yield torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    usual = {"enabled": True, "benchmark": False, "deterministic": False, "allow_tf32": True}
    for backend, name, value in [*((cudnn, *pair) for pair in usual.items()), (mkldnn, "enabled", True)]:
        yield partial(getattr, backend, name), partial(setattr, backend, name), value


@contextlib.contextmanager
def _set_thread() -> Iterator[None]:
    """Set what is this thread's own."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        stack.enter_context(_without_autocast())
        if torch.empty(0).device.type != "cpu":  # the context makes each call slower, so it is entered only then
            stack.enter_context(torch.device("cpu"))
        yield


@contextlib.contextmanager
def _without_autocast() -> Iterator[None]:
    """Leave every autocast there is: an inner one would keep its copies of the weights until the outermost ends."""
    on = [kind for kind in ("cpu", "cuda", "mps") if torch.is_autocast_enabled(kind)]
    caching, depth = torch.is_autocast_cache_enabled(), torch.autocast_increment_nesting() - 1
    for _ in range(depth + 1):
        torch.autocast_decrement_nesting()
    _set_autocast(on, False, True)
    try:
        yield
    finally:
        for _ in range(depth):
            torch.autocast_increment_nesting()
        _set_autocast(on, True, caching)


def _set_autocast(kinds: list[str], enabled: bool, caching: bool) -> None:
    torch.clear_autocast_cache()
    torch.set_autocast_cache_enabled(caching)
    for kind in kinds:
        torch.set_autocast_enabled(kind, enabled)
