"""`ganzoo run`: train a variant, from the start or from a checkpoint."""

from __future__ import annotations

import logging
import math
import os
import shutil
import textwrap
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.callbacks import RunInfo
from ganzoo_core.cli import complete
from ganzoo_core.cli.estimate import print_estimate
from ganzoo_core.cli.first_steps import first_variant
from ganzoo_core.cli.options import UserPath, data_dir_option, data_option, json_option, set_option
from ganzoo_core.cli.output import draw, note, on_terminal, print_json, print_path
from ganzoo_core.cli.progress import Progress
from ganzoo_core.display.progress import figures
from ganzoo_core.distributed.launch import launch, worker_rank
from ganzoo_core.drawing.words import duration, figure, metric_title
from ganzoo_core.errors import FileError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.runs.own import is_file, run_command, sample_command
from ganzoo_core.runs.presets import presets_of
from ganzoo_core.storage.names import one_line, shell_word, visible

if TYPE_CHECKING:
    from ganzoo_core.display.progress import RunProgress
    from ganzoo_core.training.run import Run

# What `train` takes beside settings: a settings file may not smuggle it in.
_NO_SETTINGS = (
    "variant",
    "data_dir",
    "out",
    "resume",
    "start",
    "seconds",
    "callbacks",
    "progress",
    "watch",
    "texts",
    "processes",
)
_LARGEST_TOML = 1 << 20
_LONGEST_KEY = 1000  # of dots, a hundred thousand keep Python's parser busy for ever


