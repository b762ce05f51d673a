"""What DESIGN promises of the code as a whole: which way imports point, what stays torch-free, what is never used."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import ganzoo_core
from ganzoo_core.registry import registry

ROOT = Path(__file__).parents[1]
CORE = ROOT / "ganzoo_core"
PLUGIN_FOLDERS = [f.parent for group in ("plugins", "examples") for f in sorted(ROOT.glob(f"{group}/*/pyproject.toml"))]
PLUGIN_PACKAGES = [package for folder in PLUGIN_FOLDERS for package in sorted(folder.glob("ganzoo_*"))]

HEAVY = {"torch", "torchvision", "numpy", "matplotlib", "sklearn", "PIL", "safetensors", "onnx", "onnxruntime"}
PUBLIC_MODULES = {"losses", "dropout", "blocks", "interfaces", "data", "errors", "callbacks", "settings", "testing"}
PUBLIC_NAMES = {("ganzoo_core.seeds", "uniform"), ("ganzoo_core.seeds", "normal")}  # noise, of write-a-plugin.md


@dataclass(frozen=True)
class Import:
    """One imported name: `module` is dotted, `name` None for `import module`."""

    module: str
    name: str | None
    in_function: bool


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> list[Import]:
    """Every import of a file but those for type checkers alone."""

    def walk(node: ast.AST, in_function: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for other in child.orelse:
                    yield from walk(other, in_function)
            elif isinstance(child, ast.Import):
                yield from (Import(alias.name, None, in_function) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path} imports relatively"
                yield from (Import(str(child.module), alias.name, in_function) for alias in child.names)
            else:
                inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, in_function or inner)

    return list(walk(tree(path), False))


CORE_FILES = {module_name(path, ROOT): path for path in sorted(CORE.rglob("*.py"))}


OUR_FILES = CORE_FILES | {
    module_name(path, folder): path
    for folder in PLUGIN_FOLDERS
    for package in folder.glob("ganzoo_*")
    for path in package.rglob("*.py")
}


def module_of(found: Import) -> str | None:
    """The module of ours that an import loads, or None where it is somebody else's."""
    whole = f"{found.module}.{found.name}"
    return next((name for name in (whole, found.module) if name in OUR_FILES), None)


# What is imported before anybody asks for a network: listing, help, a plugin's `__init__`.
TORCH_FREE = (
    "errors", "settings", "dataspec", "datasource", "variant", "callbacks", "hookspecs", "registry",
    "guards.parts", "storage.names", "storage.files", "storage.json_files", "storage.schema",
    "datasets", "datasets.sources",
    "runs.run_settings", "runs.plan", "runs.metadata", "runs.records", "runs.run_folder",
    "drawing.words", "display.progress", "distributed.launch", "training.collapse_warning",
)  # fmt: skip


def entry_points(folder: Path) -> dict[str, Path]:
    """The modules that a plugin's entry points name, with their files."""
    stated = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]["ganzoo"]
    found = {}
    for module in stated.values():
        path = folder.joinpath(*module.split("."))
        found[module] = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return found


def torch_free_modules() -> dict[str, Path]:
    names = [f"ganzoo_core.{name}" for name in TORCH_FREE]
    names += [name for name in CORE_FILES if name.startswith("ganzoo_core.cli.") and name != "ganzoo_core.cli.layers"]
    modules = {name: CORE_FILES[name] for name in names}
    return modules | {name: path for folder in PLUGIN_FOLDERS for name, path in entry_points(folder).items()}


@pytest.mark.parametrize("root", torch_free_modules())
def test_torch_free_modules_import_nothing_heavy(root: str) -> None:
    """Nor does anything they import in turn, before a function of theirs is called."""
    todo, seen = [(root, torch_free_modules()[root])], {root}
    while todo:
        module, path = todo.pop()
        for found in imports(path):
            if found.in_function:
                continue
            heavy = found.module.split(".")[0] in HEAVY
            assert not heavy, f"{root} must stay light, but {module} imports {found.module} at its top"
            target = module_of(found)
            if target is not None and target not in seen:
                seen.add(target)
                todo.append((target, OUR_FILES[target]))


