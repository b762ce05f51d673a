"""What an optimizer remembers: out, in, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ganzoo_core.errors import FileError
from ganzoo_core.training.optimizer_state import OptimizerState


class Halving(torch.optim.SGD):
    """A third party's: attributes of its own, and a learning rate that it halves at each second step."""

    def __init__(self, parameters):
        super().__init__(parameters, lr=0.1, momentum=0.9)
        self.factor = 0.5

    def step(self, closure=None):
        super().step(closure)
        for group in self.param_groups:
            group["count"] = group.get("count", 0) + 1
            group["lr"] *= self.factor if group["count"] % 2 == 0 else 1


MAKERS = {
    "adam": lambda p: torch.optim.Adam(p, fused=True, betas=(0.5, 0.9)),
    "rmsprop": torch.optim.RMSprop,
    "plain sgd": torch.optim.SGD,
    "attributes and a schedule": Halving,
    "a tensor for a learning rate": lambda p: torch.optim.Adam(p, lr=torch.tensor(0.1)),
}


def fresh(make):
    torch.manual_seed(0)
    module = nn.Conv2d(3, 2, 3).to(memory_format=torch.channels_last)
    optimizer = make(module.parameters())
    return module, optimizer, OptimizerState(optimizer, "optimizer.x")


def steps(module, optimizer, n):
    for k in range(n):
        optimizer.zero_grad()
        module(torch.full((2, 3, 6, 6), float(k + 1))).square().mean().backward()
        optimizer.step()
        for group in optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"] *= 0.9


@pytest.mark.parametrize("name", MAKERS)
def test_an_optimizer_goes_on_where_it_was(name):
    whole, optimizer, _ = fresh(MAKERS[name])
    steps(whole, optimizer, 3)
    first, first_optimizer, memory = fresh(MAKERS[name])
    steps(first, first_optimizer, 3)
    tensors = {key: tensor.clone(memory_format=torch.contiguous_format) for key, tensor in memory.tensors().items()}
    second, second_optimizer, memory = fresh(MAKERS[name])
    memory.restore(tensors, Path("x"))
    second.load_state_dict(first.state_dict())
    assert {key: tensor.tolist() for key, tensor in memory.tensors().items()} == {
        key: tensor.tolist() for key, tensor in tensors.items()
    }
    steps(whole, optimizer, 3)
    steps(second, second_optimizer, 3)
    assert torch.equal(whole.weight, second.weight) and torch.equal(whole.bias, second.bias)


def test_numbers_that_nobody_changed_follow_the_settings():
    first, optimizer, memory = fresh(MAKERS["adam"])
    steps(first, optimizer, 1)
    assert not [name for name in memory.tensors() if ".group." in name]
    optimizer.param_groups[0]["betas"] = (0.25, 0.125)
    _, other, other_memory = fresh(lambda p: torch.optim.Adam(p, lr=0.7))
    other_memory.restore(memory.tensors(), Path("x"))
    assert (other.param_groups[0]["lr"], other.param_groups[0]["betas"]) == (0.7, (0.25, 0.125))


def test_a_parameter_that_never_had_a_gradient_has_no_memory():
    module, optimizer, memory = fresh(MAKERS["adam"])
    module.weight.requires_grad_(False)
    steps(module, optimizer, 1)
    tensors = memory.tensors()
    assert {name.split(".")[2] for name in tensors} == {"1"}
    _, _, memory = fresh(MAKERS["adam"])
    memory.restore(tensors, Path("x"))
    assert memory.tensors().keys() == tensors.keys()


REFUSED = {
    "no such setting's form": ("group.0.betas", torch.tensor(0.5), "its group 0 can't have this betas"),
    "not a number's place": ("group.0.fused", torch.tensor(1.0), "its group 0 can't have this fused"),
    "the parameters": ("group.0.params", torch.tensor(1.0), "its group 0 can't have this params"),
    "not finite": ("group.0.lr", torch.tensor(float("nan")), "its group 0 can't have this lr"),
    "no such group": ("group.1.lr", torch.tensor(0.5), "it has an unknown part group.1"),
    "no such parameter": ("2.step", torch.tensor(1.0), "it has an unknown part 2"),
    "no name": ("", torch.tensor(1.0), "it has an unknown part"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_an_optimizer_never_remembers_is_refused(case):
    name, tensor, words = REFUSED[case]
    module, optimizer, memory = fresh(MAKERS["adam"])
    steps(module, optimizer, 1)
    with pytest.raises(FileError, match=words):
        memory.restore(memory.tensors() | {f"optimizer.x.{name}": tensor}, Path("x"))
