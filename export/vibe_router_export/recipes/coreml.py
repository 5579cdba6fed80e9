"""Recipe for Core ML packages.

Core ML runs on Macs only, so the gate runs the saved packages in the project's own interpreter. On a Mac,
`vibe-router verify --report` measures what Core ML itself computes.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibe_router.errors import VibeRouterError
from vibe_router_export.card import coreml_section
from vibe_router_export.choices import Layout, Target, WeightFormat
from vibe_router_export.emit.coreml.lint import LintReport, lint
from vibe_router_export.emit.coreml.package import write_packages
from vibe_router_export.fold.half_precision import (
    HalfPrecisionFolds,
    choose_residual_scale,
    fold_for_half_precision,
    scale_residual,
)
from vibe_router_export.observe.residual_scale import measured_norm_inputs
from vibe_router_export.proof.coreml_gate import gate_packages
from vibe_router_export.proof.mil_interpreter.package import read_package
from vibe_router_export.proof.parity import ParityReport
from vibe_router_export.recipes.recipe import RecipeInputs, WrittenFile


@dataclass(frozen=True, kw_only=True)
class CoreMLFile(WrittenFile):
    """Packages that passed: `report` is of fp16 with sums in fp32, `pessimistic` of a few prompts with fp16 sums."""

    pessimistic: ParityReport
    residual_scale: float
    placement: tuple[LintReport, ...]


@dataclass(frozen=True, kw_only=True)
class CoreMLRecipe:
    """Packages with a function for each of `lengths`, ascending numbers of tokens.

    The gate interprets every case if `every_prompt` is set, else a quarter of those that are not golden.
    """

    lengths: Sequence[int]
    target: Target
    layout: Layout
    weight_format: WeightFormat
    every_prompt: bool

    @property
    def file(self) -> str:
        """The path in a bundle of the one package, or of the folder with a package a length."""
        suffix = "" if self.weight_format is WeightFormat.FP16 else f"-{self.weight_format.value}"
        return f"coreml/VibeRouter{suffix}.mlpackage" if self.target is Target.MACOS15 else f"coreml/macos14{suffix}"

    def write(self, inputs: RecipeInputs) -> CoreMLFile:
        """Write the packages, check their placement, and compare them in fp16.

        Raises:
            ParityError: the packages do not decide as the reference does, or overflow.
            VibeRouterError: a package for the Neural Engine breaks a rule of placement.
        """
        scale, packages = self._write_packages(inputs)
        placement = tuple(lint(read_package(package)) for package in packages)
        if self.layout is Layout.ANE:
            _check_placement(placement)
        parity = gate_packages(
            packages,
            inputs.proof,
            inputs.manifest,
            file=self.file,
            weight_format=self.weight_format,
            every_prompt=self.every_prompt,
        )
        return CoreMLFile(
            entry=inputs.entry("coreml", self.file, self.weight_format.value, parity.half),
            report=parity.half,
            section=coreml_section(self.file, self.lengths, parity, target=self.target),
            versions={"coremltools": importlib.metadata.version("coremltools")},
            pessimistic=parity.pessimistic,
            residual_scale=scale,
            placement=placement,
        )

    def _write_packages(self, inputs: RecipeInputs) -> tuple[float, list[Path]]:
        """Return the scale of the residual stream and the packages' paths."""
        sequences = [case.ids for case in inputs.proof.cases]
        weights = fold_for_half_precision(inputs.weights, HalfPrecisionFolds())
        scale = choose_residual_scale(measured_norm_inputs(weights, sequences).sum_of_squares)
        weights = scale_residual(weights, scale)
        place = inputs.folder / self.file
        shutil.rmtree(place, ignore_errors=True)
        folder = place.parent if self.target is Target.MACOS15 else place
        folder.mkdir(parents=True, exist_ok=True)
        packages = write_packages(
            weights,
            folder,
            lengths=self.lengths,
            layout=self.layout,
            target=self.target,
            weight_format=self.weight_format,
        )
        return scale, packages


def _check_placement(placement: Sequence[LintReport]) -> None:
    violations = [violation for report in placement for violation in report.violations]
    if violations:
        first = violations[0]
        raise VibeRouterError(
            f"{len(violations)} operations would leave the Neural Engine, the first {first.operation} "
            f"({first.detail}): {first.rule.value}",
            hint="nothing was written; export with --layout gpu, or fewer tokens",
        )
