"""Which variant to take for some data, and why."""
