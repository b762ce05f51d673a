"""What a run shows while it trains: on a terminal, in a notebook."""
