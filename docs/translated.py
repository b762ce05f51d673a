"""Hooks of mkdocs for pages in two languages.

The headings of page.zh.md have the anchors of page.md, so that one link serves both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markdown.extensions.toc import slugify, unique


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page with an anchor after each heading, where it is a translation."""
    source = Path(page.file.abs_src_path)
    if not source.name.endswith(".zh.md"):
        return markdown
    lines = markdown.split("\n")
    original = source.with_name(source.name.replace(".zh.md", ".md")).read_text(encoding="utf-8").split("\n")
    taken: set[str] = set()
    anchors = [unique(slugify(original[at], "-"), taken) for at in _headings(original)]
    for at, anchor in zip(_headings(lines), anchors, strict=True):
        lines[at] += f" {{#{anchor}}}"
    return "\n".join(lines)


def on_post_page(output: str, **_: Any) -> str:
    """The page without links to its translations in its head: the theme would ask a server for the sitemap of each."""
    return re.sub(r'<link rel="alternate"[^>]*>', "", output)


def _headings(lines: list[str]) -> Iterator[int]:
    """The numbers of the lines that are headings."""
    fenced = False
    for number, line in enumerate(lines):
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            yield number
