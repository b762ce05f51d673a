"""Modes covered and good samples, for mixtures whose modes are known."""

from __future__ import annotations
