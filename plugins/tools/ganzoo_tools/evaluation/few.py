"""Figures of few samples: means over draws of half of them, and how uncertain they are."""

from __future__ import annotations

import math
import statistics

import torch
from torch import Tensor

from ganzoo_core.seeds import derive_seed
from ganzoo_tools.evaluation.distances import fid, kid
from ganzoo_tools.evaluation.prdc import prdc

LEAST = 20  # half of them must be more than the 5 neighbours of `prdc`
FEW = 200  # with fewer a figure differs from one set of real samples to the next by more than trainings often do
DRAWS = 20


def quality(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Quality metrics of features (N, D) of real and (M, D) of generated samples."""
    return {"fid": fid(real, fake), "kid": kid(real, fake)} | prdc(real, fake)


def drawn_quality(real: Tensor, fake: Tensor | None, size: int) -> tuple[dict[str, float], dict[str, float]]:
    """The metrics of `size` of each (N, D), their mean over DRAWS draws without replacement, and their errors.

    Without `fake`, as many of the other real samples stand there: so a generator and real data are measured alike, and
    a perfect one scores what real data scores. `size` is half of the real samples: the standard deviation over such
    draws is the delete-half jackknife's standard error of all of them (Shao and Wu 1989).
    """
    rng = torch.Generator().manual_seed(derive_seed(0, "draws"))
    found = []
    for _ in range(DRAWS):
        rows = _order(real, rng)
        others = real[rows[size : 2 * size]] if fake is None else fake[_order(fake, rng)[:size]]
        found.append(quality(real[rows[:size]], others))
    values = {name: [each[name] for each in found] for name in found[0]}
    return (
        {name: statistics.fmean(each) for name, each in values.items()},
        {name: statistics.stdev(each) for name, each in values.items()},
    )


def caution(n: int, size: int) -> str:
    """How far figures of n samples, measured by draws of `size`, can be trusted."""
    return (
        f"{n} real samples are few: FID to coverage are means over {DRAWS} draws of {size} on each side, and less than "
        f"twice the error apart from real data or from another generator's they say nothing; FID is large with so few, "
        f"for real data too; a share of {n} has a standard error of up to {0.5 / math.sqrt(n):.2f}"
    )


def _order(features: Tensor, rng: torch.Generator) -> Tensor:
    return torch.randperm(len(features), generator=rng, device="cpu").to(features.device)
