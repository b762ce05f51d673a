"""Several processes that train one run, and what they tell each other. One that trains by itself is a `SingleProcess`.

Why not DistributedDataParallel: its hooks count on one forward and one backward pass of the whole module per update.
Here a critic is passed several times before it moves, a gradient penalty goes backward through its backward pass, and
`backward(inputs=...)` leaves the other players' parameters out. So a player's gradients are averaged in one piece when
its backward passes are done. Sending them during the last of these was tried, and brought nothing: benchmarks/NOTES.md.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, cast

import safetensors.torch
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from ganzoo_core.distributed.launch import LostProcessError, worker_rank
from ganzoo_core.distributed.sync_batch_norm import share_batch_norm
from ganzoo_core.errors import SettingError, TrainingError, shorten

_CONNECT = timedelta(seconds=30)  # gloo may take five times as long until it gives up
_LOADING = timedelta(days=1)  # before the first step one process may have a million images to decode
_PATIENCE_S = 120  # how long a step waits for the slowest process: a snapshot, a checkpoint
_SAID_OF_LOSS = ("gloo", "pair closure")  # gloo does not name itself in all that it says
_WIDTHS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Processes(ABC):
    """The processes that train one run, as one of them sees them: it is number `rank` of `size`.

    `rank_here` and `size_here` count those of this machine.
    """

    rank: int
    size: int
    rank_here: int
    size_here: int

    @abstractmethod
    def check_device(self, device: torch.device) -> None:
        """Raise `SettingError` where so many processes can't compute on such devices."""

    @abstractmethod
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each of the tensors by its mean over the processes."""

    @abstractmethod
    def mean(self, numbers: Tensor) -> Tensor:
        """The mean of the numbers (N,) over the processes."""

    @abstractmethod
    def gather(self, samples: Tensor) -> Tensor:
        """The samples (N, ...) of all processes, (N x processes, ...), process by process."""

    @abstractmethod
    def max_of_last(self, what: str, number: int) -> int:
        """The largest number that a process gave the last time it was asked for `what`; it was sent meanwhile."""

    @abstractmethod
    def wait_pending(self) -> None:
        """Wait for pending communication."""

    @abstractmethod
    def check_equal(self, tensors: dict[str, Tensor], step: int) -> None:
        """Raise `TrainingError` where a tensor is not the same, bit for bit, in all processes."""

    @abstractmethod
    def share_batch_norm(self, networks: Iterable[nn.Module]) -> None:
        """Have BatchNorm take its means over the mini-batches of all processes."""

    @abstractmethod
    def lead(self, instructions: Callable[[], tuple[dict[str, Any], dict[str, Tensor]]]) -> None:
        """Tell the others what to train, as JSON values, and with which tensors; wait until they are ready."""


class SingleProcess(Processes):
    """A run in one process, which agrees with itself."""

    rank, size = 0, 1
    rank_here, size_here = 0, 1

    def check_device(self, device: torch.device) -> None: ...

    def average(self, tensors: Sequence[Tensor]) -> None: ...

    def mean(self, numbers: Tensor) -> Tensor:
        return numbers

    def gather(self, samples: Tensor) -> Tensor:
        return samples

    def max_of_last(self, what: str, number: int) -> int:
        return number

    def wait_pending(self) -> None: ...

    def check_equal(self, tensors: dict[str, Tensor], step: int) -> None: ...

    def share_batch_norm(self, networks: Iterable[nn.Module]) -> None: ...

    def lead(self, instructions: Callable[[], tuple[dict[str, Any], dict[str, Tensor]]]) -> None: ...


class ProcessGroup(Processes):
    """One of several processes, as torchrun starts them: torch.distributed, gloo on CPUs and NCCL between GPUs."""

    def __init__(self) -> None:
        has_nccl = torch.cuda.is_available() and dist.is_nccl_available()
        if has_nccl:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        with lost_process_errors():
            store, rank, size = next(rendezvous("env://"))
            backend = "cpu:gloo,cuda:nccl" if has_nccl else "gloo"
            dist.init_process_group(backend, store=_of_this_start(store), rank=rank, world_size=size, timeout=_CONNECT)
            self._talk = cast(dist.ProcessGroup, dist.new_group(timeout=_CONNECT, backend="gloo"))
            self._group = cast(dist.ProcessGroup, dist.new_group(timeout=_patience()))
        self._asked: dict[str, tuple[Tensor, Any]] = {}
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.rank_here, self.size_here = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])

    def check_device(self, device: torch.device) -> None:
        if device.type == "cuda" and self.size_here > torch.cuda.device_count():
            raise SettingError(
                f"processes must be at most {torch.cuda.device_count()} on this machine, the number of its GPUs, "
                f"but are {self.size_here}; start fewer, or add --device cpu"
            )
        if device.type == "mps":
            raise SettingError("device must be cpu or cuda for several processes, but is mps; add --device cpu")

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        if not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat, group=self._group)
        means = flat.div_(self.size).split([tensor.numel() for tensor in tensors])
        # `data` is not watched: BatchNorm's backward pass minds if its running averages change, without a use for them.
        places = [tensor.data for tensor in tensors]
        torch._foreach_copy_(places, [mean.view(place.shape) for mean, place in zip(means, places, strict=True)])

    def mean(self, numbers: Tensor) -> Tensor:
        self.average([numbers])
        return numbers

    def gather(self, samples: Tensor) -> Tensor:
        found = [torch.empty_like(samples) for _ in range(self.size)]
        dist.all_gather(found, samples.contiguous(), group=self._group)
        return torch.cat(found)

    def max_of_last(self, what: str, number: int) -> int:
        before = self._asked.pop(what, None)
        found = torch.tensor(number)
        work = dist.all_reduce(found, dist.ReduceOp.MAX, group=self._group, async_op=True)
        self._asked[what] = found, work
        if before is None:
            return 0
        largest, earlier = before
        earlier.wait()
        return int(largest)

    def wait_pending(self) -> None:
        for _, work in self._asked.values():
            work.wait()
        self._asked.clear()

    def check_equal(self, tensors: dict[str, Tensor], step: int) -> None:
        digests = torch.stack([_digest(tensor) for tensor in tensors.values()])
        most = torch.stack([digests, -digests])
        dist.all_reduce(most, dist.ReduceOp.MAX, group=self._group)
        for name, is_same in zip(tensors, (most[0] == -most[1]).tolist(), strict=True):
            if not is_same:
                raise TrainingError(
                    f"{name} is not the same in all {self.size} processes at step {step}, though all have made the "
                    f"same steps; is one of another PyTorch or on another kind of device? The last checkpoint is kept"
                )

    def share_batch_norm(self, networks: Iterable[nn.Module]) -> None:
        for network in networks:
            share_batch_norm(network)

    def lead(self, instructions: Callable[[], tuple[dict[str, Any], dict[str, Tensor]]]) -> None:
        words, tensors = instructions()
        self.wait()
        with lost_process_errors():
            self._broadcast(json.dumps(words).encode())
            state = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
            self._broadcast(safetensors.torch.save(state))
            if words.keys() != {"folder"}:  # which says that there is nothing to do
                self.wait()

    def follow(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What process 0 told with `lead`. Call `wait` when ready to train."""
        self.wait()
        with lost_process_errors():
            return json.loads(self._broadcast(b"")), safetensors.torch.load(self._broadcast(b""))

    def wait(self) -> None:
        """Wait until all processes are here, however long one decodes its images."""
        with lost_process_errors():
            dist.monitored_barrier(self._talk, _LOADING)

    def leave(self) -> None:
        """End gloo's threads, once they are done: nothing else does, and each lets go of tensors that Python owns.

        One that is late, as on a busy machine, and does so while Python comes to its end, ends the process by SIGABRT.
        """
        self._asked.clear()
        del self._talk, self._group  # the threads of a group end with its last reference
        if dist.is_initialized():  # a user's own program may have left
            dist.destroy_process_group()

    def _broadcast(self, data: bytes) -> bytes:
        """What process 0 gives."""
        length = torch.tensor(len(data))
        dist.broadcast(length, 0, self._talk)
        content = torch.zeros(int(length), dtype=torch.uint8)
        if self.rank == 0:
            content = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        dist.broadcast(content, 0, self._talk)
        return content.numpy().tobytes()


