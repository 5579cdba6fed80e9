"""Attacks on the decision by a prompt's author: harmless edits, and gadgets found by search."""
