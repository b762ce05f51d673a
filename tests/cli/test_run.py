"""The commands that train and sample, against a stand-in for the engine."""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

import ganzoo_core.display.gallery  # noqa: F401 - what it imports must find the real registry
from ganzoo_core.callbacks import RunInfo
from ganzoo_core.cli import main, progress
from ganzoo_core.cli.output import default_output
from ganzoo_core.cli.progress import Progress
from ganzoo_core.cli.run import merge
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.display.progress import figures
from ganzoo_core.drawing.words import duration
from ganzoo_core.errors import Interrupted
from ganzoo_core.runs.records import losses_of

DIGITS = DataSpec("digits", (1, 28, 28), tuple("0123456789"))
RECORD = {
    "step": 100,
    "discriminator/real": 0.5,
    "discriminator/fake": 0.25,
    "generator/adversarial": 1.5,
    "d_real": 0.75,
    "d_fake": 0.25,
    "samples_per_s": 12345.6,
}


def info(**changes: Any) -> RunInfo:
    values = {
        "folder": Path("runs/my run-1"),
        "variant": "cgan",
        "data": DIGITS,
        "settings": {},
        "device": "cpu",
        "parameters": {"generator": 1500, "discriminator": 900},
        "first_step": 0,
        "total_steps": 100,
    }
    return RunInfo(**values | changes)


class Picture:
    """Samples that draw as two words."""

    def __init__(self) -> None:
        self.saved: list[Path] = []

    def terminal(self, width: int) -> str:
        return "a picture"

    def save(self, path: Path) -> None:
        self.saved.append(path)


class Engine:
    """Stands in for `train`: keeps what it was asked for, and shows its callbacks a short run."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.info = info()
        self.error: Exception | None = None
        self.finished = False

    def train(self, variant: str | None = None, **asked: Any) -> Any:
        self.asked = {"variant": variant, **asked}
        for callback in () if self.finished else asked["callbacks"]:
            callback.on_start(self.info)
            callback.on_log(RECORD)
            callback.on_snapshot(100, None, self.info.folder / "samples/step-000100.png")
            if self.error is None:
                callback.on_end(100)
        if self.error is not None:
            raise self.error
        return SimpleNamespace(folder=self.info.folder, sample=Picture, info={})


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    module = ModuleType("ganzoo_core.training.train")
    module.train = engine.train
    monkeypatch.setitem(sys.modules, "ganzoo_core.training.train", module)
    zoo = SimpleNamespace(variant=lambda name: (SimpleNamespace(conditional=name == "cgan"), None))
    monkeypatch.setattr("ganzoo_core.cli.run.registry", lambda: zoo)
    return engine


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages go to a terminal."""
    monkeypatch.setenv("TERM", "xterm-256color")
    # All are imported first: one that is imported later would take what stands in the first for its own, and keep it.
    modules = [importlib.import_module(f"ganzoo_core.cli.{name}") for name in ("output", "run", "sample")]
    for module in modules:
        monkeypatch.setattr(module, "on_terminal", lambda: True)


def ganzoo(*args: str) -> Result:
    return CliRunner().invoke(main, list(args), env={"COLUMNS": "80"})


# run


def test_run_passes_on_what_is_asked_for(engine: Engine, tmp_path: Path):
    file = tmp_path / "a.toml"
    file.write_text('data = "mnist"\nseed = 1\nbatch_size = 8\nlatent_dim = 5\nepochs = 3\n')
    line = f"run cgan --steps 50 --batch-size 32 --set seed=2 --set beta1=0.3 --device cpu --compile --config {file}"
    result = ganzoo(*line.split(), "--snapshots", "1,50", "--out", "there", "--data-dir", "data")
    assert result.exit_code == 0, result.output
    callbacks = engine.asked.pop("callbacks")
    assert [type(callback) for callback in callbacks] == [Progress]
    assert engine.asked == {
        "variant": "cgan",
        "data": "mnist",
        "steps": 50,
        "batch_size": 32,
        "latent_dim": 5,
        "device": "cpu",
        "compile": True,
        "texts": {"seed": "2", "beta1": "0.3", "snapshots": "1,50"},
        "epochs": None,
        "out": Path("there"),
        "resume": None,
        "start": None,
        "watch": False,
        "seconds": None,
        "data_dir": Path("data"),
    }
    ganzoo("run", "cgan", "--minutes", "2.5", "--from", "runs/a")
    assert (engine.asked["seconds"], engine.asked["start"]) == (150, "runs/a")


