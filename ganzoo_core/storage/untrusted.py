"""Building a network from settings in an untrusted file, in bounded memory and time."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from ganzoo_core.errors import FileError, GanzooError, shorten
from ganzoo_core.interfaces import Generator
from ganzoo_core.storage.tensor_files import TensorFile, check_fit

# A network holds more while it is built than its file does: layers without weights, weights that are parametrised.
_SPARE_PARTS = 1000
_SPARE_NUMBERS = 2**24


def build(new: Callable[[], Generator], file: TensorFile) -> Generator:
    """The network that `new` makes, for the tensors of a file.

    It is made on the meta device first, where nothing is allocated, and compared with the file there. Raises
    `FileError` where it does not fit, grows far beyond what the file holds, or can't be made.
    """
    numbers = sum(math.prod(shape) for shape in file.shapes.values())
    most_parts, most_numbers = 10 * len(file.shapes) + _SPARE_PARTS, 4 * numbers + _SPARE_NUMBERS
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"), _bounded(file, most_parts, math.inf):
                network = new()
        except FileError:
            raise
        except Exception:  # noqa: BLE001 - a network that reads its own numbers can't be made there; it is bounded below
            pass
        else:
            check_fit(file.path, "generator", network.state_dict(), file.shapes, file.dtypes)
        try:
            with _bounded(file, most_parts, most_numbers):
                return new()
        except FileError:
            raise
        except Exception as error:
            reason = shorten(error if isinstance(error, GanzooError) else f"{type(error).__name__}: {error}")
            raise FileError(f"{file.path} does not fit this generator: making it fails ({reason})") from error


@contextlib.contextmanager
def _bounded(file: TensorFile, most_parts: int, most_numbers: float) -> Iterator[None]:
    """Raise `FileError` once this thread has registered more modules and tensors, or numbers in them, than that."""
    thread = threading.get_ident()
    parts = numbers = 0

    def count(module: nn.Module, name: str, part: Any) -> None:
        nonlocal parts, numbers
        if threading.get_ident() != thread:
            return
        parts += 1
        numbers += part.numel() if isinstance(part, Tensor) else 0
        if parts > most_parts or numbers > most_numbers:
            raise FileError(
                f"{file.path} does not fit this generator: the settings in its header make one far larger than the file"
            )

    with contextlib.ExitStack() as stack:
        for register in (
            register_module_parameter_registration_hook,
            register_module_buffer_registration_hook,
            register_module_module_registration_hook,
        ):
            stack.callback(register(count).remove)
        yield
