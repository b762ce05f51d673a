"""Two styles of emoji as pairs of pictures, with captions: from the npm packages emoji-datasource-google and -twitter.

    npm pack emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0
    mkdir google && tar -xzf emoji-datasource-google-16.0.0.tgz -C google
    mkdir twitter && tar -xzf emoji-datasource-twitter-16.0.0.tgz -C twitter
    python examples/emoji_pairs.py google/package twitter/package emoji
    ganzoo run pix2pix --data pairs:emoji --set image_size=64 --set held_out=10

That makes emoji/google/1f600.png and emoji/twitter/1f600.png and so on, and a metadata.csv in each of the two folders,
so that `--data folder:emoji/twitter` has captions. The pictures are Noto Emoji (Google, Apache-2.0) and Twemoji
(Twitter and contributors, CC-BY 4.0): name them where you show what you made.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

STYLES = ("google", "twitter")
TONES = {"1F3FB": "light", "1F3FC": "medium light", "1F3FD": "medium", "1F3FE": "medium dark", "1F3FF": "dark"}
PLAIN = re.compile(r"[\w-]+\.png")


class Emoji(NamedTuple):
    """One emoji: its file, its category as a folder's name, what it shows."""

    file: str
    category: str
    caption: str


def emoji_in(package: Path, skin_tones: bool) -> Iterator[Emoji]:
    """The emoji that a package's emoji.json lists, in its order. Raises `ValueError` for a file of another form."""
    try:
        entries = json.loads((package / "emoji.json").read_text(encoding="utf-8"))
        for entry in entries:
            category = re.sub(r"[^a-z]+", "-", entry["category"].lower()).strip("-")
            caption = (entry["name"] or entry["short_name"].replace("_", " ")).lower()
            yield _checked(Emoji(entry["image"], category, caption))
            for tones, other in entry.get("skin_variations", {}).items() if skin_tones else ():
                told = " and ".join(TONES[tone] for tone in tones.split("-"))
                yield _checked(Emoji(other["image"], category, f"{caption}, {told} skin"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{package / 'emoji.json'} is not that of an emoji-datasource package: {error!r}") from error


def _checked(emoji: Emoji) -> Emoji:
    """An emoji whose file lies nowhere else."""
    if not PLAIN.fullmatch(emoji.file):
        raise ValueError(f"the image {emoji.file!r} must be a name such as 1f600.png")
    return emoji


def lay_out(packages: dict[str, Path], out: Path, *, by_category: bool = False, skin_tones: bool = True) -> int:
    """Copy what all packages have to a folder for each style, with a metadata.csv; returns how many pairs there are."""
    (first, package), *_ = packages.items()
    found = [
        emoji for emoji in emoji_in(package, skin_tones)
        if all(picture(folder, style, emoji).is_file() for style, folder in packages.items())
    ]  # fmt: skip
    if not found:
        raise ValueError(f"no picture is in both: {picture(package, first, Emoji('*.png', '', ''))} and the other's")
    for style, folder in packages.items():
        rows = []
        for emoji in found:
            name = f"{emoji.category}/{emoji.file}" if by_category else emoji.file
            (out / style / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture(folder, style, emoji), out / style / name)
            rows.append((name, emoji.caption))
        with (out / style / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("file_name", "text"), *rows])
    return len(found)


def picture(package: Path, style: str, emoji: Emoji) -> Path:
    """Where a package has a picture of 64 pixels."""
    return package / "img" / style / "64" / emoji.file


def main() -> None:
    """Lay out the pairs as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for style in STYLES:
        parser.add_argument(style, type=Path, help=f"the unpacked package emoji-datasource-{style}")
    parser.add_argument("out", type=Path, help="where the pairs go")
    parser.add_argument("--by-category", action="store_true", help="with a folder for each category: classes")
    parser.add_argument("--no-skin-tones", dest="skin_tones", action="store_false", help="each hand and face once")
    given = parser.parse_args()
    try:
        packages = {style: getattr(given, style) for style in STYLES}
        count = lay_out(packages, given.out, by_category=given.by_category, skin_tones=given.skin_tones)
    except (OSError, ValueError) as error:
        sys.exit(f"emoji_pairs: {error}")
    print(f"{count} pairs in {given.out}")


if __name__ == "__main__":
    main()
