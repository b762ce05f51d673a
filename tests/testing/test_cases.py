"""What a variant is checked on: random data, its package's, what `--data` names; and what is said of the rest."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from ganzoo_toy import Toy

from ganzoo_core.cli import main
from ganzoo_core.errors import DataError, PluginError, UnknownNameError
from ganzoo_core.testing import RULES, VariantSuite, check, result_on
from ganzoo_core.testing.cases import Cases, cases
from ganzoo_core.testing.rules import data, parts

PLUGIN = """
import ganzoo_core as ganzoo
from ganzoo_core import DataSpec, hookimpl, option
from ganzoo_core.errors import DataError
from ganzoo_core.settings import Settings
from dataclasses import dataclass
from ganzoo_toy import Toy
GANZOO_API = 1

@dataclass(frozen=True, kw_only=True)
class Options(Settings):
    dots: int = option(100, "how many")

class Dots(ganzoo.DataSource):
    name, title, origin, kind = "dots", "Dots", "made up", "points"
    Options = Options
    def is_local(self, data_dir):
        {is_local}
    def load(self, data_dir, split="train"):
        import torch
        {load}
        n = self.options.dots  # of sorted classes, the first coordinate telling which row it was
        rows = torch.stack([torch.linspace(-1, 1, n), torch.zeros(n), torch.zeros(n)], 1)
        return ganzoo.Dataset(DataSpec("dots", (3,), ("a", "b"), "points"), rows, torch.arange(n) * 2 // n)

class Picky(Toy):
    "It takes the package's own data alone."
    name = "picky"
    default_data = "dots"
    def check_data(self, data):
        super().check_data(data)
        {check_data}
        if data.name != "dots":
            raise DataError(f"picky takes dots, but {{data.name}} is none")

@hookimpl
def ganzoo_variants():
    return [Picky]
@hookimpl
def ganzoo_datasets():
    return [Dots]
"""
CHILD = """
from ganzoo_core import hookimpl
from ganzoo_picky import Picky
GANZOO_API = 1
class Child(Picky):
    "A package that builds on another, and brings no data."
    name = "child"
@hookimpl
def ganzoo_variants():
    return [Child]
"""
ABSENT = "it is not in {}; --data-dir or GANZOO_DATA names another folder, and a run fetches what can be had"


@pytest.fixture
def install(plugin_site, in_tmp):
    def put(
        is_local: str = "return True", load: str = "pass", check_data: str = "pass", names: tuple[str, ...] = ("picky",)
    ) -> None:
        source = PLUGIN.format(is_local=is_local, load=load, check_data=check_data)
        plugin_site.install("ganzoo-picky", {"ganzoo_picky.py": source}, dict.fromkeys(names, "ganzoo_picky"))
        plugin_site.install("ganzoo-child", {"ganzoo_child.py": CHILD})

    return put


def names(found: Cases) -> list[str]:
    return [case.name for case in found.tried]


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", *arguments], env={"COLUMNS": "1000"})


def failures(found: Cases) -> dict[str, str]:
    return {rule.__name__: failure for rule in RULES if (failure := result_on(rule, found).failure)}


def test_a_small_part_of_the_packages_data_is_tried(install):
    install()
    found = cases("picky")
    assert names(found) == ["dots"] and len(found.refused) == 6 and not found.skipped
    data = found.tried[0].dataset
    assert len(data) == 32 and data.labels.bincount().tolist() == [16, 16]
    assert data.samples[0, 0] == -1 and data.samples[-1, 0] == 1


def test_the_data_is_another_entry_points_of_the_same_module(install):
    """The look-up of the data set finds that the first entry point keeps it, while that of the variant is looked at."""
    install(names=("first", "picky"))
    assert names(cases("picky")) == ["dots"]


@pytest.mark.long
def test_a_data_set_of_fewer_is_repeated(install):
    install(load="self.options = Options(dots=5)")
    found = cases("picky").tried[0].dataset
    assert len(found) == 32 and len(found.samples.unique(dim=0)) == 5
    assert all(result.failure is None for result in check("picky"))


def test_the_data_of_a_parents_package_is_tried_where_nothing_else_will_do(install):
    install()
    assert names(cases("child")) == ["dots"]


def test_the_users_data_folder_is_asked(install, in_tmp):
    install(is_local="return (data_dir / 'dots').exists()")
    for folder, found in ((in_tmp / "data", cases("picky")), (in_tmp / "d", cases("picky", data_dir=in_tmp / "d"))):
        absent = f"dots was left out: {ABSENT.format(folder)}"
        assert found.skipped == [absent] and names(found) == []
        assert found.nothing.startswith(f"picky (ganzoo-picky 1.0) was tried on nothing: {absent}; its check_data ")
    (in_tmp / "d" / "dots").mkdir(parents=True)
    assert names(cases("picky", data_dir=in_tmp / "d")) == ["dots"]


@pytest.mark.parametrize("name", ["picky", "child"])
def test_nothing_to_try_is_one_sentence(install, in_tmp, name):
    install(is_local="return False")
    refusal = (
        "its check_data refuses grey images, colour images, wide images with opacity, points, curves, voxels, "
        "images with columns; name data that it takes: --data NAME, or `data` in its VariantSuite"
    )
    told = f"dots was left out: {ABSENT.format(in_tmp / 'data')}; {refusal}"
    with pytest.raises(PluginError) as raised:
        check(name)
    assert str(raised.value) == f"{name} (ganzoo-{name} 1.0) was tried on nothing: {told}"


def test_a_data_set_that_is_missing_takes_no_other_with_it(install):
    install(is_local="return False", check_data="return")
    found = cases("picky")
    assert names(found) == ["grey images", "colour images", "wide images with opacity", "points", "curves", "voxels"]
    assert len(found.skipped) == 1 and found.nothing is None


def test_a_data_set_that_can_not_be_had_is_left_out_with_its_own_sentence(install):
    install(load="raise DataError('the site of dots does not answer')")
    assert cases("picky").skipped == ["dots was left out: the site of dots does not answer"]


FAULTS = {
    "is_local": ("None + 1", "dots", "TypeError: unsupported operand type"),
    "load": ("raise SystemExit(3)", "dots", "it ended the program \\(exit code 3\\)"),
    "check_data": ("data.shape[1]; raise KeyboardInterrupt", "grey images", "KeyboardInterrupt"),
}


@pytest.mark.parametrize("where", FAULTS)
def test_an_exception_of_the_plugin_breaks_the_rule_data(install, plugin_site, where):
    what, data, error = FAULTS[where]
    install(**{where: what})
    found = failures(cases("picky"))
    place = re.escape(f"{plugin_site.folder}/ganzoo_picky.py")
    assert re.match(f"expected no exception on {data}, but found {error}.* \\(at {place}:", found["data"])
    assert found.keys() == {rule.__name__ for rule in RULES}
    assert found["terms"] == "not tried, as there is no data to try it on"


def test_what_is_no_data_set_breaks_the_rule_data(install):
    install(load="return 3")
    found = result_on(data, cases("picky")).failure
    assert "dots (ganzoo-picky 1.0): load must give a ganzoo_core.Dataset, but gives int 3" in found


def test_a_fault_on_some_data_leaves_the_rest_to_be_tried(install):
    install(check_data="data.shape[2]; return")
    found = cases("picky")
    assert list(found.faults) == ["points", "curves", "dots"]
    assert "IndexError: tuple index out of range" in result_on(data, found).failure
    assert result_on(parts, found).failure is None


@pytest.mark.long
def test_the_suite_skips_where_data_is_missing_and_fails_where_none_will_do(install, plugin_site, in_tmp):
    install(is_local="return False")
    tests = in_tmp / "test_picky.py"
    tests.write_text(
        "from ganzoo_core.testing import VariantSuite\n"
        "class TestPicky(VariantSuite):\n    variant = 'picky'\n"
        "class TestToy(VariantSuite):\n    variant, data = 'toy', 'dots'\n"
    )
    done = pytest_in(in_tmp, plugin_site.folder, "-rs")
    assert f"{2 * len(RULES)} skipped" in done and "failed" not in done
    assert "dots was left out: it is not in " in done and "picky (ganzoo-picky 1.0) was tried on nothing: " in done


def pytest_in(folder: Path, site: Path, *arguments: str) -> str:
    """What pytest says of the tests in a folder, in a process of its own."""
    program = f"import sys; sys.path[:0] = {[str(site), *sys.path]!r}; import pytest; pytest.main(sys.argv[1:])"
    flags = ["-q", "-p", "no:cacheprovider", "--rootdir", str(folder), "-c", "/dev/null", *arguments]
    done = subprocess.run(
        [sys.executable, "-c", program, *flags, str(folder)], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout


class TestOnDigits(VariantSuite):
    variant, data = "toy", "digits"


def test_a_suite_of_no_known_data():
    class Lost(VariantSuite):
        variant, data = "toy", "digitz"

    with pytest.raises(UnknownNameError, match="there is no data set called 'digitz'; did you mean digits?"):
        Lost().test_data()


def test_a_suite_whose_variant_takes_nothing(monkeypatch):
    def refuse(self, data):
        raise DataError("no")

    class Nothing(VariantSuite):
        variant = "toy"

    monkeypatch.setattr(Toy, "check_data", refuse)
    with pytest.raises(PluginError, match=r"^toy \(ganzoo-toy 1.0\) was tried on nothing: its check_data refuses grey"):
        Nothing().test_terms()


@pytest.mark.long
def test_the_command_tries_the_data_that_is_named(install):
    install()
    result = command("toy", "--data", "dots", "--set", "dots=40", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"], told["tried"], told["skipped"]) == (0, True, ["dots"], [])
    assert [rule["rule"] for rule in told["rules"]] == [rule.__name__ for rule in RULES]


@pytest.mark.long
def test_the_command_tells_what_it_left_out(install, in_tmp):
    install(is_local="return False", check_data="return")
    result = command("picky")
    assert result.exit_code == 0, result.output
    absent = f"dots was left out: {ABSENT.format(in_tmp / 'data')}"
    assert result.stderr == f"{absent}\npicky keeps {len(RULES)} of {len(RULES)} promises\n"


REFUSED = {
    "toy --data dotz": (1, "there is no data set called 'dotz'; did you mean dots?"),
    "toy --data digits --set size=3": (1, "there is no option of the data set digits called 'size'; known: none"),
    "toy --data dots --set dot=3": (1, "there is no option of the data set dots called 'dot'; did you mean dots?"),
    "toy --data dots --set dots=x": (1, "dots must be a whole number, but is 'x'"),
    "toy --set dots=3": (2, "--set sets an option of the data that --data names; name it"),
    "tyo": (1, "there is no variant called 'tyo'; did you mean toy?"),
}


@pytest.mark.parametrize("typed", REFUSED)
def test_what_the_command_refuses(install, typed):
    install()
    code, message = REFUSED[typed]
    result = command(*typed.split())
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[-1] == f"Error: {message}"


@pytest.mark.long
def test_data_that_the_variant_refuses_is_a_sentence(install):
    install()
    result = command("picky", "--data", "digits")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: picky (ganzoo-picky 1.0) was tried on nothing: picky takes dots, but digits is none\n"
    )


def test_the_command_tells_of_an_exception_in_its_table(install):
    install(check_data="raise SystemExit(3)")
    result = command("picky", "--json")
    told = {rule["rule"]: rule["failure"] for rule in json.loads(result.stdout)["rules"]}
    assert result.exit_code == 1 and len(told) == len(RULES)
    assert "expected no exception on grey images, but found it ended the program (exit code 3)" in told["data"]


TAKER = """
from dataclasses import dataclass
import ganzoo_core as ganzoo
from ganzoo_core import hookimpl
GANZOO_API = 2

class Taker(ganzoo.Variant):
    "It makes pictures of pictures and captions, and says so in forward alone."
    name, title, paper, year = "taker", "A taker", "arXiv:0000.00000", 2026
    def generator(self, data):
        import torch
        from ganzoo_core import Generator
        class Net(Generator):
            latent_dim = 0
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Conv2d(3, 3, 1)
                self.words = torch.nn.Embedding(9, 1, padding_idx=0)
                self.numbers = torch.nn.Linear(3, 1)
            def forward(self, z, labels=None, *, source, text, attributes):
                told = self.words(text).sum(1) + self.numbers(attributes)
                return torch.tanh(self.layer(source) + told[:, :, None, None])
        return Net()
    def discriminator(self, data):
        import torch
        from ganzoo_core import Discriminator
        class Net(Discriminator):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Conv2d(6, 1, 3)
            def forward(self, x, labels=None, *, source):
                return self.layer(torch.cat([x, source], 1)).mean((1, 2, 3))
        return Net()
    def loss(self):
        from ganzoo_core.losses import NonSaturating
        return NonSaturating()

@hookimpl
def ganzoo_variants():
    return [Taker]
"""


def test_a_variant_that_takes_columns_is_tried_on_random_ones(plugin_site):
    plugin_site.install("ganzoo-taker", {"ganzoo_taker.py": TAKER})
    found = cases("taker")
    assert names(found) == ["images with columns"]
    assert (
        found.refused["points"] == "taker takes images, but points holds points; `ganzoo data` lists data sets by kind"
    )
    assert found.refused["grey images"].startswith("taker takes the column source, but grey images has ")
    assert failures(found) == {}


def test_random_data_stays_as_it_was():
    """So that what a plugin's author saw yesterday is seen again."""
    first, again = (cases("toy").tried[0].dataset for _ in range(2))
    assert torch.equal(first.samples, again.samples)
