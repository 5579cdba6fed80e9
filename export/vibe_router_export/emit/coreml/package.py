"""Write Core ML packages: a function per length in one package (macOS 15), or a package per length (macOS 14)."""

from __future__ import annotations

import gc
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vibe_router.errors import VibeRouterError
from vibe_router_export.checkpoint.weights import ModernBertWeights
from vibe_router_export.choices import Layout, Precision, Target, WeightFormat
from vibe_router_export.emit.coreml.compress import Compressor
from vibe_router_export.emit.coreml.operations import Constants
from vibe_router_export.emit.coreml.program import build_program
from vibe_router_export.emit.coreml.quiet import quiet_coremltools
from vibe_router_export.emit.coreml.reproducible import make_reproducible

PACKAGE = "VibeRouter"
# The program is emitted as it should run. The converter's other ninety passes would take minutes at base size to find
# nothing, and to guard the look-up against negative ids, which no tokenizer gives.
_PASSES = ("common::const_elimination", "common::dead_code_elimination")


def function_name(tokens: int) -> str:
    """Return the name of the function for sequences of exactly `tokens` ids."""
    return f"tokens_{tokens}"


def write_packages(
    weights: ModernBertWeights,
    folder: Path,
    *,
    lengths: Sequence[int],
    layout: Layout,
    target: Target,
    precision: Precision = Precision.FP16,
    weight_format: WeightFormat = WeightFormat.FP16,
) -> list[Path]:
    """Write the packages into `folder` and return their paths, in the order of `lengths` where there are several.

    For macOS 15 one package `VibeRouter.mlpackage` holds a function `tokens_N` for each of `lengths`, all sharing one
    set of weights, the longest being the default. For macOS 14 there is `VibeRouter-N.mlpackage` for each, with the
    function `main`. Compressed packages have the weight format in their names, `VibeRouter-int8`. The model is emitted
    as `weights` say; fold them before.

    Raises:
        VibeRouterError: coremltools fails to write them, as on a full disk.
    """
    import coremltools as ct

    constants = Constants(precision)
    compressor = Compressor(weight_format)
    stem = PACKAGE if weight_format is WeightFormat.FP16 else f"{PACKAGE}-{weight_format.value}"

    def write(path: Path, tokens: int) -> None:
        program = build_program(weights, tokens=tokens, layout=layout, constants=constants, opset=opset)
        _write_one(ct, program, path, opset=opset, compressor=compressor)

    opset = ct.target.macOS15 if target is Target.MACOS15 else ct.target.macOS14
    with quiet_coremltools(), _temporary_folder(folder) as work:
        if target is Target.MACOS14:
            paths = [folder / f"{stem}-{tokens}.mlpackage" for tokens in lengths]
            for tokens, path in zip(lengths, paths, strict=True):
                write(path, tokens)
                make_reproducible(path)
            return paths
        package = folder / f"{stem}.mlpackage"
        descriptor = ct.utils.MultiFunctionDescriptor()
        for tokens in lengths:
            path = work / f"{tokens}.mlpackage"
            write(path, tokens)
            descriptor.add_function(str(path), "main", function_name(tokens))
        descriptor.default_function_name = function_name(max(lengths))
        ct.utils.save_multifunction(descriptor, str(package))
        make_reproducible(package)
        return [package]


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder where coremltools puts its own temporary files too, so that none outlives an export."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(dir=folder) as work:
        tempfile.tempdir = work
        try:
            yield Path(work)
        except Exception as error:
            # Its frames hold temporary files, which complain when they go after their folder.
            traceback.clear_frames(error.__traceback__)
            if not isinstance(error, RuntimeError):
                raise
            # Its C++ parts do not say that the disk is full.
            raise VibeRouterError(
                f"coremltools cannot write its package: {error}",
                hint="nothing was changed; it needs free space of several times the package's size",
            ) from error
        finally:
            tempfile.tempdir = before
            gc.collect()


def _write_one(ct: Any, program: Any, path: Path, *, opset: Any, compressor: Compressor) -> None:
    model = ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=opset,
        # The program is emitted in its precision already; this tells the converter to leave it so.
        compute_precision=ct.precision.FLOAT32,
        pass_pipeline=ct.PassPipeline(list(_PASSES)),
        skip_model_load=True,
    )
    compressor.compress(model).save(str(path))
    # Programs hold reference cycles; at base size each keeps hundreds of megabytes.
    del program, model
    gc.collect()
