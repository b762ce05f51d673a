"""The command line in a process of its own, some tens of milliseconds after it is asked for.

A mother process imports torch and ganzoo once and forks a child for each command: a test can then afford to kill many.
A child may be given faults: what goes wrong in it, before the command runs. POSIX only.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_COUNT = {"operations": 0}


def die_at(number: int, by: int = signal.SIGKILL) -> None:
    """End as `kill -9` does at the number-th operation on files: halfway through a write, or before any other.

    Or be told to end there, by another signal.
    """
    _count_operations(lambda count: count == number, by)


def count_operations(path: str) -> None:
    """Write to `path` how many operations `die_at` would have seen."""
    counted = Path(path).open("w")  # noqa: SIM115 - closed by the end of the process

    def note(count: int) -> bool:
        counted.seek(0)
        counted.write(str(count))
        counted.flush()
        return False

    _count_operations(note)


def _count_operations(is_last: Callable[[int], bool], by: int = signal.SIGKILL) -> None:
    def tick() -> bool:
        _COUNT["operations"] += 1
        return is_last(_COUNT["operations"])

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            if tick():
                os.kill(os.getpid(), by)
            return original(*args, **kwargs)

        return operation

    class Torn(io.FileIO):
        def write(self, data: Any) -> int:
            if tick():
                super().write(data[: len(data) // 2])
                os.kill(os.getpid(), by)
            return super().write(data)

    open_path = pathlib.Path.open

    def open_torn(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        return Torn(self, mode) if mode in ("xb", "ab") else open_path(self, mode, *args, **kwargs)

    pathlib.Path.open = counted(open_torn)  # type: ignore[method-assign]
    for name in ("replace", "rename", "fsync", "link", "unlink", "mkdir", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))


def slow_disk(seconds: float) -> None:
    """Let every fsync take that long."""
    sync = os.fsync
    os.fsync = lambda handle: (time.sleep(seconds), sync(handle))[1]


def no_links() -> None:
    """A file system without hard links."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    os.link = refuse


def no_locks() -> None:
    """A file system without locks."""
    import fcntl

    def refuse(*_: Any) -> None:
        raise OSError(38, "Function not implemented")

    fcntl.flock = refuse


