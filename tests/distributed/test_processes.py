"""Several processes train one run: the numbers of one, resumed by any number, ended by a sentence when one dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.distributed import launch, processes, shared_data
from ganzoo_core.distributed.launch import LostProcessError
from ganzoo_core.distributed.processes import ProcessGroup, SingleProcess, _digest, lost_process_errors
from ganzoo_core.errors import FileError, SettingError, TrainingError
from ganzoo_core.storage import tensor_files

PLAIN = ["vanilla", "--data", "ring8", "--batch-size", "32", "--steps", "12", "--device", "cpu", "--quiet",
         "--set", "log_every=4", "--set", "dropout=0", "--set", "ema_decay=0.9"]  # fmt: skip


def train(forks, processes: int, *arguments: object) -> None:
    code, errors = start(forks, processes, *arguments).wait(), forks._last.errors
    assert code == 0, errors


def start(forks, processes: int, *arguments: object):
    if processes == 1:
        return forks.start("run", *arguments)
    return forks.start("run", *arguments, together=[processes, str(Path("pids").absolute())])


def records(folder: str | Path) -> list[dict]:
    """What was logged of steps, less the times."""
    lines = map(json.loads, (Path(folder) / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if k != "samples_per_s"} for line in lines if "d_real" in line]


def assert_close(found: str, expected: str, tolerance: float = 2e-3) -> None:
    """The same lines of metrics and the same checkpoint, but for rounding."""
    for a, b in zip(records(found), records(expected), strict=True):
        assert a.keys() == b.keys()
        assert a == pytest.approx(b, rel=tolerance, abs=tolerance)
    (header, a), (_, b) = (
        tensor_files.load(Path(f) / "checkpoint.safetensors", "checkpoint") for f in (found, expected)
    )
    assert header["step"] == 12 and a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=tolerance, atol=tolerance, msg=name)


def files(folder: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*")}


@pytest.mark.long
def test_two_and_four_processes_give_the_numbers_of_one(in_tmp, forks):
    train(forks, 1, *PLAIN, "--out", "one")
    train(forks, 2, *PLAIN, "--out", "two")
    train(forks, 4, *PLAIN, "--out", "four")
    train(forks, 2, *PLAIN, "--set", "accumulate=2", "--out", "two-twice")
    for name in ("two", "four", "two-twice"):
        assert_close(name, "one")
        assert files(name) == files("one"), "one process alone writes"
    info = json.loads(Path("two/run.json").read_text())
    assert info["environment"]["processes"] == 2


@pytest.mark.long
def test_a_run_goes_on_with_another_number_of_processes(in_tmp, forks):
    train(forks, 1, *PLAIN, "--out", "whole")
    train(forks, 2, *PLAIN, "--steps", "4", "--out", "parts")
    train(forks, 1, "--resume", "parts", "--steps", "8", "--quiet")
    train(forks, 4, "--resume", "parts", "--steps", "12", "--quiet")
    assert_close("parts", "whole")
    changes = json.loads(Path("parts/run.json").read_text())["changes"]
    assert [change["environment"]["processes"] for change in changes] == [1, 4]
    train(forks, 2, "--resume", "parts", "--steps", "12", "--quiet")  # done already: all end at once


@pytest.mark.long
def test_shared_batch_norm_gives_the_losses_of_one(in_tmp, forks):
    """dcgan has BatchNorm in both networks, and no dropout."""
    plain = ["dcgan", "--data", "digits", "--batch-size", "16", "--steps", "3", "--device", "cpu", "--quiet",
             "--precision", "fp32", "--set", "log_every=1"]  # fmt: skip
    shared = [*plain, "--set", "sync_batchnorm=true"]
    train(forks, 1, *shared, "--out", "one")
    train(forks, 2, *shared, "--out", "two")
    train(forks, 2, *plain, "--out", "apart")
    found = [
        {k: v for k, v in record.items() if "/" in k} for name in ("one", "two", "apart") for record in records(name)
    ]
    for one, two, apart in zip(found[:3], found[3:6], found[6:], strict=True):
        assert two == pytest.approx(one, rel=1e-3) and apart != pytest.approx(one, rel=1e-3)
    means = [tensor_files.load(Path(f) / "checkpoint.safetensors", "checkpoint")[1] for f in ("one", "two")]
    for name in (name for name in means[0] if name.endswith(("running_mean", "running_var"))):
        torch.testing.assert_close(means[1][name], means[0][name], rtol=1e-2, atol=1e-3, msg=name)


@pytest.mark.long
@pytest.mark.parametrize("shared", ["true", "false"])
def test_activations_computed_again_change_no_number_in_two_processes(shared, in_tmp, forks):
    """BatchNorm that the processes share is computed again by both of them, in the same order."""
    plain = ["dcgan", "--data", "digits", "--batch-size", "16", "--steps", "3", "--device", "cpu", "--quiet",
             "--precision", "fp32", "--set", "log_every=1", "--set", f"sync_batchnorm={shared}"]  # fmt: skip
    train(forks, 2, *plain, "--out", "kept")
    train(forks, 2, *plain, "--set", "checkpoint_activations=true", "--out", "dropped")
    assert records("kept") == records("dropped")
    kept, dropped = (
        tensor_files.load(Path(f) / "checkpoint.safetensors", "checkpoint")[1] for f in ("kept", "dropped")
    )
    for name, tensor in kept.items():
        assert torch.equal(tensor, dropped[name]), name


@pytest.mark.long
def test_a_process_that_dies_ends_the_others(in_tmp, forks):
    process = start(forks, 2, *ENDLESS, "--out", "run")
    wait_for_records(20)
    _, other = map(int, Path("pids").read_text().split())
    os.kill(other, signal.SIGKILL)
    assert process.wait() == 1
    header, _ = tensor_files.load(Path("run/checkpoint.safetensors"), "checkpoint")
    train(forks, 1, "--resume", "run", "--steps", header["step"] + 4, "--quiet")


@pytest.mark.long
def test_processes_wait_for_one_that_is_late(in_tmp, forks):
    """Process 0 decodes images, or trains a classifier, for longer than connecting may take."""
    Path("late.py").write_text(
        "import sys, time\n"
        "from datetime import timedelta\n"
        "from ganzoo_core.distributed import processes\n"
        "processes._CONNECT = timedelta(seconds=4)\n"
        "group = processes.join()\n"
        "group.wait()\n"
        "if group.rank == int(sys.argv[1]):\n"
        "    time.sleep(9)\n"
        "group.wait()\n"
        "print('all here')\n"
    )
    for late in "01":
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "late.py", late]
        found = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert found.stdout.count("all here") == 2, found.stderr


@pytest.mark.long
def test_a_run_that_is_good_enough_ends_in_all_processes(in_tmp, forks):
    """One of them judges; the other hears of it, and none waits for one that has left."""
    train(forks, 2, "vanilla", "--data", "digits", "--batch-size", "32", "--steps", "400", "--device", "cpu",
          "--metric", "fid", "--metric-every", "4", "--until", "fid=1000000", "--out", "run")  # fmt: skip
    header, _ = tensor_files.load(Path("run/checkpoint.safetensors"), "checkpoint")
    assert 4 <= header["step"] < 20 and "as good as until=fid=1000000 asks: the run ends there" in forks._last.errors
    best, _ = tensor_files.load(Path("run/best.safetensors"), "generator")
    assert best["step"] == 4


def wait_for_records(count: int, folder: str | Path = "run") -> None:
    """Wait until more than so many steps are logged."""
    wait_for(lambda: (Path(folder) / "metrics.jsonl").exists() and len(records(folder)) > count)


def wait_for(condition, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_data_is_in_memory_once(in_tmp, forks):
    launch = Path("launch").absolute()
    process = forks.start("run", *ENDLESS, "--out", "run", together=[2, str(Path("pids").absolute()), str(launch)])
    wait_for_records(2)
    shared = f"{launch}/attempt_0/data.safetensors (deleted)"
    maps = [Path(f"/proc/{pid}/maps").read_text() for pid in Path("pids").read_text().split()]
    assert len(maps) == 2 and all(shared in lines for lines in maps)
    assert files("launch") == {"attempt_0", "ganzoo-run"}, "nothing stays behind but the note for a restart"
    process.send(signal.SIGTERM)
    assert process.wait() == 1


def test_a_signal_to_one_process_stops_all_and_saves(in_tmp, forks):
    process = start(forks, 2, *ENDLESS, "--out", "run")
    wait_for_records(2)
    _, other = map(int, Path("pids").read_text().split())
    os.kill(other, signal.SIGTERM)
    assert process.wait() == 1
    assert "stopped by SIGTERM at step" in process.errors and process.errors.count("Error") == 1
    header, _ = tensor_files.load(Path("run/checkpoint.safetensors"), "checkpoint")
    assert f"at step {header['step']} of" in process.errors


def test_a_mini_batch_must_divide_by_the_processes(in_tmp, forks):
    process = start(forks, 3, *PLAIN, "--out", "run")
    assert process.wait() == 1 and not Path("run").exists()
    assert (
        "batch_size must be a multiple of 3, the number of processes (3) times accumulate (1), but is 32"
        in process.errors
    )


def test_one_process_pays_nothing_and_agrees_with_itself():
    alone, numbers = SingleProcess(), torch.ones(2)
    assert alone.mean(numbers) is numbers and alone.max_of_last("signal", 7) == 7
    alone.average([numbers])
    alone.check_equal({"x": numbers}, 1)
    alone.lead(lambda: pytest.fail("nobody to tell"))


def test_processes_that_went_apart_are_found(monkeypatch):
    """The second row is what the other process would have: the largest of both, and of both negated."""

    def reduce(tensor, op, group):
        tensor += torch.tensor([[0, 1], [0, 0]])

    monkeypatch.setattr("torch.distributed.all_reduce", reduce)
    processes = ProcessGroup.__new__(ProcessGroup)
    processes.size, processes._group = 2, None
    with pytest.raises(TrainingError, match=r"generator.bias is not the same in all 2 processes at step 7, though all"):
        processes.check_equal({"generator.weight": torch.ones(3), "generator.bias": torch.ones(())}, 7)


def test_shared_data_is_the_data(tmp_path):
    spec = DataSpec("pairs", (2,), ("a", "b"), "points")
    whole = Dataset(spec, torch.rand(4, 2), torch.tensor([0, 1, 1, 0]), {"weight": torch.rand(4)})
    shared_data._share(whole, tmp_path / "data.safetensors")
    mapped = shared_data._mapped(tmp_path / "data.safetensors")
    assert mapped.spec == spec and mapped.digest == whole.digest
    assert torch.equal(mapped.labels, whole.labels) and torch.equal(mapped.extra["weight"], whole.extra["weight"])


def test_shared_data_that_finds_no_room_is_told(tmp_path):
    whole = Dataset(DataSpec("pairs", (2,), (), "points"), torch.rand(4, 2))
    with pytest.raises(FileError, match="could not write the data that processes share to .*nowhere.*TMPDIR"):
        shared_data._share(whole, tmp_path / "nowhere" / "data.safetensors")


def test_patience_is_a_number(monkeypatch):
    assert processes._patience().total_seconds() == 120
    monkeypatch.setenv("GANZOO_PATIENCE_S", "soon")
    with pytest.raises(SettingError, match="GANZOO_PATIENCE_S must be a number of seconds, but is 'soon'"):
        processes._patience()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64, torch.uint8, torch.int64, torch.bool])
def test_a_digest_tells_one_bit_from_another(dtype):
    tensor = torch.zeros(2, 3, dtype=dtype)
    digests = [int(_digest(tensor))]
    for index in (0, 5):
        tensor.view(-1)[index] = 1
        digests.append(int(_digest(tensor)))
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("kind", "words"),
    [("cuda", "processes must be at most 0 on this machine, the number of its GPUs, but are 2"),
     ("mps", "device must be cpu or cuda for several processes, but is mps")],
)  # fmt: skip
def test_devices_that_processes_cannot_share_are_refused(monkeypatch, kind, words):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    processes = ProcessGroup.__new__(ProcessGroup)
    processes.size_here = 2
    with pytest.raises(SettingError, match=words):
        processes.check_device(torch.device(kind))


def told_by_torchrun(processes: int) -> dict[str, str]:
    """What torchrun tells the first of so many processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"TORCHELASTIC_RUN_ID": "test", "RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": processes,
            "LOCAL_WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
    return {name: str(value) for name, value in told.items()}


