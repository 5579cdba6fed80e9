"""The report of a Mac. Every figure says what it measures; what could not be measured says why."""

from __future__ import annotations

from dataclasses import dataclass

from vibe_router.errors import EngineError, ParityError
from vibe_router.verify import VerifyReport

SCHEMA = "vibe-router-mac-report/1"


@dataclass(frozen=True, kw_only=True)
class MacFacts:
    """The Mac, as `sysctl` and `sw_vers` name it, and the libraries that ran."""

    model: str
    chip: str
    cpus: int
    memory_bytes: int
    system: str
    python: str
    coremltools: str


@dataclass(frozen=True, kw_only=True)
class DevicePlacement:
    """The operations of one function that Core ML means to run on one device.

    `cost` is their share of the function's estimated work, 0..1, as Core ML estimates it; `kinds` counts operations by
    their MIL name. Constants are not counted.
    """

    device: str
    operations: int
    cost: float
    kinds: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class FunctionPlacement:
    """Where one function runs, the device with most of the work first."""

    tokens: int
    devices: tuple[DevicePlacement, ...]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds from text to decision, for prompts of so many ids ([CLS] and [SEP] included).

    `cold_ms` is the first decision of a freshly loaded engine, loading included, of a model that lies compiled on disk.
    `median_ms` and `percentile_95_ms` are of `runs` decisions afterwards. `card_ms` is what the published model
    card quotes for PyTorch on the GPU of a Mac (MPS), of another machine: it was not measured here.
    """

    label: str
    tokens_from: int
    tokens_to: int
    prompts: int
    cold_ms: float
    runs: int
    median_ms: float
    percentile_95_ms: float
    card_ms: float


@dataclass(frozen=True, kw_only=True)
class Power:
    """Mean milliwatts over `samples` samples of `powermetrics`."""

    cpu: float
    gpu: float
    neural_engine: float
    samples: int

    @property
    def total(self) -> float:
        """All three together."""
        return self.cpu + self.gpu + self.neural_engine


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Power of the whole Mac while nothing is routed and while prompts are, one after the other."""

    idle: Power
    busy: Power
    seconds: float
    decisions: int
    millijoules_a_decision: float


@dataclass(frozen=True, kw_only=True)
class UnitReport:
    """One engine: one choice of hardware. `error` says what kept it from running, `energy_note` from being metered."""

    engine: str
    compute_units: str
    first_load_ms: float | None = None
    parity: VerifyReport | None = None
    placement: tuple[FunctionPlacement, ...] = ()
    placement_note: str | None = None
    latency: tuple[Latency, ...] = ()
    energy: Energy | None = None
    energy_note: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class MacReport:
    """All of it."""

    schema: str
    bundle: str
    file: str
    precision: str
    machine: MacFacts
    units: tuple[UnitReport, ...]

    @property
    def passed(self) -> bool:
        """Whether every engine ran and agrees with the reference."""
        return all(unit.error is None and unit.parity is not None and unit.parity.passed for unit in self.units)

    def require(self) -> None:
        """Raise what failed first.

        Raises:
            EngineError: an engine did not run.
            ParityError: an engine disagrees with the reference.
        """
        for unit in self.units:
            if unit.error is not None:
                raise EngineError(f"{unit.engine}: {unit.error}", hint="the report says how the other engines did")
            if unit.parity is None:
                raise ParityError(f"{unit.engine} was not compared", hint="run the command again")
            unit.parity.require()
