"""What could be spared on weights in a step on a processor: casts to bf16 done before, and packing for products.

    OMP_NUM_THREADS=1 python -m benchmarks.spared vanilla cgan dcgan [--data digits] [--rounds 5]

Casts: each that a step in bf16 does is timed, and put to weights, to gradients of weights, or to what layers give. A
cast of a weight that did not change since it was last cast is one that a cache could spare. Copies: a step by hand
under autocast, and one without it, of networks whose weights are bf16 copies of those that the optimizer moves, each
cast once when it has moved. Packing: each layer's forward pass in float32 as it is, and with its weight in the order
that oneDNN, or for linear layers MKL, wants; the time of bringing it into that order; and after how many passes with
the same weight that is earned. In the engine there are two of the discriminator's, in the generator's turn and in the
next step's own, and one of the generator's. Processor time on one thread, the least of some rounds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.bound import seconds
from benchmarks.equal_time import in_turns
from benchmarks.textbook import ByHand
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import named_source
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training.engine import Engine
from ganzoo_core.variant import Variant

BY_HAND = ("vanilla", "cgan", "dcgan")  # non-saturating, one logit, one update of each player
KINDS = ("weights, anew", "weights, again", "gradients", "activations")


class Casts(TorchDispatchMode):
    """Milliseconds and numbers of casts between float32 and bf16, by kind."""

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__()
        self.weights = {weight.data_ptr(): weight for weight in weights}
        self.shapes = {weight.shape for weight in weights}
        self.known: dict[int, Tensor] = {}  # as last cast; fused optimizers don't raise a weight's version
        self.ms: Counter[str] = Counter()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator; if it casts, note its time."""
        started_s = time.process_time()
        result = func(*args, **(kwargs or {}))
        spent_ms = (time.process_time() - started_s) * 1e3
        if func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            given = args[1] if func is torch.ops.aten.copy_.default else args[0]
            if {given.dtype, result.dtype} == {torch.float32, torch.bfloat16}:
                kind = self.kind(given)
                self.ms[kind] += spent_ms
                self.count[kind] += 1
        return result

    def kind(self, given: Tensor) -> str:
        """What is cast."""
        weight = self.weights.get(given.data_ptr())
        if weight is not None and weight.shape == given.shape:
            before = self.known.get(given.data_ptr())
            again = before is not None and torch.equal(before, given)
            self.known[given.data_ptr()] = given.clone()
            return KINDS[1] if again else KINDS[0]
        return KINDS[2] if given.dtype == torch.bfloat16 and given.shape in self.shapes else KINDS[3]


def casts(name: str, data: Dataset, rounds: int) -> tuple[float, Counter[str], Counter[str]]:
    """Milliseconds of a step in bf16, the least; those of its casts by kind, and how many there are."""
    cls = registry().variant(name)[0]
    engine = Engine(cls(), data, RunSettings(data=data.spec.name, precision="bf16", device="cpu"))
    weights = [
        p for network in (engine.networks.generator, engine.networks.discriminator) for p in network.parameters()
    ]
    for _ in range(3):
        engine.train_step()
    step_ms = seconds(engine.train_step, 5, rounds) * 1e3
    ms: Counter[str] = Counter(dict.fromkeys(KINDS, float("inf")))
    seen = Casts(weights)
    for number in range(rounds + 1):  # the first finds no cast done before
        seen.ms, seen.count = Counter(), Counter()
        with seen:
            engine.train_step()
        if number:
            ms = Counter({kind: min(ms[kind], seen.ms[kind]) for kind in KINDS})
    return step_ms, ms, seen.count


class Copies(ByHand):
    """The loop by hand without autocast: each update casts its float32 weights to those in bf16 of the networks."""

    def __init__(self, variant: Variant, dataset: Dataset) -> None:
        super().__init__(variant, dataset, "fp32")
        for name in ("generator", "discriminator"):
            network: nn.Module = getattr(self, name)
            masters = [p.detach().clone().requires_grad_() for p in network.parameters()]
            for master in masters:
                master.grad = torch.zeros_like(master)
            setattr(self, f"{name[0]}_optimizer", variant.optimizer(name, masters))
            network.to(torch.bfloat16)
            for layer in network.modules():
                if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                    layer.float()

    def pass_through(self, network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
        """In bf16; what a discriminator says, in float32."""
        made = network.forward(x.to(torch.bfloat16), labels)
        return made if network is self.generator else made.float()

    def move(self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], loss: Tensor) -> None:
        """Gradients to float32, the update there, and what it gave back to bf16."""
        for parameter in parameters:
            parameter.grad = None
        loss.backward(inputs=parameters)
        masters = optimizer.param_groups[0]["params"]
        with torch.no_grad():
            torch._foreach_copy_([master.grad for master in masters], [p.grad for p in parameters])
            optimizer.step()
            torch._foreach_copy_(parameters, masters)


