"""A trained generator that takes pictures or texts: what its run keeps, what its file says, what a user gives it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from ganzoo_takers.networks import pairs
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import DataError, FileError, GanzooError, SettingError
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage import tensor_files


@pytest.fixture
def trained(takers, in_tmp: Path) -> Callable[..., TrainedGenerator]:
    """Trains a variant in the folder `run` and loads it."""

    def train(name: str, **settings: object) -> TrainedGenerator:
        ganzoo.train(name, device="cpu", out="run", snapshots=(), **settings)
        return ganzoo.load("run")

    return train


def ganzoo_sample(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["sample", "run", *arguments])


def made(result: Result) -> Image.Image:
    assert result.exit_code == 0, result.output
    with Image.open(result.stdout.strip()) as image:
        return image.copy()


def picture(path: str, size: tuple[int, int] = (20, 14), mode: str = "RGB") -> str:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], len(mode)), dtype=np.uint8)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[:, :, 0] if len(mode) == 1 else pixels, mode).save(path)
    return path


def test_a_run_keeps_the_inputs_of_its_snapshots(trained) -> None:
    """Held-out pictures, their targets beside them; the weights carry none of it."""
    generator = trained("translator")
    kept = load_file("run/inputs/examples.safetensors")
    assert {name: tuple(t.shape) for name, t in kept.items()} == {"source": (16, 3, 16, 16), "real": (16, 3, 16, 16)}
    held_out = {tuple(image.flatten().tolist()) for image in pairs(16, seed=2).batch(torch.arange(16))["source"]}
    assert all(tuple(image.flatten().tolist()) in held_out for image in kept["source"])
    samples = generator.sample()
    assert len(samples) == 16 and samples.target is not None
    torch.testing.assert_close(samples.target, -samples.inputs[0][1])
    with safe_open("run/generator.safetensors", "pt") as file:
        header = json.loads(file.metadata()["ganzoo"])
        assert sorted(file.keys()) == ["inside.bias", "inside.weight", "outside.bias", "outside.weight"]
    assert header["inputs"] == [
        {"name": "source", "kind": "image", "shape": [3, 16, 16], "names": [], "any_size": True, "multiple": 2,
         "doc": "the other picture"}
    ]  # fmt: skip
    assert [column["name"] for column in header["data"]["columns"]] == ["source", "text"]


def test_the_snapshot_shows_three_rows(trained) -> None:
    ganzoo.train("translator", device="cpu", out="other", steps=2, snapshots=(1,))
    with Image.open("other/samples/step-000001.png") as image:
        width, height = image.size
    cell, gutter, margin = 64, 2, 12
    assert height == 2 * margin + 6 * (cell + gutter) - gutter, "two blocks of eight: input, generated, target"
    assert width > 8 * (cell + gutter)
    ganzoo.train("domains", device="cpu", out="third", steps=1, snapshots=(1,))
    with Image.open("third/samples/step-000001.png") as image:
        assert image.height == 2 * margin + 4 * (cell + gutter) + 2 * (11 + 2 * gutter + gutter) - gutter, "a line each"


@pytest.mark.long
def test_a_run_with_inputs_resumes_bit_for_bit(takers, in_tmp: Path) -> None:
    for name in ("translator", "upscaler", "domains", "writer"):
        ganzoo.train(name, device="cpu", out=f"{name}-whole", steps=6)
        ganzoo.train(name, device="cpu", out=f"{name}-parts", steps=3)
        Path(f"{name}-parts/inputs/examples.safetensors").unlink()  # they are made anew, the same
        ganzoo.train(resume=f"{name}-parts", steps=6)
        for file in ("checkpoint.safetensors", "inputs/examples.safetensors", "generator.safetensors"):
            whole, parts = (load_file(f"{name}-{part}/{file}") for part in ("whole", "parts"))
            assert whole.keys() == parts.keys() and all(torch.equal(whole[k], parts[k]) for k in whole), (name, file)


def test_data_without_a_held_out_part_gives_the_examples(trained) -> None:
    generator = trained("domains", data="toy-unpaired")
    assert generator.examples["labels"].tolist() == [0] * 8 + [1] * 8, "as many of each class"
    assert "real" not in generator.examples, "a picture of the other domain is no target"


def test_a_lone_file_says_what_it_needs(trained) -> None:
    trained("translator")
    Path("run/generator.safetensors").rename("lone.safetensors")
    with pytest.raises(SettingError) as error:
        ganzoo.load("lone.safetensors").sample()
    assert str(error.value) == (
        "translator makes samples of an input, which it does not carry along; give source (the other picture): "
        "--input FILE"
    )


def test_samples_of_what_is_given(trained) -> None:
    generator = trained("translator")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), dtype=np.uint8)
    samples = generator.sample(inputs={"source": pixels})
    floats = generator.sample(inputs={"source": torch.from_numpy(pixels).float() / 127.5 - 1})
    assert len(samples) == 3 and torch.equal(samples.values, floats.values)
    assert torch.equal(samples.values, generator.sample(inputs={"source": list(pixels)}).values)
    larger = generator.sample(inputs={"source": np.zeros((1, 3, 20, 34), dtype=np.uint8)})
    assert larger.values.shape == larger.images.shape == (1, 3, 20, 34)
    assert len(generator.sample(5, inputs={"source": pixels})) == 5, "from the first again"
    assert [len(batch) for batch in generator.batches(70, inputs={"source": pixels})] == [64, 6]


def test_each_input_is_made_with_each_label(trained) -> None:
    generator = trained("domains")
    source = torch.rand(2, 3, 16, 16) * 2 - 1
    samples = generator.sample(inputs={"source": source})
    assert samples.labels.tolist() == [0, 1, 0, 1]
    one = generator.sample(inputs={"source": source[1:]}, labels=["b"])
    torch.testing.assert_close(one.values[0], samples.values[3])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"inputs": {"sauce": 1}}, SettingError, "translator takes source, but was given sauce"),
        ({"text": "red"}, SettingError, "translator takes no text; leave out text"),
        (
            {"inputs": {"source": np.zeros((1, 3, 15, 16), np.uint8)}},
            DataError,
            r"multiples of 2, but is \(1, 3, 15, 16\)",
        ),
        ({"inputs": {"source": np.zeros((1, 1, 16, 16), np.uint8)}}, DataError, r"\(N, 3, H, W\)"),
        ({"inputs": {"source": np.zeros((0, 3, 16, 16), np.uint8)}}, DataError, r"but is \(0, 3, 16, 16\)"),
        (
            {"inputs": {"source": np.full((1, 3, 16, 16), 2.0)}},
            DataError,
            r"must be in \[-1, 1\], or uint8 .*reaches 2",
        ),
        ({"inputs": {"source": np.full((1, 3, 16, 16), np.nan)}}, DataError, "must be finite numbers"),
        ({"inputs": {"source": ["mine.png"]}}, DataError, "source must be numbers, equally many in each row"),
        ({"inputs": {"source": [np.zeros((3, 16, 16)), np.zeros((3, 18, 16))]}}, DataError, "equally many in each row"),
    ],
)
def test_what_does_not_fit_is_refused(trained, given: dict, error: type[GanzooError], message: str) -> None:
    with pytest.raises(error, match=message):
        trained("translator", steps=1).sample(**given)


def test_noise_that_a_network_draws_comes_from_the_sampling_seed(trained) -> None:
    generator = trained("noisy-translator")
    source = {"source": torch.rand(70, 3, 16, 16) * 2 - 1}
    first, again, other = (generator.sample(inputs=source, seed=seed).values for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    torch.testing.assert_close(torch.cat([b.values for b in generator.batches(70, inputs=source)]), first)
    fewer = generator.sample(9, inputs=source).values
    assert torch.equal(fewer, first[:9]), "the first of them do not depend on how many there are"


def damage(change: Callable[[dict, dict], None]) -> None:
    """Change header and tensors of the run's examples, under a right digest."""
    path = Path("run/inputs/examples.safetensors")
    header, tensors = tensor_files.load(path, "inputs")
    change(header, tensors)
    header["digest"] = tensor_files.digest(header, tensors)
    save_file(tensors, path, {"ganzoo": json.dumps(header, sort_keys=True)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, t: t.pop("source"), "does not fit this generator"),
        (lambda h, t: t.update(source=t["source"][:, :1].contiguous()), "does not fit this generator"),
        (lambda h, t: t.update(source=t["source"].double()), "does not fit this generator"),
        (lambda h, t: t.update(source=t["source"][:3].contiguous()), "does not fit this generator"),
        (lambda h, t: t.update(extra=t["source"].clone()), "does not fit this generator"),
        (lambda h, t: t["source"].fill_(torch.nan), "source holds numbers that are not finite"),
        (lambda h, t: t["labels"].fill_(2), "labels must be from 0 to 1"),
        (lambda h, t: t["labels"].fill_(-1), "labels must be from 0 to 1"),
    ],
)
def test_a_strangers_examples_are_checked(trained, change: Callable[[dict, dict], None], message: str) -> None:
    trained("domains", steps=1)
    damage(change)
    with pytest.raises(FileError, match=message):
        ganzoo.load("run")


