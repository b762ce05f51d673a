"""Sweeps: which trials there are, who goes on, table and page, and that it does not matter who computes them."""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import FileError, GanzooError, SettingError
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_tools.comparison import cluster, job, workers
from ganzoo_tools.comparison.halving import promoted, rungs
from ganzoo_tools.comparison.job import Job
from ganzoo_tools.comparison.race import exact
from ganzoo_tools.comparison.space import Trial, trials_of
from ganzoo_tools.comparison.sweep import _command, default_folder, folder_name
from ganzoo_tools.comparison.sweep_result import in_words
from ganzoo_tools.evaluation.results import MetricValue

SWEEP = ("toy", "--data", "ring8", "--sweep", "width=4..6", "--steps", "30", "--halving", "3", "-n", "100")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def table(folder: Path, *more: object) -> list[dict[str, Any]]:
    """The trials of a sweep as JSON, without where they are."""
    result = invoke(*SWEEP, "--out", folder, "--json", *more)
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    trials: list[dict[str, Any]] = json.loads(result.stdout)["trials"]
    return [{name: value for name, value in trial.items() if name != "folders"} for trial in trials]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The folder of a whole sweep by this process alone, and what it printed; nobody writes to it."""
    out = tmp_path_factory.mktemp("sweep") / "out"
    result = invoke(*SWEEP, "--out", out)
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return out, result


# Which trials there are


def names(count: int | None = None, texts: dict[str, str] | None = None, **sweeps: str) -> list[str]:
    return [trial.name for trial in trials_of("toy", sweeps, {"data": "ring8"}, texts or {}, count)]


def test_a_grid_has_every_combination_in_order() -> None:
    assert names(generator_lr="1e-4,0.001", width="2..3,8") == [
        f"generator_lr={lr} width={width}" for lr in ("0.0001", "0.001") for width in (2, 3, 8)
    ]
    assert names(generator_lr="1e-4,0.0001,1e-04") == ["generator_lr=0.0001"], "the same value is one trial"
    assert names(poison_step="none,3", augment="none,flip")[1] == "poison_step=none augment=flip"


def test_draws_are_the_same_each_time_and_the_first_of_more() -> None:
    few = names(5, width="1..100", generator_lr="log:1e-5..1e-2")
    assert few == names(9, width="1..100", generator_lr="log:1e-5..1e-2")[:5] and len(set(few)) == 5
    assert sorted(names(100, width="1..7")) == [f"width={width}" for width in range(1, 8)], "there are no more"
    assert len(set(names(6, width="1..7"))) == 6, "none is drawn twice"
    assert set(names(50, generator_lr="0.1..0.102")) <= {f"generator_lr={lr}" for lr in ("0.1", "0.101", "0.102")}


def test_a_range_of_logarithms_has_as_many_small_ones_as_large_ones() -> None:
    values = [float(name.split("=")[1]) for name in names(100, generator_lr="log:1e-5..1e-1")]
    assert min(values) >= 1e-5 and max(values) <= 0.1
    assert 35 < sum(value < 1e-3 for value in values) < 65, "half of them below the middle of the logarithms"
    values = [float(name.split("=")[1]) for name in names(100, generator_lr="0..0.1")]
    assert 35 < sum(value < 0.05 for value in values) < 65


@pytest.mark.parametrize(
    ("sweeps", "words"),
    [
        ({"widht": "1,2"}, "there is no setting called 'widht'; did you mean width?"),
        ({"width": "1,x"}, "width must be a whole number, but is 'x'"),
        ({"width": "0,1"}, "the trial width=0 can't be trained: width must be at least 1, but is 0"),
        ({"width": "5..1"}, "width must be swept over a range of whole numbers, lower..higher, but is '5..1'"),
        ({"width": "1..2.5"}, "width must be swept over a range of whole numbers"),
        ({"width": "1..5000"}, "width may be swept over 1,000 numbers, but 1..5000 has 5,000"),
        ({"width": "1..100", "latent_dim": "1..100"}, "a sweep may have 1,000 trials, but has 10,000; draw some"),
        ({"width": ","}, "width must have values to sweep, such as width=1,2"),
        ({"generator_lr": "1e-5..1e-2"}, "generator_lr is swept over a range, which has no end of numbers; draw some"),
        ({"generator_lr": "log:0..1"}, "generator_lr must be above 0 to be drawn by its logarithm, but begins at 0"),
        ({"steps": "1,2"}, "steps can't be swept: the budget of all is --steps or --minutes"),
        ({"seed": "1,2"}, "seed can't be swept: --seeds trains each trial with several"),
        ({"keep": "1,2"}, "keep can't be swept: a training is the same with any"),
    ],
)
def test_what_can_not_be_swept_is_said_before_anything_is_trained(sweeps: dict[str, str], words: str) -> None:
    with pytest.raises(GanzooError, match=re.escape(words)):
        names(**sweeps)


def test_options_of_the_data_can_not_be_swept(tmp_path: Path) -> None:
    values = {"data": f"folder:{tmp_path}"}
    with pytest.raises(SettingError, match="image_size can't be swept: figures of different data can't be compared, a"):
        trials_of("toy", {"image_size": "8,16"}, values, {})
    with pytest.raises(SettingError, match="snapshots can't be swept: a training is the same with any"):
        trials_of("toy", {"snapshots": "1,2"}, values, {})


def test_folders_are_called_by_the_settings() -> None:
    def name(**settings: object) -> str:
        return folder_name(Trial(0, settings, None))  # type: ignore[arg-type]

    assert name(generator_lr=1e-05, n_critic=2) == "generator_lr=1e-05,n_critic=2"
    odd, other = name(style="a/../b"), name(style="a/.../b")
    assert re.fullmatch(r"[\w.-]+-[0-9a-f]{8}", odd) and odd != other
    assert len(name(style="x" * 300)) < 100


def test_numbers_keep_all_their_digits_in_commands_and_folders() -> None:
    values = (1, 30, 1_000_000, 123_456_789, 2.0, 0.005, 1 / 3, 0.1 + 0.2, 1e-9)
    assert [float(exact(value)) for value in values] == [*values]
    assert [exact(value) for value in values[:6]] == ["1", "30", "1000000", "123456789", "2", "0.005"]
    again = _command("toy", {"width": "4,5"}, {}, "ring8", {"steps": 1_000_000, "minutes": None})
    assert again == "ganzoo compare toy --data ring8 --sweep width=4,5 --steps 1000000"
    folders = {default_folder("toy", "ring8", steps, None).name for steps in (1_234_567, 1_234_568)}
    assert folders == {"sweep-toy-ring8-1234567steps", "sweep-toy-ring8-1234568steps"}


def test_budgets_and_figures_are_written_out_whatever_their_size() -> None:
    assert [in_words(seconds, "seconds") for seconds in (6.6667, 60, 1800, 14_400)] == [
        "6.67 s", "60 s", "1,800 s", "14,400 s",
    ]  # fmt: skip
    assert str(MetricValue((12.34,))) == "12.3"
    assert str(MetricValue((1200.0, 1400.0))) == "1,300 ± 140"


# Who goes on


def test_rungs_are_as_in_the_paper() -> None:
    assert rungs(9, 3, 180, whole=True) == [20, 60, 180]
    assert rungs(8, 3, 180, whole=True) == [60, 180], "two of eight go on: a third rung would leave nobody out"
    assert rungs(2, 3, 180, whole=True) == [180]
    assert rungs(9, None, 180, whole=True) == [180]
    assert rungs(4, 2, 60.0, whole=False) == [15.0, 30.0, 60.0]
    assert rungs(1000, 2, 64, whole=True) == [2, 4, 8, 16, 32, 64], "none below a 32nd of the budget"
    assert rungs(9, 3, 2, whole=True) == [2], "none of less than a step"


def test_the_best_share_goes_on() -> None:
    assert promoted("abcdefgh", 3) == ["a", "b"] and promoted("ab", 3) == ["a"] and promoted("", 3) == []


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--sweep", "width=1,2"], 2, "--sweep is for one VARIANT: ganzoo compare VARIANT --sweep KEY=VALUES"),
        (["toy", "toy-conditional", "--sweep", "width=1,2"], 2, "--sweep is for one VARIANT"),
        (["--variants", "toy", "--sweep", "width=1,2"], 2, "--sweep is for one VARIANT"),
        (["toy", "--sweep", "width"], 2, "it must be KEY=VALUE"),
        (["toy", "--sweep", "width=1", "--sweep", "width=2"], 2, "width is swept twice; give all its values at once"),
        (["toy", "--sweep", "width=1", "--set", "width=2"], 2, "width is both set and swept; give one of --set and"),
        (["toy", "--sweep", "width=1", "--steps", "5", "--minutes", "1"], 2, "--steps and --minutes exclude each"),
        (["toy", "--sweep", "width=1", "--workers", "0"], 2, "it must be a number of processes"),
        (["toy", "--sweep", "width=1", "--workers", "many"], 2, "or the address of a Dask scheduler"),
        (["toy", "--steps", "5", "--trials", "2"], 2, "--steps, --trials only with --sweep"),
        (["toi", "--sweep", "width=1"], 1, "there is no variant called 'toi'; did you mean"),
        (["toy", "--sweep", "width=1", "--steps", "0"], 1, "steps must be at least 1, but is 0"),
        (
            ["toy", "--sweep", "width=1", "--steps", str(10**400)],
            1,
            "steps must be at most 1,000,000,000, but is 1000000",
        ),
        (["toy", "--sweep", "width=1", "--workers", "1" + 5000 * "0"], 2, "it must be a number of processes"),
        (["toy", "--sweep", "width=1", "--minutes", "nan"], 1, "minutes must be above 0 and finite, but is nan"),
        (["toy", "--sweep", f"width=1..{'9' * 5000}"], 1, "width must be swept over a range of whole numbers"),
        (["toy", "--sweep", "width=1", "--minutes", "0"], 1, "minutes must be above 0 and finite, but is 0"),
        (["toy", "--sweep", "width=1", "--set", "steps=4"], 1, "steps can't be set in a sweep: its budget is --steps"),
        (["toy", "--sweep", "width=1", "--set", "until=fid=3"], 1, "until can't be set in a sweep: all trials have"),
        (["toy-conditional", "--data", "sine", "--sweep", "width=1"], 1, "needs labels, but sine has none"),
    ],
)
def test_mistakes_are_said(in_tmp: Path, arguments: list[str], code: int, words: str) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, list(in_tmp.glob("runs/*/*"))) == (code, []) and words in result.stderr, result.output


def test_the_cluster_needs_its_extra(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = invoke(*SWEEP, "--workers", "tcp://127.0.0.1:1")
    assert result.exit_code == 1 and 'install with: pip install "ganzoo-tools[cluster]"' in result.stderr


def test_a_scheduler_that_is_not_there_is_said(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_ANSWER_S", 0.2)
    result = invoke(*SWEEP, "--workers", "tcp://127.0.0.1:1")
    assert result.exit_code == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:1; start one with `dask scheduler`" in result.stderr
    assert not list(in_tmp.glob("runs/*/*"))


# The table


@pytest.mark.long
def test_the_table_has_the_best_first_and_who_ended_early(swept: tuple[Path, Result]) -> None:
    out, result = swept
    lines = result.stdout.splitlines()
    assert re.match(r"rank +width +coverage +steps", lines[0]), result.stdout
    assert re.match(r"1 +\d +0\.\d+ +30", lines[1]) and re.match(r"- +\d +0\.\d+ +10", lines[2])
    assert all(len(line) <= 80 for line in lines)
    assert "trials: 3 of toy, 2 of them ended early" in result.stdout
    best = lines[1].split()[1]
    again = f"ganzoo run toy --data ring8 --steps 30 --batch-size 16 --seed 0 --set width={best}"
    assert again in " ".join(result.stdout.split()).replace("- -", "--")
    assert "rung 1 of 2: 3 trials up to 10 steps" in result.stderr and "rung 2 of 2: 1 trial up to 30" in result.stderr
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == [f"width={w}-seed0" for w in (4, 5, 6)]


@pytest.mark.long
def test_who_goes_on_ends_where_a_plain_run_does(swept: tuple[Path, Result], tmp_path: Path) -> None:
    """A stop at a rung leaves no trace: what hangs on the run's length goes by the whole budget from the start."""
    best = swept[1].stdout.splitlines()[1].split()[1]
    plain = ganzoo.train("toy", data="ring8", steps=30, width=int(best), out=tmp_path / "plain").folder
    raced = swept[0] / f"width={best}-seed0"
    assert RunFolder.open(raced).metadata().changes == (), "its steps were never others"
    assert (raced / "generator.safetensors").read_bytes() == (plain / "generator.safetensors").read_bytes()


