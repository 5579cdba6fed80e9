"""One consumer on one bundle: run it in a process of its own, and compare what it says with what the runtime says."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from benchmarks.consumers.definition import Consumer
from benchmarks.consumers.install import NotHereError, find_browser, install
from benchmarks.consumers.material import Material
from benchmarks.peers.sources import environment

_RUNNERS = Path(__file__).resolve().parent / "runners"
GRAPHS = {
    ("fp32", "portable"): "onnx/model.onnx",
    ("fp32", "fast"): "onnx/model_fast.onnx",
    ("int8", "portable"): "onnx/model_quantized.onnx",
    ("int8", "fast"): "onnx/model_quantized_fast.onnx",
}
"""The graphs by precision and kind."""


def measure(consumer: Consumer, material: Material, *, precision: str, work: Path, seconds: float) -> dict[str, Any]:
    """Return the row of a consumer: whether it loads, how far off it is, how long it takes.

    `status` is "measured", "failed" for software that did not load the bundle or score a prompt within `seconds`, or
    "not here"; `reason` says why it is one of the last two.
    """
    row = {"bundle": material.name, "precision": precision, "key": consumer.key, "label": consumer.label}
    try:
        packages = install(consumer, work)
        answer = _ask(consumer, material, precision=precision, packages=packages, seconds=seconds)
    except NotHereError as error:
        return row | {"version": None, "status": "not here", "reason": str(error)}
    except _FailedError as error:
        return row | {"version": _version(consumer, packages), "status": "failed", "reason": str(error)}
    return row | {"version": _version(consumer, packages), "status": "measured"} | _compare(answer, material)


_FOLDERS = re.compile(r"""(?:\w+://|(?<![\w.])/)(?:/?[^\s"'()/]+/)+""")


class _FailedError(Exception):
    """The consumer's own error, in one line."""


def _compare(answer: dict[str, Any], material: Material) -> dict[str, Any]:
    pairs = list(zip(answer["p"], material.p_cloud, strict=True))
    threshold = material.threshold
    return {
        "prompts": len(pairs),
        "other_ids": sum(tuple(ids) != ours for ids, ours in zip(answer["ids"], material.ids, strict=True)),
        "max_abs_probability_difference": max(abs(p - ours) for p, ours in pairs),
        "flips": sum((p > threshold) != (ours > threshold) for p, ours in pairs),
        "load_ms": round(answer["load_ms"], 1),
        "median_ms": round(statistics.median(answer["ms"]), 3),
        **({"adapter": answer["adapter"]} if "adapter" in answer else {}),
    }


def _ask(consumer: Consumer, material: Material, *, precision: str, packages: Path, seconds: float) -> dict[str, Any]:
    graph = GRAPHS[precision, consumer.options.get("graph", "portable")]
    if not (material.bundle / graph).is_file():
        raise NotHereError(f"the bundle has no {graph}")
    with tempfile.TemporaryDirectory() as scratch:
        request, answer = Path(scratch) / "request.json", Path(scratch) / "answer.json"
        content = {
            "bundle": str(material.bundle),
            "graph": graph,
            "precision": precision,
            "max_tokens": material.max_tokens,
            "prompts": material.prompts,
            "ids": material.ids,
            "options": dict(consumer.options),
            "packages": str(packages),
            "scratch": scratch,
        }
        if consumer.runner == "browser.mjs":
            content["browser"] = str(find_browser())
        request.write_text(json.dumps(content), encoding="utf-8")
        command = [*_program(consumer), str(request), str(answer)]
        try:
            finished = subprocess.run(
                command,
                env=_environment(packages),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _FailedError(f"not done after {seconds:.0f} s") from error
        if finished.returncode or not answer.exists():
            raise _FailedError(_last_error(finished.stderr))
        result: dict[str, Any] = json.loads(answer.read_text("utf-8"))
        return result


def _program(consumer: Consumer) -> list[str]:
    if not consumer.in_node:
        return [sys.executable, "-m", f"benchmarks.consumers.runners.{consumer.runner}"]
    node = shutil.which("node")
    if node is None:
        raise NotHereError("Node is not installed")
    return [node, str(_RUNNERS / consumer.runner)]


def _environment(packages: Path) -> dict[str, str]:
    """Return the environment of a runner: its packages before those of this interpreter."""
    inherited = environment(threads=1)
    return inherited | {"PYTHONPATH": os.pathsep.join([str(packages), inherited["PYTHONPATH"]])}


def _version(consumer: Consumer, packages: Path) -> str | None:
    if consumer.in_node:
        package = packages / "node_modules" / consumer.distribution / "package.json"
        return str(json.loads(package.read_text("utf-8"))["version"])
    own = [one.version for one in distributions(name=consumer.distribution, path=[str(packages)])]
    return own[0] if own else version(consumer.distribution)


def _last_error(stderr: str) -> str:
    """Return the line of a program's errors that says most."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line and not line.startswith(("at ", "throw "))]
    # Only the names of files: folders and ports are this machine's, and results are published.
    return _FOLDERS.sub("", (errors or lines or ["it ended without a word"])[-1])[:300]
