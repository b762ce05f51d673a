"""Captions, attributes and labels in tables beside the images."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from folders import load, save

from ganzoo_core.cli import main
from ganzoo_core.data import Dataset
from ganzoo_core.datasets.words import encode, encode_known, nearest, unknown_words, vocabulary, words_of
from ganzoo_core.dataspec import Input
from ganzoo_core.errors import DataError, FileError

TEXT = Input(name="text", kind="text", shape=(3,), names=("red", "green", "café"))


def described(images: Path, table: str, name: str = "metadata.csv", files: str = "ab", **options) -> Dataset:
    for file in files:
        save(images / f"{file}.png")
    (images / name).write_bytes(table.encode())
    return load(images, **options)


def texts(data: Dataset) -> list[str]:
    names = data.spec.column("text").names
    return [" ".join(names[k - 1] for k in row if k) for row in data.extra["text"].tolist()]


# words


def test_the_words_of_a_text() -> None:
    assert words_of("The CAT's  \u2018hat\u2019, No. 7\u2014don\u2019t!") == ["the", "cat's", "hat", "no", "7", "don't"]
    assert words_of("Ünï ЖУК 猫") == ["ünï", "жук", "猫"]
    assert words_of(" \t-- ") == []
    assert len(words_of("x" * 500)[0]) == 40
    assert words_of("cafe\u0301") == words_of("caf\u00e9"), "however it was typed"


def test_a_vocabulary_has_the_most_frequent_first() -> None:
    assert vocabulary(["b a", "c a", "b"]) == ["a", "b", "c"]


def test_a_text_as_numbers() -> None:
    assert encode(["Green, red!", "red red red red", "blue"], TEXT).tolist() == [[2, 1, 0], [1, 1, 1], [0, 0, 0]]
    assert unknown_words("red blew gren", TEXT) == ["blew", "gren"] and nearest("gren", TEXT) == ["green"]


def test_what_a_user_types(caplog: pytest.LogCaptureFixture) -> None:
    assert encode_known(["red gren"], TEXT).tolist() == [[1, 0, 0]]
    assert "left out, as the data has no such words: 'gren'; near ones: green" in caplog.text
    with pytest.raises(DataError) as error:
        encode_known(["gren"], TEXT)
    assert (
        str(error.value) == "a text for text must have a word that the data has, but 'gren' has none; near ones: green"
    )
    with pytest.raises(DataError, match="but '' has none; it has, for example, red, green"):
        encode_known([""], TEXT)


# metadata


def test_captions_and_attributes(images: Path) -> None:
    table = 'file_name,text,age,style\r\na.png,"A red, red dot",3,old\r\nb.png,a square,4.5,new\r\n'
    data = described(images, "\ufeff" + table)  # with the mark that Notepad begins a file with
    assert texts(data) == ["a red red dot", "a square"]
    column = data.spec.column("text")
    assert (column.shape, column.names) == ((4,), ("a", "red", "dot", "square"))
    assert data.extra["text"].dtype == torch.int64
    attributes = data.spec.column("attributes")
    assert (attributes.kind, attributes.names) == ("numbers", ("age",))
    assert data.extra["attributes"].tolist() == [[3.0], [4.5]]
    assert data.notes == ("columns of metadata.csv that hold no numbers are not used: 'style'",)
    assert "metadata.csv" not in data.left_out


def test_lines_of_json(images: Path) -> None:
    lines = [{"file_name": "a.png", "text": "one", "x": 1}, {"file_name": "b.png", "text": None, "x": 2.5}]
    data = described(images, "\n".join(map(json.dumps, lines)) + "\n\n", "metadata.jsonl")
    assert texts(data) == ["one", ""] and data.extra["attributes"].tolist() == [[1.0], [2.5]]
    assert "1 of 2 captions are empty, or hold none of the words" in data.notes


def test_long_captions_and_rare_words_are_cut_and_told(images: Path) -> None:
    data = described(images, "file_name,text\na.png,one two three\nb.png,one one", text_length=2, words=1)
    assert texts(data) == ["one", "one one"]
    assert data.notes == (
        "1 of 2 captions have more than 2 words and were cut, the longest of 3; --set text_length=N keeps more",
        "2 of 3 different words are left out of captions, as they are not among the 1 most frequent of the training "
        "part; --set words=N takes more",
    )


def test_images_without_a_line_and_lines_without_an_image(images: Path) -> None:
    data = described(images, "file_name,text\na.png,one\nnone.png,two", files="abc")
    assert len(data) == 1
    assert data.left_out == {
        "b.png": "metadata.csv does not name it",
        "c.png": "metadata.csv does not name it",
        "none.png": "metadata.csv names it, but it is not there",
    }


def test_an_image_that_cannot_be_read_takes_its_caption_along(images: Path) -> None:
    (images / "b.png").write_bytes(b"no picture")
    data = described(images, "file_name,text\nb.png,two\na.png,one", files="a")
    assert texts(data) == ["one"] and len(data) == 1


def test_a_held_out_part_has_the_words_of_the_training_part(images: Path) -> None:
    for split, text in (("train", "one two"), ("test", "two three")):
        save(images / split / "a.png")
        (images / split / "metadata.csv").write_text(f"file_name,text\na.png,{text}\n")
    from ganzoo_folder import Folder
    from ganzoo_folder.options import FolderOptions

    source = Folder(FolderOptions(image_size=8), images)
    train, test = (source.load(images.parent / "data", split) for split in ("train", "test"))
    assert (texts(train), texts(test)) == (["one two"], ["two"])
    assert train.spec == test.spec
    (images / "test" / "metadata.csv").unlink()
    with pytest.raises(DataError, match="the held-out part of .* has no text, but its training part has"):
        source.load(images.parent / "data", "test")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("text\none", "metadata.csv, line 1: the first line must name columns, and one file_name, but has 'text'"),
        ("", "metadata.csv: the first line must name columns, and one file_name, but has nothing"),
        ("file_name,text\na.png", "metadata.csv, line 2: it must have 2 values, as the first line has, but has 1"),
        (
            "file_name,text\na.png,x\na.png,y",
            "metadata.csv, line 3: 'a.png' is described twice, first in metadata.csv, line 2",
        ),
        ("file_name,a,a\na.png,1,2", "metadata.csv, line 1: two columns are called 'a'; rename one"),
        ('file_name,text\na.png,"x', "metadata.csv, line 2: it is no CSV"),
        ("file_name,age\na.png,1\nb.png,nan", "metadata.csv, line 3: age must be a finite number, .* but is 'nan'"),
        ("file_name,age\na.png,1\nb.png,", "metadata.csv, line 3: age must be a finite number, .* but there is none"),
        ("file_name,age\na.png,1e40\nb.png,1", "metadata.csv, line 2: age must be a finite number"),
        ("file_name,text\na.png,!\nb.png,", "the texts in .*metadata.csv hold no word; fill them in, or remove"),
        (
            "file_name,text\nx.png,one",
            r"metadata.csv names none of the 2 images there; a name must be .* such as a.png",
        ),
    ],
)
def test_a_table_that_is_wrong(images: Path, table: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        described(images, table)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("{", "metadata.jsonl, line 1: it is no JSON"),
        ("[1]", "metadata.jsonl, line 1: it must be an object with a text file_name"),
        ('{"file_name": 1}', "must be an object with a text file_name"),
        ('{"file_name": "a.png", "text": 3}', "metadata.jsonl, line 1: the text must be text, but is 3"),
    ],
)
def test_lines_of_json_that_are_wrong(images: Path, lines: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        described(images, lines, "metadata.jsonl")


def test_other_bytes_two_tables_a_pipe(images: Path) -> None:
    save(images / "a.png")
    (images / "metadata.csv").write_bytes(b"file_name,text\na.png,\xff\n")
    with pytest.raises(DataError, match="metadata.csv, line 2: it is no UTF-8 text; save it as UTF-8"):
        load(images)
    (images / "metadata.jsonl").touch()
    with pytest.raises(DataError, match="holds metadata.csv and metadata.jsonl; keep one"):
        load(images)
    (images / "metadata.jsonl").unlink()
    with (images / "metadata.csv").open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(FileError):
        load(images)


# labels


def test_labels_of_a_table(images: Path) -> None:
    data = described(images, "a.png,10\nb.png,2\nc.png,10\n", "labels.csv", "abcd")
    assert data.spec.classes == ("2", "10"), "in natural order"
    assert data.labels.tolist() == [1, 0, 1]
    assert data.left_out == {"d.png": "labels.csv does not name it"}
    assert described(images, "file,label\na.png,x\n", "labels.csv").spec.classes == ("x",), "a first line of names"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a.png", "labels.csv, line 1: it must be a file name and a label of 1 to 255 letters, but is 'a.png'"),
        ("a.png,\n", "labels.csv, line 1: it must be a file name and a label"),
        ("a.png,x\na.png,y", "labels.csv, line 2: 'a.png' is described twice"),
        ("z.png,x", "labels.csv names none of the 2 images"),
    ],
)
def test_labels_that_are_wrong(images: Path, table: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        described(images, table, "labels.csv")


def test_labels_beside_class_folders(images: Path) -> None:
    save(images / "x" / "a.png")
    save(images / "y" / "a.png")
    (images / "labels.csv").write_text("x/a.png,1\ny/a.png,2\n")
    with pytest.raises(DataError, match="holds class folders and labels.csv; keep one or the other"):
        load(images)


def test_two_domains_with_splits_of_their_own(images: Path) -> None:
    for name in ("trainA", "trainB", "testA", "testB"):
        save(images / name / "a.png")
    data = load(images)
    assert data.spec.classes == ("A", "B") and data.labels.tolist() == [0, 1]


def test_ganzoo_data_and_a_run_that_takes_captions(images: Path, in_tmp: Path, takers, caplog) -> None:
    caplog.set_level(logging.ERROR)
    described(images, "file_name,text\na.png,a red dot\nb.png,a blue square")
    result = CliRunner().invoke(main, ["data", f"folder:{images}"])
    assert result.exit_code == 0 and "a red dot | a blue square" in " ".join(result.stdout.split()), result.output
    command = ["run", "writer", "--data", f"folder:{images}", "--batch-size", "2", "--steps", "2", "--quiet"]
    result = CliRunner().invoke(main, [*command, "--out", "run"])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(main, ["sample", "run", "--text", "a blue dot", "-n", "3", "-o", "drawn.npz"])
    assert (result.exit_code, result.stdout) == (0, "drawn.npz\n"), result.output
    result = CliRunner().invoke(main, ["sample", "run", "--text", "bleu"])
    assert result.exit_code == 1 and "'bleu' has none; near ones: blue" in result.output
