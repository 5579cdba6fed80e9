"""Measurements of the gateway: overhead next to a peer's, and requests with faults injected at random."""
