"""A run's checkpoints: the last one, and older ones if requested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage import tensor_files
from ganzoo_core.storage.files import as_file_error, duplicate_atomically, own_folder

if TYPE_CHECKING:
    from torch import Tensor


def load_last(folder: RunFolder) -> tuple[int, dict[str, Tensor]]:
    """The last checkpoint's step and tensors; step 0 and nothing for a run that was killed before its first one.

    Raises `FileError` where it is missing or damaged.
    """
    if not folder.checkpoint.exists() and not folder.records():
        return 0, {}
    header, tensors = tensor_files.load(folder.checkpoint, "checkpoint")
    tensor_files.check_fields(folder.checkpoint, header, {"step": int})
    return header["step"], tensors


def save(folder: RunFolder, step: int, tensors: dict[str, Tensor], *, last_step: int, keep: int) -> None:
    """Replace the last checkpoint, that of `last_step`, by one of `step`; keep `keep` older ones beside it."""
    if step != last_step and keep and folder.checkpoint.exists():
        _keep(folder, last_step, keep)
    tensor_files.save(folder.checkpoint, "checkpoint", {"step": step}, tensors)


def _keep(folder: RunFolder, step: int, count: int) -> None:
    """Keep the checkpoint of `step` as one of the `count` latest older ones."""
    older = folder.path / "checkpoints"
    own_folder(older)
    with as_file_error(older):
        duplicate_atomically(folder.checkpoint, older / f"step-{step:06d}.safetensors")
        kept = sorted(older.glob("step-*.safetensors"), key=lambda path: path.lstat().st_mtime_ns)
        for path in kept[:-count]:
            path.unlink()
