"""The layers of a network, with the shape of each layer's output. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.interfaces import columns_of
from ganzoo_core.sampling.inputs import blank_batch, taken_inputs
from ganzoo_core.variant import Variant


def describe_networks(variant: Variant, spec: DataSpec) -> dict[str, Any]:
    """What the generator takes besides noise and labels, as "inputs"; and as "networks" both of them by name: their
    layers in the order they run, and their parameter counts.

    A batch of a few samples goes through both. Shapes are one sample's.
    """
    generator, discriminator = variant.generator(spec), variant.discriminator(spec)
    generator.sampling = variant.Sampling()
    inputs = [one.to_dict() for one in taken_inputs(variant, generator, spec)]
    batch = blank_batch(variant, spec)
    z = generator.latent(len(batch["real"]), torch.Generator().manual_seed(0))
    described = {
        "generator": _describe(generator, z, batch),
        "discriminator": _describe(discriminator, batch["real"], batch),
    }
    return {"inputs": inputs, "networks": described}


@torch.no_grad()
def _describe(network: nn.Module, x: Tensor, batch: dict[str, Tensor]) -> dict[str, Any]:
    layers = {layer: (name, parameters) for name, layer, parameters in _layers(network)}
    ran: dict[nn.Module, list[int] | None] = {}

    def keep_shape(layer: nn.Module, _: Any, output: Any) -> None:
        ran.setdefault(layer, _shape(output))

    for layer in layers:
        layer.register_forward_hook(keep_shape)
    network.eval()(x, batch.get("labels"), **columns_of(network, batch))
    order = [*ran, *(layer for layer in layers if layer not in ran)]
    return {
        "layers": [
            {
                "name": layers[layer][0],
                "type": type(layer).__name__.removeprefix("Parametrized"),
                "shape": ran.get(layer),
                "parameters": layers[layer][1],
            }
            for layer in order
        ],
        "parameters": sum(p.numel() for p in network.parameters()),
    }


def _layers(module: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module, int]]:
    """The modules that have no parts, and those that own parameters beside their parts, with how many they own.

    A parametrized layer (spectral norm) is one layer.
    """
    whole = is_parametrized(module) or not any(True for _ in module.children())
    owned = sum(p.numel() for p in module.parameters(recurse=whole))
    if whole or owned:
        yield name or "(itself)", module, owned
    if not whole:
        for part, child in module.named_children():
            yield from _layers(child, f"{name}.{part}" if name else part)


def _shape(output: Any) -> list[int] | None:
    """One sample's shape in what a module returned; the first tensor's where there are several."""
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return list(output.shape[1:]) if isinstance(output, Tensor) else None
