"""Makes the notebooks and the pages of the course from docs/course/*.py: python docs/course.py

    pip install ".[course]"
    python docs/course.py              # all notebooks and pages; what cells printed and drew stays as it is
    python docs/course.py 3 5          # the same, and lessons 3 and 5 are run for what their cells print and draw

A lesson is one file of cells, as Jupytext and editors know them, its prose in English and in Chinese. Of it come a
notebook without outputs and a page with them, in each language. A test finds them stale.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from PIL import Image

FOLDER = Path(__file__).parent / "course"
PICTURES = Path(__file__).parent / "img" / "course"
LESSONS = sorted(FOLDER.glob("*.py"))
SUFFIXES = {"en": "", "zh": ".zh"}
BEGIN = """\
# Where ganzoo is not installed, as in Colab: put a copy of the repository beside the notebook, as the folder ganzoo.
import importlib.util

if importlib.util.find_spec("ganzoo_core") is None:
    %cd ganzoo
    %pip install -q -r requirements.txt
    %cd .."""
HEAD = {
    "en": "[This lesson as a notebook]({name}.ipynb). All of it took {seconds} s of one core.",
    "zh": "[本课的 notebook]({name}.ipynb)。在一个核上全部运行一遍用时 {seconds} s。",
}
PICTURE = {"en": "What the code draws", "zh": "这段代码画出的图"}
NOTE = "<!-- Written by `python docs/course.py` from {name}.py; outputs are those of the code {digest}. -->"
NOTED = re.compile(r"the code (\w+)\. -->.*? (\d+) s ", re.DOTALL)
SHOWN = re.compile(
    r'^```python\n(?:.*?)\n```\n(?:\n<div class="output" markdown>\n\n(.*?)\n\n</div>\n)?', re.MULTILINE | re.DOTALL
)


def main() -> None:
    """Write everything, and run the lessons whose numbers are given."""
    for path in LESSONS:
        if path.name.partition("-")[0] in sys.argv[1:]:
            outputs, seconds = run(path)
        else:
            outputs, seconds = kept(path)
        for file, text in files(path, outputs, seconds).items():
            file.write_text(text, encoding="utf-8")


def files(path: Path, outputs: list[str], seconds: int) -> dict[Path, str]:
    """The notebooks and the pages of a lesson, each with its text."""
    made = {}
    for language, suffix in SUFFIXES.items():
        made[FOLDER / f"{path.stem}{suffix}.ipynb"] = nbformat.writes(notebook(path, language)) + "\n"
        made[FOLDER / f"{path.stem}{suffix}.md"] = page(path, language, outputs, seconds)
    return made


def cells(path: Path, language: str) -> list[Any]:
    """The cells of a lesson in one language; that which installs ganzoo stands behind its title."""
    read = jupytext.read(path, fmt="py:percent").cells
    title, *rest = [cell for cell in read if cell.metadata.pop("lang", language) == language]
    begin = nbformat.v4.new_code_cell(BEGIN, metadata={"tags": ["begin"]})
    return [title, begin, *rest]


def notebook(path: Path, language: str) -> Any:
    """A lesson as a notebook without outputs."""
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    made = nbformat.v4.new_notebook(cells=cells(path, language), metadata=kernel)
    for number, cell in enumerate(made.cells):
        cell.id = f"cell-{number}"
    return made


def page(path: Path, language: str, outputs: list[str], seconds: int) -> str:
    """A lesson as a page, below each cell of code what it printed and drew."""
    title, *rest = cells(path, language)
    head = HEAD[language].format(name=path.stem, seconds=seconds)
    parts = [title.source, NOTE.format(name=path.stem, digest=digest(path)) + "\n\n" + head]
    shown = iter(outputs)
    for cell in rest:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        else:
            parts.append(f"```python\n{cell.source}\n```")
            if output := next(shown, ""):
                output = output.replace(PICTURE["en"], PICTURE[language])
                parts.append(f'<div class="output" markdown>\n\n{output}\n\n</div>')
    return "\n\n".join(parts) + "\n"


def digest(path: Path) -> str:
    """What changes with the code of a lesson, and so with what it prints."""
    code = "\n".join(cell.source for cell in cells(path, "en") if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def kept(path: Path) -> tuple[list[str], int]:
    """What each cell of code printed and drew, by the page, and the seconds it took; nothing of other code."""
    written = FOLDER / f"{path.stem}.md"
    text = written.read_text(encoding="utf-8") if written.exists() else ""
    noted = NOTED.search(text)
    if noted is None or noted[1] != digest(path):
        return [], 0
    return [found[1] or "" for found in SHOWN.finditer(text)], int(noted[2])


def run(path: Path) -> tuple[list[str], int]:
    """Run a lesson in a new folder, with no data kept; gives what `kept` gives."""
    from nbclient import NotebookClient

    made = notebook(path, "en")
    for old in PICTURES.glob(f"{path.name.partition('-')[0]}-*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(made, timeout=3600, resources={"metadata": {"path": folder}})
        before_s = processor_s()
        client.execute(env=environment(folder))
        seconds = round(processor_s() - before_s)
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    stem = path.name.partition("-")[0]
    return ["\n\n".join(blocks(cell, f"{stem}-{number}")) for number, cell in enumerate(code)], seconds


def processor_s() -> float:
    """The processor time of the processes that this one has started and seen end."""
    import resource  # Windows has none

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def blocks(cell: Any, name: str) -> Iterator[str]:
    """What a cell printed and drew, as Markdown; pictures go into files of that name and a number."""
    printed, drawn = "", 0
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "stream" and output.name == "stdout":
            printed += plain(output.text)
        elif "image/png" in data:
            if printed:
                yield f"```text\n{printed.rstrip()}\n```"
            printed, drawn = "", drawn + 1
            save(base64.b64decode(data["image/png"]), PICTURES / f"{name}-{drawn}.png")
            yield f"![{PICTURE['en']}](../img/course/{name}-{drawn}.png)"
        elif "text/plain" in data and "text/html" not in data:
            printed += data["text/plain"] + "\n"
    if printed:
        yield f"```text\n{printed.rstrip()}\n```"


def plain(text: str) -> str:
    """What a command wrote, without colours and without blanks at the ends of lines."""
    return re.sub(r"\x1b\[[\d;]*m| +$", "", text, flags=re.MULTILINE)


def save(png: bytes, path: Path) -> None:
    """Write a picture, of 128 colours at most."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def environment(folder: str) -> dict[str, str]:
    """The environment of a lesson's kernel: `ganzoo` is found, and data is kept in the folder alone."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {"PATH": path, "GANZOO_DATA": str(Path(folder) / "data")}


if __name__ == "__main__":
    main()
