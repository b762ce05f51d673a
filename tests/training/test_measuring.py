"""`--metric`: a stranger's metric is read as a run trains, the best generator is kept, and a run ends where it may."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from clocks import let_steps_take
from engines import CONFIG, dataset
from ganzoo_toy import ToyConditional

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import (
    FileError,
    Interrupted,
    MissingPluginError,
    PluginError,
    SettingError,
    UnknownNameError,
)
from ganzoo_core.registry import Registry
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.storage import tensor_files
from ganzoo_core.training import measuring
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.measuring import find_metric, interval
from ganzoo_core.training.statistics import OwnStatistics

SOURCE = """
GANZOO_API = 2
import ganzoo_core as ganzoo
from ganzoo_core.hookspecs import Metric, hookimpl

VALUES = {}
HOOKS = []

def _prepare(variant, data, data_dir, device):
    def value(generator):
        import torch
        torch.rand(3), [hook(generator.step) for hook in HOOKS]
        samples = generator.sample(4, seed=1).values
        return VALUES.get(generator.step, float(samples.abs().mean()) + 100)
    return value

def _refuse(variant, data, data_dir, device):
    raise ganzoo.GanzooError(f"nobody can judge {variant.name} on {data.spec.name}")

def _fail(variant, data, data_dir, device):
    return lambda generator: 1 / 0

@hookimpl
def ganzoo_metrics():
    return [Metric("far", False, _prepare), Metric("near", True, _prepare), Metric("never", True, _refuse),
            Metric("broken", True, _fail)]
