"""Several processes for one run: starting them, and what they report to the launcher. No torch until a run starts."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo_core.errors import GanzooError, Interrupted, TrainingError
from ganzoo_core.guards.faults import Ended
from ganzoo_core.storage.names import shell_word

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

_NOTE = "ganzoo-run"
_NEWS_S = 2.0  # time for the launcher to see that a process of this machine ended first


class LostProcessError(GanzooError):
    """Another process of the run is gone; the error to report is that one's."""


def worker_rank() -> int | None:
    """The number of this process among those that torchrun started; None where it did not."""
    return int(os.environ["RANK"]) if "TORCHELASTIC_RUN_ID" in os.environ else None


def begun_run() -> Path | None:
    """The folder of the run that this launch had started before torchrun restarted its processes."""
    note = _note()
    return Path(note.read_text(encoding="utf-8")) if note is not None and note.is_file() else None


def note_run(folder: Path) -> None:
    """Let processes that torchrun restarts resume this run."""
    if (note := _note()) is not None:
        note.write_text(str(folder), encoding="utf-8")


def machine_file(name: str) -> Path | None:
    """A file that the processes of this machine share, another one each time they are started; None with no launcher.

    torchrun keeps a folder for them, in which ATTEMPT/LOCAL_RANK/error.json is one's own.
    """
    own = _own_file()
    return None if own is None else own.parents[1] / name


def _note() -> Path | None:
    """A file that stays when torchrun starts its processes anew."""
    own = _own_file()
    return None if own is None else own.parents[2] / _NOTE


def _own_file() -> Path | None:
    errors = os.environ.get("TORCHELASTIC_ERROR_FILE")
    return Path(errors) if errors and worker_rank() is not None else None


def report(sentence: str, error: BaseException | None) -> None:
    """In one of several processes: hand what went wrong to the launcher, which tells it once, and end. Else nothing.

    That a signal ended the run is told by process 0, which has saved it.
    """
    rank = worker_rank()
    if rank is None or (rank == 0 and isinstance(error, Interrupted)):
        return
    if isinstance(error, LostProcessError):
        time.sleep(_NEWS_S)  # of one on this machine the launcher knows more, and ends this one
        if int(os.environ.get("GROUP_WORLD_SIZE", 1)) > 1:  # torchrun may wait long for a machine that is gone
            print(f"Error: {sentence}", file=sys.stderr, flush=True)
    if not isinstance(error, Interrupted):
        if (path := os.environ.get("TORCHELASTIC_ERROR_FILE")) is None:
            return  # a launcher that does not listen
        news = {
            "message": sentence,
            "tells_why": not isinstance(error, LostProcessError | Ended),
            "extraInfo": {"timestamp": str(int(time.time()))},
        }
        Path(path).write_text(json.dumps({"message": news}), encoding="utf-8")
    sys.exit(1)


def launch(processes: int, arguments: Sequence[str]) -> None:
    """Run `ganzoo ARGUMENTS` in so many processes on this machine, as torchrun does, until all have ended.

    Raises `TrainingError` with the sentence of the process that failed first.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    os.environ["PYTHONSAFEPATH"] = "1"  # a random.py where the user stands is no part of a run
    logging.disable(logging.ERROR)  # what torch's launcher says is said below, in one sentence
    with tempfile.TemporaryDirectory(prefix="ganzoo-", ignore_cleanup_errors=True) as logs:
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=uuid.uuid4().hex, max_restarts=0,
            rdzv_backend="c10d", local_addr="127.0.0.1", logs_specs=DefaultLogsSpecs(logs), **_meeting_place(logs),
        )  # fmt: skip
        try:
            elastic_launch(config, sys.executable)("-m", "ganzoo_core", *arguments)
        except ChildFailedError as error:
            folder = next((note.read_text(encoding="utf-8") for note in Path(logs).glob(f"*/{_NOTE}")), "RUN")
            raise TrainingError(_sentence(error.failures, processes, folder)) from error
        except SignalException:
            sys.exit(1)  # process 0 has said that all is saved
        finally:
            logging.disable(logging.NOTSET)


def _meeting_place(folder: str) -> dict[str, Any]:
    """Where the launcher keeps what it has agreed on with itself: PyTorch's server for it needs libuv, which its builds
    for Windows have not.
    """
    if sys.platform != "win32":
        return {"rdzv_endpoint": "127.0.0.1:0"}
    return {"rdzv_endpoint": os.path.join(folder, "meeting"), "rdzv_configs": {"store_type": "file"}}


def _sentence(failures: dict[int, ProcessFailure], processes: int, folder: str) -> str:
    """What a process said of its own end; where none did, how one ended: not by the launcher's SIGTERM.

    One that lost another, or got the launcher's SIGTERM, does not tell why; it counts where nobody knows more.
    """
    messages: dict[int, object] = {rank: failure.message for rank, failure in failures.items()}
    news = [message for message in messages.values() if isinstance(message, dict)]
    news.sort(key=lambda each: not each["tells_why"])
    silent = {rank: failure.exitcode for rank, failure in failures.items() if messages[rank] not in news}
    if news and (not silent or news[0]["tells_why"]):
        return str(news[0]["message"])
    rank, code = min(silent.items(), key=lambda end: (end[1] == -signal.SIGTERM, end))
    signals = {-number: number.name for number in signal.Signals}  # on Windows there are other negative codes
    how = f"was ended by {signals[code]}" if code in signals else f"ended with exit code {code}"
    return (
        f"process {rank} of {processes} {how}, so the others were ended too; the last checkpoint is whole, go on with: "
        f"ganzoo run --resume {shell_word(folder)}"
    )