def test_torch_free_modules_leave_torch_and_numpy_out(run_python) -> None:
    program = f"""
import importlib
for name in {sorted(torch_free_modules())!r}:
    importlib.import_module(name)
    heavy = sorted({HEAVY!r} & set(sys.modules))
    assert not heavy, f"{{name}} loads {{heavy}}"
print("light")
"""
    assert run_python(program, ROOT, *PLUGIN_FOLDERS) == "light\n"


def test_the_public_names_are_listed_and_completed_before_they_are_imported(run_python) -> None:
    program = """
import ganzoo_core as ganzoo
missing = set(ganzoo.__all__) - set(dir(ganzoo))
assert not missing, missing
print("torch" in sys.modules)
from rlcompleter import Completer
print(Completer({"ganzoo": ganzoo}).complete("ganzoo.tr", 0))
"""
    out = run_python(program, ROOT)
    assert out == "False\nganzoo.train(\n"


@pytest.mark.parametrize(
    "arguments", [["list"], ["list", "--json"], ["data"], ["plugins"], ["--help"], ["run", "--help"]]
)
def test_listing_and_help_leave_torch_and_numpy_out(run_python, arguments: list[str]) -> None:
    program = f"""
from ganzoo_core.cli import main
sys.argv = ["ganzoo", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = sorted({{"torch", "numpy"}} & set(sys.modules))
print("loaded:", heavy)
"""
    out = run_python(program, ROOT, ROOT / "tests" / "toy_plugin", *PLUGIN_FOLDERS)
    assert out.endswith("loaded: []\n")


def test_weights_are_read_without_pytorchs_compiler(run_python) -> None:
    """It takes as long to import as PyTorch itself, and emulates the drawing of weights that are read from a file."""
    program = """
from pathlib import Path
from torch import nn
from ganzoo_core.storage import untrusted

layers = lambda: nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 8), nn.BatchNorm1d(8), nn.PReLU())
shapes = {name: tuple(t.shape) for name, t in layers().state_dict().items()}
dtypes = {name: t.dtype for name, t in layers().state_dict().items()}
assert untrusted.check(layers, "generator", Path("file"), shapes, dtypes)
print("compiler:", "torch._dynamo" in sys.modules)
"""
    assert run_python(program, ROOT) == "compiler: False\n"


@pytest.mark.long
def test_no_variants_networks_import_pytorchs_compiler_to_learn_their_sizes(run_python, tmp_path) -> None:
    """Neither those that a run's memory is judged by, nor those that a file is compared with."""
    program = f"""
from pathlib import Path
import torch
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import resolve
from ganzoo_core.storage.untrusted import Undrawn

specs, guilty = {{}}, []
for name in registry().variants():
    plan = resolve(name, {{}})
    if plan.source.name not in specs:
        specs[plan.source.name] = plan.source.load(Path({str(tmp_path)!r})).spec
    spec = specs[plan.source.name]
    with torch.device("meta"), Undrawn():
        plan.variant.generator(spec), plan.variant.discriminator(spec), plan.variant.further_networks(spec)
    if not {{"torch._dynamo", "sympy"}}.isdisjoint(sys.modules):
        raise SystemExit(name)
print(len(specs) > 5)
"""
    assert run_python(program, ROOT, *PLUGIN_FOLDERS) == "True\n"


