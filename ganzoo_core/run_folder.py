"""A run is a folder: what is in it, and how it is written."""

from __future__ import annotations

import json
import re
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from ganzoo_core.errors import FileError
from ganzoo_core.files import as_file_error, write_atomically

_LONGEST_STEM = 60  # in characters, of four bytes each at most; file systems allow names of 255 bytes


class RunFolder:
    """The files of one run. Made by `create` or `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._metrics: TextIOWrapper | None = None

    @classmethod
    def create(cls, path: Path | None, stem: str) -> RunFolder:
        """A new folder: `path`, or the next free `runs/<stem>-<number>`.

        Raises `FileError` where `path` holds something already, or can't be made.
        """
        with as_file_error(path or Path("runs")):
            if path is None:
                return cls(_next_free(Path("runs"), stem))
            if (path / "run.json").exists():
                raise FileError(f"{path} holds another run; give a new --out, or go on with that one: --resume {path}")
            if path.is_dir() and any(path.iterdir()):
                raise FileError(f"{path} is not empty; give a new or an empty folder as --out")
            path.mkdir(parents=True, exist_ok=True)
            (path / "samples").mkdir()
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of a run that was begun. Raises `FileError` where there is none."""
        if not (path / "run.json").is_file():
            raise FileError(f"{path} holds no run (no run.json in it); a run folder looks like runs/VARIANT-DATA-1")
        return cls(path)

    @property
    def checkpoint(self) -> Path:
        """Everything to resume."""
        return self.path / "checkpoint.safetensors"

    @property
    def generator(self) -> Path:
        """The result."""
        return self.path / "generator.safetensors"

    def sample(self, step: int) -> Path:
        """The picture of the fixed latents after `step` steps."""
        return self.path / "samples" / f"step-{step:06d}.png"

    def snapshots(self) -> list[tuple[int, Path]]:
        """The pictures drawn so far with their steps, in order."""
        paths = (self.path / "samples").glob("step-*.png")
        return sorted((int(path.stem[5:]), path) for path in paths if path.stem[5:].isdecimal())

    def read_info(self) -> dict[str, Any]:
        """What run.json holds. Raises `FileError` where it is damaged."""
        path = self.path / "run.json"
        try:
            info = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FileError(f"{path} can't be read: {error}") from error
        if not isinstance(info, dict) or not isinstance(info.get("settings"), dict):
            raise FileError(f"{path} is damaged: it holds no settings")
        return info

    def write_info(self, info: dict[str, Any]) -> None:
        """Write run.json."""
        text = json.dumps(info, indent=2, ensure_ascii=False) + "\n"
        # A file name of no valid UTF-8 becomes what JSON writes for such bytes, \udc80 and the like, and comes back so.
        write_atomically(self.path / "run.json", text.encode(errors="backslashreplace"))

    def records(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a last line that a crash cut short is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except ValueError:
                break
        return records

    def truncate_records(self, step: int) -> None:
        """Drop the lines after `step`: what comes after the checkpoint will be written again."""
        kept = [json.dumps(record) + "\n" for record in self.records() if record["step"] <= step]
        write_atomically(self.path / "metrics.jsonl", "".join(kept).encode())

    def append_record(self, record: dict[str, Any]) -> None:
        """Write a line of metrics.jsonl."""
        with as_file_error(self.path / "metrics.jsonl"):
            if self._metrics is None:
                self._metrics = (self.path / "metrics.jsonl").open("a", encoding="utf-8")
            self._metrics.write(json.dumps(record) + "\n")
            self._metrics.flush()

    def close(self) -> None:
        """Close what is open."""
        if self._metrics is not None:
            self._metrics.close()


def _next_free(parent: Path, stem: str) -> Path:
    """Make and return parent/stem-N for the first N that nobody has, also if two processes ask at once."""
    parent.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.")[:_LONGEST_STEM] or "run"
    number = 1
    while True:
        path = parent / f"{stem}-{number}"
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
            continue
        (path / "samples").mkdir()
        return path