def _of_this_start(store: dist.Store) -> dist.Store:
    """torchrun keeps its store when it starts processes anew, and with it the addresses of those that are gone.

    Machines do not count their starts alike, so that only those of one machine go by the count.
    """
    if os.environ["LOCAL_WORLD_SIZE"] != os.environ["WORLD_SIZE"]:
        return store
    return dist.PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)


def _patience() -> timedelta:
    """How long a step waits. Raises `SettingError`."""
    text = os.environ.get("GANZOO_PATIENCE_S", str(_PATIENCE_S))
    try:
        return timedelta(seconds=float(text))
    except (ValueError, OverflowError) as error:
        raise SettingError(f"the variable GANZOO_PATIENCE_S must be a number of seconds, but is {text!r}") from error


@cache
def join() -> Processes:
    """The processes of this run: those that torchrun, or `ganzoo run --processes`, has started with this one."""
    if worker_rank() is None or os.environ["WORLD_SIZE"] == "1":
        return SingleProcess()
    group = ProcessGroup()
    atexit.register(group.leave)
    return group


@contextlib.contextmanager
def lost_process_errors() -> Iterator[None]:
    """Turn what torch.distributed says of a process that is gone into a `LostProcessError`."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or any(words in str(error) for words in _SAID_OF_LOSS):
            raise LostProcessError(f"another process of this run is gone: {shorten(error)}") from error
        raise


def _digest(tensor: Tensor) -> Tensor:
    """A number that is another one where a bit of the tensor is: the sum of its bits read as whole numbers."""
    return tensor.detach().reshape(-1).view(_WIDTHS[tensor.element_size()]).sum(dtype=torch.int64)
