"""A page in Chinese, page.zh.md, is its English page block for block: README.zh.md and those of the docs.

Headings, paragraphs, items and rows come in the same order and number. Code is the same word for word, and so are,
block by block, code within prose, formulas, figures (all numbers written in digits), pictures, and what links lead to.
A link of the docs leads to page.md, which the site replaces by the Chinese page; one of README.zh.md leads there by
itself.
"""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent
TRANSLATED = sorted([ROOT / "README.zh.md", *(ROOT / "docs").rglob("*.zh.md")])
CLASSICS = ("vanilla", "conv", "dcgan", "cgan", "acgan", "wgan", "wgan-gp")
MUST = (
    "README", "docs/index", "docs/experiments", "docs/explore", "docs/images", "docs/translate", "docs/weights",
    "docs/which-gan", "docs/evaluate", "docs/compare", "docs/course/index",
    *(f"docs/variants/{name}" for name in CLASSICS),
)  # fmt: skip
FORMULA = re.compile(r"\$\$.+?\$\$|\$.+?\$", re.DOTALL)
FIGURE = re.compile(r"\d[\d,.]*\d|\d")


class Block(NamedTuple):
    """Where a block begins, what it is, and what of it is the same in every language."""

    line: int
    kind: str
    kept: Counter[str]


def blocks(text: str) -> Iterator[Block]:
    line = 1
    for token in MarkdownIt().enable("table").parse(text):
        line = token.map[0] + 1 if token.map else line
        if token.nesting >= 0:
            yield Block(line, f"{token.type} {token.tag}".strip(), Counter(kept(token)))


def kept(token: Token) -> Iterator[str]:
    if token.type in ("fence", "code_block"):
        yield f"code:\n```{token.info}\n{token.content}```"
    elif token.type == "html_block":
        yield re.sub(r'\balt=".*?"', "", token.content)
    elif token.type == "inline":
        yield from (f"code `{one.content}`" for one in within(token, "code_inline"))
        yield from (f"link to {page(one, 'href')}" for one in within(token, "link_open"))
        yield from (f"picture {page(one, 'src')}" for one in within(token, "image"))
        prose = re.sub(r"(`+).*?\1|\.zh(?=\.md)", "", token.content, flags=re.DOTALL)
        yield from (f"formula {formula}" for formula in FORMULA.findall(prose))
        yield from (f"figure {figure}" for figure in FIGURE.findall(FORMULA.sub("", prose)))


def within(token: Token, kind: str) -> Iterator[Token]:
    for child in token.children or ():
        if child.type == kind:
            yield child
        yield from within(child, kind)


def page(token: Token, attribute: str) -> str:
    return str(token.attrs[attribute]).replace(".zh.md", ".md")


def difference(english: str, other: str) -> str | None:
    """The first difference, by the line of each text."""
    end = Block(0, "nothing", Counter())
    for one, two in zip_longest(blocks(english), blocks(other), fillvalue=end):
        if one.kind != two.kind:
            return f"line {two.line} has {two.kind} where line {one.line} of the English page has {one.kind}"
        lacks, adds = one.kept - two.kept, two.kept - one.kept
        if lacks or adds:
            said = [f"lacks {what}" for what in lacks] + [f"adds {what}" for what in adds]
            return f"line {two.line} {', '.join(said)}; line {one.line} of the English page is its original"
    return None


def original(path: Path) -> Path:
    return path.with_name(path.name.replace(".zh.md", ".md"))


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_translation_is_its_page_block_for_block(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = difference(original(path).read_text(encoding="utf-8"), text)
    assert found is None, f"{path.relative_to(ROOT)}: {found}"
    for token in MarkdownIt().enable("table").parse(text):
        prose = "".join(child.content for child in token.children or () if child.type == "text")
        assert "**" not in FORMULA.sub("", prose), f"{path.relative_to(ROOT)}: ** is not bold in {prose!r}"


@pytest.mark.parametrize("name", MUST)
def test_a_page_of_the_beginning_is_there_in_chinese(name: str) -> None:
    assert ROOT / f"{name}.zh.md" in TRANSLATED


def test_the_readmes_lead_to_each_other_and_the_chinese_one_to_chinese_pages() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
    assert "(README.zh.md)" in english.partition("\n## ")[0] and "(README.md)" in chinese.partition("\n## ")[0]
    linked = set(re.findall(r"\]\(([\w./-]+)\.md\)", chinese)) - {"README"}
    assert not [link for link in linked if (ROOT / f"{link}.zh.md").exists()]


PAGE = "# A\n\nTake 3 of `x`, [so](b.md).\n\n| a | b |\n|---|---|\n| 1 | $y_2$ |\n\n```bash\npip # now\n```\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# A", "## A", "line 1 has heading_open h2 where line 1 of the English page has heading_open h1"),
        ("Take 3", "Take 4", "line 3 lacks figure 3, adds figure 4; line 3 of the English page"),
        ("`x`", "`y`", "lacks code `x`, adds code `y`"),
        ("b.md", "c.md", "lacks link to b.md, adds link to c.md"),
        ("| 1 |", "| 1.0 |", "line 7 lacks figure 1, adds figure 1.0"),
        ("$y_2$", "$y_3$", "lacks formula $y_2$, adds formula $y_3$"),
        ("now", "jetzt", "line 9 lacks code:\n```bash\npip # now"),
        ("| a", "B.\n\n| a", "line 5 has paragraph_open p where line 5 of the English page has table_open table"),
        ("```bash\npip # now\n```\n", "", "line 0 has nothing where line 9 of the English page has fence code"),
    ],
)
def test_a_difference_is_told(old: str, new: str, message: str) -> None:
    assert difference(PAGE, PAGE.replace("b.md", "b.zh.md")) is None
    assert message in str(difference(PAGE, PAGE.replace(old, new)))


@pytest.fixture
def hook() -> Any:
    pytest.importorskip("markdown", reason="mkdocs is not installed")
    spec = importlib.util.spec_from_file_location("translated", ROOT / "docs" / "translated.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_headings_of_a_translation_have_the_anchors_of_its_page(hook: Any, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One\n\n```\n# no\n```\n\n## Two `b`, c\n\n## Two b c\n")
    page = type("Page", (), {"file": type("File", (), {"abs_src_path": str(tmp_path / "a.zh.md")})})
    said = hook.on_page_markdown("# 一\n\n```\n# no\n```\n\n## 二\n\n## 三", page=page)
    assert said == "# 一 {#one}\n\n```\n# no\n```\n\n## 二 {#two-b-c}\n\n## 三 {#two-b-c_1}"
