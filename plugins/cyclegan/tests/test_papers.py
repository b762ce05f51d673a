"""The presets: each package's paper.toml is settings of its variant, and says another thing than the defaults."""

from __future__ import annotations

import tomllib
from pathlib import Path

import ganzoo_cyclegan
import pytest

PACKAGE = Path(ganzoo_cyclegan.__file__).parent


@pytest.mark.parametrize("variant", ganzoo_cyclegan.ganzoo_variants(), ids=lambda variant: variant.name)
def test_paper_toml_is_a_config(variant: type[ganzoo_cyclegan.TwoDomains]) -> None:
    values = tomllib.loads((PACKAGE / variant.name / "paper.toml").read_text())
    config = variant.Config(**values)
    assert config != variant.Config()
    assert config.generator_channels == 64
