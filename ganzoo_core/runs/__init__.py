"""A run's folder, its plan and its records."""
