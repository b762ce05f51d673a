"""A variant in a file or a program, and data in memory: trained, resumed, sampled, without a package."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from dataclasses import dataclass, make_dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from ganzoo_toy.networks import CountingLoss, ToyDiscriminator, ToyGenerator
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core import registry as registry_module
from ganzoo_core.cli import complete, main
from ganzoo_core.datasets.given import source_of
from ganzoo_core.errors import DataError, FileError, PluginError, SettingError
from ganzoo_core.runs import own, plan

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_gan.py"
IMPORT = "from ganzoo_core import Variant\n"
WHOLE = f"{IMPORT}class Whole(Variant):\n    Generator = Discriminator = Loss = object\n"
ROWS = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _forgotten(in_tmp, monkeypatch):
    """No file of one test is known in the next."""
    path, modules = list(sys.path), set(sys.modules)
    registry_module.registry.cache_clear()
    yield
    registry_module.registry.cache_clear()
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("own_") or name == "beside":
            del sys.modules[name]


def call(*arguments: str):
    return CliRunner().invoke(main, arguments)


def test_from_one_file_to_samples_on_the_command_line():
    shutil.copy(EXAMPLE, "my_gan.py")
    assert call("run", "my_gan.py:MyGan", "--steps", "3", "--out", "whole", "--quiet").exit_code == 0
    assert call("run", "my_gan.py", "--steps", "2", "--out", "part", "--quiet").exit_code == 0
    assert call("run", "my_gan.py:MyGan", "--resume", "part", "--steps", "3", "--quiet").stdout == "part\n"
    whole, part = (Path(run, "generator.safetensors").read_bytes() for run in ("whole", "part"))
    assert whole == part
    assert call("--with", "my_gan.py:MyGan", "sample", "whole", "-n", "4", "-o", "x.png").stdout == "x.png\n"
    assert Path("x.png").read_bytes()[:4] == b"\x89PNG"
    assert call("show", "my_gan.py:MyGan").stdout.startswith("mygan: My first GAN.")


def test_a_run_alone_executes_nothing_and_says_what_to_type():
    shutil.copy(EXAMPLE, "my_gan.py")
    call("run", "my_gan.py:MyGan", "--steps", "1", "--out", "run", "--quiet")
    registry_module.registry.cache_clear()
    said = "in my_gan.py, which is in no package; name the file before the command, `ganzoo --with my_gan.py ...`"
    for command in (("sample", "run"), ("run", "--resume", "run", "--steps", "2")):
        assert said in call(*command).stderr
    with pytest.raises(PluginError, match="or in Python give the class: variant="):
        ganzoo.load("run")


def test_a_changed_file_is_told_on_a_resume(caplog):
    shutil.copy(EXAMPLE, "my_gan.py")
    call("run", "my_gan.py:MyGan", "--steps", "1", "--out", "run", "--quiet")
    with Path("my_gan.py").open("a") as file:
        file.write("# another\n")
    assert call("run", "my_gan.py:MyGan", "--resume", "run", "--steps", "2", "--quiet").exit_code == 0
    assert "run: it was made with my_gan.py (digest " in caplog.text and "and is used with my_gan.py (" in caplog.text
    assert "it may go on otherwise than there" in caplog.text


def test_a_file_of_another_name_that_holds_the_same_is_the_same(caplog):
    shutil.copy(EXAMPLE, "my_gan.py")
    call("run", "my_gan.py:MyGan", "--steps", "1", "--out", "run", "--quiet")
    Path("my_gan.py").rename("other.py")
    registry_module.registry.cache_clear()
    assert call("--with", "other.py", "run", "--resume", "run", "--steps", "2", "--quiet").exit_code == 0
    sys.path.append(".")
    module = importlib.import_module("other")
    assert ganzoo.load("run", variant=module.MyGan).step == 2
    assert "digest" not in caplog.text
    del sys.modules["other"]


def test_a_file_of_the_same_size_and_second_is_read_anew(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for name in ("first", "other"):
        Path("mine.py").write_text(f"{WHOLE}    name = '{name}'\n")
        os.utime("mine.py", (0, 0))
        assert own.named("mine.py") == name
    assert not Path("__pycache__").exists()


def test_the_one_class_that_lacks_nothing_is_meant():
    Path("parts.py").write_text(WHOLE)
    Path("mine.py").write_text(
        f"from parts import Whole\n{IMPORT}class Base(Variant): ...\nclass Mine(Base, Whole): ..."
    )
    assert own.named("mine.py") == "mine"
    assert own.named("mine.py:Whole") == "whole"  # also a class that the file imports, where it is named
    del sys.modules["parts"]


def test_completion_offers_files_and_executes_none():
    Path("mine.py").write_text("1 / 0")
    Path("sub").mkdir()
    Path("sub/other.py").write_text("1 / 0")
    for typed, offered in (("mi", ["mine.py"]), ("sub/", ["sub/other.py"]), ("", [])):
        found = [item.value for item in complete.variants(None, None, typed)]
        assert [value for value in found if value.endswith(".py")] == offered


def test_the_hints_name_the_file():
    shutil.copy(EXAMPLE, "my_gan.py")
    said = call("run", "my_gan.py:MyGan", "--steps", "1", "--out", "run").stderr
    assert "next       ganzoo --with my_gan.py:MyGan sample run" in said
    assert "ganzoo run my_gan.py:MyGan --resume run --steps 2" in said
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert "ganzoo run my_gan.py:MyGan --data digits" in page


@pytest.mark.parametrize(
    ("source", "named", "message"),
    [
        ("1 / 0", "", "mine.py, line 1: ZeroDivisionError: division by zero"),
        ("x = 1\ndef (", "", "mine.py, line 2: SyntaxError: "),
        ("import sys\nsys.exit(3)", "", r"mine.py, line 2: it ended the program \(exit code 3\)"),
        ("import nowhere", "", "mine.py, line 1: ModuleNotFoundError: No module named 'nowhere'"),
        ("x = 1", "", "mine.py has no Variant"),
        ("x = 1", ":x", "there is no variant in mine.py called 'x'; known: none"),
        (f"{IMPORT}class A(Variant): ...", ":", "there is no variant in mine.py called ''; known: A"),
        (f"{IMPORT}class A(Variant): ...\nclass B(Variant): ...", "", "mine.py has A, B; name one: mine.py:A"),
        (f"{IMPORT}class A(Variant): ...", ":A", "mine.py: A lacks discriminator"),
        (f"{IMPORT}class A(Variant): name = 'a b'", ":A", "mine.py: A.name must be letters"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_sentence(source, named, message):
    Path("mine.py").write_text(source)
    with pytest.raises(ganzoo.GanzooError, match=message):
        own.named(f"mine.py{named}")
    found = call("run", f"mine.py{named}")
    assert (found.exit_code, found.stdout) == (1, "") and found.stderr.startswith("Error: ")


def test_a_file_that_is_not_there_or_none():
    with pytest.raises(FileError, match="nowhere.py can't be read: No such file or directory"):
        own.named("nowhere.py:X")
    Path("folder.py").mkdir()
    with pytest.raises(FileError, match="folder.py can't be read: "):
        own.named("folder.py")
    found = call("--with", "vanilla", "list")
    assert found.exit_code == 2 and "--with takes FILE.py or FILE.py:CLASS, but got 'vanilla'" in found.stderr


def test_what_lies_beside_a_file_may_be_imported():
    Path("beside.py").write_text("NAME = 'besides'\n")
    Path("mine.py").write_text(EXAMPLE.read_text() + "\n\nfrom beside import NAME\nMyGan.name = NAME\n")
    assert own.named("mine.py:MyGan") == "besides"


def test_a_file_comes_before_a_package_of_that_name():
    Path("mine.py").write_text(EXAMPLE.read_text() + "\n\nMyGan.name = 'vanilla'\n")
    own.named("mine.py:MyGan")
    found, plugin = registry_module.registry().variant("vanilla")
    assert (found.__name__, plugin.package) == ("MyGan", "mine.py")
    assert "vanilla" in registry_module.registry().variants()
    assert not any(p.error for p in registry_module.registry().plugins() if p.package == "ganzoo-vanilla")


@pytest.mark.parametrize("file", ["_my.py", "my gan.py", "ганзу.py", "-.py", f"{'a' * 200}.py"])
def test_a_file_of_any_name(file):
    shutil.copy(EXAMPLE, file)
    assert call("run", f"./{file}:MyGan", "--steps", "1", "--out", "run", "--quiet").exit_code == 0
    assert call("--with", f"./{file}", "sample", "run", "-n", "2", "-o", "x.png").exit_code == 0
    assert "is damaged" not in call("report", "run").stderr


@pytest.mark.long
def test_check_of_a_file(monkeypatch):
    shutil.copy(EXAMPLE, "my_gan.py")
    found = call("check", "my_gan.py:MyGan")
    assert found.exit_code == 0, found.stdout


def test_check_knows_in_its_own_process_what_with_brought(monkeypatch):
    shutil.copy(EXAMPLE, "my_gan.py")
    asked = []
    monkeypatch.setattr(
        "ganzoo_core.cli.check._results", lambda request: (asked.append(request), ({"skipped": []}, []))[1]
    )
    assert call("--with", "my_gan.py", "check", "mygan").exit_code == 0
    assert asked[0][0] == "my_gan.py:MyGan"


@dataclass(frozen=True, kw_only=True)
class MyConfig(ganzoo.Config):
    batch_size: int = 8
    width: int = ganzoo.option(8, "units", minimum=1)


class MyGenerator(ToyGenerator):
    def __init__(self, config, data):
        super().__init__(config.latent_dim, config.width, data.shape, self.classes(data))

    @staticmethod
    def classes(data):
        return 0


class MyDiscriminator(ToyDiscriminator):
    def __init__(self, config, data):
        super().__init__(config.width, data.shape, 0)


class MyLoss(CountingLoss):
    def __init__(self):
        super().__init__(None)


class Mine(ganzoo.Variant):
    """Of this program."""

    kinds = ("images", "points", "curves", "voxels")
    Config = MyConfig
    Generator, Discriminator, Loss = MyGenerator, MyDiscriminator, MyLoss


class LabelledGenerator(MyGenerator):
    @staticmethod
    def classes(data):
        return data.num_classes


class Labelled(Mine):
    conditional = True
    Generator = LabelledGenerator


def train(variant, data, **settings):
    return ganzoo.train(variant, data=data, **{"steps": 2, "device": "cpu", "progress": False} | settings)


def test_a_class_or_an_instance_on_an_array():
    run = train(Mine, np.uint8(ROWS * 255), out="a")
    assert (run.info["variant"], run.info["package"], run.info["data"]["name"]) == ("mine", "test_own.py", "given")
    assert run.sample(3).values.shape == (3, 1, 8, 8)
    assert run.info["settings"]["width"] == 8
    again = train(Mine(MyConfig(width=5, batch_size=4)), ROWS, batch_size=6)
    assert (again.info["settings"]["width"], again.info["settings"]["batch_size"]) == (5, 6)
    assert again.info["data_notes"] == ["0 is black and 1 white"]
    registry_module.registry.cache_clear()
    assert ganzoo.load("a", variant=Mine).sample(3).values.shape == (3, 1, 8, 8)
    with pytest.raises(PluginError, match="a variant must be a name, or a class or an instance of ganzoo_core.Variant"):
        ganzoo.train(int)


def test_a_run_keeps_the_class_that_it_was_trained_with():
    def made(width):
        fields = [("batch_size", int, 8), ("width", int, width)]
        config = make_dataclass("Config", fields, bases=(MyConfig,), frozen=True, kw_only=True)
        return type("Mine", (Mine,), {"Config": config, "__module__": __name__, "name": "mine"})

    first = train(made(3), ROWS)
    train(made(4), ROWS)  # the cell of a notebook, run again
    assert first.generator().variant.config.width == 3
    assert type(first.generator().variant) is first.variant


def test_data_that_a_program_gave_is_asked_for_again():
    whole = train(Mine, ROWS, steps=4, out="whole")
    train(Mine, ROWS, steps=2, out="part")
    with pytest.raises(SettingError, match="part was trained on data that a program gave; give it again: ganzoo.train"):
        ganzoo.train(Mine, resume="part", steps=4)
    registry_module.registry.cache_clear()
    with pytest.raises(DataError, match="data that is called 'given' was given by a program; give it there again"):
        plan.find_source("given")
    with pytest.raises(SettingError, match="part was begun on other samples of given"):
        ganzoo.train(Mine, resume="part", data=ROWS.flip(0), steps=4)
    resumed = ganzoo.train(Mine, resume="part", data=ROWS, steps=4, progress=False)
    assert torch.equal(whole.sample(4).values, resumed.sample(4).values)


class Items(torch.utils.data.Dataset):
    classes = ("cat", "dog")

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        return self.items[number]


def loaded(data) -> ganzoo.Dataset:
    return source_of(data, "given")().load(Path())


def test_forms_of_samples():
    assert loaded(ROWS.squeeze(1)).spec.shape == (1, 8, 8)
    assert loaded(np.zeros((5, 8, 9, 3), np.uint8)).spec.shape == (3, 8, 9)
    assert loaded(torch.zeros(5, 1, 4, 4, 4)).spec.kind == "voxels"
    points = loaded(torch.tensor([[0.0, 3.0], [1.0, -6.0]]))
    assert (points.spec.kind, points.spec.scale, points.spec.offset) == ("points", 4.5, -1.5)
    assert points.samples.flatten().tolist() == pytest.approx([1 / 3, 1, 5 / 9, -1])
    far = loaded(torch.tensor([[1000.0, 1001.0], [1000.5, 1001.0]]))
    assert far.samples.flatten().tolist() == [-1, 1, 0, 1]
    assert loaded(torch.rand(5, 7)).spec.kind == "curves"
    signed = loaded(torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1))
    assert (signed.samples.flatten().tolist(), signed.notes) == ([0, 128, 255], ("-1 is black and 1 white",))
    assert loaded(torch.tensor([False, True]).view(2, 1, 1, 1)).samples.flatten().tolist() == [0, 255]
    assert loaded(torch.tensor([0, 200]).view(2, 1, 1, 1)).samples.dtype == torch.uint8
    assert loaded(np.full((2, 1, 1, 1), 200, ">u2")).samples.flatten().tolist() == [200, 200]
    binary = loaded(torch.tensor([0, 1]).view(2, 1, 1, 1))
    assert (binary.samples.flatten().tolist(), binary.notes) == ([0, 255], ("0 is black and 1 white",))
    flipped = np.uint8([[[1, 2]], [[3, 4]]])[:, :, ::-1]
    assert loaded(flipped).samples.flatten().tolist() == [2, 1, 4, 3]
    assert loaded([[0.0, 1.0], [1.0, -1.0]]).samples.tolist() == [[0, 1], [1, -1]]


def test_pictures_of_several_modes_become_the_richest_of_them():
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    assert loaded([red, red.convert("P")]).samples[:, :, 0, 0].tolist() == [[255, 0, 0], [255, 0, 0]]
    assert loaded([red, red.convert("L")]).spec.shape == (3, 2, 2)
    assert loaded([red, red.convert("LA")]).samples[0, :, 0, 0].tolist() == [255, 0, 0, 255]
    assert loaded([red.convert("1"), red.convert("L")]).spec.shape == (1, 2, 2)
    pair = loaded(([red, red], ["a", "b"]))
    assert (pair.spec.shape, pair.spec.classes) == ((3, 2, 2), ("a", "b"))


def test_forms_of_labels():
    assert loaded((ROWS[:3], [2, 10, 2])).spec.classes == ("2", "10")
    named = loaded((ROWS[:3], ["b10", "b9", "b10"]))
    assert (named.spec.classes, named.labels.tolist()) == (("b9", "b10"), [1, 0, 1])
    items = loaded(Items([(image, k % 2) for k, image in enumerate(ROWS)]))
    assert (items.spec.classes, items.labels[:3].tolist()) == (("cat", "dog"), [0, 1, 0])
    assert loaded(Items([{"image": image, "label": 1} for image in ROWS])).labels.tolist() == [1] * 40
    assert loaded(Items(list(ROWS))).labels is None
    part = loaded(torch.utils.data.Subset(Items([(image, 1) for image in ROWS]), range(3)))
    assert (part.spec.classes, part.labels.tolist()) == (("cat", "dog"), [1, 1, 1])
    assert loaded((ROWS[:2], [[3], [4]])).spec.classes == ("3", "4")
    assert train(Labelled, (ROWS, torch.arange(40) % 3)).sample(3, labels=["2"]).labels.tolist() == [2] * 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (5, "data must be a name, a DataSource, a Dataset, samples, .*, but is int"),
        ({1}, "data must be a name"),
        (torch.zeros(5), r"samples must be images .*, but are \(5,\)"),
        (torch.zeros(0, 1, 8, 8), r"samples must be images .*, but are \(0, 1, 8, 8\)"),
        (torch.zeros(2, 5, 8, 8), r"samples must be images .*, but are \(2, 5, 8, 8\)"),
        (torch.full((2, 1, 8, 8), torch.nan), "samples must be finite real numbers, but some are not"),
        (torch.full((2, 1, 8, 8), 7.5), r"pixels must be whole numbers from 0 to 255, or .*, but are 7.5 to 7.5"),
        (torch.full((2, 1, 8, 8), 300), "pixels must be whole numbers from 0 to 255, or .*, but are 300 to 300"),
        ((ROWS, [1, 2]), r"labels must be one number or name for each sample, \(40,\), but are \(2,\)"),
        ((ROWS[:2], [[1], [1, 2]]), "labels must be one number or name for each sample, but some are several"),
        ((ROWS[:2], ["a", None]), "labels must be whole numbers or names, but are object"),
        (ROWS.to_sparse(), "samples must be dense tensors with values, but some are not"),
        ([[1.0], [1.0, 2.0]], "samples must be of one size, but some are"),
        ([None, None], "samples must be numbers or pictures, but are NoneType of object"),
        ({"train": ROWS}, "data must be one of its parts, not all of them: it has train"),
        (Image.new("I;16", (2, 2), 999), "data must be a name"),
        ([Image.new("I;16", (2, 2), 999)], "pixels must be whole numbers .*, but are 999 to 999; scale them first"),
        ((ROWS[:2], [0.5, 1.5]), "labels must be whole numbers or names, but are float64"),
        (Items([]), "data must hold samples, but is empty"),
        (Items([torch.zeros(1, 4, 4), torch.zeros(1, 5, 4)]), "samples must be of one size, but some are 1x4x4 and"),
    ],
)  # fmt: skip
def test_what_can_be_no_data_is_told(data, message):
    with pytest.raises(DataError, match=message):
        loaded(data)


def test_a_data_source_and_a_dataset_of_ones_own():
    class Stripes(ganzoo.DataSource):
        name, title, origin, kind = "stripes", "Stripes", "made up", "images"

        def load(self, data_dir, split="train"):
            return ganzoo.Dataset(ganzoo.DataSpec("stripes", (1, 8, 8)), (ROWS * 255).to(torch.uint8))

    class Kept(Stripes):
        name = "mine"  # as the variant is called

        def __init__(self, samples):
            super().__init__()
            self.samples = samples

        def load(self, data_dir, split="train"):
            return ganzoo.Dataset(ganzoo.DataSpec("kept", (1, 8, 8)), self.samples)

    assert train(Mine, Stripes()).info["data"]["name"] == "stripes"
    assert train(Mine, Stripes).info["data"]["name"] == "stripes"
    assert train(Mine, Kept((ROWS * 255).to(torch.uint8))).info["data"]["name"] == "kept"
    dataset = Stripes().load(None)
    assert train(Mine, dataset).info["data"]["name"] == "given"
    assert train(Mine, "ring8", batch_size=8).info["data"]["name"] == "ring8"


def test_a_data_set_of_hugging_face():
    pytest.importorskip("datasets.arrow_dataset", reason="Hugging Face's datasets is not installed")
    import datasets
    from PIL import Image

    features = datasets.Features({"label": datasets.ClassLabel(names=["x", "y"]), "image": datasets.Image()})
    rows = {"label": [0, 1, 1], "image": [Image.fromarray(np.full((8, 8, 3), v, np.uint8)) for v in (0, 9, 99)]}
    found = loaded(datasets.Dataset.from_dict(rows, features))
    assert (found.spec.shape, found.spec.classes, found.labels.tolist()) == ((3, 8, 8), ("x", "y"), [0, 1, 1])
    assert found.samples[:, 0, 0, 0].tolist() == [0, 9, 99]
    grey = rows | {"image": [rows["image"][0].convert("L"), *rows["image"][1:]]}
    assert loaded(datasets.Dataset.from_dict(grey, features)).spec.shape == (3, 8, 8)
    with pytest.raises(DataError, match="data must hold samples, but is empty"):
        loaded(datasets.Dataset.from_dict(rows, features).select([]))
    with pytest.raises(DataError, match="that has a length, but is IterableDataset"):
        loaded(datasets.Dataset.from_dict(rows, features).to_iterable_dataset())
    with pytest.raises(DataError, match=r"data must have a column of images, but its columns are label \(ClassLabel\)"):
        loaded(datasets.Dataset.from_dict({"label": [0]}, datasets.Features({"label": features["label"]})))


@pytest.mark.long
def test_two_processes_execute_the_file(forks):
    shutil.copy(EXAMPLE, "my_gan.py")
    arguments = ("run", "my_gan.py:MyGan", "--steps", "2", "--out", "run", "--quiet", "--device", "cpu")
    started = forks.start(*arguments, together=[2, str(Path("pids").absolute())])
    assert started.wait() == 0, forks._last.errors
    assert call("--with", "my_gan.py", "sample", "run", "-n", "2", "-o", "x.png").exit_code == 0
