"""A run of many classes: its picture, its page and its samples on a screen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from rich.console import Console

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing import pictures
from ganzoo_core.drawing.terminal import image_blocks
from ganzoo_core.errors import SettingError
from ganzoo_core.report import run_page
from ganzoo_core.sampling import samples


@pytest.fixture
def few_rows(monkeypatch):
    """Two classes count as few, and six fit on a screen, so that digits have many."""
    for module in (pictures, samples, run_page):
        monkeypatch.setattr(module, "NAMED_ROWS", 2)
    monkeypatch.setattr(pictures, "SCREEN", 200)


def test_a_run_shows_what_fits_and_says_how_to_see_the_rest(in_tmp, few_rows):
    run = ganzoo.train("cgan", steps=1, device="cpu", generator_widths=[8], discriminator_widths=[8])
    snapshot = next((run.folder / "samples").iterdir())
    assert max(Image.open(snapshot).size) <= 224
    page = (run.folder / "report.html").read_text()
    assert 'alt="Samples after step 1"' in page
    result = CliRunner().invoke(main, ["sample", str(run.folder)])
    assert "the picture shows the first 6 of 10 classes; --label NAME shows any other" in result.stderr
    assert Path(result.stdout.strip()).exists()
    for more in (["-n", "6"], ["--label", "9"], ["-o", "x.npz"]):
        assert "the picture shows" not in CliRunner().invoke(main, ["sample", str(run.folder), *more]).stderr


def test_a_picture_holds_what_memory_does(in_tmp):
    run = ganzoo.train("vanilla", steps=1, device="cpu", generator_widths=[8], discriminator_widths=[8])
    with pytest.raises(SettingError, match=r"n must be at most 42,799 for a picture of digits, but is 1" + "0" * 30 +
                       "; name an .npz or a folder instead of x.png"):  # fmt: skip
        run.generator().save_samples("x.png", 10**30)


def test_a_terminal_shows_one_of_each_of_many_classes_in_eight_rows():
    spec = DataSpec("x", (1, 8, 8), tuple(map(str, range(200))))
    console = Console(width=80, record=True, force_terminal=True, color_system="truecolor")
    with console.capture() as shown:
        console.print(image_blocks(torch.zeros(200, 1, 8, 8), spec, torch.arange(200), 80))
    assert 8 <= shown.get().count("\n") <= 40
