"""Activations computed again in the backward pass, in place of being kept: `checkpoint_activations`.

Of each piece of a network only its inputs are kept (arXiv:1604.06174), by `torch.utils.checkpoint`. A piece is computed
again as it was the first time: with the same random numbers, and with the buffers and attributes that its modules had.
What it does to them then is forgotten, so that BatchNorm's averages and spectral norm's iteration move once.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.checkpoint import CheckpointError, checkpoint

from ganzoo_core.errors import SettingError
from ganzoo_core.sampling.devices import default_generator
from ganzoo_core.seeds import current_microbatch
from ganzoo_core.variant import Variant

_LEAST = 4  # layers in a piece of which activations are dropped: a convolution and what follows it
_IN_PLACE = "modified by an inplace operation"  # in what torch says of an input that is no more what it was


class Recomputing:
    """The networks of a game, `named` by their variant, whose activations are dropped and computed again."""

    def __init__(self, named: str, networks: Iterable[nn.Module], device: torch.device) -> None:
        self._named = named
        generators = {id(rng): rng for rng in map(default_generator, (torch.device("cpu"), device))}
        self._forwards: dict[nn.Module, Callable[..., Any]] = {}
        for network in networks:
            self._forwards |= _Pieces(network, list(generators.values())).forwards

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """While it lasts, the networks drop their activations. Raises `SettingError` for one that can't do without."""
        before = {module: dict(vars(module)) for module in self._forwards}
        try:
            for module, forward in self._forwards.items():
                vars(module)["forward"] = forward
            yield
        except RuntimeError as error:
            if not (isinstance(error, CheckpointError) or _IN_PLACE in str(error)):
                raise
            why = str(error).partition("\n")[0].removeprefix("torch.utils.checkpoint: ")
            raise SettingError(
                f"checkpoint_activations must be false for {self._named}, as a network of it can't be computed "
                f"a second time: {why}"
            ) from error
        finally:
            for module, attributes in before.items():
                vars(module).pop("forward")
                vars(module).update({key: value for key, value in attributes.items() if key == "forward"})


def new_recomputing(
    variant: Variant, networks: Iterable[nn.Module], device: torch.device, *, is_compiled: bool = False
) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """What makes the context of a step, in which activations are dropped where the variant's config says so.

    Raises `SettingError` where the networks are compiled, too.
    """
    if not variant.config.checkpoint_activations:
        return contextlib.nullcontext
    if is_compiled:
        raise SettingError(
            "checkpoint_activations must be false where networks are compiled, as the compiler decides what is kept "
            "for the backward pass; leave out --compile, or this"
        )
    return Recomputing(variant.name, networks, device).here


class _Pieces:
    """A network taken apart: the forward of each module that drops activations.

    A piece has about as many layers as there are pieces. It is a module, or some neighbours within a `Sequential`; what
    a larger module computes between its children is kept, and so is what a single layer takes.
    """

    def __init__(self, network: nn.Module, generators: Sequence[torch.Generator]) -> None:
        self.forwards: dict[nn.Module, Callable[..., Any]] = {}
        self._generators = generators
        self._size = max(_LEAST, math.isqrt(_layers(network)))
        self._visit(network)

    def _visit(self, module: nn.Module) -> None:
        children = _children(module)
        if type(module).forward is nn.Sequential.forward:
            self.forwards[module] = _in_turn([self._part(layers) for layers in self._neighbours(children)])
        elif self._is_piece(module):
            self.forwards[module] = self._forgetful(module.forward, [module])
        else:
            for child in children:
                self._visit(child)

    def _is_piece(self, module: nn.Module) -> bool:
        """Whether a module, no plain `Sequential`, is computed again as a whole: it is small, or of layers only.

        One with hooks of its own is not: they are called around its `forward`, and may hand it something.
        """
        children = _children(module)
        is_flat = not any(_children(child) for child in children)
        has_forward = not isinstance(module, nn.ModuleList | nn.ModuleDict)
        is_hooked = bool(module._forward_pre_hooks or module._forward_hooks)
        return bool(children) and has_forward and not is_hooked and (is_flat or _layers(module) <= self._size)

    def _neighbours(self, children: Sequence[nn.Module]) -> list[list[nn.Module]]:
        """The children of a `Sequential` in groups: a large one by itself, others together up to a piece's size.

        Where there is a choice, a group begins with weights: activations may change their input in place.
        """
        groups: list[list[nn.Module]] = [[]]
        for child in children:
            alone = any(_layers(one) > self._size for one in (child, *groups[-1]))
            is_full = sum(map(_layers, (child, *groups[-1]))) > self._size
            if alone or (is_full and any(p.ndim > 1 for p in child.parameters())):
                groups.append([])
            groups[-1].append(child)
        return [group for group in groups if group]

    def _part(self, layers: list[nn.Module]) -> Callable[..., Any]:
        if len(layers) == 1 and _layers(layers[0]) > self._size:
            self._visit(layers[0])
            return layers[0]
        start = next((n for n, layer in enumerate(layers) if not getattr(layer, "inplace", False)), len(layers))
        first, rest = layers[:start], layers[start:]  # a layer that spoils its input can't be computed again from it
        if sum(map(_layers, rest)) < 2:
            return _in_turn(layers)
        return _in_turn([*first, self._forgetful(_in_turn(rest), rest)])

    def _forgetful(self, function: Callable[..., Any], roots: Sequence[nn.Module]) -> Callable[..., Any]:
        """The function, a part of the network, made to drop its activations where it gets nothing that may change."""
        modules = list({module: None for root in roots for module in root.modules()})

        def forward(*args: Any, **kwargs: Any) -> Any:
            if not torch.is_grad_enabled() or not all(map(_stays, (*args, *kwargs.values()))):
                return function(*args, **kwargs)
            leaves, structure = tree_flatten((args, kwargs))

            def compute(*values: Any) -> Any:
                given, named = tree_unflatten(values, structure)
                return function(*given, **named)

            again = _Surroundings(modules, self._generators)
            return checkpoint(
                compute, *leaves, use_reentrant=False, preserve_rng_state=False,
                context_fn=lambda: (contextlib.nullcontext(), again),
            )  # fmt: skip

        return forward