@pytest.mark.long
def test_a_run_comes_to_its_first_step_with_nothing_idle(run_python, tmp_path) -> None:
    """PyTorch's compiler and scikit-learn take as long to import as PyTorch; matplotlib draws at the end of a run."""
    idle = {"torch._dynamo", "sympy", "sklearn", "scipy", "triton", "torchvision", "jinja2", "matplotlib.figure"}
    program = f"""
import ganzoo_core as ganzoo

class First(ganzoo.Callback):
    def on_step(self, step, look):
        print("idle:", sorted({idle!r} & set(sys.modules)))

folder = {str(tmp_path / "run")!r}
ganzoo.train("dcgan", data="digits", steps=1, batch_size=8, device="cpu", callbacks=[First()], out=folder)
"""
    assert run_python(program, ROOT, *PLUGIN_FOLDERS) == "idle: []\n"


def test_thirty_plugins_leave_torch_and_numpy_out(run_python, tmp_path) -> None:
    out = run_python(
        f"""
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from benchmarks.startup import install
install(Path({str(tmp_path)!r}), 30)
sys.argv = ["ganzoo", "list"]
from ganzoo_core.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("imported:", sum(name.startswith("ganzoo_dummy_") for name in sys.modules))
print("heavy:", sorted({HEAVY!r} & set(sys.modules)))
""",
        tmp_path,
    )
    assert out.endswith("imported: 30\nheavy: []\n")
    assert all(f"dummy-{number:03d}" in out for number in range(30))


def test_the_benchmark_of_the_start_up_runs() -> None:
    command = [sys.executable, "-m", "benchmarks.startup", "--plugins", "2", "--runs", "1"]
    table = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split("  ")[0] for line in table.splitlines()[2:]] == [
        "ganzoo list", "import ganzoo_core", "python -c pass"
    ]  # fmt: skip
    figures = json.loads(
        subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    )
    assert (figures["plugins"], figures["runs"]) == (2, 1)
    for program in figures["programs"].values():
        assert 0 < program["min_s"] <= program["median_s"] <= program["max_s"] and program["cpu_median_s"] >= 0


