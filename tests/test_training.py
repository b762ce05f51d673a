"""Runs: their folder, their resume, their interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ganzoo_core as ganzoo
from ganzoo_core import checkpoint
from ganzoo_core.errors import FileError, GanzooError, Interrupted, SettingError, TrainingError, UnknownNameError

OPTIONS = ["--data", "ring8", "--set", "log_every=5", "--set", "ema_decay=0.9", "--set", "n_critic=2"]


def train(**settings):
    return ganzoo.train("toy", **({"data": "ring8", "device": "cpu", "log_every": 5} | settings))


def records(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("samples_per_s", "elapsed_s")} for line in lines]


def assert_same_end(a: Path, b: Path) -> None:
    """Weights, optimizers and metrics bit for bit; the generator file byte for byte."""
    assert (a / "generator.safetensors").read_bytes() == (b / "generator.safetensors").read_bytes()
    assert (a / "checkpoint.safetensors").read_bytes() == (b / "checkpoint.safetensors").read_bytes()
    assert records(a) == records(b)
    assert (a / "samples.gif").read_bytes() == (b / "samples.gif").read_bytes()
    pictures = [sorted((p.name, p.read_bytes()) for p in (f / "samples").iterdir()) for f in (a, b)]
    assert pictures[0] == pictures[1]


def test_a_run_is_a_folder(in_tmp):
    run = train(snapshots=[10])
    assert run.folder == Path("runs/toy-ring8-1")
    names = {str(p.relative_to(run.folder)) for p in run.folder.rglob("*") if p.is_file()}
    assert names == {".lock", "run.json", "metrics.jsonl",
                     "checkpoint.safetensors", "generator.safetensors", "loss.png",
                     "samples.gif",
                     "samples/step-000010.png", "samples/step-000030.png"}  # fmt: skip
    assert [r["step"] for r in run.records() if "d_real" in r] == [5, 10, 15, 20, 25, 30]
    info = run.info
    assert info["variant"] == "toy" and info["package"] == "ganzoo-toy" and info["package_version"] == "1.0"
    assert info["settings"]["seed"] == 0 and info["settings"]["steps"] == 30 and info["data"]["shape"] == [2]
    assert train().folder.name == "toy-ring8-2"


def test_the_default_snapshots():
    from ganzoo_core.run_settings import RunSettings

    assert sorted(RunSettings().snapshot_steps(2300)) == [1, 10, 100, 200, 500, 1000, 2000, 2300]
    assert sorted(RunSettings(snapshots=(5, 9000)).snapshot_steps(100)) == [5, 100]


def test_the_generator_file_tells_no_time_and_no_path(in_tmp):
    a, b = train(out=in_tmp / "a"), train(out=in_tmp / "b")
    assert_same_end(a.folder, b.folder)
    header, _ = checkpoint.read_header(a.folder / "generator.safetensors", "generator")
    assert header["step"] == 30 and header["config"]["width"] == 8 and header["data"]["name"] == "ring8"
    assert str(in_tmp) not in json.dumps(header)


def test_callers_random_state_is_given_back(in_tmp):
    import torch

    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    train()
    assert torch.equal(torch.rand(3), expected)


def test_epochs_count_passes_over_the_data(in_tmp):
    run = train(data="digits", epochs=1, batch_size=1000, n_critic=1)
    assert run.info["settings"]["steps"] == 2  # 1,797 digits in batches of 1,000


def test_callbacks_see_the_run_from_start_to_end(in_tmp):
    seen = []

    class Witness(ganzoo.Callback):
        def on_start(self, run):
            seen.append(("start", run.total_steps, run.parameters["generator"] > 0))

        def on_log(self, record):
            seen.append(("log", record["step"]))

        def on_snapshot(self, step, picture):
            seen.append(("snapshot", step, picture.exists()))

        def on_end(self, step):
            seen.append(("end", step))

    train(callbacks=[Witness()], log_every=15, snapshots=[30])
    assert seen == [("start", 30, True), ("log", 15), ("log", 30), ("snapshot", 30, True), ("log", 30), ("end", 30)]


def test_an_observer_that_fails_is_dropped_and_the_run_goes_on(in_tmp, caplog):
    class Clumsy(ganzoo.Callback):
        def on_log(self, record):
            raise ZeroDivisionError("oops")

    run = train(callbacks=[Clumsy()])
    assert run.records()[-1]["step"] == 30
    assert [r.message for r in caplog.records] == ["Clumsy is dropped, as its on_log failed: ZeroDivisionError: oops"]


def test_closed_form_data_judges_the_samples_at_snapshots(in_tmp):
    judged = [r for r in train(snapshots=[10]).records() if "modes_covered" in r]
    assert [r["step"] for r in judged] == [10, 30]
    assert all(0 <= r["good_share"] <= 1 and 0 <= r["modes_covered"] <= 8 for r in judged)


def test_resumed_equals_uninterrupted(in_tmp):
    whole = train(out="whole", ema_decay=0.9, n_critic=2, snapshots=[3, 10])

    class StopAt12(ganzoo.Callback):
        def on_log(self, record):
            if record["step"] == 10 and "d_real" in record:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match=r"stopped by SIGTERM at step 1\d of 30, all saved; .*--resume part"):
        train(out="part", ema_decay=0.9, n_critic=2, snapshots=[3, 10], callbacks=[StopAt12()])
    ganzoo.train(resume="part")
    assert_same_end(whole.folder, Path("part"))


def test_more_steps_on_resume_equal_a_longer_run(in_tmp):
    train(out="long", steps=40, snapshots=[30])
    train(out="short", steps=30, snapshots=[30])
    ganzoo.train(resume="short", steps=40)
    assert_same_end(Path("long"), Path("short"))
    assert json.loads(Path("short/run.json").read_text())["changes"] == [{"step": 30, "settings": {"steps": 40}}]


def test_resuming_a_finished_run_changes_nothing(in_tmp):
    run = train()
    before = {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    assert ganzoo.train(resume=run.folder).folder == run.folder
    assert before == {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}


def test_resume_refuses_what_would_make_another_run(in_tmp):
    run = train()
    with pytest.raises(SettingError, match=r"begun with other settings: generator_lr was 0.0002 and would be 0.1; "):
        ganzoo.train(resume=run.folder, generator_lr=0.1, steps=40)
    with pytest.raises(SettingError, match="is a run of toy, not of toy-conditional"):
        ganzoo.train("toy-conditional", resume=run.folder)
    with pytest.raises(SettingError, match="--out and --resume exclude each other"):
        ganzoo.train(resume=run.folder, out="other")
    with pytest.raises(SettingError, match="steps must be at least 30, where .* stands, but is 20"):
        ganzoo.train(resume=run.folder, steps=20)
    with pytest.raises(FileError, match=r"nowhere holds no run \(no run.json in it\)"):
        ganzoo.train(resume="nowhere")
    ganzoo.train(resume=run.folder, steps=31, texts={"generator_lr": "0.1"})
    assert run.info["changes"][-1]["settings"] == {"steps": 31, "generator_lr": 0.1}


def test_a_damaged_run_json_is_a_sentence(in_tmp):
    run = train()
    (run.folder / "run.json").write_text("{")
    with pytest.raises(FileError, match=r"run.json can't be read"):
        ganzoo.train(resume=run.folder)
    whole = {"settings": {}, "variant": "toy", "data": {}}
    for key in whole:
        (run.folder / "run.json").write_text(json.dumps({k: v for k, v in whole.items() if k != key}))
        with pytest.raises(FileError, match=f"run.json is damaged: it holds no {key}"):
            ganzoo.train(resume=run.folder)


def test_a_folder_that_holds_something_is_left_alone(in_tmp):
    run = train(out="a")
    before = (run.folder / "generator.safetensors").read_bytes()
    with pytest.raises(FileError, match="a holds another run; give a new --out, or go on with that one: --resume a"):
        train(out="a", seed=1)
    assert (run.folder / "generator.safetensors").read_bytes() == before
    Path("b").mkdir()
    Path("b/thesis.txt").write_text("years of work")
    with pytest.raises(FileError, match="b is not empty; give a new or an empty folder"):
        train(out="b")
    assert [p.name for p in Path("b").iterdir()] == ["thesis.txt"]


def test_nothing_to_run():
    with pytest.raises(SettingError, match="name a variant to run"):
        ganzoo.train()


def test_settings_go_to_their_owners(in_tmp):
    with pytest.raises(UnknownNameError, match="no setting called 'widht'; did you mean width?"):
        train(widht=3)
    with pytest.raises(UnknownNameError, match="no variant called 'toi'; did you mean toy"):
        ganzoo.train("toi")
    with pytest.raises(UnknownNameError, match="no data set called 'ring9'; did you mean ring8?"):
        train(data="ring9")
    run = train(texts={"seed": "4", "width": "5"}, steps=1)
    assert (run.info["settings"]["seed"], run.info["settings"]["width"]) == (4, 5)


def test_a_setting_with_two_owners_is_the_plugins_fault():
    from ganzoo_core.errors import PluginError
    from ganzoo_core.run_settings import RunSettings, _check_disjoint

    with pytest.raises(PluginError, match="x, y and the core each have a setting .*seed"):
        _check_disjoint([RunSettings, RunSettings, RunSettings], "x", "y")


def test_nan_stops_the_run_and_the_last_good_checkpoint_stays(in_tmp):
    with pytest.raises(TrainingError, match=r"the loss term discriminator/real is nan at step 25; it began at step 23, "
                       r"where the loss term discriminator/real was nan, though every layer was finite; the last good"):  # fmt: skip
        train(out="a", poison_step=23, checkpoint_every_s=1000)
    with pytest.raises(TrainingError, match=r"the weight generator.* not finite at step 23; it began at step 23"):
        train(out="b", poison_step=23, checkpoint_every_s=0)
    header, tensors = checkpoint.load(Path("b/checkpoint.safetensors"), "checkpoint")
    assert header["step"] == 22
    assert all(bool(t.isfinite().all()) for t in tensors.values())


def test_an_unknown_device_is_a_sentence(in_tmp):
    with pytest.raises(SettingError, match="device must be one of auto, cpu, cuda, mps, but is 'tpu'"):
        train(device="tpu")
    import torch

    if not torch.cuda.is_available():
        with pytest.raises(SettingError, match="device must be one this machine has, but is 'cuda'"):
            train(device="cuda")


def start(env, *arguments, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "ganzoo_core", "run", *arguments]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def wait_for(path: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(in_tmp, subprocess_env, number):
    process = start(subprocess_env, "toy", *OPTIONS, "--steps", "1000000", "--out", "run")
    wait_for(Path("run/metrics.jsonl"))
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"stopped by {number.name} at step" in errors and "ganzoo run --resume run" in errors
    assert "Traceback" not in errors
    header, _ = checkpoint.read_header(Path("run/checkpoint.safetensors"), "checkpoint")
    assert header["step"] > 0


def test_training_in_a_thread_leaves_signals_alone(in_tmp):
    import threading

    done = []
    thread = threading.Thread(target=lambda: done.append(train()))
    thread.start()
    thread.join()
    assert done and done[0].records()[-1]["step"] == 30


def test_every_error_here_is_for_users():
    assert all(issubclass(e, GanzooError) for e in (FileError, Interrupted, SettingError, TrainingError))
