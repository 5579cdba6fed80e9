"""How far a prompt's author can move the decision: harmless edits, and gadgets found by search."""
