"""Modes of stacked digits: counted by hand, and a page that says what was run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from benchmarks import stacked
from benchmarks.lines import matching, read
from ganzoo_core import Dataset, DataSpec
from ganzoo_core.registry import registry


class ReadsBrightness(nn.Module):
    """Sees the digit k in images (N, 1, H, W) that are k / 10 all over."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.one_hot((10 * images.mean((1, 2, 3))).round().long(), 10).float()


class ReadsNothing(nn.Module):
    """Sees a 0 in all images (N, 1, H, W)."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.eye(10)[:1].expand(len(images), 10)


def pictures(*numbers: int) -> Tensor:
    digits = torch.tensor([[number // 100, number // 10 % 10, number % 10] for number in numbers])
    return (digits / 10)[:, :, None, None].expand(-1, 3, 2, 2)


def test_a_number_is_read_from_red_green_and_blue() -> None:
    assert stacked.numbers(pictures(0, 7, 120, 999), ReadsBrightness()).tolist() == [0, 7, 120, 999]


def test_modes_are_counted_and_their_shares_compared_with_equal_ones() -> None:
    one = stacked.judged(pictures(*[123] * 4), ReadsBrightness())
    assert one["modes"] == 1 and one["KL"] == pytest.approx(6.9077553, abs=1e-6)  # ln 1000
    two = stacked.judged(pictures(5, 5, 5, 600), ReadsBrightness())  # 0.75 ln 750 + 0.25 ln 250
    assert two["modes"] == 2 and two["KL"] == pytest.approx(6.3454202, abs=1e-6)
    assert stacked.judged(pictures(*range(1000)), ReadsBrightness()) == {
        "modes": 1000,
        "KL": pytest.approx(0, abs=1e-9),
    }


def test_each_channel_is_a_digit_of_the_data() -> None:
    digits = Dataset(DataSpec("digits", (1, 2, 2)), torch.arange(40, dtype=torch.uint8).reshape(10, 1, 2, 2))
    data = stacked.stacked(digits, 50, 0)
    assert data.spec.shape == (3, 2, 2) and data.samples.shape == (50, 3, 2, 2)
    assert {*data.samples[:, :, 0, 0].flatten().tolist()} == {*range(0, 40, 4)}  # the first pixel of each
    assert not torch.equal(data.samples, stacked.stacked(digits, 50, 1).samples)


def test_those_that_need_labels_or_sources_are_left_out() -> None:
    found = {*stacked.of_noise(DataSpec("stacked-digits", (3, 28, 28)))}
    assert {"vanilla", "dcgan", "stylegan2", "wgan-gp"} <= found < {*registry().variants()}
    assert not {"cgan", "acgan", "pix2pix", "cyclegan", "3d-gan"} & found


def line(variant: str, seed: int, modes: int, **more: Any) -> dict[str, Any]:
    about = {
        "data": "mnist",
        "processor": "A",
        "steps": 1200,
        "KL": 1.0,
        "real": {"modes": 1000, "KL": 0.02},
    }
    return {"variant": variant, "seed": seed, "modes": modes} | about | more


def test_the_page_is_made_of_the_results() -> None:
    made = stacked.page(matching(read(stacked.RESULTS), {"mark": stacked.MARK_STEPS, "data": "mnist"}))
    assert stacked.PAGE.read_text(encoding="utf-8") == made, "python -m benchmarks.stacked --only-page"


def test_the_page_has_the_most_modes_first() -> None:
    made = stacked.page([line("dcgan", 0, 500), line("sngan", 0, 900), line("dcgan", 1, 700, KL=2.0)])
    assert made.splitlines()[-3:] == [
        "| `sngan` | 1 | 900 | 1.00 | 1,200 |",
        "| `dcgan` | 2 | 600 (500 to 700) | 1.50 (1.00 to 2.00) | 1,200 |",
        "| real pictures |  | 1,000 | 0.02 |  |",
    ]


def test_a_later_seed_takes_as_many_steps_as_the_first(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, times = [], iter([{"steps": 3, "processor": "A"}])

    def one_run(variant: str, data: Dataset, reader: nn.Module, seed: int, steps: int) -> tuple[dict[str, Any], Tensor]:
        asked.append((seed, steps))
        return {"steps": steps, "modes": 7, "KL": 1.0}, torch.zeros(64, 3, 28, 28)

    monkeypatch.setattr(stacked, "one_run", one_run)
    monkeypatch.setattr(stacked, "as_long", lambda *_: next(times))
    monkeypatch.setattr(stacked, "cached_classifier", lambda *_: ReadsNothing())
    monkeypatch.setattr(stacked, "SAMPLES", 10)
    for seeds in ("0", "0,1", "0,1"):
        given = ["toy", "--data", "digits", "--seeds", seeds, "--results", "results.jsonl", "--page", "page.md"]
        CliRunner().invoke(stacked.main, given, catch_exceptions=False)
    assert asked == [(0, 3), (1, 3)]
    assert [(found["seed"], found["processor"]) for found in read(Path("results.jsonl"))] == [(0, "A"), (1, "A")]
    assert "| `toy` | 2 | 7 (7 to 7) | 1.00 (1.00 to 1.00) | 3 |" in Path("page.md").read_text()
