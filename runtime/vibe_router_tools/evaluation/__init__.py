"""Measure a router on labelled prompts: numpy only, no torch.

prompts -> dataset (rows, labels) -> scores of a router -> metrics, curve, reliability -> bootstrap intervals.
Import from the modules: each holds one concept.
"""
