"""Attacks: mutated files, killed exports, long runs with faults, adversarial prompts."""
