"""Does one latent make a digit and its outline, where no such pair was ever seen?

    OMP_NUM_THREADS=1 python -m benchmarks.coupled cogan cgan [--seeds 0,1,2] [--out FILE]

The data, `outlined-digits`, shows each digit either filled or as an outline. Of 512 latents each variant makes both.
The error is the mean absolute one on [0, 1] between the outline that can be computed of the filled digit and the
outline made; beside it of the outline made of another latent. A line is written for each seed, and what is in the file
is not trained again. A picture shows filled digits, and below them the outlines made of the same latents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import torch
from ganzoo_cyclegan.outlined_digits import OutlinedDigits, outlines
from torch import Tensor

from benchmarks.outlines import error, measure, trained

LATENTS = 512


def one_run(variant: str, seed: int, settings: dict[str, Any]) -> tuple[dict[str, Any], Tensor]:
    """The errors of one training, and pictures (N, 1, 28, 28) to show."""
    training, found = trained(variant, seed, settings)
    filled, outlined = (training.sample(LATENTS, labels=[label]).values for label in OutlinedDigits.classes)
    right = outlines((filled + 1) / 2) * 2 - 1
    found["outline: same latent"] = error(outlined, right)
    found["outline: another's"] = error(outlined, right.roll(1, 0))
    return found, torch.cat([filled[:16], outlined[:16], filled[16:32], outlined[16:32]])


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=NUMBER")
@click.option("--out", type=click.Path(path_type=Path), default=Path("coupled.jsonl"), show_default=True)
def main(variants: tuple[str, ...], seeds: str, assignments: tuple[str, ...], out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    measure(variants, seeds, assignments, out, one_run)


if __name__ == "__main__":
    main()
