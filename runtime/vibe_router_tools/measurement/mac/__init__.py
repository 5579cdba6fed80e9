"""Measurements of a Core ML package on a Mac: parity, placement, latency and energy on each kind of hardware.

bundle -> engines on a Mac (`system`, behind the protocols in `protocols`) -> `measure` -> `report`
"""