def test_a_header_of_other_inputs_is_refused(trained) -> None:
    trained("translator", steps=1)
    path = Path("run/generator.safetensors")
    header, tensors = tensor_files.load(path, "generator")
    for inputs, message in (
        ([], "its generator takes other inputs"),
        ([header["inputs"][0] | {"multiple": 4}], "its generator takes other inputs"),
        ([header["inputs"][0] | {"shape": [3, -1, 8]}], "lacks or garbles inputs"),
        ([{"name": "source"}], "lacks or garbles inputs"),
        ("source", "lacks or garbles inputs"),
        ([1], "lacks or garbles inputs"),
    ):
        tensor_files.save(path, "generator", header | {"inputs": inputs}, tensors)
        with pytest.raises(FileError, match=message):
            ganzoo.load("run")


def test_examples_are_not_written_through_a_link(takers, in_tmp: Path) -> None:
    ganzoo.train("translator", device="cpu", out="run", steps=1, snapshots=())
    Path("elsewhere").mkdir()
    for file in Path("run/inputs").iterdir():
        file.unlink()
    Path("run/inputs").rmdir()
    Path("run/inputs").symlink_to(Path("elsewhere").absolute())
    with pytest.raises(FileError, match="inputs is a link"):
        ganzoo.train(resume="run", steps=2)
    assert not list(Path("elsewhere").iterdir())


