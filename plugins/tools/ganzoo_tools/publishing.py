"""A run's weights as a repository on Hugging Face: weights, card and picture, in one commit."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ganzoo_core.errors import FileError, shorten
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.remote import hugging_face
from ganzoo_core.storage import tensor_files
from ganzoo_core.storage.names import one_line
from ganzoo_tools.evaluation.results import Evaluation, evaluation_file
from ganzoo_tools.shipping import origin_of, ship

_TARGET = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)", re.ASCII)
_LICENSE = re.compile(r"CC (BY(?:-SA)?) (\d\.\d)")
_TASKS = {"image": "image-to-image", "text": "text-to-image"}  # by what is taken
_FEATURES = {"classifier": "a classifier of the same data", "random": "a network with random weights"}


class Repository(NamedTuple):
    """What goes to the hub: `repo` as OWNER/REPO, and the folder of all its files."""

    repo: str
    folder: Path

    def files(self) -> list[Path]:
        """The files by name."""
        return sorted(self.folder.iterdir())

    def publish(self) -> str:
        """Put all files into one commit, of a new repository or one that is there; returns hf:OWNER/REPO@COMMIT.

        Raises `FileError` where the hub can't be asked, or refuses.
        """
        hub = hugging_face(f"hf:{self.repo}")
        try:
            api = hub.HfApi()
            api.create_repo(self.repo, exist_ok=True)
            files = [hub.CommitOperationAdd(path.name, path) for path in self.files()]
            said = api.create_commit(self.repo, files, commit_message="Add weights by ganzoo")
        except Exception as error:  # of the library that it speaks http with, and of its own, of many kinds
            raise FileError(f"{self.repo} was not published: {_reason(error, hub)}") from error
        return f"hf:{self.repo}@{said.oid}"


@contextmanager
def repository(run: Path, target: str, *, limits: str = "", examples: bool = False) -> Iterator[Repository]:
    """The files of a run's weights, for as long as it lasts: generator.safetensors, README.md, generator.png.

    The card begins with the field's header in YAML: library, tags, the data's licence where it is a CC BY one, and of
    pictures the task, and the FID of `ganzoo evaluate`. Raises `FileError` for a target that is not hf:OWNER/REPO, and
    as `ship` does.
    """
    named = _TARGET.fullmatch(target)
    if named is None or {".", ".."} & set(named["repo"].split("/")):
        raise FileError(f"{shorten(target)} must be hf:OWNER/REPO, a name and a repository on Hugging Face")
    hub = hugging_face(target)
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as temporary:
        folder = Path(temporary)
        weights = folder / "generator.safetensors"
        source = f"hf:{named['repo']}@COMMIT"
        ship(run, weights, limits=limits, examples=examples, source=source)
        card = weights.with_suffix(".md")
        text = card.read_text(encoding="utf-8")
        card.unlink()
        header = _header(RunFolder.open(run), weights, hub)
        (folder / "README.md").write_text(f"---\n{header}\n---\n\n{text}", encoding="utf-8")
        yield Repository(named["repo"], folder)


def _header(folder: RunFolder, weights: Path, hub: ModuleType) -> str:
    """The model card's metadata, as YAML."""
    run = folder.metadata()
    inputs = tensor_files.read_header(weights, "generator")[0].get("inputs", [])
    taken = [_TASKS[one["kind"]] for one in inputs if one["kind"] in _TASKS]
    task = taken[0] if taken else "unconditional-image-generation" if run.data.kind == "images" else None
    license_ = _LICENSE.search(origin_of(run))
    data = hub.ModelCardData(
        license=f"cc-{license_[1].lower()}-{license_[2]}" if license_ else None,
        library_name="ganzoo",
        pipeline_tag=task,
        tags=["ganzoo", "gan", run.variant],
        model_name=f"{run.variant} on {run.data.name}",
        eval_results=None if task is None else _results(folder.path, run.data.name, task, hub),
    )
    return data.to_yaml().strip()


def _results(run: Path, data: str, task: str, hub: ModuleType) -> list[Any] | None:
    """The FID of a run that was evaluated."""
    found = run / evaluation_file(None)
    judged = Evaluation.read(found) if found.exists() else None
    if judged is None or "fid" not in judged.figures:
        return None
    features = judged.conditions["extractor"]
    return [
        hub.EvalResult(
            task_type=task, dataset_type=data, dataset_name=data, metric_type="fid",
            metric_name=f"FID, in features of {_FEATURES.get(features, features)}",
            metric_value=float(f"{judged.figures['fid'].mean:.4g}"),
        )
    ]  # fmt: skip


def _reason(error: Exception, hub: ModuleType) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, hub.errors.LocalTokenNotFoundError) or status in (401, 403):
        return "you may not write there; `hf auth login` with a token that may write says who you are"
    if status is not None:
        return f"the hub says {status}"
    return f"{shorten(one_line(error))}; see to a network"
