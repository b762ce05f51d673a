"""Inception's features: of the right numbers, kept, and no weights but the published ones.

The network has weights drawn at random here, for its real ones are 91 MB.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch_fidelity import feature_extractor_inceptionv3 as port

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.datasets.sources import Digits
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_tools.evaluation import inception
from ganzoo_tools.evaluation.inception import of_inception, weights_file
from ganzoo_tools.evaluation.reference import load_reals

CPU = torch.device("cpu")
COLOUR = DataSpec("x", (3, 8, 8))


@pytest.fixture(scope="module")
def drawn() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    with (
        mock.patch.object(port, "load_state_dict_from_url", lambda *_, **__: {}),
        mock.patch.object(port.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None),
    ):
        return port.FeatureExtractorInceptionV3("inception", ["2048"]).state_dict()


@pytest.fixture
def stand_in(drawn, monkeypatch):
    """Random weights, as if they were fetched."""
    monkeypatch.setattr(inception, "_weights", lambda path: drawn)


class Quick(torch.nn.Module):
    """In the network's place, where its numbers don't matter: every 49th value."""

    def __init__(self, weights: dict[str, torch.Tensor]) -> None:
        super().__init__()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, ::49]


@pytest.fixture
def quick(stand_in, quick_judge, monkeypatch):
    monkeypatch.setattr(inception, "_Inception", Quick)


def test_it_is_what_the_port_gives_of_256_levels(stand_in, drawn):
    for channels in (1, 3):
        extractor = of_inception(DataSpec("x", (channels, 8, 8)), CPU)
        levels = torch.randint(0, 256, (2, channels, 8, 8), dtype=torch.uint8)
        (expected,) = extractor.network.model(levels.expand(-1, 3, -1, -1))
        near = levels / 127.5 - 1 + 0.003 * torch.rand(levels.shape)  # less than half a level away
        assert expected.shape == (2, 2048) and torch.equal(extractor(near), expected)
        assert extractor.fitted(expected) is extractor, "its numbers are left as they are"
    name, weights = next(iter(drawn.items()))
    assert torch.equal(dict(extractor.network.model.state_dict())[name], weights)


def test_a_run_is_evaluated_by_it(quick, tmp_path, monkeypatch, caplog):
    run = ganzoo.train("cgan", data="digits", steps=1, device="cpu", out=tmp_path / "run")
    caplog.set_level(logging.INFO, "ganzoo")
    taken = []
    true = inception.of_inception
    monkeypatch.setattr(inception, "of_inception", lambda *given: taken.append(given) or true(*given))
    words = ["evaluate", str(run.folder), "--features", "inception", "-n", "20", "--seeds", "1", "--json"]
    where = ["--data-dir", str(tmp_path / "data")]
    found = []
    for _ in range(2):
        result = CliRunner().invoke(main, [*words, *where])
        assert result.exit_code == 0, result.output
        found.append(json.loads(result.stdout))
    assert found[0] == found[1] and found[0]["conditions"]["extractor"] == "inception" and len(taken) == 2
    assert found[0]["conditions"]["resize"] == "299x299 bilinear, as TensorFlow 1"
    assert (run.folder / "evaluation-inception.json").exists() and not (run.folder / "evaluation.json").exists()
    assert [m for m in caplog.messages if "real samples, once" in m] == [
        "taking inception features of 20 real samples, once"
    ]


def test_real_features_are_kept_and_made_again_where_damaged(quick, tmp_path, caplog):
    first = load_reals(Digits(), tmp_path, 20, "inception")
    (kept,) = (tmp_path / "features").iterdir()
    with mock.patch.object(Quick, "forward", side_effect=AssertionError("not needed")):
        again = load_reals(Digits(), tmp_path, 20, "inception")
    assert torch.equal(first.subset.features, again.subset.features) and first.floor == again.floor
    kept.write_bytes(kept.read_bytes()[:100])
    assert torch.equal(load_reals(Digits(), tmp_path, 20, "inception").subset.features, first.subset.features)
    assert "the features are made again" in caplog.text
    of_more = load_reals(Digits(), tmp_path, 21, "inception").subset.features
    assert len(of_more) == 21 and torch.allclose(of_more[:20], first.subset.features, atol=1e-4)


def test_what_it_is_asked_for(tmp_path):
    assert (weights_file("inception"), weights_file("inception:a:b")) == (None, Path("a:b"))
    for wrong in ("vgg", "inception:", "inception3"):
        with pytest.raises(SettingError, match=f"be inception, inception:FILE, or left out, but is '{wrong}'"):
            weights_file(wrong)
    with pytest.raises(DataError, match="take grey or colour images, but cut-out holds images of 4 channels"):
        of_inception(DataSpec("cut-out", (4, 8, 8)), CPU)
    with pytest.raises(DataError, match="features inception take grey or colour images, but ring8 holds points"):
        of_inception(DataSpec("ring8", (2,), kind="points"), CPU)
    with pytest.raises(DataError, match=r"none.pth is not a file; the one of https://\S+\.pth is wanted"):
        of_inception(COLOUR, CPU, tmp_path / "none.pth")


def named_by_digest(folder: Path, data: bytes) -> Path:
    """A file of weights as torch's servers have it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"made-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    path.write_bytes(data)
    return path


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Put bytes in the place of Inception's file, and say where they are served and where they are kept."""

    def put(data: bytes) -> tuple[Path, Path]:
        file = named_by_digest(tmp_path / "server", data)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        monkeypatch.setattr(port, "URL_INCEPTION_V3", file.as_uri())
        return file, tmp_path / "torch" / "hub" / "checkpoints" / file.name

    return put