class _Surroundings:
    """What modules and random generators were like when it was made; within the context they are so again."""

    def __init__(self, modules: Sequence[nn.Module], generators: Sequence[torch.Generator]) -> None:
        self._microbatch = current_microbatch.get()
        self._generators = [*generators, *([] if self._microbatch is None else [self._microbatch.common])]
        self._states = [rng.get_state() for rng in self._generators]
        self._attributes = [(vars(module), dict(vars(module))) for module in modules]
        self._buffers = _copies([module._buffers for module in modules])

    def __enter__(self) -> None:
        self._token = current_microbatch.set(self._microbatch)
        self._present_states = [rng.get_state() for rng in self._generators]
        self._present = [dict(attributes) for attributes, _ in self._attributes]
        _set(self._generators, self._states)
        for (attributes, earlier), buffers in zip(self._attributes, _copies(self._buffers), strict=True):
            _replace(attributes, earlier | {"_buffers": buffers})

    def __exit__(self, *error: object) -> None:
        for (attributes, _), present in zip(self._attributes, self._present, strict=True):
            _replace(attributes, present)
        _set(self._generators, self._present_states)
        current_microbatch.reset(self._token)
        del self._present, self._present_states


def _in_turn(parts: Sequence[Callable[..., Any]]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for part in parts:
            x = part(x)
        return x

    return run


def _children(module: nn.Module) -> list[nn.Module]:
    """The modules in it, without what only computes a weight, such as spectral norm."""
    return [child for name, child in module.named_children() if name != "parametrizations"]


def _layers(module: nn.Module) -> int:
    """How many modules without children are in it, or 1."""
    return sum(map(_layers, _children(module))) or 1


def _stays(value: Any) -> bool:
    """Whether an argument will be the same later: a list may be changed by then, and a tensor that was is found out."""
    return all(map(_stays, value)) if isinstance(value, tuple) else isinstance(value, Tensor | int | float | str | None)


def _copies(buffers_of: Sequence[dict[str, Tensor | None]]) -> list[dict[str, Tensor | None]]:
    """The buffers of several modules copied; what was one tensor stays one."""
    tensors = {id(b): b for buffers in buffers_of for b in buffers.values() if b is not None}
    copies = {key: tensor.detach().clone() for key, tensor in tensors.items()}
    return [{name: copies.get(id(b)) for name, b in buffers.items()} for buffers in buffers_of]


def _set(generators: Sequence[torch.Generator], states: Sequence[Tensor]) -> None:
    for rng, state in zip(generators, states, strict=True):
        rng.set_state(state)


def _replace(attributes: dict[str, Any], values: dict[str, Any]) -> None:
    attributes.clear()
    attributes.update(values)
