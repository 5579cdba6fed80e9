"""What only a Mac can tell of a Core ML package: parity, placement, latency and energy on each kind of hardware.

bundle -> engines on a Mac (`system`, behind the protocols in `protocols`) -> `measure` -> `report`
"""
