"""Weights from strangers: each loads exactly what was saved, or ends in one sentence: little work, little memory."""

from __future__ import annotations

import itertools
import json
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor
from work import at_most

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import FileError, GanzooError
from ganzoo_core.storage import tensor_files
from ganzoo_core.testing.cases import cases

LITTLE = 500_000  # calls: of a good file 35,000, of the largest network that is made before it is refused 400,000
Loaded = tuple[dict[str, Any], dict[str, Tensor]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A finished run with everything in its files: labels, BatchNorm, state in the loss, optimizers."""
    out = tmp_path_factory.mktemp("strangers") / "run"
    ganzoo.train("toy-conditional", data="digits", steps=2, device="cpu", texts={"width": "2"}, out=out)
    return out


def load_generator(path: Path) -> Loaded:
    """What somebody who samples from the file gets of it."""
    found = ganzoo.load(path)
    header = {"variant": found.variant.name, "config": found.variant.config.to_dict(), "data": found.spec.to_dict()}
    return header | {"step": found.step}, found.module.state_dict()


def load_checkpoint(path: Path) -> Loaded:
    """What a resume reads of the file."""
    header, tensors = tensor_files.load(path, "checkpoint")
    tensor_files.check_fields(path, header, {"step": int})
    return header, tensors


KINDS: dict[str, Callable[[Path], Loaded]] = {"generator": load_generator, "checkpoint": load_checkpoint}


def same(a: Loaded, b: Loaded) -> bool:
    return a[0] == b[0] and a[1].keys() == b[1].keys() and all(torch.equal(a[1][name], b[1][name]) for name in a[1])


def refused(load: Callable[[Path], Loaded], path: Path, saved: Loaded) -> str | None:
    """The sentence a file ends in; None where it loads, which must give what was saved. Takes little work."""
    try:
        with at_most(LITTLE):
            loaded = load(path)
    except GanzooError as error:
        message = str(error)
        assert 20 < len(message) < 2000 and "\n" not in message.strip(), message
        return message
    assert same(loaded, saved), "a silent mismatch"
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_at_every_hundredth(folder, tmp_path, kind):
    source, path = folder / f"{kind}.safetensors", tmp_path / "x"
    data, saved = source.read_bytes(), KINDS[kind](source)
    for share in range(100):
        path.write_bytes(data[: len(data) * share // 100])
        message = refused(KINDS[kind], path, saved)
        assert message is not None and "is no whole safetensors file" in message


def flip_bytes(folder: Path, tmp_path: Path, kind: str, times: int) -> None:
    """Half of the flips hit the header, half the tensors."""
    source, path = folder / f"{kind}.safetensors", tmp_path / "x"
    data, saved = source.read_bytes(), KINDS[kind](source)
    body = 8 + struct.unpack("<Q", data[:8])[0]
    dice = random.Random(times)
    outcomes = []
    for number in range(times):
        place = dice.randrange(body) if number % 2 else dice.randrange(body, len(data))
        flipped = bytearray(data)
        flipped[place] ^= dice.randrange(1, 256)
        path.write_bytes(flipped)
        outcomes.append(refused(KINDS[kind], path, saved))
    assert all(outcomes[::2]), "a flipped tensor must be noticed"
    assert sum(message is None for message in outcomes) < times / 50, "hardly any byte of a header is idle"


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bytes(folder, tmp_path, kind):
    flip_bytes(folder, tmp_path, kind, 200)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_flipped_bytes(folder, tmp_path, kind):
    flip_bytes(folder, tmp_path, kind, 4000)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


NASTY: list[Any] = [
    None, True, -1, 0, 1.5, 2**31, 2**63, 2**64, 10**300, 10**4000, 1e300, -0.0, "", "x" * 10**5, "../../etc/passwd",
    "[red]<script>\x1b[31m\n", "\x00", [], {}, [0], [-1], [2**40], [2**62, 4], [1] * 1000, [10**9] * 30, ["a"] * 10**4,
    {"a": 1}, nested(3), nested(50), nested(900), [True, 28, 28], [1, 28, 28.0], [1, 2**20, 2**20],
]  # fmt: skip


def nasty_headers(header: dict[str, Any]) -> list[dict[str, Any]]:
    """The header with each of its fields, and of those in config and data, lacking or set to each nasty value."""
    found = []
    places = [(header, [])] + [(header[name], [name]) for name in ("config", "data") if name in header]
    for table, way in places:
        for key in table:
            changes = [{k: v for k, v in table.items() if k != key}, *(table | {key: value} for value in NASTY)]
            found += [header | {way[0]: change} if way else change for change in changes]
    return [*found, header | {"config": header.get("config", {}) | {"bogus": 1}}, header | {"data": {"bogus": 1}}]


def hostile_headers(folder: Path, tmp_path: Path, kind: str, every: int) -> None:
    """Headers that are wrong but bear the digest that belongs to them: only the checks behind it help."""
    source, path = folder / f"{kind}.safetensors", tmp_path / "x"
    saved = KINDS[kind](source)
    header, tensors = tensor_files.load(source, kind)
    header.pop("digest")
    names = saved[1].keys()
    for number, nasty in enumerate(nasty_headers(header)):
        if number % every:
            continue
        tensor_files.save(path, kind, nasty, tensors)
        loaded = None
        try:
            with at_most(LITTLE):
                loaded = KINDS[kind](path)
        except GanzooError as error:
            assert len(str(error)) < 2000, str(error)[:3000]
        if loaded is not None:  # a header that makes sense: its words count, and its tensors are all there
            assert loaded[1].keys() == names and all(torch.equal(loaded[1][n], saved[1][n]) for n in names)
            assert all(nasty[key] == loaded[0][key] for key in ("variant", "step") if key in loaded[0])


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_headers(folder, tmp_path, kind):
    hostile_headers(folder, tmp_path, kind, every=5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_all_hostile_headers(folder, tmp_path, kind):
    hostile_headers(folder, tmp_path, kind, every=1)


def raw(header: dict[str, Any] | str, body: bytes = b"", claimed: int | None = None) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text) if claimed is None else claimed) + text + body


def tensor(shape: list[Any], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


MALFORMED = {
    "nothing": b"",
    "half a length": b"\x00\x01",
    "giant header": raw("{}", claimed=2**63),
    "a gigabyte of header": raw("{}", claimed=2**30),
    "largest header": raw("[" * (8 * 2**20)),
    "deep header": raw('{"a":' * 100_000 + "1" + "}" * 100_000),
    "no object": raw("[]"),
    "not UTF-8": struct.pack("<Q", 4) + b'{"\xff"',
    "giant shape": raw({"a": tensor([2**40, 2**40], 0, 4)}, bytes(4)),
    "overflowing shape": raw({"a": tensor([2**63, 2**63, 4], 0, 4)}, bytes(4)),
    "negative shape": raw({"a": tensor([-1, 4], 0, 4)}, bytes(4)),
    "wrong length": raw({"a": tensor([2], 0, 4)}, bytes(4)),
    "beyond the end": raw({"a": tensor([1], 0, 4)}),
    "backwards": raw({"a": tensor([1], 4, 0)}, bytes(4)),
    "overlapping": raw({"a": tensor([1], 0, 4), "b": tensor([1], 0, 4)}, bytes(4)),
    "a hole": raw({"a": tensor([1], 4, 8)}, bytes(8)),
    "more than it says": raw({"a": tensor([1], 0, 4)}, bytes(400)),
    "unknown dtype": raw({"a": tensor([1], 0, 4, "F33")}, bytes(4)),
    "text for offsets": raw({"a": tensor([1], 0, 4) | {"data_offsets": "all"}}, bytes(4)),
    "metadata of numbers": raw({"__metadata__": {"ganzoo": 5}}),
    "no metadata": raw({"a": tensor([1], 0, 4)}, bytes(4)),
    "a hundred thousand tensors": raw({f"{i:x}": tensor([0], 0, 0, "U8") for i in range(100_000)}),
    "deep words": raw({"__metadata__": {"ganzoo": '{"a":' * 5000 + "1" + "}" * 5000}}),
    "number of a million digits": raw({"__metadata__": {"ganzoo": "9" * 10**6}}),
    "not a number": raw({"__metadata__": {"ganzoo": '{"kind": NaN}'}}),
    "half a character": raw({"__metadata__": {"ganzoo": '{"kind": "generator", "format_version": 1, "a": "\\ud800"}'}}),
    "nested": raw({"__metadata__": {"ganzoo": '{"kind": "generator", "format_version": 1, "a": [[[[[[1]]]]]]}'}}),
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("kind", KINDS)
def test_malformed(folder, tmp_path, name, kind):
    (tmp_path / "x").write_bytes(MALFORMED[name])
    message = refused(KINDS[kind], tmp_path / "x", ({}, {}))
    assert message is not None and str(tmp_path / "x") in message


def test_what_malformed_headers_are_told(tmp_path):
    words = {
        "giant header": "its header must be at most 8,388,608 bytes, but claims 9,223,372,036,854,775,808",
        "half a character": "has a header that is not JSON",
        "not a number": "has a header that is not JSON",
        "nested": "is damaged: its header is nested more than 5 levels deep",
    }
    for name, text in words.items():
        (tmp_path / "x").write_bytes(MALFORMED[name])
        with pytest.raises(FileError, match=text):
            tensor_files.read_header(tmp_path / "x", "generator")


def changed(folder: Path, path: Path, kind: str, change: Callable[[dict[str, Tensor]], Any], **words: Any) -> Path:
    """The file with other tensors and words, and the digest that belongs to them."""
    header, tensors = tensor_files.load(folder / f"{kind}.safetensors", kind)
    change(tensors)
    tensor_files.save(path, kind, {k: v for k, v in header.items() if k != "digest"} | words, tensors)
    return path


def swap(tensors: dict[str, Tensor], a: str, b: str) -> None:
    tensors[a], tensors[b] = tensors[b], tensors[a]


CHANGES: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "swapped": (lambda t: swap(t, "hidden.weight", "output.weight"), "hidden.weight must have shape (2, 4)"),
    "NaN": (lambda t: t["hidden.bias"].fill_(torch.nan), "hidden.bias holds numbers that are not finite"),
    "infinite": (lambda t: t["hidden.weight"][0].fill_(-torch.inf), "hidden.weight holds numbers that are not finite"),
    "doubles": (lambda t: t.update({"norm.weight": t["norm.weight"].double()}), "norm.weight must have dtype"),
    "lacking": (lambda t: t.pop("output.bias"), "it lacks tensor output.bias"),
    "unknown": (lambda t: t.update({"x" * 5000: torch.zeros(1)}), "it has an unknown tensor xxx"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_tensors_that_do_not_fit(folder, tmp_path, name):
    change, words = CHANGES[name]
    path = changed(folder, tmp_path / "x", "generator", change)
    message = refused(load_generator, path, ({}, {}))
    assert message is not None and words in message


def test_the_wrong_variant(folder, tmp_path):
    path = changed(folder, tmp_path / "x", "generator", lambda t: None, variant="toy")
    with pytest.raises(FileError, match="it has an unknown tensor embedding.weight; it was written by ganzoo-toy 1.0"):
        ganzoo.load(path)


def test_a_file_imports_nothing_by_its_words(folder, tmp_path, monkeypatch):
    """A module of that name lies on the path, but no plugin offers it."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "lurking.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    (tmp_path / "run").mkdir()
    info = json.loads((folder / "run.json").read_text())
    words = {"variant": "lurking", "package": "lurking"}
    path = changed(folder, tmp_path / "x", "generator", lambda t: None, **words)
    with pytest.raises(GanzooError, match="the variant 'lurking', whose package is not installed: pip install lurking"):
        ganzoo.load(path)
    for other in (words, {"settings": info["settings"] | {"data": "lurking"}}):
        (tmp_path / "run" / "run.json").write_text(json.dumps(info | other))
        with pytest.raises(GanzooError, match="'lurking', whose package is not|there is no data set called 'lurking'"):
            ganzoo.train(resume=tmp_path / "run")
    assert "lurking" not in sys.modules and not (tmp_path / "ran").exists()


DEEP = """
from dataclasses import dataclass
import torch
import ganzoo_core as ganzoo
from ganzoo_core import hookimpl, option
from ganzoo_toy import Toy, ToyConfig

GANZOO_API = 1


@dataclass(frozen=True, kw_only=True)
class DeepConfig(ToyConfig):
    depth: int = option(1, "layers", minimum=1)
    idle: int = option(0, "numbers that are not saved", minimum=0)
    reads: bool = option(False, "reads a number as it is made")


class Deep(Toy):
    name = "deep"
    Config = DeepConfig

    def generator(self, data):
        made = super().generator(data)
        for number in range(1, self.config.depth):
            made.add_module(f"more{number}", torch.nn.Linear(1, 1))
        made.register_buffer("idle", torch.empty(self.config.idle), persistent=False)
        if self.config.reads:
            torch.zeros(3)[0].item()
        return made


@hookimpl
def ganzoo_variants():
    return [Deep]
"""


def test_settings_that_make_a_network_far_larger_than_the_file(plugin_site, tmp_path):
    plugin_site.install("ganzoo-deep", {"ganzoo_deep.py": DEEP})
    run = ganzoo.train("deep", data="ring8", steps=1, device="cpu", texts={"reads": "true"}, out=tmp_path / "run")
    saved = load_generator(run.folder / "generator.safetensors")
    config = run.info["settings"]
    config = {name: config[name] for name in saved[0]["config"]}
    for large in ({"depth": 10**9}, {"idle": 2**40, "reads": True}, {"depth": 10**9, "reads": True}):
        path = changed(run.folder, tmp_path / "x", "generator", lambda t: None, config=config | large)
        message = refused(load_generator, path, saved)
        assert message is not None
        assert (
            "the settings that it came with make networks far larger than the file" in message
            or "making it fails" in message
        )
    path = changed(run.folder, tmp_path / "x", "generator", lambda t: None, config=config | {"width": 2**62})
    with pytest.raises(FileError, match=r"does not fit this generator: making it fails \(\w+Error: .*written by"):
        ganzoo.load(path)


def test_samples_too_large_to_make(folder, tmp_path):
    header, _ = tensor_files.load(folder / "generator.safetensors", "generator")
    for shape in ([1, 2**20, 2**20], [1] * 9):
        data = header["data"] | {"shape": shape}
        path = changed(folder, tmp_path / "x", "generator", lambda t: None, data=data)
        with pytest.raises(FileError, match="a sample may hold 67,108,864 numbers in 8 dimensions, but has shape"):
            ganzoo.load(path)


def optimizer(key: str) -> str:
    return f"optimizer.generator.0.{key}"


RESUMED: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str]] = {
    "an index there is not": (
        lambda t: t.update({"optimizer.generator.999.exp_avg": torch.zeros(3)}), "it has an unknown part 999",
    ),
    "no index": (lambda t: t.update({"optimizer.generator.x.exp_avg": torch.zeros(3)}), "it has an unknown part x"),
    "too small for the kernel": (
        lambda t: t.update({optimizer("exp_avg"): torch.zeros(1)}), "exp_avg must have shape (3, 4), but has (1,)",
    ),
    "another dtype": (
        lambda t: t.update({optimizer("exp_avg"): t[optimizer("exp_avg")].double()}), "must have dtype torch.float32",
    ),
    "half a memory": (lambda t: t.pop(optimizer("exp_avg_sq")), "it lacks tensor exp_avg_sq"),
    "foreign memory": (lambda t: t.update({optimizer("momentum"): torch.zeros(3)}), "has an unknown tensor momentum"),
    "nobody's tensor": (lambda t: t.update({"nobody.x": torch.zeros(1)}), "it has an unknown tensor nobody.x"),
    "another player": (lambda t: t.update({"optimizer.nobody.0.step": torch.zeros(1)}), "has an unknown tensor"),
    "NaN": (lambda t: t["discriminator.output.bias"].fill_(torch.nan), "discriminator.output.bias holds numbers that"),
    "a lost buffer": (lambda t: t.pop("loss.turns"), "does not fit this loss: it lacks tensor turns"),
}  # fmt: skip


