"""A run that the memory can't hold is refused before any is taken, and what runs out all the same is told."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from engines import dataset
from few import FEW
from ganzoo_takers.networks import pairs
from ganzoo_toy import Toy
from ganzoo_toy.networks import ToyDiscriminator
from PIL import Image
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.datasets import data_folder
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.distributed.processes import SingleProcess
from ganzoo_core.errors import SettingError, TrainingError, out_of_memory
from ganzoo_core.interfaces import Player
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import resolve
from ganzoo_core.training import memory
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.failures import sentence
from ganzoo_core.training.free_memory import free_memory
from ganzoo_core.training.memory import check_memory, remembered

CPU = torch.device("cpu")
MIB = 2**20


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes are free."""
    return lambda number: monkeypatch.setattr(memory, "free_memory", lambda device: number)


def plan(variant="vanilla", **settings):
    return resolve(variant, {"device": "cpu", "precision": "fp32", "data": "folder:/tmp"} | settings)


def pictures(size: int, n: int = 256) -> ganzoo.Dataset:
    spec = DataSpec("photos", (3, size, size))
    return ganzoo.Dataset(spec, torch.empty((n, 3, size, size), dtype=torch.uint8, device="meta"))


def need(plan_, data) -> int:
    return memory._Trial(plan_, data.spec, SingleProcess(), CPU, 2**62).need()


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MACHINE = {"proc/meminfo": "MemTotal:  9000 kB\nMemAvailable:    4000 kB\nSwapFree:  1000 kB\n"}


def test_free_memory_is_that_of_the_machine(tmp_path):
    assert free_memory(CPU, tmp_path) is None  # such as on macOS
    assert free_memory(torch.device("mps"), tmp_path) is None
    assert free_memory(CPU, system(tmp_path, MACHINE)) == 5000 * 1024


def test_a_container_leaves_less(tmp_path):
    group = {
        "proc/self/cgroup": "0::/docker/abc\n",
        "sys/fs/cgroup/memory.max": "3000000\n",
        "sys/fs/cgroup/memory.current": "2000000\n",
        "sys/fs/cgroup/memory.stat": "anon 1500000\ninactive_file 400000\n",
    }
    assert free_memory(CPU, system(tmp_path, MACHINE | group)) == 1_400_000
    assert free_memory(CPU, system(tmp_path, {"sys/fs/cgroup/memory.max": "max\n"})) == 5000 * 1024


def test_each_group_above_counts_and_so_does_version_1(tmp_path):
    group = {"proc/self/cgroup": "5:cpu:/x\n4:memory:/slice/job\n0::/\n"}
    for folder, most in (("memory", 10**15), ("memory/slice", 900_000), ("memory/slice/job", 10**15)):
        home = f"sys/fs/cgroup/{folder}"
        group |= {
            f"{home}/memory.limit_in_bytes": f"{most}",
            f"{home}/memory.usage_in_bytes": "500000",
            f"{home}/memory.stat": "total_inactive_file 100000",
        }
    assert free_memory(CPU, system(tmp_path, MACHINE | group)) == 500_000


def test_ulimit_leaves_less(tmp_path):
    process = {
        "proc/self/limits": "Limit  Soft  Hard\nMax address space    3000000  unlimited bytes\n",
        "proc/self/status": "VmPeak: 9 kB\nVmSize:    1000 kB\n",
    }
    assert free_memory(CPU, system(tmp_path, MACHINE | process)) == 3_000_000 - 1_024_000
    unlimited = {"proc/self/limits": "Max address space unlimited unlimited bytes\n"}
    assert free_memory(CPU, system(tmp_path, unlimited)) == 5000 * 1024


@pytest.mark.parametrize(
    ("make", "times"),
    [
        (torch.optim.SGD, 0),
        (lambda p: torch.optim.SGD(p, momentum=0.9), 1),
        (lambda p: torch.optim.Adam(p, fused=True), 2),
        (lambda p: torch.optim.Adam(p, amsgrad=True), 3),
        (lambda p: torch.optim.RMSprop(p, lr=0.1), 1),
    ],
)
def test_an_optimizer_is_asked_what_it_remembers(make, times):
    parameters = [nn.Parameter(torch.empty(1000, 1000, device="meta")) for _ in range(2)]
    assert remembered(Player("x", parameters, make(parameters), lambda turn: {})) == times * 8_000_000


