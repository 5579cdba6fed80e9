"""Shares as a report shows them."""

from __future__ import annotations


def percent(share: float) -> str:
    """Return a share as a percentage with all of its digits: a confidence of 0.999 is 99.9%, not 100%."""
    return f"{100 * share:.12g}%"
