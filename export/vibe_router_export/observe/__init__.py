"""Observations of a model on real prompts: activations, spikes and sensitivity."""