def gloo_threads() -> int:
    return sum("gloo" in (task / "comm").read_text() for task in Path("/proc/self/task").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_process_that_leaves_has_no_thread_of_the_group(monkeypatch):
    for name, value in told_by_torchrun(1).items():
        monkeypatch.setenv(name, value)
    group = ProcessGroup()
    group.max_of_last("signal", 0)
    assert group.mean(torch.ones(2)).tolist() == [1, 1] and gloo_threads() > 0
    group.leave()
    assert gloo_threads() == 0 and not torch.distributed.is_initialized()


LATE = """
import os
first = os.fork()
if not first:
    os.environ["RANK"] = os.environ["LOCAL_RANK"] = "1"

import threading, time, torch, torch.distributed as dist
from ganzoo_core.distributed.processes import join

began = threading.Event()

def late(work):
    began.set()
    for _ in range(1000):
        time.sleep(0.001)

group = join()._group
if not first:
    time.sleep(0.3)
work = dist.all_reduce(torch.ones(2), group=group, async_op=True)
if not first:
    work.wait()
    os._exit(0)
work.get_future().then(late)
began.wait()
del group
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_gloo_is_waited_for_where_its_threads_are_late():
    """One that needs Python's lock as Python ends is ended in the middle of C++ code, and the process by SIGABRT."""
    environment = {**os.environ, **told_by_torchrun(2)}
    ended = subprocess.run([sys.executable, "-c", LATE], env=environment, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_torch_says_of_a_loss_is_a_sentence():
    with pytest.raises(LostProcessError, match="another process of this run is gone: .*by peer"), lost_process_errors():
        raise RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer")
    with pytest.raises(LostProcessError, match="is gone: Application timeout"), lost_process_errors():
        raise RuntimeError("Application timeout caused pair closure")  # gloo's, of a link that was cut
    with pytest.raises(RuntimeError, match="shapes"), lost_process_errors():
        raise RuntimeError("shapes differ")


def ganzoo(*arguments: object, module: tuple[str, ...] = ("ganzoo_core",)) -> subprocess.Popen:
    command = [sys.executable, "-m", *module, "run", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


ENDLESS = [*PLAIN[:5], "--steps", "1000000", *PLAIN[7:], "--set", "checkpoint_every_s=0.2"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_one_says_of_another_does_not_hide_how_that_one_ended(order):
    about = {"message": "another process is gone", "tells_why": False}
    ends = {0: SimpleNamespace(message=about, exitcode=1), 1: SimpleNamespace(message="", exitcode=-signal.SIGKILL)}
    assert launch._sentence({rank: ends[rank] for rank in order}, 2, "r").startswith("process 1 of 2 was ended by SIGK")
    ends[1] = SimpleNamespace(message={"message": "the disk is full", "tells_why": True}, exitcode=1)
    assert launch._sentence({rank: ends[rank] for rank in order}, 2, "r") == "the disk is full"
    ends[1] = ends[0]
    assert launch._sentence(ends, 2, "r") == "another process is gone"


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_launcher_tells_of_a_killed_process_in_one_sentence(in_tmp):
    with ganzoo(*ENDLESS, "--processes", 2, "--out", "run") as process:
        wait_for_records(5)
        os.kill(children(process.pid)[1], signal.SIGKILL)
        out, errors = process.communicate(timeout=300)
    assert process.returncode == 1 and out == ""
    assert errors == (
        "Error: process 1 of 2 was ended by SIGKILL, so the others were ended too; the last checkpoint is whole, "
        "go on with: ganzoo run --resume run\n"
    )
    tensor_files.load(Path("run/checkpoint.safetensors"), "checkpoint")


@pytest.mark.long
def test_a_signal_to_the_launcher_saves_once(in_tmp):
    with ganzoo(*ENDLESS, "--processes", 2, "--out", "run") as process:
        wait_for_records(5)
        process.terminate()
        _, errors = process.communicate(timeout=300)
    header, _ = tensor_files.load(Path("run/checkpoint.safetensors"), "checkpoint")
    assert process.returncode == 1
    assert errors == (
        f"Error: stopped by SIGTERM at step {header['step']} of 1000000, all saved; go on with: "
        f"ganzoo run --resume run\n"
    )


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_processes_whose_launcher_was_killed_save_and_end(in_tmp):
    with ganzoo(*ENDLESS[:-2], "--set", "checkpoint_every_s=1000", "--processes", 2, "--out", "run") as process:
        wait_for_records(5)
        workers = children(process.pid)
        process.kill()
        wait_for(lambda: not any(is_running(worker) for worker in workers))
    header, _ = tensor_files.load(Path("run/checkpoint.safetensors"), "checkpoint")
    assert header["step"] > 20


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and ") Z " not in stat.read_text()


@pytest.mark.long
@pytest.mark.parametrize(
    ("wrong", "words"),
    [(["--batch-size", 33], "batch_size must be a multiple of 2,"), (["--set", "nope=1"], "no setting called 'nope'")],
)
def test_a_mistake_is_told_once(in_tmp, wrong, words):
    with ganzoo(*PLAIN, "--processes", 2, *wrong) as process:
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 1 and words in errors and errors.count("Error: ") == 1 and errors.count("\n") == 1


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_torchrun_goes_on_with_the_run_after_a_process_died(in_tmp):
    elastic = ("torch.distributed.run", "--nproc-per-node=2", "--max-restarts=1", "-m", "ganzoo_core")
    steps = [*PLAIN[:5], "--steps", 400, *PLAIN[7:], "--set", "checkpoint_every_s=0.2"]
    folder = Path("runs/vanilla-ring8-1")
    with ganzoo(*steps, module=elastic) as process:
        wait_for_records(5, folder)
        os.kill(children(process.pid)[1], signal.SIGKILL)
        out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert out == f"{folder}\n" and os.listdir("runs") == [folder.name]
    assert [record["step"] for record in records(folder)] == list(range(4, 401, 4))


@pytest.mark.long
def test_a_game_in_stages_gives_the_numbers_of_one(in_tmp, forks):
    """Phases with batches of other sizes, lazy players, a further network, a frozen one, and a loss with state."""
    game = Path(__file__).parents[1] / "staged.py"
    arguments = [f"{game}:Staged", "--data", "ring8", "--steps", "14", "--device", "cpu", "--quiet",
                 "--set", "log_every=1", "--set", "ema_decay=0.9"]  # fmt: skip
    for count in (1, 2):
        train(forks, count, *arguments, "--out", f"of-{count}")
    found = [[json.loads(line) for line in Path(f"of-{n}", "metrics.jsonl").read_text().splitlines()] for n in (1, 2)]
    steps = [[line for line in lines if "samples_per_s" in line] for lines in found]
    assert len(steps[0]) == 14
    for one, other in zip(*steps, strict=True):
        keys = one.keys() - {"samples_per_s"}
        assert keys == other.keys() - {"samples_per_s"}
        assert {k: one[k] for k in keys} == pytest.approx({k: other[k] for k in keys}, rel=2e-3, abs=2e-3)
    (_, a), (_, b) = (tensor_files.load(Path(f"of-{n}", "checkpoint.safetensors"), "checkpoint") for n in (1, 2))
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=2e-3, atol=2e-3, msg=name)
