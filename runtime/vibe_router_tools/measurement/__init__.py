"""Costs of a router on this machine: milliseconds, start-up and memory, measured without torch."""
