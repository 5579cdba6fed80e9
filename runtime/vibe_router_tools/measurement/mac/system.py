"""A real Mac: coremltools, sysctl and powermetrics. Nothing here decides anything, so nothing here needs a stand-in."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vibe_router.bundle.bundle import Bundle
from vibe_router.bundle.manifest import EngineFile
from vibe_router.engines.coreml.models import COMPUTE_UNITS, CompiledFunction, CompiledPrograms, compile_packages
from vibe_router.errors import EngineError
from vibe_router_tools.measurement.mac.protocols import PlannedOperation
from vibe_router_tools.measurement.mac.report import MacFacts

_SAMPLE_MS = 500
_SAMPLERS = ("--samplers", "cpu_power,gpu_power,ane_power")
_POWERMETRICS = ("sudo", "-n", "/usr/bin/powermetrics", *_SAMPLERS)
_DEVICES = {"MLCPUComputeDevice": "cpu", "MLGPUComputeDevice": "gpu", "MLNeuralEngineComputeDevice": "neural engine"}


class ThisMac:
    """The Mac that this process runs on; see `Mac` for what each method returns."""

    def __init__(self, bundle: Bundle, file: EngineFile) -> None:
        """Compile the file's packages, or find them compiled.

        Raises:
            MissingExtraError: coremltools is not installed.
            BundleCorruptError: a file of the packages has been altered.
            EngineError: Core ML cannot compile a package.
        """
        self._functions = compile_packages(bundle, file)
        self._work = tempfile.TemporaryDirectory(prefix="vibe-router-plan-")
        self._single: dict[int, Path] = {}

    @property
    def lengths(self) -> Sequence[int]:
        """See `Mac.lengths`."""
        return sorted(self._functions)

    def machine(self) -> MacFacts:
        """See `Mac.machine`."""
        return MacFacts(
            model=_sysctl("hw.model"),
            chip=_sysctl("machdep.cpu.brand_string"),
            cpus=os.cpu_count() or 1,
            memory_bytes=int(_sysctl("hw.memsize") or 0),
            system=f"macOS {platform.mac_ver()[0]}",
            python=platform.python_version(),
            coremltools=importlib.metadata.version("coremltools"),
        )

    def programs(self, engine: str) -> CompiledPrograms:
        """See `Mac.programs`."""
        return CompiledPrograms(self._functions, compute_units=COMPUTE_UNITS[engine])

    def plan(self, engine: str, *, tokens: int) -> Sequence[PlannedOperation]:
        """See `Mac.plan`."""
        import coremltools as ct
        from coremltools.models.compute_plan import MLComputePlan

        try:
            plan = MLComputePlan.load_from_path(
                str(self._planned(tokens)), compute_units=ct.ComputeUnit[COMPUTE_UNITS[engine]]
            )
            functions = plan.model_structure.program.functions.values()
            return [planned for function in functions for planned in _operations(plan, function.block.operations)]
        except EngineError:
            raise
        except Exception as error:
            raise EngineError(f"Core ML gives no plan for {tokens} tokens: {error}") from error

    def meter(self, seconds: int) -> Callable[[], str] | None:
        """See `Mac.meter`."""
        if not _permitted():
            return None
        count = max(1, int(1000 * seconds / _SAMPLE_MS))
        command = (*_POWERMETRICS, "-i", str(_SAMPLE_MS), "-n", str(count))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def finish() -> str:
            text, complaint = process.communicate()
            if process.returncode:
                raise EngineError(f"powermetrics ended with {process.returncode}: {complaint.strip()}")
            return text

        return finish

    def close(self) -> None:
        """Remove what was written for plans."""
        self._work.cleanup()

    def _planned(self, tokens: int) -> Path:
        """Return a compiled model with one function only: a plan is made for a model's default function."""
        if tokens not in self._single:
            function = self._functions[tokens]
            self._single[tokens] = function.compiled if function.name is None else self._compile_alone(function, tokens)
        return self._single[tokens]

    def _compile_alone(self, function: CompiledFunction, tokens: int) -> Path:
        import coremltools as ct

        package = Path(self._work.name) / f"{tokens}.mlpackage"
        save_alone(function.package, str(function.name), package)
        return Path(ct.models.utils.compile_model(str(package), str(package.with_suffix(".mlmodelc"))))


def save_alone(package: Path, function: str, out: Path) -> None:
    """Write a package that holds one function of another; works on any machine."""
    import coremltools as ct

    descriptor = ct.utils.MultiFunctionDescriptor()
    descriptor.add_function(str(package), function, "main")
    descriptor.default_function_name = "main"
    ct.utils.save_multifunction(descriptor, str(out))


def _operations(plan: Any, operations: Any) -> Iterator[PlannedOperation]:
    for operation in operations:
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
        device = None if usage is None else type(usage.preferred_compute_device).__name__
        yield PlannedOperation(
            kind=operation.operator_name,
            device=None if device is None else _DEVICES.get(device, device),
            cost=None if cost is None else float(cost.weight),
        )


def _permitted() -> bool:
    """Return whether powermetrics runs without a password being asked for."""
    try:
        done = subprocess.run([*_POWERMETRICS, "-i", "100", "-n", "1"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _sysctl(name: str) -> str:
    done = subprocess.run(["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=False)
    return done.stdout.strip()
