"""`ganzoo compare`: which is best, of finished runs or of variants that it trains first."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import KeyValue, UserPath, data_dir_option, json_option, set_option
from ganzoo_core.cli.output import note, print_json, print_line, print_table
from ganzoo_core.drawing.words import number
from ganzoo_core.errors import Interrupted
from ganzoo_core.hookspecs import hookimpl
from ganzoo_core.storage.files import behind_link

if TYPE_CHECKING:
    from ganzoo_tools.comparison.ranking import Comparison, Recipe
    from ganzoo_tools.evaluation.results import MetricValue

_TRAINING = ("data", "minutes", "seeds", "out", "pairs")
_SWEEP_ONLY = ("steps", "trials", "halving", "workers")


GANZOO_API = 2
MOST_TRIALS = 1000


@hookimpl
def ganzoo_commands(cli: click.Group) -> None:
    """Add `ganzoo compare`."""
    cli.add_command(command)


class _Workers(click.ParamType):
    """A number of processes, or the address of a Dask scheduler."""

    name = "N|tcp://HOST:PORT"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same text, as it is one of the two."""
        if (
            not (value.isdecimal() and len(value) < 6 and 0 < int(value) <= 16 * (os.cpu_count() or 1))
            and "://" not in value
        ):
            self.fail(
                f"it must be a number of processes, at most 16 per processor, or the address of a Dask scheduler, such "
                f"as tcp://127.0.0.1:8786, but is {value!r}",
                param,
                ctx,
            )
        return value


@click.command("compare")
@click.argument("runs", nargs=-1, metavar="[RUN|VARIANT]...", shell_complete=complete.runs)
@click.option("--variants", metavar="NAME,NAME,...", help="Train these first; `all`: every one that can use the data.")
@click.option(
    "--sweep", "sweeps", type=KeyValue(), multiple=True, metavar="KEY=VALUES",
    help="Train VARIANT with each of these values: 1e-4,2e-4 or 1..5; with --trials also 0.1..0.5 and log:1e-5..1e-2. "
    "Can be repeated: every combination is a trial.",
)  # fmt: skip
@click.option("--trials", type=click.IntRange(1, MOST_TRIALS), metavar="N", help="With --sweep: draw so many trials.")
@click.option(
    "--halving", type=click.IntRange(2, 16), metavar="N",
    help="With --sweep: only the best 1/N go on at each rung, which are 1/N of the budget, 1/N of that, and so on.",
)  # fmt: skip
@click.option("--steps", type=int, metavar="N", help="With --sweep: steps of each trial, instead of --minutes.")
@click.option(
    "--workers", type=_Workers(), metavar="N|tcp://HOST:PORT",
    help="With --sweep: train in so many processes at a time, or on the workers of a Dask scheduler.",
)  # fmt: skip
@click.option("--data", metavar="NAME", help="What to train on, digits by default.")
@data_dir_option
@click.option("--minutes", type=float, metavar="N", help="How long to train each, 1 by default.")
@click.option(
    "--seeds", type=click.IntRange(1, 1000), metavar="N",
    help="Train each with the seeds 0 to N-1; 1 by default, without a spread.",
)  # fmt: skip
@click.option(
    "--out", type=UserPath(file_okay=False, path_type=Path), metavar="DIR",
    help="Where to train; an existing folder is resumed.",
)  # fmt: skip
@click.option(
    "-n", "count", type=click.IntRange(min=20), metavar="N",
    help="Samples to evaluate, 10,000 by default; at most as many as there are real ones.",
)  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="Where to compute.")
@set_option
@click.option("-o", "page", type=UserPath(dir_okay=False, path_type=Path), metavar="FILE.html", help="The page.")
@json_option
def command(
    runs: tuple[str, ...],
    variants: str | None,
    data_dir: Path | None,
    count: int | None,
    device: str,
    page: Path | None,
    as_json: bool,
    **training: Any,
) -> None:
    """Compare runs, or variants that are trained first, or settings of a variant, each for the same time.

    Prints a table with spread and rank, and writes a page with samples, curves and cost. Stored results of `ganzoo
    evaluate` are reused. With --variants and with --sweep, the same call resumes after an interruption.
    """
    _check(runs, variants, training)
    if training["sweeps"]:
        _sweep(runs[0], data_dir, count, device, page, as_json, training)
        return
    from ganzoo_tools.comparison import page as pages
    from ganzoo_tools.comparison.race import compare, default_folder, race

    if variants is None:
        found = compare(runs, n=count, data_dir=data_dir, device=device)
        home = Path(os.path.expanduser(runs[0])).absolute().parent
    else:
        names = None if variants == "all" else [name.strip() for name in variants.split(",") if name.strip()]
        data, minutes = training["data"] or "digits", 1.0 if training["minutes"] is None else training["minutes"]
        home = training["out"] or default_folder(data, minutes)
        with _resumable(home):
            found = race(
                names, data=data, minutes=minutes, seeds=training["seeds"] or 1, out=home, n=count or 10_000,
                data_dir=data_dir, device=device, texts=dict(training["pairs"]),
            )  # fmt: skip
    path = page or home / "comparison.html"
    pages.write_page(found, behind_link(path) if page else path, data_dir)
    _tell(found, path, as_json, _print)


