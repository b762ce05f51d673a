"""A trained generator: written, read, sampled, and its samples saved."""
