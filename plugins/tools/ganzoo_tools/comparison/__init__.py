"""Comparing trained generators: a race within one time for all, a table with spread and rank, a page."""
