"""Optimizers import PyTorch's compiler only where somebody else did, and step as they always do."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from ganzoo_core.training.no_compiler import _is_torchs, leave_compiler_out

PROGRAM = """
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from ganzoo_core.training.no_compiler import leave_compiler_out

hooked = []
register_optimizer_step_post_hook(lambda optimizer, *rest: hooked.append(optimizer))


def numbers():
    found = []
    for make in (
        lambda p: torch.optim.Adam(p, lr=0.1, fused=True), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.RMSprop(p, lr=0.1), lambda p: torch.optim.AdamW(p, lr=0.1),
    ):
        torch.manual_seed(0)
        first, second = (torch.nn.Parameter(torch.randn(9)) for _ in range(2))
        optimizer = make([first])
        optimizer.add_param_group({"params": [second], "lr": 0.2})
        for _ in range(3):
            optimizer.zero_grad()
            (first.sin() * second).sum().backward()
            optimizer.step()
        assert torch.is_grad_enabled() and optimizer.step.__name__ == "step"
        try:
            optimizer.step(lambda: 1 / 0)
        except ZeroDivisionError:
            assert torch.is_grad_enabled()
        found.append(torch.stack([first, second]).detach())
    return torch.stack(found)


leave_compiler_out()
leave_compiler_out()  # of another run
late, before = numbers(), len(hooked)
print("compiler:", "torch._dynamo" in sys.modules)
import torch._dynamo
assert torch.equal(late, numbers()), "another step"
assert len(hooked) == 2 * before == 24, "a hook was not called"
disabled = torch.optim.Optimizer.zero_grad.__wrapped__.__wrapped__.__dynamo_disable
print("disabled:", callable(disabled))
"""


@pytest.mark.long
def test_optimizers_step_alike_with_and_without_the_compiler(run_python):
    assert run_python(PROGRAM) == "compiler: False\ndisabled: True\n"


def test_nothing_is_changed_once_the_compiler_is_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch._dynamo", ModuleType("torch._dynamo"))
    before = vars(torch.optim.Optimizer)["zero_grad"], torch.optim.Adam.step
    leave_compiler_out()
    assert before == (vars(torch.optim.Optimizer)["zero_grad"], torch.optim.Adam.step)


@pytest.mark.parametrize("method", [None, len, torch.no_grad()(lambda self: None), lambda self: None])
def test_a_method_that_is_not_as_pytorch_made_it_stays(method):
    assert not _is_torchs(method, "torch.optim.optimizer", "_use_grad")
