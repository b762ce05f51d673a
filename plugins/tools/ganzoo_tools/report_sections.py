"""What the tools add to a run's page: how good it is, where it was evaluated, and what its latent does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo_core.hookspecs import ReportSection, hookimpl

if TYPE_CHECKING:
    from ganzoo_core.sampling.trained_generator import TrainedGenerator

GANZOO_API = 2


@hookimpl
def ganzoo_report_sections(folder: Path, generator: TrainedGenerator | None) -> list[ReportSection]:
    """Evaluation, then the walks through the latent space."""
    from ganzoo_tools.evaluation.section import evaluation_section
    from ganzoo_tools.exploration.section import walks_section

    return evaluation_section(folder) + ([] if generator is None else walks_section(generator))
