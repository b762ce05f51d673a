"""A run's folder, what it was asked to do, and what it noted."""