@pytest.mark.long
def test_the_start_up_is_compared_with_another_interpreter() -> None:
    command = [sys.executable, "-m", "benchmarks.startup", "--plugins", "0", "--runs", "1", "--against", sys.executable]
    programs = ["--only", "ganzoo run vanilla", "--only", "python -c pass"]
    table = subprocess.run([*command, *programs], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line.split("  ")[0] for line in table.splitlines()[2:]]
    assert lines == ["ganzoo run vanilla", "python -c pass"]
    told = subprocess.run([*command, *programs[2:], "--json"], cwd=ROOT, capture_output=True, text=True, check=True)
    (found,) = json.loads(told.stdout)["programs"].values()
    assert found["ratio_min"] == found["ratio"] == found["ratio_max"]
    wrong = subprocess.run([*command, "--only", "ganzoo fly"], cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 2 and "there is no ganzoo fly; there are ganzoo list" in wrong.stderr


def figures_of(*arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", *arguments, "--json"]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", ["64", "1"])
def test_the_benchmark_of_sampling_runs(batch_size: str) -> None:
    rows = figures_of("benchmarks.sample", "cgan", "-n", "70", "--rounds", "1", "--batch-size", batch_size)
    assert [(row["files"], row["n"]) for row in rows] == [("npz", 70), ("png", 70)]
    for row in rows:
        assert all(row["images_per_s"][loop]["median"] > 0 and row["peak_mb"][loop] > 50 for loop in row["peak_mb"])
        assert row["ratio"]["median"] == pytest.approx(
            row["images_per_s"]["ganzoo"]["median"] / row["images_per_s"]["textbook"]["median"]
        )


@pytest.mark.long
def test_the_benchmark_of_a_card_runs_on_the_processor_too() -> None:
    (row,) = figures_of("benchmarks.gpu", "vanilla", "--device", "cpu", "--modes", "fp32,bf16", "--rounds", "1")
    assert row["variant"] == "vanilla" and row["steps_per_s"] > 1 and row["bf16"]["median"] > 0


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak")
def test_a_run_takes_little_memory_beyond_torch() -> None:
    (row,) = figures_of("benchmarks.memory", "cgan", "--data", "digits", "--steps", "10", "--rounds", "1")
    assert row["imports_mb"] > 50 and row["run_mb"] - row["imports_mb"] == row["above_mb"]["median"]
    assert 0 < row["above_mb"]["median"] < 400


@pytest.mark.long
def test_the_benchmark_of_a_step_s_memory_runs() -> None:
    """Thirty-two coloured pictures of 16 pixels, real and fake, are 196 kB: that much is in use at least."""
    options = ["--image-size", "16", "--set", "batch_size=32", "--steps", "1"]
    options += ["--resident"] if sys.platform == "linux" else []
    (row,) = figures_of("benchmarks.step_memory", "conv", *options)
    for name in ("kept", "dropped"):
        assert 0.19 < row[name]["step_mb"] < 20 and row[name]["state_mb"] > 0.1 and row[name]["step_s"] > 0
    assert row["dropped"]["step_mb"] < row["kept"]["step_mb"]
    assert row["dropped"]["state_mb"] == row["kept"]["state_mb"]


def is_public(found: Import) -> bool:
    path = found.module.split(".")[1:]
    if (found.module, found.name) in PUBLIC_NAMES:
        return True
    if not path:
        return found.name in {None, *ganzoo_core.__all__, *PUBLIC_MODULES}
    return len(path) == 1 and path[0] in PUBLIC_MODULES and not str(found.name).startswith("_")


def dependencies(folder: Path) -> set[str]:
    """The packages a plugin states it needs."""
    stated = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["dependencies"]
    return {re.match(r"[A-Za-z0-9._-]+", text).group() for text in stated}  # type: ignore[union-attr]


def for_tools() -> set[str]:
    """The modules that docs/reference.py lists for packages that offer tools."""
    module = tree(ROOT / "docs" / "reference.py")
    (listed,) = (n.value for n in module.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "FOR_TOOLS")
    return {f"ganzoo_core.{name}" for name in ast.literal_eval(listed)}


def has_variant(folder: Path) -> bool:
    """Whether a package offers a variant; else it has tools, data or callbacks."""
    bodies = [tree(path).body for path in entry_points(folder).values()]
    return "ganzoo_variants" in {node.name for body in bodies for node in body if isinstance(node, ast.FunctionDef)}


TOYS = ("ganzoo_toy", "ganzoo_takers")  # which conftest.py puts on the path


def check_imports(path: Path, package: Path, provisional: set[str], helpers: Collection[str] = ()) -> None:
    """Nothing private of the core, and of other plugins only what the package states it needs, or test helpers."""
    for found in imports(path):
        top = found.module.split(".")[0]
        if top == "ganzoo_core":
            allowed = is_public(found) or {found.module, f"{found.module}.{found.name}"} & provisional
            assert allowed and not str(found.name).startswith("_"), (
                f"{path.relative_to(ROOT)}: {found.module}.{found.name} is not public"
            )
        elif top.startswith("ganzoo_") and top not in {package.name, *helpers}:
            assert top.replace("_", "-") in dependencies(package.parent), f"{package.name} must depend on {top}"


@pytest.mark.parametrize("package", PLUGIN_PACKAGES, ids=lambda package: package.name)
def test_plugins_use_public_names_only(package: Path) -> None:
    provisional = set() if has_variant(package.parent) else for_tools()
    for path in package.rglob("*.py"):
        check_imports(path, package, provisional)


@pytest.mark.parametrize("package", PLUGIN_PACKAGES, ids=lambda package: package.name)
def test_tests_of_plugins_use_public_names_only(package: Path) -> None:
    """They are the examples that authors of plugins follow, and go with the packages to wherever those are kept."""
    found = sorted(package.parent.glob("tests/**/*.py"))
    assert found, f"{package.name} has no tests"
    for path in found:
        provisional = set() if has_variant(package.parent) else for_tools()
        check_imports(path, package, provisional, helpers=() if has_variant(package.parent) else TOYS)


def test_public_modules_have_no_secrets() -> None:
    """The rule above would let a plugin import the engine if the core re-exported it."""
    assert not {"Engine", "Trainer", "main"} & set(ganzoo_core.__all__)


def variant_names() -> set[str]:
    """The folders of plugins/ and examples/ that hold a variant, and the names of all that are installed."""
    names = {folder.name for folder in PLUGIN_FOLDERS if has_variant(folder)} | {*registry().variants()}
    words = {"unit", "began", "hinge"}  # of English and of losses
    return {name for name in names - words if not name.startswith("toy")}


def docstrings(module: ast.Module) -> set[int]:
    return {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Each identifier and each string that is no docstring, with its line; words are parted by underscores."""
    module = tree(path)
    prose = docstrings(module)
    for node in ast.walk(module):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nn":
            continue  # torch's layers have names of their own
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield line, node.value
        for attribute in ("id", "attr", "name", "arg", "module", "asname"):
            value = getattr(node, attribute, None)
            if isinstance(value, str):
                yield line, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", value)


@cache
def any_variant() -> re.Pattern[str]:
    """A variant's name as a word of its own."""
    names = sorted(variant_names(), key=len, reverse=True)
    return re.compile(
        rf"(?<![a-z0-9])({'|'.join(re.escape(name) for name in names)})(?![a-z0-9])".replace("\\-", "[-_]")
    )


@pytest.mark.parametrize("module", CORE_FILES)
def test_the_core_knows_no_variant_by_name(module: str) -> None:
    """Neither in a branch nor in an example: a zoo without that plugin must read as well."""
    for line, text in texts(CORE_FILES[module]):
        found = any_variant().search(text.lower())
        assert not found, f"{module}, line {line} names the variant {found and found[0]}: {text!r}"


@pytest.mark.parametrize("module", [name for name in CORE_FILES if name != "ganzoo_core.hookspecs"])
def test_the_core_knows_no_tool(module: str) -> None:
    """hookspecs.MOVED alone says which package has what the core had in 0.1."""
    for line, text in texts(CORE_FILES[module]):
        assert not re.search("ganzoo[-_](tools|folder)", text), f"{module}, line {line} names the tools: {text!r}"


def shipped_files() -> list[Path]:
    folders = [ROOT / name for name in ("ganzoo_core", "plugins", "examples", "benchmarks", "docs")]
    found = [path for folder in folders for path in folder.rglob("*.py")] + list(ROOT.glob("*.py"))
    return sorted(path for path in found if "tests" not in path.relative_to(ROOT).parts)


FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_NAMES = {"torch.load", "torch.save", "torch.serialization", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}


def dangers(module: ast.Module) -> Iterator[str]:
    """What would read or write pickle, or run a text as code."""
    for node in ast.walk(module):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            yield "allow_pickle"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            yield node.func.id
        yield from (name for name in names if name.split(".")[0] in FORBIDDEN_MODULES or name in FORBIDDEN_NAMES)


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_reads_or_writes_pickle_or_runs_texts(path: Path) -> None:
    assert list(dangers(tree(path))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "torch.load(x)",
        "torch.save",
        "from torch import load",
        "np.load(x, allow_pickle=True)",
        "np.load(x, allow_pickle=flag)",
        "yaml.load(x)",
        "eval(x)",
        "exec(x)",
    ],
)
def test_the_search_for_pickle_finds_it(code: str) -> None:
    assert list(dangers(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["np.load(x, allow_pickle=False)", "network.eval()", "json.load(x)", "yaml.safe_load(x)"]
)
def test_the_search_for_pickle_leaves_others_alone(code: str) -> None:
    assert not list(dangers(ast.parse(code)))


@pytest.mark.parametrize("module", CORE_FILES)
def test_files_are_short(module: str) -> None:
    lines = len(CORE_FILES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= 350, f"{module} has {lines} lines; part it"