def test_what_a_network_takes_by_hand():
    """Widths of 4,096 make the weights all that counts; they are saved with three copies of the state."""
    data = pictures(16)
    small = plan(generator_widths=[4096, 4096], discriminator_widths=[8], ema_decay=0, batch_size=2)
    weights = 4 * (100 * 4096 + 4096 * 4096 + 4096 * 768)
    expected = weights * 4 + weights * 3 * 3 + memory._BESIDE  # weight, gradient, two moments; then the copies
    assert need(small, data) == pytest.approx(expected, rel=0.02)
    assert need(plan(**small.variant.config.to_dict() | {"ema_decay": 0.9}), data) == pytest.approx(
        expected + weights * 4, rel=0.02
    )


@pytest.mark.parametrize("variant", ["vanilla", "dcgan", "wgan-gp", "toy"])
def test_a_few_samples_tell_no_less_than_the_meta_device_tells(variant):
    data = pictures(32)
    tried = memory._Trial(plan(variant), data.spec, SingleProcess(), CPU, 2**62)
    arguments = tried.plan.variant, data.spec
    few = memory._game(*arguments, "cpu")
    (size,) = tried._batch_sizes(*arguments)
    steps = [tried._most_of_steps(*arguments, *few, n) for n in memory._FEW]
    whole = tried._most_of_steps(*arguments, *memory._game(*arguments, "meta"))
    assert whole <= memory._at(size, steps) <= 8 * whole


def test_what_grows_with_the_square_of_the_batch_is_seen():
    assert memory._at(64, [10 * n + 5 for n in memory._FEW]) == 8 * 85
    assert memory._at(64, [3 * n * n + 10 * n + 5 for n in memory._FEW]) == 3 * 64 * 64 + 645
    assert memory._at(4, [10 * n + 5 for n in memory._FEW]) == 85, "no less than what was seen"


def test_only_what_takes_little_of_what_is_free_fits_plainly():
    data, small = pictures(16), plan(batch_size=32)
    needed = need(small, data)

    def plainly(plan_, free, data=data):
        return memory._Trial(plan_, data.spec, SingleProcess(), CPU, free).plainly_fits()

    assert plainly(small, 8 * needed) and not plainly(small, 3 * needed)
    assert not plainly(plan(batch_size=1), 2**62), "of one sample a mean may not be taken"
    assert not plainly(plan(generator_widths=[4096, 4096]), 2**62), "too large to be tried in earnest"
    assert not plainly(plan(), 2**62, pictures(128))


def test_activations_grow_with_the_batch_and_shrink_with_pieces():
    data, widths = pictures(64, 8192), {"generator_widths": [64], "discriminator_widths": [64]}
    one, two = (need(plan(batch_size=n, **widths), data) for n in (1024, 2048))
    image = 3 * 64 * 64 * 4
    assert two - one >= 1024 * 4 * image  # real, fake, both together, and a gradient at least
    assert need(plan(batch_size=2048, accumulate=4, **widths), data) < two
    assert need(plan("wgan", batch_size=256, n_critic=5), data) > need(plan("wgan", batch_size=256, n_critic=1), data)


def test_a_run_that_does_not_fit_is_refused_with_what_would(free):
    free(2300 * MIB)
    with pytest.raises(SettingError, match=r"vanilla on photos with batch_size=64 needs about 2[23]\.\d GB of memory, "
                       r"but 2\.2 GB are free; image_size=64 would fit"):  # fmt: skip
        check_memory(plan(), pictures(257), SingleProcess())
    check_memory(plan(), pictures(64), SingleProcess())
    wide = plan("dcgan", batch_size=4096)
    with pytest.raises(SettingError, match=r"batch_size=(\d+) or image_size=(\d+) would fit") as error:
        check_memory(wide, pictures(64, 8192), SingleProcess())
    fits = int(str(error.value).split("; batch_size=")[1].split()[0])
    check_memory(plan("dcgan", batch_size=fits), pictures(64, 8192), SingleProcess())


@pytest.mark.long
def test_activations_may_be_dropped_to_fit(free):
    data, settings = pictures(64, 8192), {"batch_size": 64, "data": "digits"}
    kept, dropped = (need(plan("r3gan", **settings, checkpoint_activations=on), data) for on in (False, True))
    assert dropped < 0.7 * kept
    free(int(dropped / memory._NEAR) + MIB)
    with pytest.raises(SettingError, match=r"; batch_size=\d+ or checkpoint_activations=true would fit"):
        check_memory(plan("r3gan", **settings), data, SingleProcess())
    check_memory(plan("r3gan", **settings, checkpoint_activations=True), data, SingleProcess())
    free(int(dropped / 2))
    for further in ({"checkpoint_activations": True}, {"compile": True}):
        with pytest.raises(SettingError, match=r"; batch_size=\d+ would fit"):
            check_memory(plan("r3gan", **settings, **further), data, SingleProcess())


