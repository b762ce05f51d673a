"""The command line against the real engine: train, sample, and every kind of bad input, one sentence each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ganzoo_core.cli import main

TRAIN = ["run", "toy-conditional", "--steps", "2", "--device", "cpu", "--quiet"]


def ganzoo(*arguments: str):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("end") / "run"
    result = ganzoo(*TRAIN, "--out", folder)
    assert (result.exit_code, result.stdout) == (0, f"{folder}\n"), result.stderr
    return folder


def test_samples_as_a_picture(run, in_tmp):
    result = ganzoo("sample", run, "--label", "7", "-n", "4", "--seed", "3", "-o", "sevens.png")
    assert (result.exit_code, result.stdout) == (0, "sevens.png\n"), result.stderr
    assert Image.open("sevens.png").width > 4 * 28


def test_samples_as_arrays_are_the_same_for_the_same_seed(run, in_tmp):
    for name in ("a", "b"):
        assert ganzoo("sample", run, "-n", "12", "--seed", "12138", "-o", f"{name}.npz").exit_code == 0
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes()
    with np.load("a.npz") as arrays:
        assert arrays["images"].shape == (12, 1, 28, 28) and arrays["images"].dtype == np.uint8
        assert arrays["labels"].tolist() == [*range(10), 0, 1]


def test_curves_as_arrays_are_in_natural_units(in_tmp):
    assert ganzoo("run", "toy", "--data", "sine", "--steps", "1", "--quiet", "--out", "curves").exit_code == 0
    assert ganzoo("sample", "curves", "-o", "curves.npz").exit_code == 0
    with np.load("curves.npz") as arrays:
        assert arrays["samples"].shape == (64, 15) and arrays["samples"].dtype == np.float32
        assert arrays["samples"].min() >= 0 and arrays["samples"].max() <= 3 and "labels" not in arrays


def test_a_pipe_gets_plain_lines_and_the_folder(in_tmp):
    result = ganzoo("run", "toy", "--data", "ring8", "--steps", "20", "--snapshots", "20", "--out", "runs/x")
    assert result.exit_code == 0 and result.stdout == "runs/x\n"
    for words in ("variant     toy", "writes to   runs/x", "step 20/20", "weights    runs/x/generator.safetensors",
                  "report     runs/x/report.html",
                  "ganzoo sample runs/x"):  # fmt: skip
        assert words in result.stderr
    assert "\x1b" not in result.stderr


def test_settings_from_a_file_give_way_to_set_and_flags(in_tmp):
    Path("settings.toml").write_text('width = 5\nseed = 1\ndata = "ring8"\nsteps = 9\nlog_every = 1\n')
    result = ganzoo(
        "run", "toy", "--config", "settings.toml", "--set", "seed=2", "--steps", "1", "--quiet", "--out", "x"
    )
    assert result.exit_code == 0, result.stderr
    settings = json.loads(Path("x/run.json").read_text())["settings"]
    assert [settings[k] for k in ("width", "seed", "data", "steps")] == [5, 2, "ring8", 1]


BAD = {
    "run tyo": (1, "there is no variant called 'tyo'; did you mean toy"),
    "run toy --data ring9": (1, "there is no data set called 'ring9'; did you mean ring8?"),
    "run toy --set widht=3": (1, "there is no setting called 'widht'; did you mean width?"),
    "run toy --set lr=1": (1, "there is no setting called 'lr'; did you mean discriminator_lr or generator_lr?"),
    "run toy --set width=wide": (1, "width must be a whole number, but is 'wide'"),
    "run toy --set width=0": (1, "width must be at least 1, but is 0"),
    "run toy --set width": (2, "it must be KEY=VALUE"),
    "run toy --config bad.toml": (1, "steps must be a whole number, but is 'many'"),
    "run toy --batch-size 4096": (1, "batch_size must be at most 1797, the size of digits, but is 4096"),
    "run toy-conditional --data sine": (1, "toy-conditional needs labels, but sine has none"),
    "run toy --data folder:nowhere": (1, "no folder can be read at"),
    "run toy --data folder:notes": (1, "notes.jpg"),
    "run toy --data fashion-mnist": (1, "--data digits"),
    "run toy --seed -1": (1, "seed must be at least 0, but is -1"),
    "run toy --steps 0": (1, "steps must be at least 1, but is 0"),
    "run toy --steps 5 --epochs 1": (2, "--steps and --epochs exclude each other"),
    "run toy --lr 0.1": (2, "no such option: --lr; a setting of a variant or of its data is given as --set lr=VALUE"),
    "run toy --stpes 3": (2, "No such option"),
    "run toy --latent-dim 3": (2, "is given as --set latent_dim=VALUE"),
    "run toy --device tpu": (2, "'tpu' is not one of"),
    "run --resume nowhere": (1, "nowhere holds no run"),
    "run": (2, "name a VARIANT"),
    "runn toy": (2, "did you mean run"),
    "toy": (2, "there is no command called 'toy'; did you mean `ganzoo run toy`?"),
    "sample nowhere": (1, "there is no run folder, weights file or variant 'nowhere'"),
    "sample toy-digits-1": (1, "there is no run folder, weights file or variant 'toy-digits-1'; `ganzoo run` trains"),
    "sample": (2, "name a run's folder, such as runs/"),
    "show": (2, "name a VARIANT, such as "),
    "sample RUN --label eleven": (1, "there is no label called 'eleven'"),
    "sample RUN -n 0": (2, "0"),
    "sample RUN -o x.bmp": (1, "samples are saved as .png"),
    "sample truncated.safetensors": (1, "is no whole safetensors file"),
    "show nothing": (1, "there is no variant called 'nothing'"),
    "check nothing": (1, "there is no variant called 'nothing'"),
}


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_one_sentence(line, run, in_tmp, monkeypatch):
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    Path("bad.toml").write_text('steps = "many"\n')
    Path("notes").mkdir()
    Path("notes/notes.jpg").write_text("no image")
    Path("truncated.safetensors").write_bytes((run / "generator.safetensors").read_bytes()[:-9])
    code, words = BAD[line]
    result = ganzoo(*line.replace("RUN", str(run)).split())
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    message = result.stderr.strip().splitlines()
    assert words in message[-1], result.stderr
    assert code == 2 or len(message) == 1, result.stderr
    assert not Path("runs").exists() or not any(Path("runs").iterdir())
