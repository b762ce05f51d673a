"""Runs: their folder, their resume, their interruption."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from clocks import let_steps_take
from ganzoo_toy.networks import CountingLoss

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import (
    FileError,
    GanzooError,
    Interrupted,
    PluginError,
    SettingError,
    TrainingError,
    UnknownNameError,
)
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import clash, resolve
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage import tensor_files

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
    assert names == {".lock", "run.json", "metrics.jsonl", "report.html",
                     "checkpoint.safetensors", "generator.safetensors", "loss.png",
                     "samples.gif",
                     "samples/step-000010.png", "samples/step-000030.png"}  # fmt: skip
    assert [r["step"] for r in run.records() if "d_real" in r] == [5, 10, 15, 20, 25, 30]
    info = run.info
    assert info["variant"] == "toy" and info["package"] == "ganzoo-toy" and info["package_version"] == "1.0"
    assert info["settings"]["seed"] == 0 and info["settings"]["steps"] == 30 and info["data"]["shape"] == [2]
    assert train().folder.name == "toy-ring8-2"


def test_the_default_snapshots():
    from ganzoo_core.runs.run_settings import RunSettings

    assert sorted(RunSettings().snapshot_steps(2300)) == [1, 10, 100, 200, 500, 1000, 2000, 2300]
    assert sorted(RunSettings(snapshots=(5, 9000)).snapshot_steps(100)) == [5, 100]


def test_the_generator_file_tells_no_time_and_no_path(in_tmp):
    a, b = train(out=in_tmp / "a"), train(out=in_tmp / "b")
    assert_same_end(a.folder, b.folder)
    header, _ = tensor_files.read_header(a.folder / "generator.safetensors", "generator")
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


class Mean(ganzoo.Callback):
    """Measures the mean of some samples, and draws random numbers that the run must not notice."""

    def measure(self, step, generator):
        torch.rand(3)
        return {"mean": float(generator.sample(8, seed=3).values.mean()), "nothing": float("nan")}


def test_metrics_of_callbacks_are_logged_and_change_nothing(tmp_path):
    plain = train(steps=10, out=tmp_path / "plain")
    measured = train(steps=10, out=tmp_path / "measured", callbacks=[Mean()])
    found = {record["step"]: record["mean"] for record in measured.records() if "mean" in record}
    assert list(found) == [1, 10] and "nothing" not in measured.records()[-1]
    assert found[10] == pytest.approx(float(measured.sample(8, seed=3).values.mean()))
    for name in ("generator.safetensors", "checkpoint.safetensors"):
        assert (plain.folder / name).read_bytes() == (measured.folder / name).read_bytes()


def test_a_callback_whose_metrics_are_none_is_dropped(in_tmp, caplog):
    class Wrong(ganzoo.Callback):
        def measure(self, step, generator):
            return 5

    train(steps=3, callbacks=[Wrong()])
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning == "Wrong is dropped, as its measure failed: AttributeError: 'int' object has no attribute 'items'"


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


def test_a_resume_with_other_networks_names_the_setting(in_tmp):
    run = train()
    with pytest.raises(SettingError) as caught:
        ganzoo.train(resume=run.folder, steps=31, texts={"width": "9"})
    assert str(caught.value) == (
        f"{run.folder} can't go on with other networks: width was 8 and would be 9; "
        f"leave it as it was, or begin a new run"
    )


@pytest.mark.parametrize("settings", [{"width": 2**17}, {"latent_dim": 10**9}, {"width": 2**62}])
def test_settings_of_a_stranger_s_run_make_no_network_of_gigabytes(in_tmp, monkeypatch, settings):
    run = train(ema_decay=0.9)
    info = run.info
    info["settings"] |= settings
    (run.folder / "run.json").write_text(json.dumps(info))
    if settings != {"width": 2**62}:
        monkeypatch.setattr("ganzoo_core.training.train.Engine", None)  # it is refused before any is made
    with pytest.raises((FileError, SettingError), match=r"generator: .* must have shape|more memory than any machine"):
        ganzoo.train(resume=run.folder, steps=31)


def test_a_resume_refuses_another_package_s_variant_and_tells_of_another_version(in_tmp, caplog):
    run = train()
    written = run.info

    def claim(**fields):
        (run.folder / "run.json").write_text(json.dumps(written | fields))
        caplog.clear()
        ganzoo.train(resume=run.folder, steps=31)

    with pytest.raises(FileError) as caught:
        claim(package="ganzoo-rival")
    assert str(caught.value) == (f"{run.folder} is a run of the toy of ganzoo-rival, but the toy here is of ganzoo-toy")
    claim(package_version="0.9", package="Ganzoo.Toy")
    assert [record.getMessage() for record in caplog.records] == [
        f"{run.folder}: it was written by Ganzoo.Toy 0.9, and 1.0 is installed; it may go on otherwise than there"
    ]
    written = run.info
    claim(package_version="1.0.7")
    assert not caplog.records


def test_a_damaged_run_json_is_a_sentence(in_tmp):
    run = train()
    (run.folder / "run.json").write_text("{")
    with pytest.raises(FileError, match=r"run.json can't be read"):
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


def test_a_run_whose_pictures_were_cleared_away_goes_on(in_tmp):
    run = train()
    shutil.rmtree(run.folder / "samples")
    ganzoo.train(resume=run.folder, steps=31)
    assert [path.name for path in (run.folder / "samples").iterdir()] == ["step-000031.png"]
    shutil.rmtree(run.folder / "samples")
    (run.folder / "samples").write_text("no folder")
    with pytest.raises(FileError, match="could not write .*samples: File exists; something of that name is in the way"):
        ganzoo.train(resume=run.folder, steps=32)


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


def test_a_variant_has_its_own_default_data(in_tmp, monkeypatch):
    from ganzoo_toy import Toy

    monkeypatch.setattr(Toy, "default_data", "ring8")
    assert ganzoo.train("toy", steps=1).folder == Path("runs/toy-ring8-1")
    assert ganzoo.train("toy", steps=1, data="sine").info["settings"]["data"] == "sine"
    shown = CliRunner().invoke(main, ["show", "toy", "--json"])
    assert json.loads(shown.stdout)["data"]["name"] == "ring8"


MINE = """
from dataclasses import dataclass
from ganzoo_core import DataSource, hookimpl, option
from ganzoo_core.settings import Settings
from ganzoo_toy import Toy, ToyConfig