def test_a_run_that_time_ends_says_what_it_came_to(engine: Engine):
    engine.info = info(total_steps=10**9, seconds_left=150.0)
    lines = ganzoo("run", "cgan", "--minutes", "2.5").stderr.splitlines()
    assert "steps       as many as 2 min 30 s allow" in lines
    assert any(line.startswith("step 100  loss") for line in lines)
    assert "cgan on digits: 100 steps in 0 s" in lines and lines[-1].endswith("--steps 200")
    engine.info = info(total_steps=10**9, seconds_left=150.0, first_step=40)
    lines = ganzoo("run", "--resume", "x", "--minutes", "2.5").stderr.splitlines()
    assert "steps       from step 40 as many as 2 min 30 s allow" in lines
    assert "cgan on digits: 60 steps in 0 s" in lines


def test_run_resumes_without_a_variant(engine: Engine):
    assert ganzoo("run", "--resume", "runs/x", "--steps", "9").exit_code == 0
    assert (engine.asked["variant"], engine.asked["resume"], engine.asked["steps"]) == (None, Path("runs/x"), 9)
    assert "device" not in engine.asked and "compile" not in engine.asked  # else a resume would seem to change them


@pytest.mark.parametrize(
    ("file", "texts", "flags", "epochs", "expected"),
    [
        ({"seed": 1}, {"seed": "2"}, {"seed": 3}, None, ({"seed": 3}, {}, None)),
        ({"seed": 1}, {"seed": "2"}, {"seed": None}, None, ({}, {"seed": "2"}, None)),
        ({"seed": 0}, {}, {"seed": None}, None, ({"seed": 0}, {}, None)),
        ({"steps": 1}, {"steps": "2"}, {"steps": None}, 4, ({}, {}, 4)),
        ({"epochs": 1}, {}, {"steps": 5}, None, ({"steps": 5}, {}, None)),
        ({"epochs": 1}, {"steps": "5"}, {}, None, ({}, {"steps": "5"}, None)),
        ({"epochs": 2}, {}, {}, None, ({}, {}, 2)),
        ({"epochs": 2}, {}, {}, 3, ({}, {}, 3)),
    ],
)
def test_flags_win_over_set_and_set_over_the_file(file, texts, flags, epochs, expected):
    assert merge(file, texts, flags, epochs) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a VARIANT, to begin with cgan (`ganzoo list` shows all), or --resume DIR"),
        (["cgan", "--steps", "1", "--epochs", "1"], "--steps and --epochs exclude each other; give one of them"),
        (["cgan", "--minutes", "1", "--epochs", "1"], "--minutes and --epochs exclude each other; give one of them"),
        (["cgan", "--minutes", "1", "--dry-run"], "--dry-run says how long the steps take; leave out --minutes"),
        (["cgan", "--minutes", "0"], "--minutes must be above 0 and finite, but is 0"),
        (["cgan", "--minutes", "nan"], "--minutes must be above 0 and finite, but is nan"),
        (["--resume", "x", "--epochs", "1"], "--epochs counts from the start; say with --steps how far --resume goes"),
        (["cgan", "--device", "tpu"], "'tpu' is not one of 'auto', 'cpu', 'cuda', 'mps'"),
        (["cgan", "--set", "=3"], "it must be KEY=VALUE, such as batch_size=128, but is '=3'"),
        (["cgan", "--config", "nowhere.toml"], "File 'nowhere.toml' does not exist"),
    ],
)
def test_run_wrong_usage(engine: Engine, arguments: list[str], message: str):
    result = ganzoo("run", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert (result.stdout, engine.asked) == ("", {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed = 1\nsteps = = 3\n", "is not valid TOML: Invalid value (at line 2, column 9)"),
        (b"\xff", "must be UTF-8, but invalid start byte at byte 0; save it as UTF-8"),
        (b"seed = " + b"[" * 10_000, "is not valid TOML: maximum recursion depth exceeded"),
        (b'out = "x"\n', "out is no setting of a file; give it on the command line"),
        (b"texts = {}\n", "texts is no setting of a file; give it on the command line"),
        (b'epochs = "two"\n', "epochs must be a whole number of at least 1, but is 'two'"),
        (b"epochs = 0\n", "epochs must be a whole number of at least 1, but is 0"),
        (b"epochs = true\n", "epochs must be a whole number of at least 1, but is True"),
        (b"steps = 1\nepochs = 1\n", "steps and epochs exclude each other; give one of them"),
    ],
)
def test_run_refuses_a_bad_file(engine: Engine, tmp_path: Path, content: bytes, message: str):
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    result = ganzoo("run", "cgan", "--config", str(file))
    assert (result.exit_code, result.stdout, engine.asked) == (1, "", {})
    assert f"Error: {file}" in result.stderr and message in result.stderr
    assert result.stderr.count("\n") == 1


def test_run_in_a_pipe_prints_plain_lines_and_one_result(engine: Engine):
    result = ganzoo("run", "cgan")
    assert result.stdout == "runs/my run-1\n"
    assert result.stderr.splitlines() == [
        "variant     cgan",
        "data        digits (1x28x28, 10 classes)",
        "device      cpu",
        "parameters  generator 1,500, discriminator 900",
        "steps       100",
        "writes to   runs/my run-1",
        "step 100/100  loss D 0.750 G 1.500  D(real) 0.75 D(fake) 0.25  12,346 samples/s",
        "",
        "cgan on digits: 100 steps in 0 s",
        "loss D 0.750 G 1.500  D(real) 0.75 D(fake) 0.25  12,346 samples/s",
        "",
        "run        runs/my run-1",
        "weights    runs/my run-1/generator.safetensors",
        "samples    runs/my run-1/samples/step-000100.png",
        "",
        "next       ganzoo sample 'runs/my run-1' --label 3",
        "           ganzoo run --resume 'runs/my run-1' --steps 200",
    ]


def test_run_on_a_terminal_shows_a_panel_and_a_picture(engine: Engine, terminal: None):
    result = ganzoo("run", "cgan")
    assert result.stdout == "runs/my run-1\n"
    assert "100/100" in result.stderr and "step 100/100" not in result.stderr
    assert "╭─ cgan on digits ─" in result.stderr and "D loss" in result.stderr and "12,346 samples/s" in result.stderr
    assert "a picture\n" in result.stderr


def test_quiet_prints_the_folder_only(engine: Engine, terminal: None):
    result = ganzoo("run", "cgan", "--quiet")
    assert (result.stdout, result.stderr, engine.asked["callbacks"]) == ("runs/my run-1\n", "", ())


def test_a_label_is_offered_only_where_the_variant_takes_one(engine: Engine):
    engine.info = info(variant="vanilla")
    assert "ganzoo sample 'runs/my run-1'\n" in ganzoo("run", "vanilla").stderr
    engine.info = info(data=DataSpec("pets", (3, 8, 8), ("cat", "tabby cat")))
    assert "--label 'tabby cat'\n" in ganzoo("run", "cgan").stderr


def test_a_run_that_is_done_says_so(engine: Engine):
    engine.finished = True
    result = ganzoo("run", "--resume", "runs/x")
    assert result.stdout == "runs/my run-1\n"
    assert result.stderr == "runs/my run-1 is done already; to go on, give more steps: --steps N\n"


def test_an_interrupted_run_gives_the_terminal_back(engine: Engine, terminal: None, monkeypatch: pytest.MonkeyPatch):
    stopped = []
    close = Progress.close
    monkeypatch.setattr(Progress, "close", lambda self: (close(self), stopped.append(self._live.is_started)))
    engine.error = Interrupted("stopped at step 100; go on with --resume")
    result = ganzoo("run", "cgan")
    assert (result.exit_code, result.stdout, stopped) == (1, "", [False])
    assert result.stderr.endswith("Error: stopped at step 100; go on with --resume\n")


# the progress display


def test_lines_come_every_few_seconds(capsys: pytest.CaptureFixture[str]):
    now = 0.0
    progress = Progress(clock=lambda: now)
    progress.on_start(info(first_step=10, total_steps=50))
    assert "steps       from step 10 to 50\n" in capsys.readouterr().err
    for step in range(11, 51):
        now += 1.0
        progress.on_log({"step": step, "generator/a": float(step)})
    progress.on_end(50)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "step 15/50  loss G 15.000  35 s left"
    assert [line.split("/")[0] for line in lines] == [f"step {k}" for k in range(15, 51, 5)]
    assert progress.elapsed_s == 40


def test_a_reader_that_left_does_not_end_the_run(monkeypatch: pytest.MonkeyPatch):
    def broken(message: str, **_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("click.echo", broken)
    progress = Progress()
    progress.on_start(info())
    progress.on_log(RECORD)
    progress.on_end(100)
    assert progress.run_progress is not None and progress.run_progress.record == RECORD


def test_figures_show_what_there_is():
    assert losses_of(RECORD) == {"discriminator": 0.75, "generator": 1.5}
    assert figures({"step": 1, "d_real": None, "d_fake": None, "generator/a": -2.0}) == "loss G -2.000"
    assert figures({"step": 1, "discriminator/a": -0.0, "generator/a": -0.0004}) == "loss D 0.000 G 0.000"
    assert figures({"step": 1}) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


# sample


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    seen = SimpleNamespace(asked=None, saved=[], drawn=None)

    def load(source: str, texts: dict[str, str], best: bool) -> Any:
        def save_samples(path: Path | str, n: int | None, *, labels: Any, seed: int, text: Any, progress: Any) -> None:
            seen.asked = (source, n, labels, seed)
            seen.saved.append(path)
            if progress is not None:
                progress(64, 100)

        def sample(n: int | None, *, labels: Any, seed: int, text: Any) -> Picture:
            seen.drawn = (n, labels, seed)
            return Picture()

        variant = SimpleNamespace(conditional=False)
        return SimpleNamespace(save_samples=save_samples, sample=sample, spec=None, variant=variant)

    module = ModuleType("ganzoo_core.sampling.generator_file")
    module.load = load
    monkeypatch.setitem(sys.modules, "ganzoo_core.sampling.generator_file", module)
    return seen


def test_sample_writes_where_it_says(trained: SimpleNamespace, tmp_path: Path):
    result = ganzoo("sample", str(tmp_path), "-n", "6", "--label", "3", "--label", "cat", "--seed", "9")
    path = tmp_path / "samples-seed9.png"
    assert (result.stdout, result.stderr) == (f"{path}\n", "")
    assert trained.asked == (str(tmp_path), 6, ("3", "cat"), 9)
    assert (trained.saved, trained.drawn) == ([path], None)


def test_sample_defaults(trained: SimpleNamespace):
    result = ganzoo("sample", "w.safetensors", "-o", "x.npz")
    assert result.stdout == "x.npz\n"
    assert trained.asked == ("w.safetensors", None, None, 0)
    assert default_output(Path("w.safetensors"), 3) == Path("samples-seed3.png")


def test_sample_draws_on_a_terminal(trained: SimpleNamespace, terminal: None):
    assert ganzoo("sample", "w.safetensors", "-o", "x.npz").stderr.endswith("a picture\n")
    assert trained.drawn == (None, None, 0)


def test_sample_draws_some_of_many(trained: SimpleNamespace, terminal: None):
    ganzoo("sample", "w.safetensors", "-n", "1000000", "--label", "3", "-o", "x.npz")
    assert trained.asked == ("w.safetensors", 1_000_000, ("3",), 0)
    assert trained.drawn == (1000, ("3",), 0)


def test_sample_shows_a_bar_on_a_terminal(trained: SimpleNamespace, terminal: None, monkeypatch: pytest.MonkeyPatch):
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=60)
    monkeypatch.setattr(progress, "new_console", lambda stderr: console)
    assert ganzoo("sample", "w.safetensors", "-n", "100", "-o", "x.npz").stdout == "x.npz\n"
    assert "64/100" in shown.getvalue()


def test_sample_wrong_usage(trained: SimpleNamespace):
    result = ganzoo("sample", "x", "-n", "0")
    assert result.exit_code == 2
    assert "0 is not in the range x>=1" in result.stderr