@pytest.mark.parametrize("name", RESUMED)
def test_checkpoints_that_do_not_fit(tmp_path, name):
    change, words = RESUMED[name]
    engine = cases("toy-conditional").tried[0].engine()
    engine.train_step()
    tensors = {key: value.clone() for key, value in engine.state().items()}
    cases("toy-conditional").tried[0].engine().restore(1, tensors, tmp_path)  # as it is, it fits
    change(tensors)
    with pytest.raises(FileError) as caught:
        cases("toy-conditional").tried[0].engine().restore(1, tensors, tmp_path / "x")
    assert words in str(caught.value) and str(tmp_path / "x") in str(caught.value)


DAMAGES: dict[str, Callable[[dict[str, Tensor], str], Any]] = {
    "left out": lambda t, name: t.pop(name),
    "renamed": lambda t, name: t.update({f"{name}x": t.pop(name)}),
    "renamed before": lambda t, name: t.update({name.replace(".", ".x", 1): t.pop(name)}),
    "doubled": lambda t, name: t.update({f"{name}2": t[name].clone()}),
    "of another shape": lambda t, name: t.update({name: t[name][None]}),
    "of another dtype": lambda t, name: t.update({name: t[name].to(torch.float16)}),
    "not finite": lambda t, name: t[name].is_floating_point() and t[name].view(-1)[-1:].fill_(torch.inf),
}


