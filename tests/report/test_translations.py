"""The page of a run whose generator takes inputs: what it was given, made and should have made, in rows."""

from __future__ import annotations

import html
import logging
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.dataspec import Input
from ganzoo_core.report.command import input_command
from ganzoo_core.report.run_page import write_report

NUMBERS = Input(name="numbers", kind="numbers", shape=(2,))
IMAGE = Input(name="source", kind="image", shape=(3, 8, 8))


def page(variant: str, **settings: object) -> str:
    ganzoo.train(variant, device="cpu", out="run", **{"steps": 2, "snapshots": (1, 2)} | settings)
    return Path("run/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("variant", ["translator", "upscaler", "domains", "writer", "noisy-translator"])
def test_every_kind_has_a_whole_page(takers, in_tmp: Path, variant: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "ganzoo")
    shown = page(variant)
    assert not [message for message in caplog.messages if "section" in message]
    assert ("What the latent does" in shown) == (variant == "writer"), "where there is a latent"


@pytest.mark.parametrize("snapshots", [(1, 2), ()])
def test_the_page_shows_the_three_rows(takers, in_tmp: Path, snapshots: tuple[int, ...]) -> None:
    shown = page("translator", snapshots=snapshots)
    pictures = [tag for tag in re.findall(r"<img[^>]*>", shown) if "Samples" in tag]
    assert len(pictures) == (len(snapshots) or 1), "whole pictures, not cut into samples"
    if snapshots:
        widths = {re.search(r'width="(\d+)"', tag)[1] for tag in pictures if "width=" in tag}
        with Image.open("run/samples/step-000002.png") as image:
            assert widths <= {str(image.width)}


def test_the_page_says_how_to_use_an_input_of_ones_own(takers, in_tmp: Path) -> None:
    line = "ganzoo sample run --input mine.png"
    assert line in html.unescape(page("translator"))
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save("mine.png")
    result = CliRunner().invoke(main, shlex.split(line)[1:])
    assert (result.exit_code, result.stdout) == (0, "run/made/mine.png\n")


def test_the_page_says_how_to_use_a_text_of_ones_own(takers, in_tmp: Path) -> None:
    line = "ganzoo sample run --text 'red green'"
    assert line in html.unescape(page("writer"))
    result = CliRunner().invoke(main, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output


def test_a_run_without_inputs_has_no_such_line(in_tmp: Path) -> None:
    assert "input of your own" not in page("toy", data="ring8")


@pytest.mark.parametrize("inputs", [(), (NUMBERS,), (IMAGE, NUMBERS), (IMAGE, IMAGE)])
def test_what_the_command_line_can_not_give_is_not_said(inputs: tuple[Input, ...]) -> None:
    assert input_command("toy", Path("run"), inputs) is None


def test_a_page_without_the_examples_says_what_is_missing(takers, in_tmp: Path) -> None:
    page("translator", snapshots=())
    Path("run/inputs/examples.safetensors").unlink()
    shown = write_report(Path("run")).read_text(encoding="utf-8")
    assert "No samples are made, as run/inputs/examples.safetensors, of which they would be, is missing." in shown
