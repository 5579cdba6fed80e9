"""From Core ML's plan to where a function runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vibe_router_tools.measurement.mac.protocols import PlannedOperation
from vibe_router_tools.measurement.mac.report import DevicePlacement, FunctionPlacement

UNKNOWN_DEVICE = "unknown"


def summarise(operations: Sequence[PlannedOperation], *, tokens: int) -> FunctionPlacement:
    """Return the plan by device, the one with most of the work first."""
    counted = [(_mil_name(one.kind), one) for one in operations]
    counted = [(kind, one) for kind, one in counted if kind != "const" and not kind.startswith("constexpr_")]
    total = sum(one.cost or 0.0 for _, one in counted) or 1.0
    devices = []
    for device in {one.device or UNKNOWN_DEVICE for _, one in counted}:
        here = [(kind, one) for kind, one in counted if (one.device or UNKNOWN_DEVICE) == device]
        devices.append(
            DevicePlacement(
                device=device,
                operations=len(here),
                cost=sum(one.cost or 0.0 for _, one in here) / total,
                kinds=dict(Counter(kind for kind, _ in here).most_common()),
            )
        )
    devices.sort(key=lambda one: (-one.cost, -one.operations, one.device))
    return FunctionPlacement(tokens=tokens, devices=tuple(devices))


def _mil_name(kind: str) -> str:
    """Return "conv" for "ios18.conv"."""
    return kind.rpartition(".")[2]
