"""Writes docs/interfaces.md, cli.md, catalogue.md and parts of architecture.md from the code: python docs/reference.py.

A test finds them stale.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ganzoo_core.cli import main

FOLDER = Path(__file__).parent
CORE = FOLDER.parent / "ganzoo_core"
NOTE = "<!-- Written by `python docs/reference.py` from the code; change it there. -->"
LINE = 96

# What is public, by module, in the order of the page: a title, a sentence, the names.
SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Hooks", "ganzoo_core.hookspecs", (
            "ganzoo_variants", "ganzoo_datasets", "ganzoo_callbacks", "ganzoo_watchers", "ganzoo_commands",
            "ganzoo_report_sections", "ReportSection", "ganzoo_metrics", "Metric",
        )),
    ("Marks of a plugin", "ganzoo_core", ("hookimpl", "API_VERSION")),
    ("Variants and data, without torch", "ganzoo_core", (
            "Variant", "Config", "Phase", "DataSpec", "Input", "DataSource", "option",
        )),
    ("Settings", "ganzoo_core.settings", ("Settings", "Option")),
    ("The game", "ganzoo_core", (
            "Generator", "Discriminator", "Frozen", "Networks", "Loss", "Turn", "Player",
        )),
    ("The game's helpers", "ganzoo_core.interfaces", (
            "new_player", "two_players", "logits_of", "column_names", "columns_of", "Part", "Clock", "PlayerFactory",
        )),
    (
        "Losses and penalties",
        "ganzoo_core.losses",
        ("NonSaturating", "Minimax", "LeastSquares", "Hinge", "Wasserstein", "gradient_penalty", "r1_penalty"),
    ),
    ("Layers", "ganzoo_core.dropout", ("Dropout",)),
    ("Building blocks", "ganzoo_core.blocks", (
            "Residual", "residual_block", "PatchDiscriminator", "ImagePool", "UNet", "instance_norm", "normal_weights",
            "halvings", "one_hot",
        )),
    ("Data in memory", "ganzoo_core", ("Dataset",)),
    ("Seeds and noise", "ganzoo_core.seeds", ("derive_seed", "uniform", "normal")),
    ("Observers", "ganzoo_core", ("Callback", "RunInfo")),
    ("What an observer looks at", "ganzoo_core.training.look", ("Look",)),
    (
        "Training and using", "ganzoo_core",
        ("train", "dry_run", "Estimate", "Run", "Report", "load", "TrainedGenerator", "Samples"),
    ),
    ("Tests for plugins", "ganzoo_core.testing", ("VariantSuite", "check", "Result", "train_steps", "Training")),
    (
        "Errors",
        "ganzoo_core.errors",
        (
            "GanzooError", "UnknownNameError", "MissingPluginError", "SettingError", "PluginError", "ContractError",
            "DataError", "FileError", "TrainingError", "NotFiniteError", "Interrupted",
        ),
    ),
    (
        "Tools, a package of its own",
        "ganzoo_tools",
        (
            "evaluate", "Evaluation", "compare", "Comparison", "Recipe", "coordinates", "interpolation",
            "loop", "across_labels", "Exploration", "export_onnx",
        ),
    ),
)  # fmt: skip

# What a tool may use beside the names above, by module: provisional, so that it may change with a minor release.
FOR_TOOLS = (
    "registry", "hookspecs", "dataspec", "variant", "seeds", "storage.names", "storage.files", "storage.json_files",
    "storage.schema", "storage.tensor_files", "datasets", "datasets.sources", "datasets.words",
    "runs.plan", "runs.metadata", "runs.records", "runs.run_folder",
    "drawing.words", "drawing.pictures", "drawing.plots", "drawing.gifs", "drawing.films", "drawing.terminal",
    "drawing.charts", "display.notebook", "display.progress",
    "sampling.surroundings", "sampling.devices", "sampling.generate", "sampling.inputs", "sampling.samples",
    "sampling.examples", "sampling.trained_generator", "sampling.translate", "sampling.remote",
    "sampling.generator_file", "report.page", "report.command", "report.run_page", "training.look", "cli",
    "cli.complete", "cli.options", "cli.output", "cli.progress",
)  # fmt: skip


MARKS = {
    "hookimpl": "The decorator of a plugin's functions that implement hooks.",
    "API_VERSION": "The core API of this release: what a plugin states as `GANZOO_API`.",
}


class _Bare:
    """An annotation that `inspect` writes as it stands in the code, without quotes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def interfaces() -> str:
    """The page of every public name with its signature."""
    lines = [
        "# Interfaces", "", NOTE, "",
        "Every name here is public: see [the promise](write-a-plugin.md#what-stays). "
        "What is not here may change with any release.", "",
    ]  # fmt: skip
    for title, module_name, names in SECTIONS:
        module = importlib.import_module(module_name)
        lines += [f"## {title}", "", f"From `{module_name}`.", ""]
        for name in names:
            lines += _entry(name, getattr(module, name))
    lines += [
        "## For tools, provisional", "",
        "Beside all of the above, a package that offers commands or sections of the report may use these modules. They "
        "may change with a minor release, and the changelog says so.", "",
    ]  # fmt: skip
    lines += [f"- `ganzoo_core.{module}`: {_purpose(_module_file(module.replace('.', '/')))}" for module in FOR_TOOLS]
    return "\n".join(lines).rstrip() + "\n"


