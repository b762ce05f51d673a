"""examples/emoji_pairs.py on tiny packages: pairs, captions, categories, and what is no such package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from folders import BLUE, RED, colour_of, save

from ganzoo_core.data import Dataset
from ganzoo_core.runs.plan import named_source

SCRIPT = Path(__file__).parents[1] / "examples" / "emoji_pairs.py"
TONE = {"1F3FB": {"image": "1f44b-1f3fb.png"}, "1F3FB-1F3FF": {"image": "1f44b-1f3fb-1f3ff.png"}}
ENTRIES = [
    {"name": "GRINNING FACE", "short_name": "grinning", "image": "1f600.png", "category": "Smileys & Emotion"},
    {"name": None, "short_name": "flag_x", "image": "1f1fd.png", "category": "Flags"},
    {"name": "WAVING HAND SIGN", "short_name": "wave", "image": "1f44b.png", "category": "People & Body",
     "skin_variations": TONE},
    {"name": "ONLY GOOGLE", "short_name": "only", "image": "1f9ff.png", "category": "Flags"},
]  # fmt: skip


def package(folder: Path, style: str, colour: tuple[int, int, int], lacks: tuple[str, ...] = ()) -> Path:
    """An unpacked package of 5 or 6 pictures."""
    files = [entry["image"] for entry in ENTRIES] + [one["image"] for one in TONE.values()]
    (folder / "img" / style / "64").mkdir(parents=True)
    (folder / "emoji.json").write_text(json.dumps(ENTRIES))
    for file in files:
        if file not in lacks:
            save(folder / "img" / style / "64" / file, colour, (64, 64))
    return folder


@pytest.fixture
def packages(in_tmp: Path) -> tuple[Path, Path]:
    return (
        package(in_tmp / "g", "google", RED),
        package(in_tmp / "t", "twitter", BLUE, lacks=("1f9ff.png",)),
    )


def lay_out(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False)


def loaded(name: str) -> Dataset:
    return named_source(name, {"image_size": "8"}).load(Path("data"))


def test_what_both_have_becomes_pairs_with_captions(packages: tuple[Path, Path]) -> None:
    done = lay_out(*packages, "emoji")
    assert (done.returncode, done.stdout) == (0, "5 pairs in emoji\n"), done.stderr
    data = loaded("pairs:emoji")
    assert len(data) == 5, "one is Google's alone"
    assert {colour_of(s) for s in data.extra["source"]} == {RED} and {colour_of(s) for s in data.samples} == {BLUE}
    described = loaded("folder:emoji/twitter")
    words = described.spec.column("text").names
    captions = [" ".join(words[k - 1] for k in row if k) for row in described.extra["text"].tolist()]
    assert captions == [
        "flag x", "waving hand sign light and dark skin", "waving hand sign light skin", "waving hand sign",
        "grinning face",
    ]  # fmt: skip


def test_a_folder_for_each_category_and_no_skin_tones(packages: tuple[Path, Path]) -> None:
    done = lay_out(*packages, "emoji", "--by-category", "--no-skin-tones")
    assert (done.returncode, done.stdout) == (0, "3 pairs in emoji\n"), done.stderr
    assert len(loaded("pairs:emoji")) == 3
    described = loaded("folder:emoji/google")
    assert described.spec.classes == ("flags", "people-body", "smileys-emotion")
    assert {column.name for column in described.spec.columns} == {"text"}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("", "emoji.json is not that of an emoji-datasource package: JSONDecodeError("),
        ("[1]", "emoji.json is not that of an emoji-datasource package: TypeError("),
        ("[{}]", "emoji.json is not that of an emoji-datasource package: KeyError('category')"),
        (
            json.dumps([ENTRIES[0] | {"image": "../1f600.png"}]),
            "the image '../1f600.png' must be a name such as 1f600.png",
        ),
        ("[]", "emoji_pairs: no picture is in both: g/img/google/64/*.png and the other's"),
    ],
)
def test_what_is_no_such_package(packages: tuple[Path, Path], broken: str, message: str) -> None:
    (packages[0] / "emoji.json").write_text(broken)
    done = lay_out("g", "t", "emoji")
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
    assert not Path("emoji").exists()


def test_a_package_that_is_not_there(in_tmp: Path) -> None:
    done = lay_out("g", "t", "emoji")
    assert (
        done.returncode == 1 and "g/emoji.json is not that of an emoji-datasource package: FileNotFoun" in done.stderr
    )
