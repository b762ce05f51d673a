"""Each value of a run's JSON files set to others: what reads them shows them, or ends in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import FileError
from ganzoo_core.runs.metadata import RunMetadata
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_tools.evaluation.results import Evaluation

DEEP: list[Any] = []
for _ in range(12):
    DEEP = [DEEP]
# As text, for what JSON knows and Python's values can't say.
NASTY = [
    "null", "[]", "{}", "true", "-1", "0", "1", "1.5", "1" + "0" * 400, "1e999", "1e300", "NaN", "5e-324", '""',
    '"\\ud800"', '"' + "x" * 6000 + '"', '"<script>"', "[null]", "[0]", '{"a": 1}', json.dumps(DEEP),
]  # fmt: skip
MARK = "\x00here"


def ways(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a file are, at every depth; of a list, its first."""
    yield way
    for key in value if isinstance(value, dict) else range(min(len(value), 1)) if isinstance(value, list) else ():
        yield from ways(value[key], (*way, key))


def mutations(text: str) -> Iterator[str]:
    """The text of a JSON table with one value replaced by each of the nasty ones, removed, or one more beside it."""
    for way in ways(json.loads(text)):
        whole = {"": json.loads(text)}
        table: Any = whole
        for key in ("", *way[:-1])[: len(way)]:
            table = table[key]
        key = way[-1] if way else ""
        kept, table[key] = table[key], MARK
        marked = json.dumps(whole[""])
        yield from (marked.replace(json.dumps(MARK), nasty) for nasty in NASTY)
        table[key] = kept
        if way and isinstance(table, dict):
            yield json.dumps({**whole[""], **({} if len(way) > 1 else {"bogus": 1})})
            more = table.pop(key)
            yield json.dumps(whole[""])
            table |= {"\ud800": more, "bogus": more}
            yield json.dumps(whole[""])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a conditional variant, evaluated, the first as if in two stages of a race, and resumed."""
    home = tmp_path_factory.mktemp("mutations")
    for seed, name in enumerate(("run", "other")):
        out = home / name
        ganzoo.train("toy-conditional", data="ring8", steps=2, seed=seed, device="cpu", snapshots=[1], out=out)
        arguments = ["evaluate", str(out), "-n", "100", "--seeds", "2"]
        assert CliRunner().invoke(main, arguments).exit_code == 0
        for stage in ("0.1s", "1e+02s"):
            (out / "stages" / stage).mkdir(parents=True)
            shutil.copy(out / "evaluation.json", out / "stages" / stage)
    return home


def ends_well(command: list[str], what: str) -> None:
    result = CliRunner().invoke(main, command)
    assert result.exit_code in (0, 1) and "a bug" not in result.output, (command, what, result.output)
    if result.exit_code:
        assert result.stderr.splitlines()[-1].startswith("Error: "), result.output


def check_mutations(home: Path, name: str, commands: list[list[str]], every: int) -> int:
    """Try each mutation of a file with the commands, unless its schema refuses it, which is tried for all."""
    path = home / "run" / name
    text = path.read_text()
    accepted = []
    for mutation in mutations(text):
        path.write_text(mutation)
        try:
            Evaluation.read(path) if path.name == "evaluation.json" else RunMetadata.read(path)
        except FileError as error:
            assert str(path) in str(error) and len(str(error)) < 1000 and "\n" not in str(error)
        else:
            accepted.append(mutation)
    for mutation in accepted[::every]:
        path.write_text(mutation)
        for command in commands:
            ends_well(command, mutation)
    path.write_text(text)
    return len(accepted)


def commands_of(home: Path) -> list[list[str]]:
    run = str(home / "run")
    return [["report", run], ["compare", run, str(home / "other")], ["sample", run]]


@pytest.mark.long
@pytest.mark.parametrize("name", ["evaluation.json", "stages/0.1s/evaluation.json", "run.json"])
def test_a_file_with_one_other_value(home: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(home, tmp_path / "home")
    assert check_mutations(tmp_path / "home", name, commands_of(tmp_path / "home")[:2], every=97) > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evaluation.json", "stages/0.1s/evaluation.json", "run.json"])
def test_a_file_with_any_other_value(home: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(home, tmp_path / "home")
    check_mutations(tmp_path / "home", name, commands_of(tmp_path / "home"), every=1)


def lines(home: Path) -> list[str]:
    first = (home / "run" / "metrics.jsonl").read_text().splitlines()[0]
    step_0 = [json.dumps({"step": 0}), json.dumps(json.loads(first) | {"step": 0})]
    rest = [json.dumps({"step": 1, f"name{k}": k}) for k in (1, 2)]
    return [*mutations(first), *step_0, "\n".join(rest), '{"step": 1, "a/b": 1e100, "a/c": 1e100}']


def check_lines(home: Path, every: int) -> None:
    path = home / "run" / "metrics.jsonl"
    for line in lines(home)[::every]:
        path.write_text(line + "\n")
        for command in commands_of(home):
            ends_well(command, line)


@pytest.mark.long
def test_lines_of_metrics_with_one_other_value(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "home")
    check_lines(tmp_path / "home", every=37)


@pytest.mark.slow
def test_lines_of_metrics_with_any_other_value(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "home")
    check_lines(tmp_path / "home", every=1)


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 0}', '{"step": 0, "samples_per_s": 10.0}', '{"step": 2, "samples_per_s": NaN}',
        '{"step": 2, "samples_per_s": 5e-324}', '{"step": 2, "samples_per_s": -1e-100}', '{"step": 2, "\\ud800": 1.0}',
        '{"step": 2, "a/b": 1e308, "a/c": 1e308}', '{"step": 9007199254740991, "samples_per_s": 1e-100}',
    ],
)  # fmt: skip
def test_lone_lines_of_metrics(home: Path, tmp_path: Path, line: str) -> None:
    shutil.copytree(home, tmp_path / "home")
    (tmp_path / "home" / "run" / "metrics.jsonl").write_text(line + "\n")
    for command in commands_of(tmp_path / "home")[:2]:
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output


def test_weights_of_other_data_than_the_run(home: Path, tmp_path: Path) -> None:
    """No page draws them: a run.json without classes has no rows for a generator that is asked for them."""
    shutil.copytree(home, tmp_path / "home")
    for name in ("run", "other"):
        path = tmp_path / "home" / name / "run.json"
        found = json.loads(path.read_text())
        del found["data"]["classes"]
        path.write_text(json.dumps(found))
    words = {"report": "run.json describes, but is of other data", "compare": "are of other data than its run.json"}
    for command in commands_of(tmp_path / "home")[:2]:
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
        page = tmp_path / "home" / {"report": "run/report.html", "compare": "comparison.html"}[command[0]]
        assert words[command[0]] in page.read_text()


def test_each_name_has_a_chart_so_that_there_are_not_too_many(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "run", tmp_path / "run")
    names = [json.dumps({"step": k, f"name{k}": k}) for k in range(600)]
    (tmp_path / "run" / "metrics.jsonl").write_text("\n".join(names))
    assert len(RunFolder.open(tmp_path / "run").records()) == 499


MESSAGES: dict[tuple[Any, ...], tuple[Any, str]] = {
    ("left_out",): ([], "left_out must be a table of texts, but is []"),
    ("floor",): (1, "floor must be text of at most 5,000 characters, but is 1"),
    ("variant",): ("../x", "variant must be the name of a variant, but is '../x'"),
    ("figures",): ([1], "figures must be a table of tables, but is [1]"),
    ("figures", "fid", "values"): ([10**400], "figures: fid: values must be a list of numbers, but is [1000"),
    ("figures", "fid", "floor"): ("low", "figures: fid: floor must be a number or null, but is 'low'"),
    ("figures", "fid", "better"): (1, 'figures: fid: better must be null, "lower" or "higher", but is 1'),
    ("figures", "fid", "bogus"): (1, "or of a newer ganzoo: it holds an unknown field figures: fid: 'bogus'"),
    ("conditions", "samples"): (0, "conditions: samples must be a whole number above 0, but is 0"),
    ("conditions", "seeds"): ([], "conditions: seeds must be a list of whole numbers, but is []"),
    ("conditions", "other"): ({}, "conditions: other must be a plain value, but is {}"),
    ("classes",): ([], "classes must be null or a table, but is []"),
    ("classes", "names"): ({}, "classes: names must be a list of texts, but is {}"),
    ("classes", "share"): ([{}], "classes: share must be a list of a number for each class, but is [{}]"),
    ("classes", "variety"): ([1], "classes: variety must be a list of a number or null for each class, but is [1]"),
    ("classes", "confusion"): ([[1]], "classes: confusion must be null, or a table of whole numbers with a row for"),
}  # fmt: skip


@pytest.mark.parametrize("way", MESSAGES)
def test_rules_of_an_evaluation(home: Path, tmp_path: Path, way: tuple[Any, ...]) -> None:
    value, words = MESSAGES[way]
    found = json.loads((home / "run" / "evaluation.json").read_text())
    table = found
    for key in way[:-1]:
        table = table[key]
    table[way[-1]] = value
    (tmp_path / "evaluation.json").write_text(json.dumps(found))
    with pytest.raises(FileError) as caught:
        Evaluation.read(tmp_path / "evaluation.json")
    assert words in str(caught.value) and str(caught.value).endswith(f"; make it again: ganzoo evaluate {tmp_path}")


def test_fields_of_an_evaluation_that_are_missing(home: Path, tmp_path: Path) -> None:
    found = json.loads((home / "run" / "evaluation.json").read_text())
    for field in found.keys() - {"caution"}:  # which earlier versions did not write
        (tmp_path / "evaluation.json").write_text(json.dumps({k: v for k, v in found.items() if k != field}))
        with pytest.raises(FileError, match=f"evaluation.json is damaged: it holds no {field}; make it again"):
            Evaluation.read(tmp_path / "evaluation.json")
    del found["conditions"]["samples"]
    (tmp_path / "evaluation.json").write_text(json.dumps(found))
    with pytest.raises(FileError, match="is damaged: it holds no conditions: samples; make it again"):
        Evaluation.read(tmp_path / "evaluation.json")


def test_an_evaluation_without_the_figure_that_ranks(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "home")
    path = tmp_path / "home" / "other" / "evaluation.json"
    found = json.loads(path.read_text())
    del found["figures"]["coverage"]
    path.write_text(json.dumps(found))
    result = CliRunner().invoke(main, commands_of(tmp_path / "home")[1])
    rule = "can't be ranked: its evaluation must hold coverage, but does not; make it again: ganzoo evaluate"
    assert result.exit_code == 1 and rule in result.stderr
