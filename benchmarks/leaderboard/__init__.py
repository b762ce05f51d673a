"""Every picture variant on equal terms: see `__main__`."""