def test_data_without_a_size_to_set_leaves_the_networks(free):
    free(300 * MIB)
    with pytest.raises(SettingError, match="make its networks smaller: `ganzoo show vanilla` lists the settings"):
        check_memory(plan(data="digits", generator_widths=[8192, 8192]), pictures(28), SingleProcess())


def test_sizes_beyond_all_numbers_are_refused(free):
    free(10**12)
    with pytest.raises(SettingError, match="needs more memory than any machine has, but 931.3 GB are free"):
        check_memory(plan(latent_dim=2**62), pictures(28), SingleProcess())
    with pytest.raises(SettingError, match=r"needs about [\d,]+\.\d GB of memory"):
        check_memory(plan(generator_widths=[2**31]), pictures(28), SingleProcess())


def test_one_that_only_just_fits_is_warned(free, caplog):
    amount = need(plan(), pictures(64))
    free(amount + MIB)
    check_memory(plan(), pictures(64), SingleProcess())
    assert "vanilla with batch_size=64 needs about" in caplog.text and "that are free" in caplog.text
    caplog.clear()
    free(2 * amount)
    check_memory(plan(), pictures(64), SingleProcess())
    assert not caplog.text


class NeedsNumbers(Toy):
    """Reads its own weights, which can't be done without memory."""

    def discriminator(self, data):
        critic = ToyDiscriminator(8, data.shape, 0)
        assert next(critic.parameters()).abs().sum().item() > 0
        return critic


def test_what_can_not_be_tried_is_not_refused(free):
    free(1)
    unable = replace(plan("toy", data="ring8"), variant=NeedsNumbers())
    check_memory(unable, dataset(), SingleProcess())
    free(None)
    check_memory(plan(), pictures(4096), SingleProcess())


class ExactDiscriminator(ToyDiscriminator):
    """Computes in float32 whatever the run does, in a context that the meta device does not have."""

    def forward(self, x, labels=None):
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x, labels)


class Exact(Toy):
    def discriminator(self, data):
        return ExactDiscriminator(8, data.shape, 0)


def test_what_the_meta_device_can_not_do_is_told_by_a_few_samples():
    spec = dataset().spec
    tried, plain = (
        memory._Trial(replace(plan("toy", data="ring8"), variant=v()), spec, SingleProcess(), CPU, 2**62)
        for v in (Exact, Toy)
    )
    with pytest.raises(RuntimeError):
        tried._need(tried.plan.variant, spec)
    assert plain.need() <= tried.need() <= 2 * plain.need()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] * (name not in FEW | {"stylegan2"}))
        for name in sorted(registry().variants())
    ],
)
def test_every_variant_is_told_what_it_needs(name: str) -> None:
    given = resolve(name, {"device": "cpu"})
    spec = given.source.load(data_folder(None)).spec
    assert memory._Trial(given, spec, SingleProcess(), CPU, 2**62).need() < 2**33


def test_trying_changes_nothing(in_tmp, monkeypatch):
    a = ganzoo.train("toy", data="ring8", steps=3, device="cpu")
    monkeypatch.setattr("ganzoo_core.training.train.check_memory", lambda *_: None)
    b = ganzoo.train("toy", data="ring8", steps=3, device="cpu")
    assert (a.folder / "checkpoint.safetensors").read_bytes() == (b.folder / "checkpoint.safetensors").read_bytes()


def test_a_run_from_the_command_line_is_refused_before_its_folder_is_made(in_tmp, free):
    Path("photos").mkdir()
    for k in range(8):
        Image.fromarray(np.full((40, 40, 3), k, np.uint8)).save(f"photos/{k}.png")
    free(250 * MIB)
    options = ["--data", "folder:photos", "--set", "image_size=40", "--batch-size", "8"]
    result = CliRunner().invoke(main, ["run", "vanilla", *options, "--device", "cpu"])
    assert result.exit_code == 1 and "Error: vanilla on folder:photos with batch_size=8 needs about" in result.stderr
    assert result.stderr.count("\n") == 1 and not Path("runs").exists()


def exhausted(*_):
    torch.empty(2**50)


