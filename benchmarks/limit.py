"""How far off the limit a step of WGAN is: the bare passes of its networks, without loop, data, loss and optimizers.

    python -m benchmarks.limit wgan wgan-gp [--rounds 7] [--json]

Passes of the textbook (float32) and of the engine (as `--precision auto` and channels_last have them) are timed in
turn, the least of the rounds counts. Their sums are steps that cost nothing but network passes: no loop with these
networks is faster, and the quotient is what the engine's tricks can bring at most.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.train import resolved
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.losses import gradient_penalty
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import find_source
from ganzoo_core.sampling.devices import to_device

Pass = Callable[[], Any]
PARTS = ("fake", "critic", "penalty", "generator")


def passes(variant: Any, spec: DataSpec, precision: str, is_engine: bool) -> dict[str, Pass]:
    """The passes of a step by name."""
    generator, critic = variant.generator(spec), variant.discriminator(spec)
    scope: Callable[[], Any] = contextlib.nullcontext
    if is_engine:
        to_device(generator, torch.device("cpu"))
        to_device(critic, torch.device("cpu"))
        if precision == "bf16":
            scope = lambda: torch.autocast("cpu", dtype=torch.bfloat16)  # noqa: E731
    n = variant.config.batch_size
    z = generator.latent(n, torch.Generator().manual_seed(0))
    real = torch.rand(n, *spec.shape) * 2 - 1
    both = torch.cat([real, -real])
    frozen = [*generator.parameters()]
    everything = [*generator.parameters(), *critic.parameters()]
    joint = is_engine and not critic.mixes_samples

    def fake() -> None:
        with torch.no_grad(), scope():
            generator(z)

    def judge() -> None:
        with scope():
            score = critic(both).mean() if joint else critic(real).mean() - critic(-real).mean()
        torch.autograd.grad(score.float(), [*critic.parameters()])

    def penalise() -> None:
        with scope():
            penalty = gradient_penalty(critic, real, -real)
        torch.autograd.grad(penalty, [*critic.parameters()], allow_unused=True)

    def generate() -> None:
        with scope():
            score = critic(generator(z)).mean()
        torch.autograd.grad(score.float(), frozen if is_engine else everything)

    found: dict[str, Pass] = {"fake": fake, "critic": judge, "generator": generate}
    return found | ({"penalty": penalise} if variant.name == "wgan-gp" else {})


def least_ms(work: Pass, repeats: int = 15) -> float:
    """Milliseconds of one pass, of some in a row."""
    start_s = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start_s) / repeats * 1e3


def step_ms(parts: dict[str, float], n_critic: int, is_engine: bool) -> float:
    """A step made of its passes: the engine shares the last fake with the generator's turn, the textbook does not."""
    fakes = n_critic - 1 if is_engine else n_critic
    return fakes * parts["fake"] + n_critic * (parts["critic"] + parts.get("penalty", 0.0)) + parts["generator"]


@click.command()
@click.argument("variants", nargs=-1, required=True, type=click.Choice(["wgan", "wgan-gp"]))
@click.option("--data", default="mnist")
@click.option("--rounds", default=7)
@click.option("--threads", default=2)
@click.option("--json", "as_json", is_flag=True)
def main(variants: tuple[str, ...], data: str, rounds: int, threads: int, as_json: bool) -> None:
    """Time the bare passes of VARIANTS."""
    torch.set_num_threads(threads)
    source = find_source(data)[0]
    spec = DataSpec(data, source.shape or (1, 28, 28), source.classes or ())
    table = Table("variant", "loop", *PARTS, "step", "limit of the ratio")
    for name in variants:
        variant_class = registry().variant(name)[0]
        variant = variant_class(variant_class.Config())
        loops = {
            loop: passes(variant, spec, resolved("auto", data), loop == "engine") for loop in ("textbook", "engine")
        }
        best: dict[str, dict[str, float]] = {loop: {} for loop in loops}
        for _ in range(rounds):
            for loop, works in loops.items():
                for part, work in works.items():
                    best[loop][part] = min(least_ms(work), best[loop].get(part, float("inf")))
        steps = {loop: step_ms(parts, variant.config.n_critic, loop == "engine") for loop, parts in best.items()}
        limit = steps["textbook"] / steps["engine"]
        if as_json:
            print(json.dumps({"variant": name, "ms": best, "step_ms": steps, "limit": limit}), flush=True)
        for loop, parts in best.items():
            shown = [
                f"{parts[part]:.2f}" if part in parts else "" for part in ("fake", "critic", "penalty", "generator")
            ]
            table.add_row(name, loop, *shown, f"{steps[loop]:.1f}", f"{limit:.2f}" if loop == "engine" else "")
    if not as_json:
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
