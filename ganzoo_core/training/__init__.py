"""Training: the step, the loop, a run from start to end."""