def small_checkpoint() -> dict[str, Tensor]:
    engine = cases("toy-conditional").tried[0].engine()
    engine.train_step()
    return {key: value.clone() for key, value in engine.state().items()}


def refusal(tensors: dict[str, Tensor]) -> str:
    with pytest.raises(FileError, match="run/checkpoint does not fit this|run/checkpoint is of no use: ") as caught:
        cases("toy-conditional").tried[0].engine().restore(1, tensors, Path("run/checkpoint"))
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.long
def test_each_tensor_of_a_checkpoint_is_missed_where_it_is(damage):
    whole = small_checkpoint()
    names = [name for name in whole if damage != "not finite" or whole[name].is_floating_point()]
    assert len(names) > 20
    for name in names:
        tensors = {key: value.clone() for key, value in whole.items()}
        DAMAGES[damage](tensors, name)
        refusal(tensors)


@pytest.mark.long
def test_tensors_of_a_checkpoint_in_each_others_place():
    """Of another shape or dtype they are noticed; of the same, it is the checkpoint of another run."""
    whole = small_checkpoint()
    forms = {name: (tensor.shape, tensor.dtype) for name, tensor in whole.items()}
    differing = [(a, b) for a, b in itertools.combinations(whole, 2) if forms[a] != forms[b]]
    assert len(differing) > 100
    for a, b in differing[::5]:
        tensors = dict(whole)
        swap(tensors, a, b)
        assert "must have" in refusal(tensors)


