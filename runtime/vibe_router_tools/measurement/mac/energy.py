"""Power as `powermetrics` prints it."""

from __future__ import annotations

import re

from vibe_router.errors import EngineError
from vibe_router_tools.measurement.mac.report import Energy, Power

_LINE = re.compile(r"^(CPU|GPU|ANE) Power:\s*([0-9.]+)\s*mW\s*$", re.MULTILINE)


def parse_power(text: str) -> Power:
    """Return the mean over the samples in the text of `powermetrics --samplers cpu_power,gpu_power,ane_power`.

    Raises:
        EngineError: it holds no figure of a part.
    """
    found: dict[str, list[float]] = {"CPU": [], "GPU": [], "ANE": []}
    for part, milliwatts in _LINE.findall(text):
        found[part].append(float(milliwatts))
    missing = [part for part, values in found.items() if not values]
    if missing:
        raise EngineError(
            f"powermetrics printed no power of {', '.join(missing)}",
            hint="its format may be new; energy needs Apple silicon",
        )
    cpu, gpu, neural_engine = (sum(values) / len(values) for values in found.values())
    return Power(cpu=cpu, gpu=gpu, neural_engine=neural_engine, samples=len(found["ANE"]))


def energy(idle: Power, busy: Power, *, seconds: float, decisions: int) -> Energy:
    """Return what a decision costs beyond idling: (busy - idle) x seconds / decisions, never less than 0."""
    more = max(0.0, busy.total - idle.total)
    return Energy(
        idle=idle,
        busy=busy,
        seconds=seconds,
        decisions=decisions,
        millijoules_a_decision=more * seconds / decisions,
    )
