"""The interface of a recipe: how one engine file of a bundle is made and proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from vibe_router.bundle.manifest import EngineFile, Manifest
from vibe_router.engines.protocol import Engine
from vibe_router.policy import LOW_PRECISION_BAND
from vibe_router.progress import ProgressCallback
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.choices import Precision
from vibe_router_export.emit.quantize import MatrixFormat
from vibe_router_export.proof.cases import ProofCases, compare
from vibe_router_export.proof.parity import Case, Limits, ParityReport, limits_for


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What the caller lets a file below fp32 get wrong.

    A decision may differ if |p_cloud - threshold| < `band`; outside the band `max_flips` decisions may.
    """

    band: float = LOW_PRECISION_BAND
    max_flips: int = 0

    def limits(self, precision: Precision) -> Limits:
        """Return the gate's limits for a file of this precision."""
        return limits_for(precision, band=self.band, max_flips=self.max_flips)


@dataclass(frozen=True)
class KeptMatrix:
    """A matrix that a file keeps in a higher precision than its own, and the reason."""

    name: str
    precision: MatrixFormat
    reason: str


@dataclass(frozen=True, kw_only=True)
class RecipeInputs:
    """Everything that a recipe reads.

    `folder` is the bundle in the making; `manifest` states its temperature, thresholds and limits; `weights` have the
    temperature folded in. `proof` are the cases that the reference scored, `more` those of the proven fp32 graph.
    """

    folder: Path
    manifest: Manifest
    weights: ModernBertWeights
    proof: ProofCases
    more: tuple[Case, ...]
    progress: ProgressCallback | None

    @property
    def cases(self) -> tuple[Case, ...]:
        """Every case to compare on."""
        return self.proof.cases + self.more

    @property
    def temperature(self) -> float:
        """The temperature of the bundle."""
        return self.manifest.calibration.temperature

    def compare(self, engine: Engine, cases: Sequence[Case], *, band: float) -> ParityReport:
        """Compare an engine's scores with those of `cases`."""
        return compare(self.manifest, engine, cases, reference=self.proof.name(self.more), band=band)

    def entry(
        self, kind: str, file: str, precision: str, report: ParityReport, *, weights: str | None = None
    ) -> EngineFile:
        """Return the manifest's entry of a file, whose big constants are in the file `weights`, if it shares them.

        Without a reference the entry has no figures, because nothing is proven.
        """
        if weights is not None and not (self.folder / weights).exists():
            weights = None
        parity = report.numbers if self.proof.reference is not None else None
        return EngineFile(kind=kind, file=file, precision=precision, parity=parity, weights=weights)


@dataclass(frozen=True, kw_only=True)
class WrittenFile:
    """A file that passed its gate.

    `portable` is the entry of the graph of the same weights for other software. `section` is the file's part of the
    bundle's card, if it has one beyond a row of the table. `versions` are those of libraries that made this file alone.
    """

    entry: EngineFile
    report: ParityReport
    kept: tuple[KeptMatrix, ...] = ()
    portable: EngineFile | None = None
    section: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def entries(self) -> tuple[EngineFile, ...]:
        """The manifest's entries."""
        return (self.entry,) if self.portable is None else (self.entry, self.portable)


FileT = TypeVar("FileT", bound=WrittenFile)
FileT_co = TypeVar("FileT_co", bound=WrittenFile, covariant=True)


class Recipe(Protocol[FileT_co]):
    """The way to one file (or one Core ML folder) of a bundle."""

    def write(self, inputs: RecipeInputs) -> FileT_co:
        """Write the file below `inputs.folder`, prove it, and return what was written.

        Raises:
            ParityError: the file does not decide as the reference does.
        """
