"""What torch says of a run that can't go on, in words that help."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ganzoo_core.errors import GanzooError, TrainingError, out_of_memory, shorten
from ganzoo_core.registry import registry
from ganzoo_core.storage.names import one_line


def sentence(error: BaseException) -> str | None:
    """What to do about an error that is nobody's bug; None for any other."""
    if said := out_of_memory(error):
        return (
            f"{said}; set a smaller batch_size, compute a mini-batch in pieces with --set accumulate=2 or more, drop "
            f"what the backward pass can compute again (--set checkpoint_activations=true), or take smaller images "
            f"(image_size of a folder); a run that has saved a checkpoint can be resumed from it"
        )
    if isinstance(error, ValueError) and "more than 1 value per channel" in str(error):
        return "batch_size must be at least 2 per piece of a mini-batch, as BatchNorm takes the mean over it, but is 1"
    if type(error).__module__.startswith(("torch._inductor", "torch._dynamo")):
        return _of_compiler(one_line(error))
    return None


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Inside, torch's own errors become a `TrainingError`, where `sentence` knows what to do.

    And no plugin's code can end the program: what is no `Exception` becomes a `PluginError` that names it.
    """
    try:
        yield
    except GanzooError:
        raise
    except BaseException as error:
        if words := sentence(error):
            raise TrainingError(words) from error
        if not isinstance(error, Exception) and (fault := registry().fault(error)):
            raise fault from error
        raise


def _of_compiler(text: str) -> str:
    """What to do where torch.compile fails: it writes Triton for a card, whose launchers want a compiler, too."""
    if "triton" in text.lower():
        return "--compile needs Triton on a card, and it does not work here: pip install triton, or leave out --compile"
    if "compiler" in text.lower():
        return (
            "--compile needs a C++ compiler, and none was found; install one (g++ with a Linux's package manager, "
            "xcode-select --install on macOS, Build Tools for Visual Studio on Windows), or leave out --compile"
        )
    return f"--compile failed, so leave it out: {shorten(text)}"
