"""Judging what a generator makes."""