# `ganzoo sample RUN --input FILE`


def test_a_picture_of_ones_own(trained) -> None:
    trained("translator")
    image = made(ganzoo_sample("--input", picture("mine.png", (21, 15))))
    assert (image.size, image.mode) == ((21, 15), "RGB"), "as large as it was, though the network takes even sides"
    assert Path("run/made/mine.png").exists()


def test_a_picture_becomes_as_many_times_larger(trained) -> None:
    trained("upscaler")
    assert made(ganzoo_sample("--input", picture("mine.jpg", (9, 6)))).size == (36, 24)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3, 2)])
def test_a_tiny_picture_will_do(trained, size: tuple[int, int]) -> None:
    trained("translator", steps=1)
    assert made(ganzoo_sample("--input", picture("tiny.png", size))).size == size


def test_a_picture_is_upright_and_of_any_kind(trained) -> None:
    trained("translator", steps=1)
    image = Image.open(picture("plain.png", (20, 10)))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save("turned.jpg", exif=exif)
    assert made(ganzoo_sample("--input", "turned.jpg")).size == (10, 20)
    picture("clear.png", (8, 8), "RGBA")
    Image.fromarray((np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)).save("deep.png")
    picture("grey.png", (8, 8), "L")
    for name in ("clear.png", "deep.png", "grey.png"):
        assert made(ganzoo_sample("--input", name)).mode == "RGB"


def test_a_folder_gives_a_folder(trained) -> None:
    trained("translator", steps=1)
    picture("mine/a.png")
    picture("mine/deeper/a.jpg")
    picture("mine/deeper/a.png")
    Path("mine/notes.txt").write_text("no picture")
    result = ganzoo_sample("--input", "mine", "-o", "out")
    assert (result.exit_code, result.stdout) == (0, "out\n")
    assert sorted(str(p.relative_to("out")) for p in Path("out").rglob("*.png")) == [
        "a.png", "deeper/a-2.png", "deeper/a.png",
    ]  # fmt: skip


def test_one_file_for_each_label(trained) -> None:
    trained("domains", steps=1)
    picture("mine.png")
    result = ganzoo_sample("--input", "mine.png")
    assert (result.exit_code, result.stdout) == (0, "run/made\n"), result.output
    assert sorted(p.name for p in Path("run/made").iterdir()) == ["mine-a.png", "mine-b.png"]
    assert ganzoo_sample("--input", "mine.png", "--label", "b", "-o", "it.png").stdout == "it.png\n"
    with Image.open("it.png") as image, Image.open("run/made/mine-b.png") as other:
        assert image.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--input", "none.png"], 1, "Error: there is no file or folder none.png\n"),
        (["--input", "empty"], 1, "Error: empty holds no images\n"),
        (["--input", "notes.txt"], 1, "Error: notes.txt can't be read as an image: it is no image of a known format\n"),
        (["--input", "blank.png"], 1, "Error: blank.png can't be read as an image: it is empty\n"),
        (["--input", "mine.png", "--input", "mine.png", "-o", "x.png"], 2, "go into a folder: -o x.png/"),
        (["--input", "mine.png", "-o", "x.npz"], 2, "go into a folder: -o x.npz/"),
        (["--input", "mine.png", "--label", "a"], 1, "Error: translator is not conditional"),
        (["--text", "red"], 1, "Error: translator takes no text; leave out text\n"),
    ],
)
def test_what_can_not_be_taken(trained, arguments: list[str], code: int, message: str) -> None:
    trained("translator", steps=1)
    picture("mine.png")
    Path("empty").mkdir()
    Path("notes.txt").write_text("no picture")
    Path("blank.png").touch()
    result = ganzoo_sample(*arguments)
    assert result.exit_code == code and message in result.output, result.output
    assert not Path("x.png").exists()


def test_a_generator_that_takes_no_picture(in_tmp: Path) -> None:
    ganzoo.train("toy", data="ring8", device="cpu", out="run", steps=1)
    result = ganzoo_sample("--input", picture("mine.png"))
    assert (result.exit_code, result.output) == (1, "Error: toy takes no picture; leave out --input\n")


def test_nothing_is_made_through_a_link(trained) -> None:
    trained("translator", steps=1)
    Path("elsewhere").mkdir()
    Path("run/made").symlink_to(Path("elsewhere").absolute())
    result = ganzoo_sample("--input", picture("mine.png"))
    assert result.exit_code == 1 and "made is a link" in result.output
    assert not list(Path("elsewhere").iterdir())