@pytest.mark.long
def test_what_is_done_is_not_done_again(swept: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this was done already")

    monkeypatch.setattr("ganzoo_core.training.train.train", refuse)
    monkeypatch.setattr("ganzoo_tools.comparison.candidates.evaluate", refuse)
    again = invoke(*SWEEP, "--out", swept[0])
    assert again.exit_code == 0 and again.stdout == swept[1].stdout, again.output


@pytest.mark.long
def test_a_rung_that_a_run_has_passed_unjudged_is_refused(swept: tuple[Path, Result]) -> None:
    result = invoke(*SWEEP, "--out", swept[0], "--halving", "2")
    assert result.exit_code == 1
    assert re.search(r"was trained for \d+ steps and was not judged after 15, where this sweep", result.stderr)


@pytest.mark.long
def test_a_trial_that_fails_is_left_out(tmp_path: Path) -> None:
    arguments = ("toy", "--data", "ring8", "--sweep", "poison_step=none,2", "--steps", "4", "-n", "100")
    result = invoke(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert re.search(r"^left out: poison_step=2: seed 0: ", result.stdout, re.M), result.stdout
    page = (tmp_path / "out" / "sweep.html").read_text()
    assert "<b>poison_step=2</b> is left out: seed 0: " in page
    result = invoke("toy", "--data", "ring8", "--sweep", "poison_step=2", "--steps", "4", "--out", tmp_path / "none")
    assert result.exit_code == 1 and "nothing could be trained: poison_step=2: seed 0: " in result.stderr


# Whoever computes it


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, subprocess_env: dict[str, str]) -> None:
    """Processes that are started find the toy variants."""
    monkeypatch.setenv("PYTHONPATH", subprocess_env["PYTHONPATH"])


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="kills by a signal")
def test_processes_killed_one_by_one_change_nothing(
    swept: tuple[Path, Result], tmp_path: Path, known: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    do = workers.Worker.do

    def doing(worker: workers.Worker, job: Job) -> str | None:
        if len(killed) < 2:
            killed.append(worker.pid)
            threading.Thread(target=kill_once_there_is, args=(Path(job.folder) / "run.json", worker.pid)).start()
        return do(worker, job)

    monkeypatch.setattr(workers.Worker, "do", doing)
    found = table(tmp_path / "out", "--workers", "2")
    assert found == table(swept[0]), "the same, to the last digit"
    assert len(set(killed)) == 2
    for number in killed:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


def kill_once_there_is(path: Path, number: int) -> None:
    while not path.exists():
        time.sleep(0.005)
    os.kill(number, signal.SIGKILL)


def test_a_job_that_kills_its_workers_is_given_up(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    class Dying:
        is_alive = False

        def __init__(self, *_: object) -> None: ...

        def do(self, job: Job) -> str:
            raise workers.LostWorkerError("was ended by SIGKILL")

        def ask_to_end(self) -> None: ...

        def wait(self, seconds: float) -> None: ...

    monkeypatch.setattr(workers, "Worker", Dying)
    some = Job("toy", {}, "x/width=4-seed0", 1, 1, "steps", 100, None, False)
    with caplog.at_level(logging.WARNING, "ganzoo"), workers.workers_at("1") as crew:
        ((_, reason),) = crew.outcomes([some])
    assert reason == "4 workers were lost over it, and the last one was ended by SIGKILL; is there enough memory?"
    assert [record.getMessage() for record in caplog.records] == ["width=4-seed0: its worker was ended by SIGKILL"] * 4


class Counted:
    """In place of a worker: whether it was asked to end."""

    is_alive, is_asked = True, False

    def __init__(self, *_: object) -> None: ...

    def ask_to_end(self) -> None:
        self.is_asked = True

    def wait(self, seconds: float) -> None: ...


def test_nobody_waits_for_a_worker_that_another_thread_has_just_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class JustEmptied(queue.SimpleQueue[Any]):
        def empty(self) -> bool:
            return False  # as it was a moment ago

    monkeypatch.setattr(workers, "Worker", Counted)
    crew = workers.Processes(1)
    crew._idle = JustEmptied()
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(crew._free()), daemon=True)
    thread.start()
    thread.join(20)
    assert len(found) == 1 and isinstance(found[0], Counted)

    monkeypatch.setattr(cluster, "Worker", Counted)
    monkeypatch.setattr(cluster, "_idle", AsIfFull())
    worker, scratch = cluster._taken()
    scratch.rmdir()
    assert isinstance(worker, Counted)


class AsIfFull(list[Any]):
    """An empty list that had something a moment ago."""

    def __bool__(self) -> bool:
        return True


def test_a_worker_begun_while_the_sweep_ends_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "Worker", Counted)
    crew = workers.Processes(1)
    assert not crew._free().is_asked
    crew.close()
    assert crew._free().is_asked