@pytest.mark.parametrize("step", [None, -1, "2", 1.0, True, 2**60])
def test_checkpoints_of_no_step(folder, tmp_path, step):
    (tmp_path / "run" / "samples").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_bytes((folder / "run.json").read_bytes())
    changed(folder, tmp_path / "run" / "checkpoint.safetensors", "checkpoint", lambda t: None, step=step)
    with pytest.raises(FileError, match="is damaged: its header lacks or garbles step"):
        ganzoo.train(resume=tmp_path / "run")


def test_the_command_line_shows_one_line(folder, tmp_path):
    for data in list(MALFORMED.values())[::4]:
        (tmp_path / "x").write_bytes(data)
        result = CliRunner().invoke(main, ["sample", str(tmp_path / "x"), "-o", str(tmp_path / "x.png")])
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
        assert "this is a bug" not in result.stderr


@pytest.mark.long
def test_memory_stays_bounded(folder, tmp_path):
    """The peak of a process that reads all the malformed files and giant settings is hardly above that of one good."""
    for name, data in MALFORMED.items():
        (tmp_path / name.replace(" ", "-")).write_bytes(data)
    header, _ = tensor_files.load(folder / "generator.safetensors", "generator")
    for name, large in {"width": 10**9, "latent_dim": 2**40}.items():
        config = header["config"] | {name: large}
        changed(folder, tmp_path / f"large-{name}", "generator", lambda t: None, config=config)
    program = f"""
import resource, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent / "toy_plugin")!r})
import ganzoo_core as ganzoo
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
ganzoo.load({str(folder)!r})
before = peak()
for path in Path({str(tmp_path)!r}).iterdir():
    try:
        ganzoo.load(path)
    except ganzoo.GanzooError:
        continue
    raise AssertionError(path)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100, f"{done.stdout} MB"