def test_weights_are_fetched_once_or_taken_from_a_file(drawn, serve, tmp_path):
    torch.save(drawn, whole := tmp_path / "whole.pth")  # noqa: TID251 a file as the published one
    file, kept = serve(whole.read_bytes())
    fetched = of_inception(COLOUR, CPU)
    assert kept.read_bytes() == whole.read_bytes()
    file.unlink()
    assert of_inception(COLOUR, CPU).digest == fetched.digest == of_inception(COLOUR, CPU, whole).digest
    values = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (1, 3, 8, 8)).astype(np.float32))
    assert torch.equal(of_inception(COLOUR, CPU, whole)(values), fetched(values))


def test_no_network_is_told_in_a_sentence(serve):
    file, kept = serve(b"x")
    file.unlink()
    with pytest.raises(DataError) as caught:
        of_inception(COLOUR, CPU)
    assert "Inception's weights, which are not here and could not be fetched (" in str(caught.value)
    assert f"into {kept.parent}, name it with --features inception:FILE, or leave out" in str(caught.value)


def test_weights_that_are_code_are_not_run(serve, tmp_path, capsys):
    """b'cos.system...' is a pickle that would make a folder."""
    file, kept = serve(b"cos\nmkdir\n(S'%s'\ntR." % str(tmp_path / "evil").encode())
    for given in (None, None, file):
        with pytest.raises(DataError, match=rf"{given or kept} holds no weights \(\w+\); remove it"):
            of_inception(COLOUR, CPU, given)
    assert kept.read_bytes() == file.read_bytes() and not (tmp_path / "evil").exists()
    output = capsys.readouterr()
    assert output.out == "" and "Downloading" in output.err


@pytest.mark.parametrize("place", ["kept", "given", "fetched"])
def test_weights_of_another_digest_are_not_opened(serve, tmp_path, place):
    file, kept = serve(b"cos\nmkdir\n(S'%s'\ntR." % str(tmp_path / "evil").encode())
    kept.parent.mkdir(parents=True)
    changed = file.read_bytes() + b" "
    there = {"kept": kept, "given": tmp_path / "own.pth", "fetched": file}[place]
    there.write_bytes(changed)
    wanted, found = file.stem[-8:], hashlib.sha256(changed).hexdigest()[:8]
    begins = f"damaged, or another: its SHA-256 must begin with {wanted}, but begins with {found}"
    words = {
        "kept": f"{kept} is {begins}; remove it, and it is fetched again",
        "given": f"{there} is {begins}; it must be {file.name}",
        "fetched": f'could not be fetched (invalid hash value (expected "{wanted}", got "{found}',
    }
    with pytest.raises(DataError) as caught:
        of_inception(COLOUR, CPU, there if place == "given" else None)
    assert words[place] in str(caught.value)
    assert kept.exists() == (place == "kept") and not (tmp_path / "evil").exists()
