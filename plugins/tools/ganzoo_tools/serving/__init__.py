"""Pages of programs that run on this machine, for a browser on it and the user who started them alone."""
