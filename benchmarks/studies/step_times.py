"""Time of each kind of step of the native engine's forward pass, from a program that is compiled to note it."""

from __future__ import annotations

import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vibe_router.bundle.bundle import open_bundle
from vibe_router.engines.native.engine import NativeEngine
from vibe_router.engines.native.library import supported_instructions
from vibe_router.engines.select import choose_file
from vibe_router.errors import EngineUnavailableError
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_tools.measurement.workload import sequences_of

TOKENS = (4, 16, 48, 128, 512)
_ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("native/kernel/forward.c", "native/engine/*.c", "native/examples/*.c")

Steps = dict[str, tuple[float, float]]
"""By kind of step, in the order in which a layer has them: the caller's milliseconds of computing and of waiting."""


def measure(folder: str, prompts: Sequence[str], *, threads: int, calls: int) -> dict[int, Steps]:
    """Return the time of each kind of step in a call, the mean of `calls`, by tokens. Layers are added up.

    Raises:
        EngineUnavailableError: the program cannot be compiled here.
    """
    bundle = open_bundle(folder)
    model = bundle.path(choose_file(bundle, engine=NativeEngine.name, precision="int8").file)
    tokenizer = PromptTokenizer(bundle.read("tokenizer.json"), max_tokens=bundle.manifest.max_tokens)
    with tempfile.TemporaryDirectory() as workspace:
        program, ids = Path(workspace) / "score_ids", Path(workspace) / "ids.txt"
        _compile(program)
        times = {}
        for tokens, sequence in sequences_of(tokenizer, prompts, TOKENS).items():
            ids.write_text((" ".join(map(str, sequence)) + "\n") * calls)
            command = [str(program), str(model), str(ids), str(threads)]
            finished = subprocess.run(command, check=True, capture_output=True, text=True)
            times[tokens] = _read(finished.stderr, calls)
    return times


def _compile(program: Path) -> None:
    """Compile with the flags of the fastest instruction set that this processor has."""
    hook = runpy.run_path(str(_ROOT / "native" / "build_hook.py"))
    fastest = supported_instructions()[0].name
    (flags,) = {one.flags for one in hook["PLATFORMS"][0].kernels if one.instructions == fastest}
    sources = [str(path) for pattern in _SOURCES for path in sorted(_ROOT.glob(pattern))]
    defined = [f"-DINSTRUCTIONS={fastest}", "-DTIME_STEPS=1"]
    command = [sys.executable, "-m", "ziglang", "cc", *hook["FLAGS"], *flags, *defined, *sources]
    finished = subprocess.run(
        [*command, "-o", str(program), "-lpthread", "-lm"], check=False, capture_output=True, text=True
    )
    if finished.returncode:
        raise EngineUnavailableError(finished.stderr, hint="install ziglang; Linux on x86-64 only")


def _read(text: str, calls: int) -> Steps:
    steps: Steps = {}
    for line in text.splitlines():
        name, computing, waiting = line.split()
        before = steps.get(name, (0.0, 0.0))
        steps[name] = (before[0] + int(computing) / calls / 1e6, before[1] + int(waiting) / calls / 1e6)
    return steps
