"""run.json and metrics.jsonl from strangers: whatever reads them gets what a run writes, or ends in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from work import at_most

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import FileError, GanzooError
from ganzoo_core.report.run_page import run_page
from ganzoo_core.runs.metadata import RunMetadata
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage import json_files
from ganzoo_core.training.resume import resumed_plan


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run that was resumed with another setting, so that run.json holds all there may be."""
    out = tmp_path_factory.mktemp("run-info") / "run"
    ganzoo.train("toy", data="ring8", steps=2, device="cpu", snapshots=[1], out=out)
    ganzoo.train(resume=out, texts={"steps": "3", "generator_lr": "0.1"})
    return out


@pytest.fixture
def info(folder) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.json"


def refused(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as caught, at_most(100_000):
        RunMetadata.read(path)
    message = str(caught.value)
    assert str(path) in message and len(message) < 1000 and "\n" not in message
    return message


def test_what_a_run_writes_is_read(folder, info):
    assert RunMetadata.read(folder / "run.json").to_dict() == info
    assert {"changes", "data_digest"} < info.keys()


TEXTS = {
    "nothing": ("", "can't be read: Expecting value"),
    "half": ('{"variant": ', "can't be read: Expecting value"),
    "a list": ("[]", "is damaged: it holds no ganzoo"),
    "deep": ("[" * 100_000, "can't be read: it is nested too deep"),
    "deep but whole": ("[" * 50 + "]" * 50, "is damaged: it is nested more than 5 levels deep"),
    "NaN": ('{"data_size": NaN}', "can't be read: NaN is no JSON"),
    "a million digits": ("9" * 10**6, "can't be read: Exceeds the limit"),
    "huge": (" " * (2**25 + 1), "can't be read: it may have 33,554,432 bytes, but has 33,554,433"),
    "two million lists": ("[" + "[],[]," * 10**6 + "[]]", "can't be read: it may hold 1,048,576 values, but"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_no_run(path, name):
    text, words = TEXTS[name]
    assert f"{path} {words}" in refused(path, text)


def test_bytes_that_are_no_text(path):
    path.write_bytes(b'{"\xff": 1}')
    with pytest.raises(FileError, match=r"run.json can't be read: 'utf-8' codec can't decode byte 0xff"):
        RunMetadata.read(path)


FIELDS: dict[tuple[str, ...], tuple[Any, str]] = {
    ("variant",): ("../x", "variant must be the name of a variant, but is '../x'"),
    ("package",): ("x; rm -rf /", "package must be the name of a package, but is 'x; rm -rf /'"),
    ("package_version",): ("1" * 10**6, "package_version must be text of at most 5,000 characters, but is '1111"),
    ("ganzoo",): (None, "ganzoo must be text of at most 5,000 characters, but is None"),
    ("settings",): ([], "settings must be a table of settings, seed, steps and batch_size whole numbers in it"),
    ("settings", "batch_size"): (0, "settings must be a table of settings, seed, steps and batch_size whole numbers"),
    ("settings", "seed"): (1.5, "settings must be a table of settings, seed, steps and batch_size whole numbers"),
    ("settings", "generator_lr"): ({}, "settings must be a table of settings"),
    ("data", "shape"): ([0], "its data is none that there can be (the shape of the data ring8 must be"),
    ("data", "kind"): ("pickles", "its data is none that there can be (the kind of the data ring8 must be one"),
    ("data",): ({"name": "ring8", "shape": [2]}, "(images must have 3 dimensions, but are of shape [2])"),
    ("data", "bogus"): (1, "its data is none that there can be (DataSpec.__init__() got an unexpected keyword"),
    ("data_size",): (-1, "data_size must be a whole number above 0, but is -1"),
    ("data_digest",): (1, "data_digest must be text of at most 5,000 characters, but is 1"),
    ("data_left_out",): ({"a": 1}, "data_left_out must be a table of texts, but is {'a': 1}"),
    ("data_notes",): (["a", 1], "data_notes must be a list of texts, but is ['a', 1]"),
    ("parameters", "generator"): (True, "parameters must be a table of whole numbers, but is {'generator': True"),
    ("environment", "threads"): ("many", "environment must be a table of python, torch, platform, device, precision"),
    ("environment", "bogus"): (1, "environment must be a table of python, torch, platform, device, precision, threads"),
    ("changes",): ([1], "changes must be a list of tables, but is [1]"),
    ("bogus",): (1, "is damaged, or of a newer ganzoo: it holds an unknown field 'bogus'"),
}  # fmt: skip


@pytest.mark.parametrize("way", FIELDS)
def test_fields_that_break_their_rule(path, info, way):
    value, words = FIELDS[way]
    table = info
    for key in way[:-1]:
        table = table[key]
    table[way[-1]] = value
    message = refused(path, json.dumps(info))
    assert words in message


def test_fields_that_are_missing(path, info):
    for field in info:
        text = json.dumps({key: value for key, value in info.items() if key != field})
        if field == "changes":
            path.write_text(text)
            assert RunMetadata.read(path).changes == ()
        else:
            assert f"is damaged: it holds no {field}" in refused(path, text)
    for table, fields in {"settings": ["data", "seed", "steps", "batch_size"], "environment": ["device"]}.items():
        for field in fields:
            less = info | {table: {key: value for key, value in info[table].items() if key != field}}
            assert f"is damaged: its {table} hold no {field}" in refused(path, json.dumps(less))


def test_changes_that_no_resume_makes(path, info):
    for change, words in (
        ({}, "it holds no changes: step"),
        ({"step": -1}, "changes: step must be a whole number, but is -1"),
        ({"step": 1, "variant": "toy"}, "it holds an unknown field changes: 'variant'"),
        ({"step": 1, "settings": {"steps": "many"}}, "changes: settings must be a table of settings"),
    ):
        assert words in refused(path, json.dumps(info | {"changes": [change]}))


def test_a_seed_of_any_size_is_a_seed(in_tmp):
    run = ganzoo.train("toy", data="ring8", steps=1, device="cpu", seed=10**30)
    assert ganzoo.train(resume=run.folder, steps=2).info["settings"]["seed"] == 10**30


def test_a_resume_on_another_machine_has_its_page(in_tmp):
    """A change of versions alone, none of settings."""
    run = ganzoo.train("toy", data="ring8", steps=2, device="cpu")
    info = run.info
    info["environment"]["torch"], info["settings"]["steps"] = "2.0", 3
    (run.folder / "run.json").write_text(json.dumps(info))
    (run.folder / "report.html").unlink()
    ganzoo.train(resume=run.folder)
    assert "settings" not in run.info["changes"][0] and (run.folder / "report.html").is_file()


PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("x" * 6000),
    st.sampled_from([2**31, 2**63, 10**400, -1, 0, "folder:/", "<script>", "[red]", "..", "\ud800", "ring8"]),
)  # fmt: skip
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn, info: dict[str, Any]) -> dict[str, Any]:
    """What a run wrote with one to three of its values, at any depth, set to others, left out or added."""
    info = json.loads(json.dumps(info))
    for _ in range(draw(st.integers(1, 3))):
        table: Any = info
        while True:
            key = (
                draw(st.sampled_from(sorted(table)))
                if isinstance(table, dict)
                else draw(st.integers(0, len(table) - 1))
            )
            if not (isinstance(table[key], dict | list) and table[key] and draw(st.booleans())):
                break
            table = table[key]
        what = draw(st.sampled_from(["set", "set", "set", "leave out", "add"]))
        if what == "set":
            table[key] = draw(VALUES)
        elif what == "leave out":
            del table[key]
        elif isinstance(table, dict):
            table[draw(st.text(max_size=8))] = draw(VALUES)
        if not info:
            break
    return info


def read_by_all(folder: Path) -> None:
    """What reads run.json: the page, and a resume up to where it would train."""
    metadata = RunFolder.open(folder).metadata()
    json.dumps(metadata.to_dict())
    run_page(RunFolder.open(folder))
    resumed_plan(folder, metadata, {}, {})


def fuzz(folder: Path, tmp_path: Path, examples: int) -> int:
    run, read = tmp_path / "run", 0
    shutil.copytree(folder, run)
    saved = json.loads((run / "run.json").read_text())

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(damaged(saved))
    def reads(found: dict[str, Any]) -> None:
        (run / "run.json").write_bytes(json.dumps(found).encode())
        nonlocal read
        try:
            with at_most(1_000_000):
                read_by_all(run)
        except GanzooError as error:
            assert 20 < len(str(error)) < 2000
        read += 1

    reads()
    return read


def test_damaged_run_jsons(folder, tmp_path):
    assert fuzz(folder, tmp_path, 60) >= 60


@pytest.mark.slow
def test_many_damaged_run_jsons(folder, tmp_path, capsys):
    read = fuzz(folder, tmp_path, 2000)
    assert read >= 1500
    with capsys.disabled():
        print(f"\n{read} damaged run.json")


LINES = [
    "[" * 100_000, "9" * 10**5, "[]", "1", "null", '{"step": "2"}', '{"step": true}', '{"step": -1}', '{"step": 1e999}',
    '{"step": 2, "samples_per_s": "fast"}', '{"step": 2, "generator/adversarial": [1]}', '{"step": 2, "d_real": {}}',
    '{"step": 2, "d_real": 1' + "0" * 4000 + "}", '{"d_real": 1}', "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_lines_of_metrics_that_no_run_writes_end_them(folder, tmp_path, line):
    shutil.copytree(folder, tmp_path / "run")
    first = (folder / "metrics.jsonl").read_bytes().splitlines()[0]
    garbage = line.encode(errors="surrogatepass")
    (tmp_path / "run" / "metrics.jsonl").write_bytes(b"\n".join([first, garbage, first, b""]))
    assert RunFolder.open(tmp_path / "run").records() == [json.loads(first)]
    result = CliRunner().invoke(main, ["report", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output


def test_the_command_line_shows_one_line(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "run")
    for text, _ in TEXTS.values():
        (tmp_path / "run" / "run.json").write_text(text)
        for command in (["run", "--resume"], ["report"]):
            result = CliRunner().invoke(main, [*command, str(tmp_path / "run")])
            assert (result.exit_code, result.stdout) == (1, ""), result.output
            assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["[" * 100_000, "NaN", "[[[[[[[[[[1]]]]]]]]]]"])
def test_an_evaluation_from_a_stranger(folder, tmp_path, text):
    shutil.copytree(folder, tmp_path / "run")
    (tmp_path / "run" / "evaluation.json").write_text(text)
    result = CliRunner().invoke(main, ["report", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    with pytest.raises(FileError):
        json_files.read(tmp_path / "run" / "evaluation.json", 8)
