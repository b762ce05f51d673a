"""Pictures of samples and of numbers: grids, plots, charts, GIFs, a terminal's half blocks."""
