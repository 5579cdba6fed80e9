from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import vibe_router
from vibe_router.engines.onnx import library as onnx_library

ROOT = Path(__file__).resolve().parents[2]


def test_the_public_names_are_these() -> None:
    assert sorted(vibe_router.__all__) == [
        "Bundle",
        "ChatDecision",
        "ChatPolicy",
        "ChatState",
        "Decision",
        "Reason",
        "Router",
        "Target",
        "Usage",
        "VibeRouterError",
        "__version__",
    ]
    assert all(hasattr(vibe_router, name) for name in vibe_router.__all__)


def test_the_version_is_the_distributions() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (path,) = re.findall(r'^path = "(.+/version\.py)"$', project, re.MULTILINE)
    assert f'"{vibe_router.__version__}"' in (ROOT / path).read_text(encoding="utf-8")


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_importing_pulls_in_nothing_heavy() -> None:
    heavy = {
        "torch",
        "transformers",
        "optimum",
        "onnx",
        "coremltools",
        "onnxruntime",
        "tokenizers",
        "numpy",
        "rich",
        "typer",
    }
    assert not heavy & loaded_after("import vibe_router")


def test_routing_pulls_in_no_training_or_export_library(tiny_bundle: Path) -> None:
    never = {
        "torch",
        "transformers",
        "optimum",
        "onnx",
        "coremltools",
        "safetensors",
        "scipy",
        "huggingface_hub",
    }
    routing = f"from vibe_router import Router; Router.load({str(tiny_bundle)!r}, threads=1).route('hi')"
    assert not never & loaded_after(routing)


def test_onnxruntime_is_imported_without_its_telemetry_and_nowhere_else() -> None:
    importing = {
        path.relative_to(ROOT / "runtime").as_posix()
        for path in ROOT.glob("runtime/**/*.py")
        if re.search(r"^\s*(import|from) onnxruntime", path.read_text("utf-8"), re.MULTILINE)
    }
    assert importing == {"vibe_router/engines/onnx/library.py"}
    assert onnx_library.telemetry_disabled()


def test_the_command_line_starts_without_the_engine() -> None:
    assert not {"onnxruntime", "tokenizers", "numpy", "torch"} & loaded_after(
        "from vibe_router_tools.cli import build_app; build_app()"
    )