def _check(runs: tuple[str, ...], variants: str | None, training: dict[str, Any]) -> None:
    """Raise `UsageError` for options that exclude each other."""

    def given(names: tuple[str, ...]) -> str:
        flags = {"pairs": "set"}
        return ", ".join(f"--{flags.get(name, name)}" for name in names if training[name] not in (None, ()))

    swept = [name for name, _ in training["sweeps"]]
    if swept:
        if variants is not None or len(runs) != 1:
            raise click.UsageError("--sweep is for one VARIANT: ganzoo compare VARIANT --sweep KEY=VALUES")
        for name in swept:
            if swept.count(name) > 1:
                raise click.UsageError(f"{name} is swept twice; give all its values at once: --sweep {name}=1,2")
            if name in dict(training["pairs"]):
                raise click.UsageError(f"{name} is both set and swept; give one of --set and --sweep")
        if training["steps"] is not None and training["minutes"] is not None:
            raise click.UsageError("--steps and --minutes exclude each other; give one of them")
        return
    if found := given(_SWEEP_ONLY):
        raise click.UsageError(f"{found} only with --sweep")
    if bool(runs) == (variants is not None):
        raise click.UsageError("name the RUNs to compare, or --variants to train, and not both")
    if runs and (found := given(_TRAINING)):
        raise click.UsageError(f"{found} only with --variants: RUNs are trained already")


@contextlib.contextmanager
def _resumable(home: Path) -> Iterator[None]:
    """Say of an interruption how to go on."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        raise Interrupted(f"stopped, and all is saved in {home}; call the same again, and it goes on") from error


def _sweep(
    variant: str,
    data_dir: Path | None,
    count: int | None,
    device: str,
    page: Path | None,
    as_json: bool,
    training: dict[str, Any],
) -> None:
    """Train the trials of a sweep, print the best, and write their page."""
    from ganzoo_tools.cli.sweep_table import print_sweep
    from ganzoo_tools.comparison import sweep_page
    from ganzoo_tools.comparison.sweep import default_folder, sweep

    chosen = {name: training[name] for name in ("data", "steps", "minutes", "trials", "halving", "workers")}
    home = training["out"] or default_folder(variant, training["data"], training["steps"], training["minutes"])
    with _resumable(home):
        found = sweep(
            variant, dict(training["sweeps"]), seeds=training["seeds"] or 1, out=home, n=count or 10_000,
            data_dir=data_dir, device=device, texts=dict(training["pairs"]), **chosen,
        )  # fmt: skip
    path = page or home / "sweep.html"
    sweep_page.write_page(found, behind_link(path) if page else path, data_dir)
    _tell(found, path, as_json, print_sweep)


def _tell(found: Any, page: Path, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print what was found, as JSON or as `show` does it, and where its page is."""
    if as_json:
        print_json(found.to_dict() | {"page": str(page)})
    else:
        show(found)
    note(f"page: {page}")


def _print(found: Comparison) -> None:
    from ganzoo_tools.evaluation.results import better, title

    columns = found.columns()
    rows = [(str(r.rank), r.name, *(_text(r.figures.get(name)) for name in columns), _steps(r)) for r in found.recipes]
    floors = [found.floors[name] for name in columns]
    rows.append(("-", "real data", *(None if f is None else number(f) for f in floors), None))
    print_table(("rank", "recipe", *map(title, columns), "steps"), rows)
    click.echo()
    print_line("ranked by:", f"{title(found.ranked_by)}, {better(found.ranked_by)} is better")
    several = any(len(r.candidates) > 1 for r in found.recipes)
    print_line("spread:", "over trainings with different seeds; no more apart, they share a rank" if several else _ONCE)
    if found.seconds is not None:
        print_line("time:", f"{found.seconds:g} s of training each, by the clock on the wall")
    conditions = found.conditions
    print_line("measured:", f"{conditions['samples']:,} samples of each, {conditions['real']:,} real")
    if found.caution:
        print_line("trust:", found.caution)
    for name, reason in found.left_out.items():
        print_line(f"left out: {name}:", reason)


_ONCE = "unknown, as each was trained once; neighbours may change places with another seed"


def _text(figure: MetricValue | None) -> str | None:
    return None if figure is None else str(figure)


def _steps(recipe: Recipe) -> str:
    """The steps of the trainings, from the fewest to the most."""
    counts = [candidate.evaluation.step for candidate in recipe.candidates]
    return " to ".join(dict.fromkeys(f"{count:,}" for count in (min(counts), max(counts))))
