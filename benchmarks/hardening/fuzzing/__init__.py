"""Hostile files and prompts in great numbers: which are accepted, refused with a typed error, or worse."""
