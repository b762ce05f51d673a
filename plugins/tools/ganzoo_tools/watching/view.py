"""What a page shows of a run, kept by the thread that trains and read by those that answer browsers."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ganzoo_core.callbacks import RunInfo
from ganzoo_core.display.progress import RunProgress
from ganzoo_core.drawing.charts import run_charts
from ganzoo_core.drawing.gifs import MOST_FILE_BYTES
from ganzoo_core.drawing.words import duration, number
from ganzoo_core.errors import FileError
from ganzoo_core.report.page import fragment
from ganzoo_core.runs.records import accuracy_of, losses_of
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage.files import read_bounded
from ganzoo_core.storage.names import visible
from ganzoo_tools.watching.pace import Pace

MOST_RECORDS = 2_000
CHARTS_EVERY_S, CHARTS_SHARE = 1.0, 0.005  # of the time, at most
LOOK_EVERY_S, ALIVE_EVERY_S = 0.25, 5.0
Wish = Literal["pause", "step", "go", "stop"]
Event = tuple[str, str]


class View:
    """The state of a run that is watched. `viewers`: how many pages are open; `is_paused`: whether it is to wait."""

    def __init__(self, run: RunInfo) -> None:
        folder = RunFolder(run.folder)
        self.run = run
        self.step = run.first_step
        self.viewers = 0
        self.is_paused = self.is_stopping = False
        self.boundary: float | None = 0.0
        self.frame: str | None = None
        self.snapshots = folder.snapshots()
        self._records = folder.records()
        self._single_steps = 0
        self._end: str | None = None
        self._idle_s = 0.0
        self._waits_since_s: float | None = None
        self._progress = RunProgress(run, self._clock)
        self._changed = threading.Condition()
        self._charts_lock = threading.Lock()
        self._charts, self._charts_of = "", -1
        self._charts_pace = Pace(CHARTS_EVERY_S, CHARTS_SHARE)

    # the thread that trains

    def add(self, record: dict[str, float]) -> None:
        """Add a line of metrics.jsonl."""
        self._progress.add(record)
        self._records.append(record)
        if len(self._records) > MOST_RECORDS:
            self._records = self._records[::2]

    def show(self, frame: str) -> None:
        """Show this drawing of the plane."""
        self.frame = frame
        self._tell()

    def answer(self, step: int) -> Literal["wait", "stop"] | None:
        """What a run at `step` is to do: stand still, end, or go on."""
        self.step = step
        if self.is_stopping:
            return "stop"
        if self.is_paused and not self._single_steps:
            if self._waits_since_s is None:
                self._waits_since_s = time.monotonic()
                self._tell()
            return "wait"
        self._single_steps = max(0, self._single_steps - 1)
        if self._waits_since_s is not None:
            self._idle_s, self._waits_since_s = self._idle_s + time.monotonic() - self._waits_since_s, None
        return None

    def end(self, step: int, *, done: bool, patience_s: float = 2.0) -> None:
        """Tell all pages that the run has ended at `step`, and wait until they know. `done`: it was its last step."""
        self.step = step
        report = visible(self.run.folder / "report.html")
        self._end = json.dumps({"step": f"{step:,}", "done": done, "report": report})
        self._tell()
        with self._changed:
            self._changed.wait_for(lambda: self.viewers == 0, patience_s)

    # the threads that answer browsers

    def ask(self, wish: Wish) -> None:
        """What somebody wants of the run."""
        self.is_paused = wish in ("pause", "step")
        self._single_steps = self._single_steps + 1 if wish == "step" else 0
        self.is_stopping = self.is_stopping or wish == "stop"
        self._tell()

    def events(self) -> Iterator[Event | None]:
        """All there is to show, then what comes, as names and data; None now and then, where nothing comes."""
        with self._viewed():
            shown: dict[str, Any] = {}
            pictures, told_s = 0, time.monotonic()
            while True:
                ended = self._end is not None  # before the rest is read, so that nothing is left out
                news = [(k, v) for k, v in self._latest(ended).items() if v and shown.get(k) != v]
                shown |= dict(news)
                yield from news
                waiting = self.snapshots[pictures:]
                pictures += len(waiting)
                yield from (("snapshot", found) for found in map(_snapshot, waiting) if found)
                if ended:
                    yield "end", str(self._end)
                    return
                if news or waiting:
                    told_s = time.monotonic()
                elif time.monotonic() - told_s > ALIVE_EVERY_S:
                    told_s = time.monotonic()
                    yield None
                self._wait(shown)

    def _latest(self, ended: bool) -> dict[str, str | None]:
        return {"state": json.dumps(self._state()), "plane": self.frame, "charts": self._drawn_charts(at_once=ended)}

    def _state(self) -> dict[str, Any]:
        progress, run, record = self._progress, self.run, self._progress.record
        total = "" if run.seconds_left is not None else f" of {run.total_steps:,}"
        figures = [(f"{name} loss", number(loss)) for name, loss in losses_of(record).items()]
        if (share := accuracy_of(record)) is not None:
            figures.append(("told right", f"{share:.0%}"))
        if "diversity" in record:
            figures.append(("diversity", number(record["diversity"])))
        return {
            "step": f"{self.step:,}{total}",
            "share": self._share(),
            "left": None if progress.left_s is None else duration(progress.left_s),
            "rate": f"{record['samples_per_s']:,.0f}" if record.get("samples_per_s") else None,
            "figures": figures,
            "paused": self.is_paused,
            "waits": self._waits_since_s is not None,
            "stopping": self.is_stopping,
        }

    def _share(self) -> float:
        return self._progress.share if self.run.seconds_left is not None else self.step / self.run.total_steps

    def _drawn_charts(self, *, at_once: bool) -> str:
        """The charts as HTML, drawn anew where there are new records, by one thread, and seldom if that takes long."""
        with self._charts_lock:
            records = list(self._records)
            stamp = int(records[-1]["step"]) if records else -1
            if stamp != self._charts_of and (at_once or self._charts_pace.is_due):
                with self._charts_pace.measured():
                    charts = run_charts(records, is_critic=self.boundary is None)
                    self._charts, self._charts_of = fragment("watch_charts.html", "ganzoo_tools", charts=charts), stamp
            return self._charts

    @contextlib.contextmanager
    def _viewed(self) -> Iterator[None]:
        with self._changed:
            self.viewers += 1
        try:
            yield
        finally:
            with self._changed:
                self.viewers -= 1
                self._changed.notify_all()

    def _wait(self, shown: dict[str, Any]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._end or self.frame != shown.get("plane"), LOOK_EVERY_S)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _clock(self) -> float:
        """The time without that in which the run stood still."""
        now_s = time.monotonic()
        since_s = self._waits_since_s
        return now_s - self._idle_s - (0.0 if since_s is None else now_s - since_s)


def _snapshot(found: tuple[int, Path]) -> str | None:
    """A picture of the run as JSON, with its step; None where somebody removed it."""
    step, path = found
    try:
        picture = read_bounded(path, MOST_FILE_BYTES)
    except FileError:
        return None
    uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return json.dumps({"step": f"{step:,}", "uri": uri})
