"""`ganzoo compare`: which is best, of finished runs or of variants that it trains first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import UserPath, data_dir_option, json_option, set_option
from ganzoo_core.cli.output import note, print_json, print_line, print_table
from ganzoo_core.errors import Interrupted
from ganzoo_core.hookspecs import hookimpl
from ganzoo_core.storage.files import behind_link

if TYPE_CHECKING:
    from ganzoo_tools.comparison.ranking import Comparison, Recipe
    from ganzoo_tools.evaluation.results import MetricValue

_RACE_ONLY = ("data", "minutes", "seeds", "out", "pairs")


GANZOO_API = 2


@hookimpl
def ganzoo_commands(cli: click.Group) -> None:
    """Add `ganzoo compare`."""
    cli.add_command(command)


@click.command("compare")
@click.argument("runs", nargs=-1, metavar="[RUN]...", shell_complete=complete.runs)
@click.option("--variants", metavar="NAME,NAME,...", help="Train these first; `all`: every one that can use the data.")
@click.option("--data", metavar="NAME", help="With --variants: what to train on, digits by default.")
@data_dir_option
@click.option("--minutes", type=float, metavar="N", help="With --variants: how long to train each, 1 by default.")
@click.option(
    "--seeds", type=click.IntRange(1, 1000), metavar="N",
    help="With --variants: train each with the seeds 0 to N-1; 1 by default, without a spread.",
)  # fmt: skip
@click.option(
    "--out", type=UserPath(file_okay=False, path_type=Path), metavar="DIR",
    help="With --variants: where to train; an existing folder is resumed.",
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
    """Compare runs, or variants that are trained first, each for the same time.

    Prints a table with spread and rank, and writes a page with samples, curves and cost. Stored results of `ganzoo
    evaluate` are reused. With --variants, the same call resumes after an interruption.
    """
    if bool(runs) == (variants is not None):
        raise click.UsageError("name the RUNs to compare, or --variants to train, and not both")
    given = [f"--{'set' if name == 'pairs' else name}" for name in _RACE_ONLY if training[name] not in (None, ())]
    if runs and given:
        raise click.UsageError(f"{', '.join(given)} only with --variants: RUNs are trained already")
    from ganzoo_tools.comparison import page as pages
    from ganzoo_tools.comparison.race import compare, default_folder, race

    if variants is None:
        found = compare(runs, n=count, data_dir=data_dir, device=device)
        home = Path(os.path.expanduser(runs[0])).absolute().parent
    else:
        names = None if variants == "all" else [name.strip() for name in variants.split(",") if name.strip()]
        data, minutes = training["data"] or "digits", 1.0 if training["minutes"] is None else training["minutes"]
        home = training["out"] or default_folder(data, minutes)
        try:
            found = race(
                names, data=data, minutes=minutes, seeds=training["seeds"] or 1, out=home, n=count or 10_000,
                data_dir=data_dir, device=device, texts=dict(training["pairs"]),
            )  # fmt: skip
        except (Interrupted, KeyboardInterrupt) as error:
            raise Interrupted(f"stopped, and all is saved in {home}; call the same again, and it goes on") from error
    path = page or home / "comparison.html"
    pages.write_page(found, behind_link(path) if page else path, data_dir)
    if as_json:
        print_json(found.to_dict() | {"page": str(path)})
    else:
        _print(found)
    note(f"page: {path}")


def _print(found: Comparison) -> None:
    from ganzoo_tools.evaluation.results import better, title

    columns = found.columns()
    rows = [(str(r.rank), r.name, *(_text(r.figures.get(name)) for name in columns), _steps(r)) for r in found.recipes]
    floors = [found.floors[name] for name in columns]
    rows.append(("-", "real data", *(None if f is None else f"{f:.3g}" for f in floors), None))
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
    if figure is None:
        return None
    return f"{figure.mean:.3g}" + ("" if figure.spread is None else f" ± {figure.spread:.2g}")


def _steps(recipe: Recipe) -> str:
    """The steps of the trainings, from the fewest to the most."""
    counts = [candidate.evaluation.step for candidate in recipe.candidates]
    return " to ".join(dict.fromkeys(f"{count:,}" for count in (min(counts), max(counts))))
