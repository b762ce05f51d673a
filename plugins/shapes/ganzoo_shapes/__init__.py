"""Pictures of two shapes and what they show in words: `--data shapes`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo_core import DataSource, hookimpl
from ganzoo_core.dataspec import Split

if TYPE_CHECKING:
    from ganzoo_core import Dataset

GANZOO_API = 2


class Shapes(DataSource):
    """Two shapes, each large or small and of one of six colours, side by side or one above the other, with a caption.

    An eighth of all scenes is never shown in training, in whichever of their two wordings: these are the split "test".
    """

    name = "shapes"
    title = "Two coloured shapes, 32x32, with captions"
    origin = "drawn when it is loaded"
    shape = (3, 32, 32)
    size = 20_000

    def load(self, data_dir: Path, split: Split = "train") -> Dataset:
        """20,000 pictures (3, 32, 32) uint8 with the column "text"; the split "test" has 4,000."""
        from ganzoo_shapes.drawing import load

        return load(self.name, split)


@hookimpl
def ganzoo_datasets() -> list[type[DataSource]]:
    """Offer shapes."""
    return [Shapes]
