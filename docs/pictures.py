"""Makes the pictures of the README and of the home page again, each by commands that a reader can give.

    pip install pyte playwright
    python docs/pictures.py [OUT [EMOJI]]        # docs/img/readme by default; about six minutes on two cores

EMOJI is the folder of examples/emoji_pairs.py; without, the picture of a run on them is left as it is.

A terminal is recorded for real: the command runs in a pseudo-terminal, pyte keeps its screen, rich draws that as SVG,
and a browser makes pixels of it.
"""

from __future__ import annotations

import io
import itertools
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyte
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.text import Text

COLUMNS, LINES, COLOURS = 100, 24, 24
EVERY_S, QUIET_S, MOST_FRAMES, WIDTH = 0.5, 0.05, 60, 900
GANZOO = [sys.executable, "-m", "ganzoo_core"]


def main() -> None:
    """Make them all."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "img" / "readme").resolve()
    emoji = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    out.mkdir(parents=True, exist_ok=True)
    os.chdir(tempfile.mkdtemp())
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox"])
        panel(browser, out / "panel.gif")
        learning("runs/cgan-digits-1", out / "digits.gif", frames=12)
        page(browser, Path("runs/cgan-digits-1/report.html").resolve().as_uri(), out / "report.png", height=900)
        explorer(browser, "runs/cgan-digits-1", out / "explorer.png")
        watched(browser, out / "ring8.gif", out / "watch.png")
        if emoji is not None:
            watched_emoji(browser, emoji, out / "watch-emoji.png")
        browser.close()
    for path in sorted(out.iterdir()):
        print(f"{path.stat().st_size / 1e6:.2f} MB  {path.name}")


def panel(browser: Browser, path: Path) -> None:
    """`ganzoo run cgan` on a terminal from its start to its end, the end longest."""
    snapshots = "1,10,50,100,200,300,400,500,600,800,1000,1250,1500,2000,2500,3000,3500,4000,5000,6000,7000,8000"
    screens = evenly(recorded([*GANZOO, "run", "cgan", "--snapshots", snapshots]), MOST_FRAMES)
    opened = browser.new_page(device_scale_factor=1)
    save_gif([drawn(opened, screen) for screen in screens], path, [150] * (len(screens) - 1) + [3000])


def recorded(command: list[str]) -> list[list[Text]]:
    """The screens of a command on a terminal, as their lines: two a second at most, and none twice in a row."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    process, terminal = pty.fork()
    if process == 0:
        os.environ |= {"COLUMNS": str(COLUMNS), "LINES": str(LINES), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        os.execv(command[0], command)
    screens: list[list[Text]] = []
    next_s = time.monotonic()
    while True:
        if select.select([terminal], [], [], QUIET_S)[0]:
            try:
                stream.feed(os.read(terminal, 1 << 20))
            except OSError:
                break  # it has ended
        elif time.monotonic() >= next_s:  # never a screen that is half drawn
            next_s = time.monotonic() + EVERY_S
            lines = [_line(screen, row) for row in range(LINES)]
            if any(line.plain.strip() for line in lines) and [lines] != screens[-1:]:
                screens.append(lines)
    os.waitpid(process, 0)
    return screens


def evenly(items: list[list[Text]], most: int) -> list[list[Text]]:
    """At most so many of them, the first and the last among them."""
    count = min(most, len(items))
    return [items[round(k * (len(items) - 1) / (count - 1))] for k in range(count)]


def _line(screen: pyte.Screen, row: int) -> Text:
    """A row of the screen; neighbours of one style are a piece."""
    cells = [screen.buffer[row][column] for column in range(COLUMNS)]
    line = Text()
    for (front, back, bold), run in itertools.groupby(cells, key=lambda cell: (cell.fg, cell.bg, cell.bold)):
        style = ("bold " if bold else "") + _colour(front) + ("" if back == "default" else f" on {_colour(back)}")
        line.append("".join(cell.data for cell in run), style)
    return line


def drawn(opened: Page, lines: list[Text]) -> Image.Image:
    """A terminal's screen as pixels."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line)
    svg = re.sub(  # its fonts would be fetched
        r"@font-face \{.*?\}", "", console.export_svg(title="ganzoo run cgan"), flags=re.DOTALL
    )
    opened.set_content(f"<body style='margin:0;background:white'>{svg}</body>")
    image = Image.open(io.BytesIO(opened.locator("svg").first.screenshot())).convert("RGB")
    return image.resize((WIDTH, round(WIDTH * image.height / image.width)), Image.Resampling.LANCZOS)


def _colour(name: str) -> str:
    if name == "default":
        return "white"
    if re.fullmatch("[0-9a-f]{6}", name):
        return f"#{name}"
    return name.replace("brown", "yellow").replace("bright", "bright_")


def learning(run: str, path: Path, frames: int) -> None:
    """The snapshots of a run in motion, the last one longest."""
    pictures = sorted(Path(run, "samples").glob("step-*.png"))
    chosen = pictures[:: max(1, len(pictures) // frames)]
    images = [Image.open(file).convert("RGB") for file in [*chosen, pictures[-1]]]
    save_gif(images, path, [200] * len(chosen) + [2000])


def watched(browser: Browser, film: Path, still: Path, steps: int = 2000, every: int = 50) -> None:
    """The page of `ganzoo run wgan-gp --data ring8 --watch`: its plane in motion, and its upper part in the middle."""
    command = [*GANZOO, "run", "wgan-gp", "--data", "ring8", "--steps", str(steps), "--watch", "--quiet"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8") as process:
        assert process.stderr
        opened = browser.new_page(viewport={"width": 1100, "height": 980})
        opened.goto(process.stderr.readline().split()[-1])
        images = []
        for step in [1, *range(every, steps, every)]:
            opened.wait_for_function("step => frame && frame.step >= step", arg=step, timeout=120_000)
            shot = opened.locator("#plane canvas").screenshot()
            images.append(Image.open(io.BytesIO(shot)).convert("RGB").resize((280, 280), Image.Resampling.LANCZOS))
            if step == steps // 2:
                opened.evaluate("scrollTo(0, 0)")
                opened.screenshot(path=still)
    Image.open(still).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(still, optimize=True)
    save_gif(images, film, [150] * (len(images) - 1) + [2500], Image.Quantize.MAXCOVERAGE)  # points are small


def watched_emoji(browser: Browser, pairs: Path, still: Path, steps: int = 1000) -> None:
    """The page of `ganzoo run pix2pix --data pairs:emoji --watch`, its upper part, when half of the run is over."""
    texts = [f"--data=pairs:{pairs}", "--set=image_size=32", "--set=held_out=30", f"--steps={steps}"]
    command = [*GANZOO, "run", "pix2pix", *texts, "--batch-size=8", "--out=emoji-run", "--watch", "--quiet"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="utf-8") as process:
        assert process.stderr
        opened = browser.new_page(viewport={"width": 1100, "height": 920})
        opened.goto(process.stderr.readline().split()[-1])
        opened.locator(f'#snapshots img[alt="Samples after step {steps // 2}"]').wait_for(timeout=600_000)
        opened.screenshot(path=still)
        process.terminate()
    Image.open(still).convert("RGB").quantize(128).save(still, optimize=True)


def save_gif(
    images: list[Image.Image],
    path: Path,
    durations_ms: list[int],
    by: Image.Quantize = Image.Quantize.MEDIANCUT,
) -> None:
    shared = images[-1].quantize(COLOURS, by)
    small = [image.quantize(palette=shared, dither=Image.Dither.NONE) for image in images]
    small[0].save(path, save_all=True, append_images=small[1:], duration=durations_ms, loop=0, optimize=True)


def page(browser: Browser, address: str, path: Path, height: int, label: str | None = None) -> None:
    """The upper part of a page, with the label of that name chosen."""
    opened = browser.new_page(viewport={"width": 1100, "height": height})
    opened.goto(address)
    if label is not None:
        opened.get_by_role("radio", name=label, exact=True).check(force=True)
    opened.wait_for_timeout(1500)
    opened.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)


def explorer(browser: Browser, run: str, path: Path) -> None:
    """`ganzoo explore RUN` opens a page; here its address is read from the terminal."""
    command = [*GANZOO, "explore", run, "--no-browser"]
    env = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=env) as process:
        assert process.stdout
        address = process.stdout.readline().strip()
        page(browser, address, path, height=800, label="3")
        process.terminate()


if __name__ == "__main__":
    main()