def _entry(name: str, thing: Any) -> Iterator[str]:
    yield from (f"### {name}", "")
    if inspect.isclass(thing):
        yield from _class(name, thing)
    elif inspect.isfunction(thing):
        yield from _block(f"def {name}", thing)
        yield from _prose(thing)
    else:
        shown = f"{name} = {thing!r}" if isinstance(thing, int) else f"@{name}"
        yield from ("```python", shown, "```", "", MARKS[name], "")


def _class(name: str, cls: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    made = [f"{name}{_signature(cls)}"] if _is_made(cls) else []
    yield from ("```python", f"class {name}" + (f"({bases})" if bases else ""), *made, "```", "")
    yield from _prose(cls)
    if stated := list(_attributes(cls)):
        yield from ("```python", *stated, "```", "")
    for member_name, member in vars(cls).items():
        if member_name.startswith("_") or inspect.isclass(member) or not _is_member(member):
            continue
        yield from _member(name, member_name, member)


def _is_member(member: Any) -> bool:
    kinds = (property, classmethod, staticmethod)
    return inspect.isfunction(member) or isinstance(member, kinds) or hasattr(member, "attrname")


def _member(owner: str, name: str, member: Any) -> Iterator[str]:
    function = getattr(member, "fget", None) or getattr(member, "func", None) or getattr(member, "__func__", member)
    yield from (f"#### {owner}.{name}", "")
    if isinstance(member, property) or hasattr(member, "attrname"):  # a property, cached or not
        yield from ("```python", f"{name}: {inspect.signature(function).return_annotation}", "```", "")
    else:
        must = ["@abstractmethod"] if getattr(function, "__isabstractmethod__", False) else []
        must += ["@classmethod"] if isinstance(member, classmethod) else []
        yield from _block("\n".join([*must, f"def {name}"]), function)
    yield from _prose(function)


def _attributes(cls: type) -> Iterator[str]:
    """Class attributes that are annotated but are no parameter of `__init__`: what a subclass states."""
    annotations = inspect.get_annotations(cls)
    made_with = set(inspect.signature(cls).parameters) if annotations and _is_made(cls) else set()
    for name, annotation in annotations.items():
        if name.startswith("_") or name in made_with:
            continue
        value = vars(cls).get(name, inspect.Parameter.empty)
        default = "" if value is inspect.Parameter.empty else f" = {getattr(value, '__name__', repr(value))}"
        yield f"{name}: {annotation}{default}".replace("'", '"')


def _is_made(cls: type) -> bool:
    """Whether the class says how one is made; some are made by the core alone."""
    return ("__init__" in vars(cls) or "__new__" in vars(cls)) and cls.__name__ not in ("Turn", "Training")


def _block(head: str, function: Any) -> list[str]:
    return ["```python", head + _signature(function), "```", ""]


def _signature(function: Any) -> str:
    """The exact signature; one parameter a line where it is long."""
    found = inspect.signature(function)
    parameters = [_shown(p) for p in found.parameters.values() if p.name not in ("self", "cls")]
    gives = found.return_annotation
    if inspect.isclass(function) or gives is inspect.Signature.empty:
        gives = inspect.Signature.empty
    else:
        gives = _Bare(gives if isinstance(gives, str) else inspect.formatannotation(gives))
    text = str(inspect.Signature(parameters, return_annotation=gives)).replace("'", '"')
    if len(text) <= LINE:
        return text
    marks = [str(p).replace("'", '"') for p in parameters]
    keywords = [i for i, p in enumerate(parameters) if p.kind is p.KEYWORD_ONLY]
    if keywords:
        marks.insert(keywords[0], "*")
    tail = "" if gives is inspect.Signature.empty else f" -> {gives!r}"
    return "(\n" + "".join(f"    {mark},\n" for mark in marks) + ")" + tail


def _shown(parameter: inspect.Parameter) -> inspect.Parameter:
    text = getattr(parameter.annotation, "__forward_arg__", parameter.annotation)
    name = getattr(parameter.default, "__name__", None)  # of a class or a function
    if name and parameter.default is not parameter.empty:
        parameter = parameter.replace(default=_Bare(name))
    return parameter.replace(annotation=_Bare(text)) if isinstance(text, str) else parameter


def _prose(thing: Any) -> Iterator[str]:
    if thing.__doc__:
        yield from (_escaped(inspect.cleandoc(thing.__doc__)), "")


def _escaped(text: str) -> str:
    """Plain prose as Markdown that shows it; what stands in backticks is left as it is."""
    parts = re.split("(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub("([*<])", r"\\\1", part) for part in parts)


def cli() -> str:
    """The page of every command with its options."""
    lines = [
        "# The command line", "", NOTE, "",
        "Results go to stdout, progress and messages to stderr. Exit 0: done; 1: a mistake in what was asked, or a "
        "failed run, in one line; 2: wrong usage.", "",
        "`GANZOO_DATA` names the data folder and `GANZOO_PLUGINS` the plugins to load: see "
        "[the environment](python-api.md#the-environment).", "",
        "## Completion", "",
        "A shell completes commands, options, and the names of variants, data sets and runs once it has read a script, "
        "which click writes. For bash, zsh and fish, once:", "",
        "<!-- not run: it changes the settings of a shell -->", "```bash",
        "_GANZOO_COMPLETE=bash_source ganzoo > ~/.ganzoo.bash && echo '. ~/.ganzoo.bash' >> ~/.bashrc",
        "_GANZOO_COMPLETE=zsh_source ganzoo > ~/.ganzoo.zsh && echo '. ~/.ganzoo.zsh' >> ~/.zshrc",
        "_GANZOO_COMPLETE=fish_source ganzoo > ~/.config/fish/completions/ganzoo.fish", "```", "",
    ]  # fmt: skip
    parent = click.Context(main, info_name="ganzoo")
    for name in main.list_commands(parent):
        command = main.get_command(parent, name)
        assert command is not None
        lines += _command(command, click.Context(command, info_name=name, parent=parent))
    return "\n".join(lines).rstrip() + "\n"


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield from (f"## ganzoo {command.name}", "")
    yield from ("```text", " ".join([context.command_path, *command.collect_usage_pieces(context)]), "```", "")
    yield from (_escaped(inspect.cleandoc(command.help or "")), "")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield f"- `{_switch(parameter)}`: {_escaped(parameter.help or '')}{_ways(parameter)}"
    yield ""


def _switch(option: click.Option) -> str:
    names = "/".join([option.opts[-1], *option.secondary_opts])
    kind = option.type
    if option.is_flag:
        return names
    return f"{names} {option.metavar or ('|'.join(kind.choices) if isinstance(kind, click.Choice) else kind.name)}"


def _ways(option: click.Option) -> str:
    default = f" Default: {option.default}." if option.show_default else ""
    return default + (" May be repeated." if option.multiple and "repeat" not in str(option.help) else "")


def architecture() -> str:
    """The page of the architecture: what stands in it, the floors and the table of files written anew.

    The names of the floors and their order are the page's own: the code is held to them.
    """
    page = (FOLDER / "architecture.md").read_text(encoding="utf-8")
    names = re.findall(r"^    (\S+)", _between(page, "floors"), flags=re.MULTILINE)
    width = max(map(len, names)) + 2
    floors = [f"    {name:{width}}{_purpose(_module_file(name))}" for name in names]
    page = _with(page, "floors", floors)
    tables = [line for name in names for line in _table(name)]
    return _with(page, "files", tables)


def catalogue() -> str:
    """The page of known plugins."""
    known = tomllib.loads((CORE / "catalogue.toml").read_text(encoding="utf-8"))["plugin"]
    lines = [
        "# Known plugins", "", "<!-- Written by `python docs/reference.py` from ganzoo_core/catalogue.toml. -->", "",
        "Each is a package of its own: `pip install PACKAGE`, and `ganzoo list` shows its variants. `ganzoo run NAME` "
        "says which package to install where a variant of this list is not there.", "",
        "| package | variants | what it is |", "| --- | --- | --- |",
    ]  # fmt: skip
    for one in known:
        names = ", ".join(f"`{name}`" for name in one["variants"])
        lines.append(f"| `{one['package']}` | {names} | {_escaped(one['about'])} |")
    lines += [
        "", "A package of yours is found without being listed. To have it listed, add it to "
        "`ganzoo_core/catalogue.toml`, run `python docs/reference.py`, and ask for it to be taken in. "
        "Being listed is no promise: "
        "[installing a plugin is trusting it](security.md#a-plugin-from-a-stranger).",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _between(page: str, part: str) -> str:
    return page.partition(f"<!-- {part} -->\n")[2].partition("<!-- end -->")[0]


def _with(page: str, part: str, lines: list[str]) -> str:
    """The page with these lines between the part's mark and the next end."""
    before, mark, rest = page.partition(f"<!-- {part} -->\n")
    _, end, after = rest.partition("<!-- end -->")
    return before + mark + "\n" + "\n".join(lines).rstrip() + "\n\n" + end + after


def _module_file(name: str) -> Path:
    folder = CORE / name
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _purpose(file: Path) -> str:
    """The first line of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].removesuffix(".")


def _table(floor: str) -> Iterator[str]:
    """A room's files, in the order of their names."""
    files = sorted(path for path in (CORE / floor).rglob("*.py") if path.name != "__init__.py")
    if files:
        yield from (f"### {floor}", "", "| file | what it holds |", "| --- | --- |")
        yield from (f"| `{path.relative_to(CORE.parent)}` | {_escaped(_purpose(path))} |" for path in files)
        yield ""


PAGES = {"interfaces.md": interfaces, "cli.md": cli, "architecture.md": architecture, "catalogue.md": catalogue}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (FOLDER / page).write_text(write(), encoding="utf-8")