GANZOO_API = 1

@dataclass(frozen=True, kw_only=True)
class MyConfig(ToyConfig):
    {field}: int = option(3, "x")
    def __post_init__(self):
        super().__post_init__()
        if self.{field} > self.steps:
            raise ValueError(f"{field} must be at most steps,\\nbut is {{self.{field}}}")

class Mine(Toy):
    name, kinds, Config = "mine", {kinds}, MyConfig

@dataclass(frozen=True, kw_only=True)
class MyOptions(Settings):
    {option}: int = option(3, "x")
    def __post_init__(self):
        if self.{option} > 5:
            raise ValueError("too many")

class MyData(DataSource):
    name, title, origin, Options = "my-data", "x", "x", MyOptions
    def load(self, data_dir, split="train"):
        return None

@hookimpl
def ganzoo_variants():
    return [Mine]

@hookimpl
def ganzoo_datasets():
    return [MyData]
"""


def install_mine(site, field="depth", option="angle", kinds=("images", "points"), version="1.0"):
    site.install("ganzoo-mine", {"ganzoo_mine.py": MINE.format(field=field, option=option, kinds=kinds)}, None, version)


@pytest.mark.parametrize(
    ("names", "data", "message"),
    [
        (
            {"field": "channels"}, "folder:.",
            "channels is a setting of the data set folder (ganzoo-folder {core}) and of the variant mine (ganzoo-mine ",
        ),
        ({"field": "seed"}, "digits", "seed is a setting of every run and of the variant mine (ganzoo-mine 1.0)"),
        ({"option": "steps"}, "my-data", "steps is a setting of every variant and of the data set my-data (ganzoo-mi"),
        ({"option": "keep"}, "my-data", "keep is a setting of every run and of the data set my-data (ganzoo-mine 1.0)"),
        (
            {"field": "x", "option": "x"}, "my-data",
            "x is a setting of the variant mine (ganzoo-mine 1.0) and of the data set my-data (ganzoo-mine 1.0)",
        ),
    ],
)  # fmt: skip
def test_a_setting_with_two_owners_names_them(plugin_site, names, data, message):
    install_mine(plugin_site, **names)
    with pytest.raises(PluginError) as caught:
        resolve("mine", {"data": data})
    assert str(caught.value).startswith(message.format(core=ganzoo.__version__))
    assert str(caught.value).endswith("; the latter must rename its own")


def test_several_settings_with_two_owners_are_all_named():
    cls, plugin = registry().variant("toy")
    source, source_plugin = registry().dataset("folder")
    greedy = type("Greedy", (source,), {"Options": cls.Config})
    assert str(clash(cls, plugin, greedy, source_plugin)).startswith(
        "augment, batch_size, beta1, beta2, discriminator_lr, "
    )


def test_an_option_of_data_that_a_variant_never_takes_is_no_clash(plugin_site):
    install_mine(plugin_site, field="channels", kinds=("points",))
    assert resolve("mine", {"data": "folder:."}).variant.config.channels == 3


def test_what_a_plugin_itself_refuses_names_the_plugin(plugin_site, in_tmp):
    install_mine(plugin_site)
    refusal = r"^mine \(ganzoo-mine 1.0\) refuses these settings: depth must be at most steps, but is 3$"
    with pytest.raises(SettingError, match=refusal):
        ganzoo.train("mine", steps=2)
    with pytest.raises(SettingError, match=refusal):
        ganzoo.train("mine", epochs=1, batch_size=1000)
    with pytest.raises(SettingError, match=r"^my-data \(ganzoo-mine 1.0\) refuses these settings: too many$"):
        ganzoo.train("mine", data="my-data", angle=6)


def test_a_resume_with_renamed_settings_says_which_versions_meet(plugin_site, in_tmp):
    install_mine(plugin_site)
    run = ganzoo.train("mine", data="ring8", steps=3)
    plugin_site.forget()
    shutil.rmtree(plugin_site.folder / "ganzoo_mine-1.0.dist-info")
    with pytest.raises(PluginError) as caught:
        ganzoo.train(resume=run.folder, steps=4)
    assert str(caught.value) == (
        f"{run.folder} is a run of the variant 'mine', whose package is not installed: pip install ganzoo-mine"
    )
    install_mine(plugin_site, field="depths", version="2.0")
    for ask in (lambda: ganzoo.train(resume=run.folder, steps=4), run.sample):
        with pytest.raises(FileError) as caught:
            ask()
        assert str(caught.value).startswith(f"{run.folder}")
        assert str(caught.value).endswith(
            " does not fit the installed mine: there is no setting called 'depth'; did you mean depths or width?; "
            "it was written by ganzoo-mine 1.0, and 2.0 is installed"
        )


def test_a_term_of_minus_nothing_is_logged_as_0(in_tmp, monkeypatch):
    seen = []

    class Ear(ganzoo.Callback):
        def on_log(self, record):
            seen.append(record)

    monkeypatch.setattr(CountingLoss, "figures", lambda self, turn: {"nothing": -0.0 * self.turns})
    run = train(steps=5, callbacks=[Ear()])
    assert '"nothing": 0.0' in (run.folder / "metrics.jsonl").read_text()
    assert [str(record["nothing"]) for record in seen if "nothing" in record] == ["0.0"]


def test_nan_stops_the_run_and_the_last_good_checkpoint_stays(in_tmp):
    began = (
        "it began at step 23, where the loss term discriminator/real was nan, though every layer was finite; the last"
    )
    with pytest.raises(TrainingError, match=rf"the loss term discriminator/real is nan at step 25; {began} good"):
        train(out="a", poison_step=23, checkpoint_every_s=1000)
    with pytest.raises(TrainingError, match=r"the weight generator.* not finite at step 23; it began at step 23"):
        train(out="b", poison_step=23, checkpoint_every_s=0)
    header, tensors = tensor_files.load(Path("b/checkpoint.safetensors"), "checkpoint")
    assert header["step"] == 22
    assert all(bool(t.isfinite().all()) for t in tensors.values())


def test_an_unknown_device_is_a_sentence(in_tmp):
    with pytest.raises(SettingError, match="device must be one of auto, cpu, cuda, mps, but is 'tpu'"):
        train(device="tpu")
    import torch

    if not torch.cuda.is_available():
        with pytest.raises(SettingError, match="device must be one this machine has, but is 'cuda'"):
            train(device="cuda")


def begun(forks, *options: str, **faults):
    """A run that would never end, some steps after its start."""
    process = forks.start("run", "toy", *OPTIONS, "--steps", "1000000", "--snapshots", "1000000", "--out", "run",
                          *options, **faults)  # fmt: skip
    while not Path("run/metrics.jsonl").exists():
        assert process.is_running(), process.errors
        time.sleep(0.01)
    return process


def saved_step() -> int:
    return tensor_files.load(Path("run/checkpoint.safetensors"), "checkpoint")[0]["step"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_saves_and_says_how_to_go_on(in_tmp, forks, name):
    process = begun(forks)
    signalled_s = time.time()
    process.send(getattr(signal, name))
    assert process.wait() == 1
    assert f"stopped by {name} at step {saved_step()} of 1000000, all saved; go on with: ganzoo run" in process.errors
    assert "Traceback" not in process.errors and saved_step() > 0
    assert Path("run/checkpoint.safetensors").stat().st_mtime - signalled_s < 25, "a preempted job has half a minute"


def test_a_second_signal_ends_at_once_and_the_last_checkpoint_stays(in_tmp, forks):
    process = begun(forks, "--set", "checkpoint_every_s=1000", slow_disk=[0.5])
    process.send(signal.SIGINT)
    while not list(Path("run").glob(".ganzoo-*")):  # the last checkpoint, or what comes before it, is being written
        assert process.is_running()
    process.send(signal.SIGINT)
    assert process.wait() == -signal.SIGINT, "ended by the signal, not by itself"
    assert saved_step() == 0
    assert ganzoo.train(resume="run", texts={"steps": "8"}).records()[-1]["step"] == 8


def test_nohup_and_background_jobs_ignore_what_they_are_told_to(in_tmp, forks):
    process = begun(forks, ignore=[signal.SIGHUP, signal.SIGINT])
    process.send(signal.SIGHUP)
    process.send(signal.SIGINT)
    records = Path("run/metrics.jsonl").stat().st_size
    while Path("run/metrics.jsonl").stat().st_size == records:
        assert process.is_running(), process.errors
    process.send(signal.SIGTERM)
    assert process.wait() == 1 and "stopped by SIGTERM" in process.errors


def test_a_signal_in_the_last_step_leaves_a_finished_run(in_tmp):
    class StopAtTheEnd(ganzoo.Callback):
        def on_log(self, record):
            if record["step"] == 30 and "d_real" in record:
                os.kill(os.getpid(), signal.SIGTERM)

    run = train(callbacks=[StopAtTheEnd()])
    assert (run.folder / "loss.png").exists()


def test_a_second_process_is_refused_and_a_killed_one_is_not_missed(in_tmp, forks):
    process = begun(forks)
    with pytest.raises(FileError, match=r"run is in use: another process trains there; wait until it ends or stop it"):
        ganzoo.train(resume="run")
    with pytest.raises(FileError, match="run holds another run"):
        train(out="run")
    assert process.is_running()
    process.send(signal.SIGKILL)
    process.wait()
    assert ganzoo.train(resume="run", texts={"steps": str(saved_step() + 1)}).folder == Path("run")


def test_two_that_begin_in_one_folder_at_once(in_tmp):
    folder = RunFolder.create(Path("run"), "")
    with pytest.raises(FileError, match="run is in use"):
        RunFolder.create(Path("run"), "")
    folder.close()
    with RunFolder.create(Path("run"), ""):
        pass


def test_a_lock_removed_by_hand_is_made_anew(in_tmp):
    with RunFolder.create(Path("run"), "") as folder:
        Path("run/run.json").write_text("{}")
        Path("run/.lock").unlink()
        folder.check_still_ours()
        with pytest.raises(FileError, match="run is in use"):
            RunFolder.resume(Path("run"))


def test_a_torn_last_line_of_the_metrics_is_left_out(in_tmp):
    run = train(steps=20)
    path = run.folder / "metrics.jsonl"
    whole = path.read_bytes()
    for torn in (b'{"step": 25, "discr', b"\0" * 99, b"7\n", b'{"step": null}\n', "né".encode("latin-1")):
        path.write_bytes(whole + torn)
        assert [r["step"] for r in run.records() if "d_real" in r] == [5, 10, 15, 20]
    ganzoo.train(resume=run.folder, steps=25)
    assert [r["step"] for r in run.records() if "d_real" in r] == [5, 10, 15, 20, 25]


@pytest.mark.long
def test_older_checkpoints_are_kept(in_tmp):
    run = train(steps=6, keep=2, checkpoint_every_s=0)
    kept = sorted((run.folder / "checkpoints").iterdir())
    assert [path.name for path in kept] == ["step-000004.safetensors", "step-000005.safetensors"]
    assert [tensor_files.load(path, "checkpoint")[0]["step"] for path in kept] == [4, 5]
    end = (run.folder / "checkpoint.safetensors").read_bytes()
    (run.folder / "checkpoint.safetensors").write_bytes(kept[0].read_bytes())
    ganzoo.train(resume=run.folder)
    assert (run.folder / "checkpoint.safetensors").read_bytes() == end
    assert not (train(steps=6).folder / "checkpoints").exists()


@pytest.mark.long
def test_a_run_without_its_checkpoint(in_tmp):
    whole, run = train(), train()
    (run.folder / "checkpoint.safetensors").unlink()
    with pytest.raises(FileError, match=r"there is no file .*checkpoint.safetensors"):
        ganzoo.train(resume=run.folder)  # rather than train it all again over what is there
    (run.folder / "metrics.jsonl").unlink()  # but before the first line there is nothing to lose
    ganzoo.train(resume=run.folder)
    assert_same_end(whole.folder, run.folder)


def test_what_is_the_same_is_no_change_on_resume(in_tmp):
    run = train(snapshots=(10,))
    ganzoo.train(resume=run.folder, snapshots=(10,), data="ring8", steps=31)
    with pytest.raises(SettingError, match=r"snapshots was \[10\] and would be \[11\]; to change one knowingly"):
        ganzoo.train(resume=run.folder, snapshots=(11,))
    with pytest.raises(UnknownNameError, match="no setting called 'widht'; did you mean width?"):
        ganzoo.train(resume=run.folder, widht=3)


def test_a_resume_notes_the_versions_that_differ(in_tmp):
    run = train()
    info = run.info
    info["package_version"], info["environment"]["torch"] = "0.9", "2.0"
    (run.folder / "run.json").write_text(json.dumps(info))
    ganzoo.train(resume=run.folder, steps=31)
    (change,) = run.info["changes"]
    assert change["step"] == 30 and change["package_version"] == "1.0" and change["settings"] == {"steps": 31}
    assert list(change["environment"]) == ["torch"]


def test_training_in_a_thread_leaves_signals_alone(in_tmp):
    import threading

    done = []
    thread = threading.Thread(target=lambda: done.append(train()))
    thread.start()
    thread.join()
    assert done and done[0].records()[-1]["step"] == 30


def test_every_error_here_is_for_users():
    assert all(issubclass(e, GanzooError) for e in (FileError, Interrupted, SettingError, TrainingError))


def test_a_run_ends_when_its_seconds_are_spent_and_its_steps_give_it_again(tmp_path, monkeypatch):
    let_steps_take(0.02, monkeypatch)
    timed = train(seconds=0.3, out=tmp_path / "timed")
    steps = timed.info["settings"]["steps"]
    assert timed.info["seconds"] == 0.3 and steps == timed.generator().step == timed.records()[-1]["step"]
    assert (tmp_path / "timed" / "samples" / f"step-{steps:06d}.png").exists()
    assert 0.3 <= timed.trained_seconds() + 1e-6 == pytest.approx(0.02 * steps, abs=1e-5)
    counted = train(steps=steps, out=tmp_path / "counted")
    assert_same_end(timed.folder, counted.folder)


def test_a_run_with_seconds_goes_on_with_the_time_spent_counted(tmp_path, monkeypatch):
    let_steps_take(0.02, monkeypatch)
    first = train(seconds=0.3, out=tmp_path / "run")
    steps, spent_s = first.info["settings"]["steps"], first.trained_seconds()
    train(resume=first.folder, seconds=0.3)
    assert first.info["settings"]["steps"] == steps, "it is done already"
    train(resume=first.folder, seconds=spent_s + 0.2)
    assert first.info["settings"]["steps"] > steps
    assert spent_s + 0.19 < first.trained_seconds() < spent_s + 0.25, "the time spent was counted"


def test_a_stopped_run_with_seconds_needs_no_word_of_them_to_go_on(tmp_path, monkeypatch):
    let_steps_take(0.02, monkeypatch)

    class Stop(ganzoo.Callback):
        def on_log(self, record):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="at step .* of as many as 1 s allow, all saved; go on with: ganzoo run"):
        train(seconds=1.0, out=tmp_path / "run", callbacks=[Stop()])
    assert "it stands at step" in (page := (tmp_path / "run" / "report.html").read_text()) and " of 1 s." in page
    run = ganzoo.train(resume=tmp_path / "run")
    assert 0.99 < run.trained_seconds() < 1.05


def test_seconds_that_say_nothing_are_refused():
    with pytest.raises(SettingError, match="seconds must be above 0 and finite, but is 0"):
        train(seconds=0)
    with pytest.raises(SettingError, match="epochs and seconds exclude each other; give one of them"):
        train(seconds=1, epochs=1)


def test_nothing_is_compiled_for_a_processor(in_tmp):
    refused = "compile must be false on a processor, where compiled steps take longer"
    with pytest.raises(SettingError, match=refused):
        ganzoo.train("toy", data="ring8", steps=1, device="cpu", compile=True, progress=False)
    run = ganzoo.train("toy", data="ring8", steps=1, device="cpu", progress=False)
    with pytest.raises(SettingError, match=refused):
        ganzoo.train(resume=run.folder, texts={"compile": "true"}, steps=2, progress=False)