def test_memory_that_runs_out_is_told_and_the_checkpoint_stays(in_tmp, monkeypatch):
    run = ganzoo.train("toy", data="ring8", steps=2, device="cpu")
    before = (run.folder / "checkpoint.safetensors").read_bytes()
    monkeypatch.setattr(Engine, "train_step", exhausted)
    with pytest.raises(TrainingError, match=r"out of memory: 4,194,304\.0 GiB more were asked for; set a smaller "
                       r"batch_size, compute a mini-batch in pieces with --set accumulate=2 or more"):  # fmt: skip
        ganzoo.train(resume=run.folder, steps=4)
    assert (run.folder / "checkpoint.safetensors").read_bytes() == before
    result = CliRunner().invoke(main, ["run", "--resume", str(run.folder), "--steps", "4", "--quiet"])
    assert result.exit_code == 1 and result.stderr.startswith("Error: out of memory: 4,194,304.0 GiB more")


def test_memory_that_runs_out_in_another_command_is_told(in_tmp, monkeypatch):
    run = ganzoo.train("toy", data="ring8", steps=2, device="cpu")
    monkeypatch.setattr("ganzoo_core.sampling.generate.latents", exhausted)
    for command in ("sample", "evaluate"):
        result = CliRunner().invoke(main, [command, str(run.folder)])
        assert result.exit_code == 1
        assert result.stderr.splitlines()[-1] == (
            "Error: out of memory: 4,194,304.0 GiB more were asked for; ask for fewer samples (-n) or smaller ones, or "
            "close other programs"
        )


def test_every_way_to_say_that_memory_is_gone():
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(2**50)
    assert out_of_memory(of_numpy.value) == "out of memory: 8.0 PiB more were asked for"
    card = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 3 GiB in all")
    assert out_of_memory(card) == "out of memory: 20.0 GiB more were asked for"
    for error in (MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory"), RuntimeError("std::bad_alloc")):
        assert out_of_memory(error) == "out of memory"
    assert out_of_memory(RuntimeError("shapes differ")) is None and out_of_memory(OSError(errno.ENOENT, "x")) is None


def test_a_batch_of_one_sample_is_refused_where_its_mean_is_taken(in_tmp):
    result = CliRunner().invoke(main, ["run", "dcgan", "--batch-size", "1", "--steps", "1", "--device", "cpu"])
    assert result.exit_code == 1 and not Path("runs").exists()
    assert result.stderr == (
        "Error: batch_size must be at least 2 per piece of a mini-batch, as BatchNorm takes the mean over it, but "
        "is 1\n"
    )
    run = CliRunner().invoke(main, ["run", "vanilla", "--batch-size", "1", "--steps", "1", "--device", "cpu"])
    assert run.exit_code == 0, run.stderr


def test_a_batch_of_one_sample_is_told_also_where_it_could_not_be_tried(in_tmp, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device: None)
    with pytest.raises(TrainingError, match="batch_size must be at least 2"):
        ganzoo.train("dcgan", batch_size=1, steps=1, device="cpu")


@pytest.mark.slow
def test_compile_without_a_compiler_is_told(in_tmp, monkeypatch):
    monkeypatch.setattr("ganzoo_core.training.train.check_compile", lambda *asked: None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "/nowhere/g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(in_tmp / "cache"))
    with pytest.raises(TrainingError, match=r"--compile needs a C\+\+ compiler, and none was found; install one"):
        ganzoo.train("toy", data="ring8", steps=1, device="cpu", compile=True)


def compile_error(text: str) -> Exception:
    return type("InductorError", (RuntimeError,), {"__module__": "torch._inductor.exc"})(text)


def test_what_torch_says_of_compiling():
    assert "pip install triton" in sentence(compile_error("Cannot find a working triton installation"))
    assert sentence(compile_error("shapes")) == "--compile failed, so leave it out: shapes"
    assert "needs a C++ compiler" in sentence(compile_error("InvalidCxxCompiler: No working C++ compiler found in"))
    assert sentence(RuntimeError("shapes")) is None


@pytest.mark.parametrize("name", ["translator", "upscaler", "domains", "writer"])
def test_a_generator_with_inputs_is_tried_too(name: str, takers) -> None:
    plan = resolve(name, {"device": "cpu"})
    few, many = (memory._Trial(plan, pairs(8).spec, SingleProcess(), CPU, 2**40).need(batch_size=n) for n in (64, 512))
    assert few is not None and many is not None and few < many