def copies_table(names: Sequence[str], data: Dataset, rounds: int) -> Table:
    """Autocast's step and that with copies, in turns, and their ratio round by round."""
    table = Table("by hand", "autocast, ms", "copies, ms", "ratio, median (least to most)")
    for name in names:
        variant = registry().variant(name)[0]()
        steps = [(ByHand(variant, data, "bf16").step, 1), (Copies(variant, data).step, 1)]
        times = [in_turns(steps, 1, 1.0) for _ in range(rounds)]
        ratios = [before / after for before, after in times]
        least = [min(column) * 1e3 for column in zip(*times, strict=True)]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        table.add_row(name, *(f"{ms:.2f}" for ms in least), spread)
    return table


def layers(name: str, data: Dataset) -> list[tuple[str, nn.Module, Tensor]]:
    """The linear layers and convolutions of both networks, with what they are given in a step."""
    cls = registry().variant(name)[0]
    variant, found = cls(), []
    generator, discriminator = variant.generator(data.spec), variant.discriminator(data.spec)
    n = variant.config.batch_size
    labels = torch.zeros(n, dtype=torch.int64) if data.spec.num_classes else None
    for whose, network in (("G", generator), ("D", discriminator)):
        for path, layer in network.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.register_forward_pre_hook(lambda m, x, at=f"{whose} {path}": found.append((at, m, x[0])))
    discriminator(generator(generator.latent(n, torch.Generator().manual_seed(0)), labels), labels)
    return [(at, layer, given.detach().contiguous(memory_format=order(given))) for at, layer, given in found]


def order(x: Tensor) -> torch.memory_format:
    """The order that the engine gives pictures."""
    return torch.channels_last if x.dim() == 4 else torch.contiguous_format


@torch.no_grad()
def packing(layer: Any, x: Tensor, rounds: int) -> dict[str, float]:
    """Milliseconds of a forward pass as it is and packed, and of packing, by library."""
    weight, bias = layer.weight.detach(), layer.bias
    if isinstance(layer, nn.Linear):
        n = len(x)
        pack = {
            "oneDNN": lambda: torch.ops.mkldnn._reorder_linear_weight(weight, n),
            "MKL": lambda: torch.ops.mkl._mkl_reorder_linear_weight(weight, n),
        }
        packed = {library: make() for library, make in pack.items()}
        run = {
            "plain": lambda: F.linear(x, weight, bias),
            "oneDNN": lambda: torch.ops.mkldnn._linear_pointwise(x, packed["oneDNN"], bias, "none", [], ""),
            "MKL": lambda: torch.ops.mkl._mkl_linear(x, packed["MKL"], weight, bias, n),
        }
    else:
        weight = weight.contiguous(memory_format=torch.channels_last)
        how = list(layer.padding), list(layer.stride), list(layer.dilation), layer.groups
        pack = {"oneDNN": lambda: torch.ops.mkldnn._reorder_convolution_weight(weight, *how, list(x.shape))}
        done = pack["oneDNN"]()
        run = {
            "plain": lambda: F.conv2d(x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups),
            "oneDNN": lambda: torch.ops.mkldnn._convolution_pointwise(x, done, bias, *how, "none", [], ""),
        }
    for library, work in run.items():
        if not torch.allclose(work(), run["plain"](), atol=1e-3):
            raise click.ClickException(f"{library} gives other numbers")
    times = {library: seconds(work, 20, rounds) * 1e3 for library, work in run.items()}
    return times | {f"{library} packing": seconds(work, 20, rounds) * 1e3 for library, work in pack.items()}


def packing_table(name: str, data: Dataset, rounds: int) -> Table:
    """A line for each layer."""
    table = Table(f"{name}, ms", "plain", "oneDNN", "packing", "earned after", "MKL", "packing", "earned after")
    for at, layer, x in layers(name, data):
        found = packing(layer, x, rounds)
        cells = [f"{found['plain']:.3f}"]
        for library in (library for library in ("oneDNN", "MKL") if library in found):
            gain = found["plain"] - found[library]
            passes = f"{found[f'{library} packing'] / gain:.1f}" if gain > 0.01 * found["plain"] else "never"
            cells += [f"{found[library]:.3f}", f"{found[f'{library} packing']:.3f}", passes]
        table.add_row(f"{at} {tuple(layer.weight.shape)}", *cells)
    return table


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", "data_name", default="digits", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--rounds", default=5, show_default=True)
@click.option("--packing/--no-packing", "packed", default=True, show_default=True)
def main(variants: tuple[str, ...], data_name: str, data_dir: Path | None, rounds: int, packed: bool) -> None:
    """Measure VARIANTS."""
    torch.set_num_threads(1)
    data, console = named_source(data_name).load(data_folder(data_dir)), Console(width=130)
    table = Table("variant", "step in bf16, ms", *(f"casts of {kind}" for kind in KINDS))
    for name in variants:
        step_ms, ms, count = casts(name, data, rounds)
        cells = [f"{ms[kind]:.2f} ({count[kind]})" for kind in KINDS]
        table.add_row(name, f"{step_ms:.2f}", *cells)
    console.print(table)
    console.print(copies_table([name for name in variants if name in BY_HAND], data, rounds))
    for name in variants if packed else ():
        console.print(packing_table(name, data, rounds))


if __name__ == "__main__":
    main()
