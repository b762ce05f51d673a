"""What the program around has switched on changes no run, no weights and no samples, and is found as it was."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import warnings

import numpy as np
import pytest
import torch

import ganzoo_core as ganzoo
from ganzoo_core.sampling.surroundings import undisturbed


def train(out, **settings) -> ganzoo.Run:
    return ganzoo.train(
        "toy", **({"data": "ring8", "device": "cpu", "steps": 6, "out": out, "log_every": 3} | settings)
    )


def end(run: ganzoo.Run) -> tuple[bytes, ...]:
    names = ("generator.safetensors", "checkpoint.safetensors")
    return (*((run.folder / name).read_bytes() for name in names), run.sample(9).values.numpy().tobytes())


@contextlib.contextmanager
def put(setter, value, usual):
    setter(value)
    try:
        yield
    finally:
        setter(usual)


PROGRAMS = {
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "float64": lambda: put(torch.set_default_dtype, torch.float64, torch.float32),
    "default device": lambda: put(torch.set_default_device, "meta", None),
    "within a device": lambda: torch.device("meta"),
    "deterministic": lambda: put(torch.set_deterministic_debug_mode, 1, 0),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "anomalies": torch.autograd.detect_anomaly,
    "matmul": lambda: put(torch.set_float32_matmul_precision, "medium", "highest"),
    "cudnn": lambda: put(lambda v: setattr(torch.backends.cudnn, "benchmark", v), True, False),
    "numpy": lambda: np.errstate(all="raise"),
    "onednn": lambda: put(lambda v: setattr(torch.backends.mkldnn, "enabled", v), False, True),
}


def state() -> list:
    """All that the program around may have set, as it reads back."""
    found = [torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype()]
    found += [torch.empty(0).device.type, torch.get_deterministic_debug_mode(), torch.is_autocast_enabled("cpu")]
    found += [torch.is_anomaly_enabled(), torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark]
    found += [np.geterr(), torch.backends.mkldnn.enabled, torch.get_num_threads(), os.getcwd()]
    found += [torch.default_generator.get_state().tolist(), random.getstate(), str(np.random.get_state())]
    return [*found, list(warnings.filters), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> tuple[bytes, ...]:
    return end(train(tmp_path_factory.mktemp("plain") / "run", precision="bf16", ema_decay=0.9))


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (number % 3 > 0)) for number, name in enumerate(PROGRAMS)]
)
def test_a_run_and_its_samples_are_those_of_a_plain_program(name, plain, tmp_path):
    with PROGRAMS[name]():
        before = state()
        run = train(tmp_path / "run", steps=3, precision="bf16", ema_decay=0.9)
        ganzoo.train(resume=run.folder, steps=6)
        found = end(run)
        run.sample(9).picture()
        assert state() == before
    assert found == plain


class Rude(ganzoo.Callback):
    """Changes all that it can reach, then fails."""

    def on_log(self, record):
        os.chdir("/")
        warnings.simplefilter("error")
        torch.set_default_dtype(torch.float64)
        torch.rand(1), random.random(), np.random.rand()
        raise ganzoo.GanzooError("enough")


def test_an_error_too_gives_all_back(tmp_path):
    before = state()
    with pytest.raises(ganzoo.GanzooError, match="enough"):
        train(tmp_path / "run", callbacks=[Rude()])
    assert state()[3:] == before[3:] and torch.get_default_dtype() == before[2]


def test_the_outermost_gives_back():
    torch.set_default_dtype(torch.float64)
    try:
        with undisturbed():
            with undisturbed():
                pass
            assert torch.get_default_dtype() == torch.float32, "the inner one ends before the outer"
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.long
def test_runs_in_threads_end_as_each_alone(tmp_path):
    alone = [end(train(tmp_path / f"alone-{k}", seed=k, steps=60)) for k in range(3)]
    before, ends = state(), {}

    def one(k):
        ends[k] = end(train(tmp_path / f"beside-{k}", seed=k, steps=60))

    threads = [threading.Thread(target=one, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ends[k] for k in range(3)] == alone
    assert state() == before