"""


@pytest.fixture
def meter(plugin_site, in_tmp):
    plugin_site.install("ganzoo-meter", {"ganzoo_meter.py": SOURCE}, {"meter": "ganzoo_meter"})
    import ganzoo_meter

    return ganzoo_meter


def train(variant: str = "toy", **settings) -> ganzoo.Run:
    return ganzoo.train(variant, **({"data": "ring8", "device": "cpu", "log_every": 5} | settings))


def readings(run: ganzoo.Run, metric: str = "far") -> list[tuple[int, float]]:
    return [(record["step"], record[metric]) for record in run.records() if metric in record]


def best(run: ganzoo.Run) -> tuple[int, dict[str, float]]:
    header, _ = tensor_files.read_header(run.folder / "best.safetensors", "generator")
    return header["step"], header["judged"]


def test_a_reading_goes_to_metrics_run_json_and_page_and_the_best_is_kept(meter):
    meter.VALUES |= {10: 5.0, 20: 3.0, 30: 4.0}
    run = train(metric="far", metric_every=10, out="run")
    assert readings(run) == [(10, 5.0), (20, 3.0), (30, 4.0)]
    judged = run.info["judged"]
    assert {k: v for k, v in judged.items() if k != "share"} == {
        "metric": "far", "step": 30, "value": 4.0, "best_step": 20, "best": 3.0
    }  # fmt: skip
    assert 0 < judged["share"] < 1 and run.info["settings"]["metric_every"] == 10
    assert best(run) == (20, {"far": 3.0})
    page = (run.folder / "report.html").read_text()
    assert "best FAR" in page and "at step 20, of readings that took" in page and "Metric s" not in page
    assert ganzoo.load("run", best=True).step == 20 and ganzoo.load("run").step == 30


def test_more_may_be_better(meter):
    meter.VALUES |= {10: 5.0, 20: 3.0, 30: 4.0}
    run = train(metric="near", metric_every=10)
    assert best(run) == (10, {"near": 5.0})


def test_the_best_is_what_was_trained_by_then(meter):
    meter.VALUES |= {8: 1.0, 16: 2.0, 30: 2.0}
    run = train("toy-conditional", data="digits", ema_decay=0.5, metric="far", metric_every=8, out="run")
    short = train("toy-conditional", data="digits", ema_decay=0.5, steps=8, out="short")
    mine, theirs = (tensor_files.load(path, "generator")[1] for path in (
        run.folder / "best.safetensors", short.folder / "generator.safetensors"
    ))  # fmt: skip
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("variant", ["toy", "toy-conditional"])
def test_a_run_makes_the_same_weights_with_a_metric_and_without(meter, variant: str):
    settings = {"data": "digits", "ema_decay": 0.5, "augment": "diffaugment", "n_critic": 2}
    plain = train(variant, **settings, out="plain")
    judged = train(variant, **settings, metric="far", metric_every=4, out="judged")
    for name in ("checkpoint.safetensors", "generator.safetensors"):
        assert (plain.folder / name).read_bytes() == (judged.folder / name).read_bytes()

    def lines(run: ganzoo.Run) -> list[dict]:
        return [{k: v for k, v in r.items() if k != "samples_per_s"} for r in run.records() if "far" not in r]

    assert lines(plain) == lines(judged)


def test_a_resumed_run_judges_as_one_that_was_not_stopped(meter):
    meter.VALUES |= {5: 9.0, 10: 4.0, 15: 5.0, 20: 6.0, 25: 3.0, 30: 7.0}
    settings = {"variant": "toy-conditional", "data": "digits", "ema_decay": 0.5, "metric": "far", "metric_every": 5}
    whole = train(**settings, out="whole")

    class Stop(ganzoo.Callback):
        def on_log(self, record: dict[str, float]) -> None:
            if record["step"] == 15 and "far" in record:  # a second signal would end the tests
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        train(**settings, callbacks=[Stop()], out="parts")
    assert best(ganzoo.Run(Path("parts"))) == (10, {"far": 4.0})
    parts = ganzoo.train(resume="parts")
    assert readings(parts) == readings(whole)
    for name in ("best.safetensors", "generator.safetensors", "checkpoint.safetensors"):
        assert (parts.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_a_best_after_the_last_checkpoint_stays_the_best(meter):
    """A run that was killed has made it, and makes it again."""
    meter.VALUES |= {10: 4.0, 20: 3.0, 30: 5.0}
    run = train(metric="far", metric_every=10, keep=1, steps=10, out="run")
    checkpoint = (run.folder / "checkpoint.safetensors").read_bytes()
    ganzoo.train(resume="run", steps=30)
    (run.folder / "checkpoint.safetensors").write_bytes(checkpoint)
    kept = (run.folder / "best.safetensors").read_bytes()
    ganzoo.train(resume="run", steps=30)
    assert (run.folder / "best.safetensors").read_bytes() == kept and best(run)[0] == 20
    assert readings(run) == [(10, 4.0), (20, 3.0), (30, 5.0)]


def test_a_run_ends_once_it_is_good_enough(meter, caplog):
    meter.VALUES |= {10: 5.0, 20: 2.5}
    with caplog.at_level("INFO", "ganzoo"):
        run = train(until="far=2.5", metric_every=5, out="run")
    assert run.info["settings"]["steps"] == 20 and run.info["settings"]["metric"] == "far"
    assert ganzoo.load("run").step == 20 and best(run)[0] == 20
    assert "far is 2.500 at step 20, as good as until=far=2.5 asks: the run ends there" in caplog.text
    assert (run.folder / "samples" / "step-000020.png").exists()
    again = train(steps=20, out="again")
    assert (again.folder / "checkpoint.safetensors").read_bytes() == (
        run.folder / "checkpoint.safetensors"
    ).read_bytes()


def test_a_run_that_gets_no_better_ends_after_so_many_readings(meter, caplog):
    meter.VALUES |= {5: 4.0, 10: 3.0, 15: 3.0, 20: 5.0, 25: 1.0}
    with caplog.at_level("INFO", "ganzoo"):
        run = train(metric="far", metric_every=5, patience=2, out="run")
    assert run.info["settings"]["steps"] == 20 and best(run)[0] == 10
    assert "far has not been better in 2 readings since step 10, when it was 3.000: the run ends there" in caplog.text
    ganzoo.train(resume="run", texts={"patience": "none", "steps": "30"})
    assert best(run) == (25, {"far": 1.0}) and run.info["settings"]["patience"] is None


def test_patience_counts_across_a_resume(meter):
    meter.VALUES |= {5: 3.0, 10: 4.0, 15: 4.0, 20: 4.0, 25: 1.0}
    train(metric="far", metric_every=5, patience=4, steps=12, out="run")
    run = ganzoo.train(resume="run", steps=30)
    assert run.info["settings"]["steps"] == 20


def test_a_goal_that_was_not_reached_is_told(meter, caplog):
    meter.VALUES |= {15: 4.0, 30: 5.0}
    train(until="far=1", metric_every=15)
    assert "until=far=1 was not reached: the best was 4.000, at step 15" in caplog.text


def test_without_an_interval_readings_take_less_than_a_tenth_of_the_time(meter, monkeypatch):
    import time

    let_steps_take(1.0, monkeypatch)
    clock, passed_s = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock() + passed_s[0])
    meter.HOOKS.append(lambda step: passed_s.__setitem__(0, passed_s[0] + 2.0))
    run = train(metric="far", steps=300, log_every=300, snapshots=[300], out="run")
    assert [step for step, _ in readings(run)] == [10, 24, 48, *range(72, 300, 24), 300]
    assert run.info["settings"]["metric_every"] == 24, "twelve times as long as the two seconds of a reading"
    assert run.info["judged"]["share"] == pytest.approx(28 / 328, abs=1e-3)
    assert [record["metric_s"] for record in run.records() if "far" in record] == [2.0] * 14
    assert [interval(2.0, 1.0), interval(0.5, 0.0123), interval(0.0, 1.0)] == [24, 490, 1]


def test_what_is_asked_for_in_vain_is_told_before_there_is_a_folder(meter):
    def refused(error: type[Exception], words: str, **settings) -> None:
        with pytest.raises(error, match=words):
            train(**settings, out="new")
        assert not Path("new").exists()

    refused(UnknownNameError, "there is no metric called 'fr'; did you mean far", metric="fr")
    refused(ganzoo.GanzooError, "nobody can judge toy on ring8", metric="never")
    refused(SettingError, "until must be METRIC=NUMBER, such as fid=20, but is 'far'", until="far")
    refused(SettingError, "until must be METRIC=NUMBER, such as fid=20, but is 'far=1e-'", until="far=1e-")
    refused(SettingError, "until must be of the metric, near, but is 'far=1'; give one", metric="near", until="far=1")
    refused(SettingError, "patience counts by a metric; give one, such as metric=fid, or leave", patience=2)
    refused(SettingError, "metric_every counts by a metric; give one", metric_every=2)


def test_without_a_package_of_metrics_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(measuring, "registry", lambda: Registry([]))
    with pytest.raises(
        MissingPluginError, match="the metric 'fid' comes with a package of its own: pip install ganzoo-tools"
    ):
        find_metric("fid")


def test_a_metric_that_fails_is_named(meter):
    with pytest.raises(PluginError, match="the metric broken failed at step 30: ZeroDivisionError: division by zero"):
        train(metric="broken", metric_every=50)


def test_a_number_that_is_none_is_left_out(meter):
    meter.VALUES |= {10: float("nan"), 20: 3.0, 30: float("inf")}
    run = train(metric="far", metric_every=10, out="run")
    assert readings(run) == [(20, 3.0)] and best(run)[0] == 20


def test_the_command_line_takes_it_and_samples_the_best(meter):
    meter.VALUES |= {10: 3.0, 20: 2.0, 30: 9.0}
    call: Callable[..., object] = CliRunner().invoke
    words = ["--metric", "far", "--metric-every", "10", "--patience", "9", "--device", "cpu", "--data", "ring8"]
    found = call(main, ["run", "toy", *words, "--out", "run"])
    assert found.exit_code == 0, found.output
    assert "FAR 2.000 at step 20; reading it took" in found.stderr and "best.safetensors" in found.stderr
    assert "ganzoo sample run --best" in found.stderr and "FAR 9.000" in found.stderr
    settings = json.loads(Path("run/run.json").read_text())["settings"]
    assert [settings[name] for name in ("metric", "metric_every", "until", "patience")] == ["far", 10, None, 9]
    for arguments, name in (([], "samples"), (["--best"], "best")):
        assert call(main, ["sample", "run", *arguments]).stdout == f"run/{name}-seed0.png\n"
    first, second = (Path(f"run/{name}-seed0.png").read_bytes() for name in ("samples", "best"))
    assert first != second
    found = call(main, ["run", "toy", "--until", "far", "--out", "bad"])
    assert found.exit_code == 1 and "until must be METRIC=NUMBER" in found.stderr


def test_a_run_without_a_best_says_so(in_tmp):
    run = train(out="run")
    with pytest.raises(
        FileError, match="run has no best.safetensors, as no metric has judged it: train one with --metric"
    ):
        ganzoo.load(run.folder, best=True)
    with pytest.raises(FileError, match="the best is one of a run's, so it must be a run folder, but is .*generator"):
        ganzoo.load(run.folder / "generator.safetensors", best=True)


def test_the_averages_own_statistics_are_those_of_what_it_makes(in_tmp):
    """Against a plain computation: means of the layer's input over many batches; and training finds its own again."""
    plan_engine = _engine(ema_decay=0.9)
    for _ in range(12):
        plan_engine.train_step()
    before = {name: tensor.clone() for name, tensor in plan_engine.state().items()}
    average = plan_engine.average
    (layer,) = [m for m in average.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    own = OwnStatistics(plan_engine, balance=False)
    with own.given():
        hook.remove()
        assert len(seen) == 50 and {len(one) for one in seen} == {plan_engine.order.batch_size}
        mean = torch.stack([one.mean(0) for one in seen]).mean(0)
        variance = torch.stack([one.var(0) for one in seen]).mean(0)
        assert torch.allclose(layer.running_mean, mean, atol=1e-5)
        assert torch.allclose(layer.running_var, variance, atol=1e-5)
        assert not torch.equal(layer.running_mean, before["average.norm.running_mean"])
    after = plan_engine.state()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert layer.momentum == 0.1 and average.training


def _engine(**config) -> Engine:
    return Engine(ToyConditional(replace(CONFIG, **config)), dataset(), RunSettings(device="cpu"))
