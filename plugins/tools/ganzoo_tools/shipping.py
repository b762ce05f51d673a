"""Weights for others to use: a small file, a card that says what they are, and a picture."""

from __future__ import annotations

from pathlib import Path

from ganzoo_core.drawing.pictures import png_bytes
from ganzoo_core.drawing.words import duration, typed
from ganzoo_core.errors import FileError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.runs.metadata import RunMetadata
from ganzoo_core.runs.plan import find_source, resolve
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.examples import EXAMPLES, copy_examples, examples_beside
from ganzoo_core.sampling.generator_file import load, write_halved
from ganzoo_core.sampling.samples import Samples
from ganzoo_core.storage.files import behind_link, write_atomically
from ganzoo_core.storage.names import shell_word
from ganzoo_tools.evaluation.results import Evaluation, evaluation_file

# Settings that change no sample, or are said otherwise.
_NO_MATTER = ("data", "device", "compile", "cuda_graph", "snapshots", "log_every", "checkpoint_every_s", "keep")
_ROWS = 32  # samples on a card's picture, where no class or input says how many


def ship(run: Path, path: Path, *, limits: str = "", examples: bool = False, source: str | None = None) -> list[Path]:
    """Write a run's weights as float16 to `path`, and beside them a card in Markdown and its picture; returns all.

    `limits`: what the generator is bad at, for the card. `examples`: also the inputs that the run keeps, which are
    pictures or texts of its data, so that samples can be made without any. `source`: by what name others have the
    weights, the file's by default. Raises `FileError` where the run has no
    weights or no examples, `SettingError` where it takes no inputs.
    """
    if path.suffix.lower() != ".safetensors":
        raise FileError(f"weights are written as .safetensors, but the file is {path.name!r}")
    folder = RunFolder.open(run)
    generator = load(run)
    if examples and not generator.inputs:
        raise SettingError(f"{generator.variant.name} takes no inputs, so that there are no examples; leave them out")
    if examples and not (run / EXAMPLES).exists():
        raise FileError(f"{run} has no {EXAMPLES} to take along; leave the examples out")
    path = behind_link(path)
    write_halved(run, path)
    card, picture = path.with_suffix(".md"), path.with_suffix(".png")
    written = [path, card, picture]
    if examples:
        copy_examples(run, path)
        written.append(examples_beside(path))
    if not generator.inputs or examples:
        write_atomically(picture, png_bytes(_samples(path).picture()))
    else:
        written.remove(picture)
    write_atomically(card, card_of(folder, path, limits=limits, picture=picture in written, source=source).encode())
    return written


def card_of(
    folder: RunFolder, weights: Path, *, limits: str = "", picture: bool = True, source: str | None = None
) -> str:
    """What a run's weights are, in Markdown: data and its licence, how they were trained, and how good they are."""
    run = folder.metadata()
    variant, plugin = registry().variant(run.variant)
    seconds = folder.trained_seconds()
    settings = run.settings
    facts = {
        "Variant": f"{run.variant}, of {plugin.package} {run.package_version}: {variant.title}, {variant.paper}",
        "Data": f"{_data(run)}: {run.data_size:,} of {'x'.join(map(str, run.data.shape))}; {origin_of(run)}",
        "Trained by": f"`{command_of(run)}`",
        "Steps": f"{settings['steps']:,} of {settings['batch_size']:,} samples, seed {settings['seed']}, in "
        f"{duration(seconds)} on {run.environment['device']}",
        "Numbers": f"{run.parameters['generator']:,}, stored as float16, {weights.stat().st_size / 1e6:.2f} MB",
    }
    parts = [f"# {run.variant} on {run.data.name}", f"    ganzoo sample {shell_word(source or weights.name)}"]
    parts += [f"![Samples]({weights.with_suffix('.png').name})"] if picture else []
    parts += ["\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in facts.items())])]
    judged = folder.path / evaluation_file(None)
    parts += [
        "## How good it is",
        figures_table(Evaluation.read(judged)) if judged.exists() else "It was not evaluated.",
    ]
    parts += ["## What it is bad at", limits] if limits else []
    return "\n\n".join(parts) + "\n"


def command_of(run: RunMetadata) -> str:
    """The command that trains such a run: `ganzoo run`, with the settings that are not the defaults.

    Of a data set that is a path the last part stands for it.
    """
    data = _data(run)
    defaults = resolve(run.variant, {}).settings()
    words = ["ganzoo", "run", run.variant, *(["--data", shell_word(data)] if data != defaults["data"] else [])]
    if data != defaults["data"]:
        defaults |= find_source(run.settings["data"])[0].Options().to_dict()
    for name, value in run.settings.items():
        if name not in _NO_MATTER and typed(value) != typed(defaults.get(name)):
            words += ["--set", shell_word(f"{name}={typed(value)}")]
    if run.began_with:
        words += ["--from", shell_word(Path(run.began_with["source"]).name)]
    return " ".join(words)


def _data(run: RunMetadata) -> str:
    """The data set's name as one types it, without the way to a folder on this machine."""
    head, colon, path = str(run.settings["data"]).partition(":")
    return f"{head}:{Path(path).name}" if colon else head


def origin_of(run: RunMetadata) -> str:
    return find_source(str(run.settings["data"]))[0].origin.partition("; fetches")[0]


def _samples(weights: Path) -> Samples:
    """What a card shows, of the weights as they are stored."""
    generator = load(weights)
    is_plain = not generator.inputs and not generator.variant.conditional
    return generator.sample(_ROWS if is_plain and generator.spec.has_pixels else None)


def figures_table(found: Evaluation) -> str:
    """What an evaluation found, in Markdown, real data beside each figure."""
    lines = ["| Figure | Value | Real data |", "|---|---|---|"]
    for title, figure, _ in found.rows():
        floor = "" if figure.floor is None else f"{figure.floor:.4g}"
        spread = "" if figure.spread is None else f" ± {figure.spread:.2g}"
        lines.append(f"| {title} | {figure.mean:.4g}{spread} | {floor} |")
    seeds = len(found.conditions["seeds"])
    how = f"By `ganzoo evaluate`: {found.conditions['samples']:,} samples of each of {seeds} sampling seeds against "
    return f"{how}{found.conditions['real']:,} real ones of {found.conditions['data']}.\n\n" + "\n".join(lines)
