"""What the page makes pictures of, beside a latent: an example that the run keeps, a picture of the user's, a text."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.datasets.words import unknown_words
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.sampling.inputs import given_columns
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.sampling.translate import image_input

MOST_BYTES = 32 * 2**20  # of a picture that is sent


class Material:
    """The inputs of a generator: its run's examples, the last picture that was sent, texts as they are asked for."""

    def __init__(self, generator: TrainedGenerator) -> None:
        self.generator = generator
        self.takes = {one.kind for one in generator.inputs}
        self.examples = len(next(iter(generator.examples.values()))) if generator.inputs and generator.examples else 0
        self._own: Tensor | None = None

    def receive(self, data: bytes) -> None:
        """Take a picture (the bytes of an image file), its middle at the size of training.

        Raises `DataError` for what is no image, `SettingError` for a generator that takes none.
        """
        one = image_input(self.generator)
        channels, height, width = one.shape
        with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
            path = Path(folder) / "picture"
            path.write_bytes(data)
            try:
                pixels = registry().dataset("folder")[0].picture(path, channels, (height, width))
            except DataError as error:
                raise DataError(str(error).replace(str(path), "the picture")) from error
        self._own = torch.tensor(pixels)[None]

    def columns(self, example: int, own: bool, text: str | None) -> dict[str, Tensor]:
        """What is asked for, a row of each input. Raises `SettingError` for a picture that was not sent."""
        found = {one.name: self.generator.examples[one.name][[example]] for one in self.generator.inputs}
        if own and self._own is None:
            raise SettingError("there is no picture of yours yet: choose a file first")
        given: dict[str, Any] = {}
        for one in self.generator.inputs:
            if own and one.kind == "image":
                given[one.name] = self._own
            elif text and one.kind == "text":
                given[one.name] = [text]
        return found | given_columns(
            [one for one in self.generator.inputs if one.name in given], given, self.generator.variant.name
        )

    def left_out(self, text: str | None) -> list[str]:
        """The words of a text that the generator does not know."""
        texts = [one for one in self.generator.inputs if one.kind == "text"]
        return unknown_words(text, texts[0]) if text and texts else []