@pytest.mark.long
def test_what_ends_a_sweep_in_a_worker_ends_it_here(tmp_path: Path, known: None) -> None:
    lost = Job("toi", {"data": "ring8"}, str(tmp_path / "run"), 1, 1, "steps", 100, None, False)
    with workers.workers_at("1") as crew, pytest.raises(GanzooError, match="there is no variant called 'toi'"):
        list(crew.outcomes([lost]))


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["here", "processes"])
def test_ctrl_c_ends_all_and_the_same_call_goes_on(
    tmp_path: Path, subprocess_env: dict[str, str], known: None, more: tuple[str, ...]
) -> None:
    arguments = ["toy", "--data", "ring8", "--sweep", "width=4,5", "--steps", "10000000", "-n", "100", *more]
    command = [sys.executable, "-m", "ganzoo_core", "compare", *arguments, "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=subprocess_env)
    metrics = tmp_path / "out" / "width=4-seed0" / "metrics.jsonl"
    while not (metrics.exists() and metrics.stat().st_size):
        assert process.poll() is None and not time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)  # its steps would take hours
    assert process.returncode == 1 and "Traceback" not in errors, errors
    assert errors.splitlines()[-1].endswith(f"all is saved in {tmp_path / 'out'}; call the same again, and it goes on")
    begun = [path.parent for path in (tmp_path / "out").glob("*/run.json")]
    assert len(begun) == (2 if more else 1)
    for path in begun:
        RunFolder.resume(path).close()  # nobody holds its lock any more
    stood = [ganzoo.load(path).step for path in begun]
    assert max(stood) > 1
    arguments[arguments.index("10000000")] = str(max(stood) + 5)
    result = invoke(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert [ganzoo.load(path).step for path in begun] == [max(stood) + 5] * len(begun)


class DaskCluster:
    """A scheduler with workers on this machine, of the command that users start."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.env = folder, env
        self.scheduler = self.start("scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", "dask.json")
        while not (folder / "dask.json").exists() or not (folder / "dask.json").read_text():
            assert self.scheduler.poll() is None and not time.sleep(0.05)
        self.address = json.loads((folder / "dask.json").read_text())["address"]
        self.workers = [self.start_worker(), self.start_worker()]

    def start(self, kind: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments]
        with (self.folder / f"{kind}.log").open("a") as log:
            return subprocess.Popen(command, cwd=self.folder, env=self.env, stderr=log, stdout=log, text=True)

    def start_worker(self) -> subprocess.Popen[str]:
        return self.start("worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard")

    def replace_worker(self) -> None:
        """Kill the oldest worker, and start another one."""
        oldest = self.workers.pop(0)
        oldest.kill()
        oldest.wait()
        self.workers.append(self.start_worker())

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()


@pytest.fixture
def dask_cluster(tmp_path: Path, subprocess_env: dict[str, str]) -> Iterator[DaskCluster]:
    pytest.importorskip("distributed")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    started = DaskCluster(tmp_path, subprocess_env | {"TMPDIR": str(scratch)})
    yield started
    started.close()


@pytest.mark.long
def test_dask_workers_killed_one_by_one_change_nothing(
    swept: tuple[Path, Result], tmp_path: Path, dask_cluster: DaskCluster
) -> None:
    told: list[str] = []

    class Killing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())
            if re.match("[12]/3 ", told[-1]):  # the others are under way
                dask_cluster.replace_worker()

    logger, handler = logging.getLogger("ganzoo"), Killing()
    logger.addHandler(handler)
    try:
        found = table(tmp_path / "out", "--workers", dask_cluster.address)
    finally:
        logger.removeHandler(handler)
    assert found == table(swept[0]), "the same, to the last digit"
    assert sum(bool(re.match("[12]/3 ", line)) for line in told) == 2, told
    left = [path.name for path in (tmp_path / "scratch").glob("ganzoo-*/run/*")]
    assert left == [], "a killed worker's process clears away what it trained"


def test_files_of_a_worker_stay_in_the_run(tmp_path: Path) -> None:
    for name in ("../x", "/x", "a/../../x", "c:x", "a\\x"):
        with pytest.raises(FileError, match="a worker sent a file that is to be written outside of"):
            cluster.unpack({name: b""}, tmp_path / "run")
    files = {"run.json": b"1", "stages/10steps/evaluation.json": b"2"}
    cluster.unpack(files, tmp_path / "run")
    (tmp_path / "run" / "link").symlink_to(tmp_path)
    assert cluster.packed(tmp_path / "run") == files and cluster.packed(tmp_path / "none") == {}
    (tmp_path / "run" / "samples").symlink_to(tmp_path)
    with pytest.raises(FileError, match="is a link, and nothing is written through the links inside a run"):
        cluster.unpack({"samples/x.png": b""}, tmp_path / "run")


def test_machines_with_other_versions_are_refused() -> None:
    with pytest.raises(SettingError, match="a Dask worker has torch .*, but the sweep is begun with 0.1; all must"):
        cluster.remote("", {}, cluster._versions() | {"torch": "0.1"})


def test_a_job_is_the_same_after_its_way_through_json() -> None:
    some = Job("toy", {"width": 4, "betas": [0.5, 0.9]}, "x", 1.5, 2.5, "seconds", 100, None, False)
    assert Job.from_json(some.to_json()) == some and "\n" not in some.to_json() and some.stage == "1.5s"
    assert job.Job.from_json(some.to_json()).settings["width"] == 4