def largest_file(size: int) -> None:
    """No file may grow beyond `size` bytes, as under a quota."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def ignore(*numbers: int) -> None:
    """Start with these signals ignored, as under nohup."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def together(processes: int, pids: str, launch: str = "") -> None:
    """Be the first of so many processes of one run, which the rest are forked from; write their ids, one a line.

    What torchrun tells its processes, they are told; `launch` is the folder that it would keep for them. Without it
    nobody ends the others when one dies.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes,
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
    if launch:
        told["TORCHELASTIC_ERROR_FILE"] = f"{launch}/attempt_0/any/error.json"
        Path(f"{launch}/attempt_0").mkdir(parents=True)
    ids, rank = [os.getpid()], 0
    for other in range(1, processes):
        if (pid := os.fork()) == 0:
            rank = other
            break
        ids.append(pid)
    os.environ.update({name: str(value) for name, value in (told | {"RANK": rank, "LOCAL_RANK": rank}).items()})
    if rank == 0:
        Path(pids).write_text("\n".join(map(str, ids)))


class Fork:
    """A command that runs, or ran."""

    def __init__(self, ask: Callable[[object], str], order: dict[str, Any]) -> None:
        self._ask = ask
        self._errors = Path(order["errors"])
        self.pid = int(ask(order))
        self.code: int | None = None

    def send(self, number: int) -> None:
        """Send it a signal, unless it is known to have ended."""
        if self.code is None:
            os.kill(self.pid, number)

    def is_running(self) -> bool:
        """Whether it has not ended."""
        if self.code is None:
            answer = self._ask("poll")
            self.code = None if answer == "running" else int(answer)
        return self.code is None

    def wait(self, seconds: float = 300) -> int:
        """Its exit code, or minus the signal that ended it."""
        end = time.monotonic() + seconds
        while self.is_running():
            assert time.monotonic() < end, f"still running after {seconds} s: {self.errors}"
            time.sleep(0.005)
        assert self.code is not None
        return self.code

    @property
    def errors(self) -> str:
        """What it wrote to stderr so far."""
        return self._errors.read_text()


class Forks:
    """The mother process. One command at a time."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self._number = 0
        self._last: Fork | None = None
        self._mother = subprocess.Popen(
            [sys.executable, __file__], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, *arguments: object, **faults: list[Any]) -> Fork:
        """Run `ganzoo *arguments` here, with faults: names of functions of this module, with their arguments."""
        self.stop()
        self._number += 1
        errors = self.folder / f"errors-{self._number}"
        order = {"arguments": [str(a) for a in arguments], "cwd": os.getcwd(), "errors": str(errors), "faults": faults}
        self._last = Fork(self._ask, order)
        return self._last

    def run(self, *arguments: object, **faults: list[Any]) -> tuple[int, str]:
        """The exit code and the errors of a command."""
        fork = self.start(*arguments, **faults)
        return fork.wait(), fork.errors

    def stop(self) -> None:
        """End what still runs."""
        if self._last is not None and self._last.is_running():
            self._last.send(signal.SIGKILL)
            self._last.wait()

    def close(self) -> None:
        """End the mother and what still runs."""
        self.stop()
        assert self._mother.stdin is not None
        self._mother.stdin.close()
        self._mother.wait()

    def _ask(self, order: object) -> str:
        assert self._mother.stdin is not None and self._mother.stdout is not None
        self._mother.stdin.write(json.dumps(order) + "\n")
        self._mother.stdin.flush()
        return self._mother.stdout.readline().strip()


def run_contents(folder: Path) -> dict[str, object]:
    """A run's files: bytes, records less their times, and whether there is a report: it names the run and its speed."""
    files: dict[str, object] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name == "metrics.jsonl":
            records = [json.loads(line) for line in path.read_text().splitlines()]
            files[name] = [{k: v for k, v in record.items() if k != "samples_per_s"} for record in records]
        elif name == "report.html":
            files[name] = path.stat().st_size > 0
        elif path.is_file() and name != "run.json":
            files[name] = path.read_bytes()
    return files


def assert_same_run(found: Path, expected: Path) -> None:
    """Two folders hold the same run, bit for bit, and nothing else."""
    a, b = run_contents(found), run_contents(expected)
    assert a.keys() == b.keys(), "a leftover, or a file that is missing"
    assert not [name for name in a if a[name] != b[name]]
    settings = [json.loads((folder / "run.json").read_text()) for folder in (found, expected)]
    assert settings[0] == settings[1]


def _serve() -> None:
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torch._dynamo  # noqa: F401
    from PIL import GifImagePlugin, PngImagePlugin  # noqa: F401

    import ganzoo_core.cli
    import ganzoo_core.training.train  # noqa: F401
    from ganzoo_core.registry import registry

    registry().variants()

    pid = 0
    for line in sys.stdin:
        order = json.loads(line)
        if order == "poll":
            ended, status = os.waitpid(pid, os.WNOHANG)
            print(os.waitstatus_to_exitcode(status) if ended else "running", flush=True)
        else:
            pid = os.fork()
            if pid == 0:
                _obey(order)
            print(pid, flush=True)


def _obey(order: dict[str, Any]) -> None:
    from ganzoo_core.cli import main

    code = 99
    try:
        os.chdir(order["cwd"])
        os.dup2(os.open(order["errors"], os.O_WRONLY | os.O_CREAT), 2)
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(1, 0)
        for name, arguments in order["faults"].items():
            globals()[name](*arguments)
        main(order["arguments"], prog_name="ganzoo")
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stderr.flush()
        os._exit(code)  # never back into the mother's loop


if __name__ == "__main__":
    _serve()