@click.command("run")
@click.argument("variant", required=False, shell_complete=complete.variants)
@data_option
@data_dir_option
@click.option("--steps", type=int, metavar="N", help="Updates of the generator.")
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="Passes over the data, instead of --steps.")
@click.option(
    "--minutes", type=float, metavar="M", help="Minutes of training, after which it ends, whatever its steps."
)
@click.option("--batch-size", type=int, metavar="N", help="Samples per update.")
@click.option("--seed", type=int, metavar="N", help="The seed of all randomness.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), help="Where to train.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), help="Precision of the networks.")
@click.option("--compile/--no-compile", default=None, help="Compile the networks with torch.compile, on a GPU.")
@set_option
@click.option(
    "--config", type=UserPath(dir_okay=False, path_type=Path), metavar="FILE.toml",
    help="Settings from a file, or from a preset of the variant (`ganzoo show`); --set and flags override it.",
)  # fmt: skip
@click.option("--snapshots", metavar="N,N,...", help="The steps at which to draw samples.")
@click.option("--keep", type=int, metavar="N", help="Older checkpoints to keep beside the last one.")
@click.option("--out", type=UserPath(path_type=Path), metavar="DIR", help="The run folder; runs/... by default.")
@click.option(
    "--resume", type=UserPath(path_type=Path), metavar="DIR", shell_complete=complete.runs,
    help="Resume the run in this folder.",
)  # fmt: skip
@click.option(
    "--from", "start", metavar="SOURCE", shell_complete=complete.sources,
    help="Begin with the weights of a run folder, or of what else `ganzoo sample` takes, as far as they fit by name "
    "and shape.",
)  # fmt: skip
@click.option(
    "--metric", metavar="NAME",
    help="Judge the generator by this as it trains, such as fid, kid or accuracy; the best one is kept.",
)  # fmt: skip
@click.option(
    "--metric-every", type=int, metavar="N",
    help="Steps between two readings of the metric; by default they take less than a tenth of the time.",
)  # fmt: skip
@click.option("--until", metavar="METRIC=VALUE", help="End once the metric is as good as this, such as fid=20.")
@click.option(
    "--patience", type=int, metavar="N", help="End after N readings of the metric of which none was the best."
)
@click.option("--processes", type=click.IntRange(min=1), default=1, metavar="N",
    help="Processes on this machine that share each mini-batch; for several machines use torchrun.",
)  # fmt: skip
@click.option("--watch", is_flag=True, help="Serve a page that shows the run while it trains, and can pause it.")
@click.option("--quiet", is_flag=True, help="Print only the run folder.")
@click.option("--dry-run", is_flag=True, help="Say what the run would take, by a few of its steps, and stop.")
@json_option
def command(
    variant: str | None,
    data_dir: Path | None,
    epochs: int | None,
    minutes: float | None,
    pairs: tuple[tuple[str, str], ...],
    config: Path | None,
    snapshots: str | None,
    out: Path | None,
    resume: Path | None,
    start: str | None,
    processes: int,
    watch: bool,
    quiet: bool,
    dry_run: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Train VARIANT; the run's folder is printed on stdout.

    VARIANT is a name that `ganzoo list` shows, or FILE.py:CLASS, a class in a file of yours, which is executed.

    Settings come from the defaults, then --config, then --set, then the other flags; later ones win.
    """
    if variant is None and resume is None:
        raise click.UsageError(
            f"name a VARIANT, to begin with {first_variant()} (`ganzoo list` shows all), or --resume DIR"
        )
    if epochs is not None and flags["steps"] is not None:
        raise click.UsageError("--steps and --epochs exclude each other; give one of them")
    texts = dict(pairs) | ({} if snapshots is None else {"snapshots": snapshots})
    values, texts, epochs = merge(_read_toml(_settings_file(config, variant)) if config else {}, texts, flags, epochs)
    if epochs is not None and resume is not None:
        raise click.UsageError("--epochs counts from the start; say with --steps how far --resume goes")
    if minutes is not None and not 0 < minutes < math.inf:
        raise click.UsageError(f"--minutes must be above 0 and finite, but is {minutes:g}")
    if minutes is not None and epochs is not None:
        raise click.UsageError("--minutes and --epochs exclude each other; give one of them")
    if dry_run:
        if minutes is not None:
            raise click.UsageError("--dry-run says how long the steps take; leave out --minutes")
        _check_dry_run(resume, processes)
        _tell(variant, data_dir, epochs, texts, values, as_json)
        return
    if as_json:
        raise click.UsageError("--json is for --dry-run; a run prints its folder, and run.json in it is JSON")
    if watch and processes > 1:
        raise click.UsageError("--watch and --processes exclude each other; give one of them")
    rank = worker_rank()
    if rank is None and processes > 1:
        _check_processes(processes)
        launch(processes, click.get_current_context().meta["ganzoo.arguments"])
        return
    if quiet or rank:
        logging.getLogger("ganzoo").setLevel(logging.WARNING)
    from ganzoo_core.training.train import train

    progress = Progress()
    try:
        run = train(
            variant, data_dir=data_dir, out=out, resume=resume, start=start, epochs=epochs,
            seconds=None if minutes is None else 60 * minutes,
            callbacks=() if quiet else (progress,), watch=watch, texts=texts, **values,
        )  # fmt: skip
    finally:
        progress.close()
    if rank:
        return  # process 0 tells
    if progress.run_progress is not None:
        _close(progress, progress.run_progress, run)
    elif not quiet:
        note(f"{visible(run.folder)} is done already; to go on, give more steps: --steps N")
    print_path(run.folder)


def _check_dry_run(resume: Path | None, processes: int) -> None:
    if resume is not None or processes > 1:
        raise click.UsageError("--dry-run is for a new run on one process, without --resume and --processes")


def _tell(
    variant: str | None,
    data_dir: Path | None,
    epochs: int | None,
    texts: dict[str, str],
    values: dict[str, Any],
    as_json: bool,
) -> None:
    """Print what a run would take."""
    from ganzoo_core.training.train import dry_run

    found = dry_run(variant, data_dir=data_dir, epochs=epochs, texts=texts, **values)
    if as_json:
        print_json(found.to_dict())
    else:
        print_estimate(found)


def _check_processes(processes: int) -> None:
    """Raise `SettingError` for more than could ever help: each takes the memory of a run."""
    most = 16 * (os.cpu_count() or 1)
    if processes > most:
        raise SettingError(f"processes must be at most {most}, 16 per processor of this machine, but are {processes}")


def merge(
    file: dict[str, Any], texts: dict[str, str], flags: dict[str, Any], epochs: int | None
) -> tuple[dict[str, Any], dict[str, str], int | None]:
    """Typed settings, unparsed settings and the epochs of a run; no setting is in two of them.

    `texts` override the file, and flags that are not None override both. Steps and epochs replace each other.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    chosen = given | ({} if epochs is None else {"epochs": epochs})
    weaker_texts = {name: text for name, text in texts.items() if name not in _names(chosen)}
    stronger = _names(chosen | weaker_texts)
    values = {name: value for name, value in file.items() if name not in stronger} | chosen
    return {k: v for k, v in values.items() if k != "epochs"}, weaker_texts, values.get("epochs")


def _names(settings: dict[str, Any]) -> set[str]:
    """The names of settings, and with steps epochs, with epochs steps."""
    length = {"steps", "epochs"}
    return settings.keys() | (length if length & settings.keys() else set())


def _settings_file(path: Path, variant: str | None) -> Path:
    """The file itself, or where there is none the preset of that name. Raises `click.BadParameter` for neither."""
    if path.exists():
        return path
    words = f"File {str(path)!r} does not exist"
    if variant is not None and not is_file(variant):
        found = presets_of(variant)
        if str(path) in found:
            return found[str(path)]
        words += f", and {variant} comes with " + (f"the presets {', '.join(found)}" if found else "no presets")
    raise click.BadParameter(words, param_hint="'--config'")


def _read_toml(path: Path) -> dict[str, Any]:
    """The settings in a TOML file. Raises `FileError` where it can't be read, `SettingError` for what is no setting."""
    try:
        values = tomllib.loads(_text(path))
    except (ValueError, RecursionError) as error:  # not TOML, or nested too deep
        raise FileError(f"{path} is not valid TOML: {error}") from error
    for name in _NO_SETTINGS:
        if name in values:
            raise SettingError(f"{path}: {name} is no setting of a file; give it on the command line")
    if "steps" in values and "epochs" in values:
        raise SettingError(f"{path}: steps and epochs exclude each other; give one of them")
    epochs = values.get("epochs", 1)
    if type(epochs) is not int or epochs < 1:
        raise SettingError(f"{path}: epochs must be a whole number of at least 1, but is {epochs!r}")
    return values


def _text(path: Path) -> str:
    """The text of a settings file, of a size that a parser is done with. Raises `FileError`."""
    with path.open("rb") as file:
        data = file.read(_LARGEST_TOML + 1)
    if len(data) > _LARGEST_TOML:
        raise FileError(f"{path} must be at most {_LARGEST_TOML:,} bytes of settings, but is larger")
    try:
        text = data.decode("utf-8-sig")  # Notepad begins a file with a mark
    except UnicodeDecodeError as error:
        raise FileError(f"{path} must be UTF-8, but {error.reason} at byte {error.start}; save it as UTF-8") from error
    if (longest := max(len(line.partition("=")[0]) for line in text.split("\n"))) > _LONGEST_KEY:
        raise FileError(f"{path}: a key must be at most {_LONGEST_KEY:,} characters, but one has {longest:,}")
    return text


def _close(progress: Progress, run_progress: RunProgress, run: Run) -> None:
    """The closing message: samples on a terminal, the numbers, the files, and commands to try next."""
    if on_terminal():
        draw(run.sample())
    info = run_progress.run
    done = run_progress.step - info.first_step
    note(f"\n{info.variant} on {one_line(info.data.name)}: {done:,} steps in {duration(progress.elapsed_s)}")
    if run_progress.record:
        told = figures(run_progress.record, run_progress.metric)
        note(textwrap.fill(told, shutil.get_terminal_size().columns if on_terminal() else 1000))
    note(f"\nrun        {visible(run.folder)}")
    note(f"weights    {visible(run.folder / 'generator.safetensors')}")
    judged = run.info.get("judged")
    if judged:
        told = f"{metric_title(judged['metric'])} {figure(judged['best'])} at step {judged['best_step']:,}"
        note(f"best       {visible(run.folder / 'best.safetensors')}")
        note(f"           {told}; reading it took {judged['share']:.0%} of the time")
    if progress.picture is not None:
        note(f"samples    {visible(progress.picture)}")
    if (page := run.folder / "report.html").exists():
        note(f"report     {visible(page)}")
    folder = shell_word(run.folder)
    best = " --best" if judged and judged["best_step"] != run_progress.step else ""
    note(f"\nnext       {sample_command(info.variant)} {folder}{_label(info)}{best}")
    note(f"           {run_command(info.variant)} --resume {folder} --steps {2 * run_progress.step}")


def _label(run: RunInfo) -> str:
    """A label to try, where the variant takes labels."""
    cls, _ = registry().variant(run.variant)
    if not (cls.conditional and run.data.classes):
        return ""
    return f" --label {shell_word(run.data.classes[min(3, run.data.num_classes - 1)])}"
