"""Proof that an artifact decides as PyTorch does: golden prompts, the reference and the gate."""
