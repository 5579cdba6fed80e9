"""Engines compute logits: each implements the protocol in `protocol`; `choice` picks one."""
