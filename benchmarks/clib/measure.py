"""What fresh processes take, in turns: `vibe-route`, Python's router and command, Python with the C library, Python."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.clib.processes import memory_at_decision, milliseconds_to_decision
from native.build_hook import SOURCES
from native.dist import HEADER, build, this_platform

PROMPT = "Write a thread-safe LRU cache in Python"
NATIVE_FILE = Path("native") / "model_int8.safetensors"
# The handle, and the whole of a decision, as the header describes them.
_BY_CTYPES = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
class Decision(ctypes.Structure):
    _fields_ = (*((name, ctypes.c_int32) for name in "abcdef"), *((name, ctypes.c_double) for name in "pqr"),
                ("engine", ctypes.c_char_p))
handle, decision, prompt = ctypes.c_void_p(), Decision(), sys.argv[3].encode()
status = library.vibe_router_open(sys.argv[2].encode(), None, ctypes.byref(handle), None)
status = status or library.vibe_router_route(
    handle, prompt, ctypes.c_size_t(len(prompt)), None, ctypes.byref(decision), None)
if not status:
    print(decision.p, flush=True)
"""
_IMPORTS = "from vibe_router import Decision, Router, Target, Usage\n"
_ROUTER = _IMPORTS + (
    "import sys\nprint(Router.load(sys.argv[2], usage=Usage.ONCE).route(sys.argv[3]).p_cloud, flush=True)"
)
_COMMAND = """
import sys
from vibe_router_tools.cli import main
sys.argv[1:] = ["route", "--bundle", sys.argv[2], sys.argv[3]]
main()
"""
# As where the library cannot read the file, and as all routers were before it could.
_IN_PYTHON = """
from vibe_router.engines.native import engine
engine.read_router_file = lambda *given, **named: None
"""


def compile_all(folder: Path) -> tuple[Path, Path]:
    """Return the shared library, and `vibe-route` linked with the static one.

    Raises:
        subprocess.CalledProcessError: a compiler refuses the sources.
    """
    built = build(this_platform(), folder / "library")
    program = folder / "vibe-route"
    sources = (SOURCES / "examples" / "vibe_route" / "vibe_route.c", built.static)
    subprocess.run(
        ["cc", "-O2", *map(str, sources), f"-I{HEADER.parent}", "-lpthread", "-lm", "-o", str(program)], check=True
    )
    return built.shared, program


def ways(bundle: Path, library: Path, program: Path) -> dict[str, Sequence[str]]:
    """Return the command of each way to decide one prompt in a fresh process."""
    arguments = (str(library), str(bundle), PROMPT)
    python = (sys.executable, "-c")
    return {
        "vibe-route": (str(program), str(bundle), PROMPT),
        "router": (*python, _ROUTER, *arguments),
        "router-in-python": (*python, _IN_PYTHON + _ROUTER, *arguments),
        "command": (*python, _COMMAND, *arguments),
        "command-in-python": (*python, _IN_PYTHON + _COMMAND, *arguments),
        "imports-and-library": (*python, _IMPORTS + _BY_CTYPES, *arguments),
        "library": (*python, _BY_CTYPES, *arguments),
        "interpreter": (*python, "print(1, flush=True)"),
    }


def measure(
    bundle: Path, library: Path, program: Path, *, rounds: int, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Return the times of each way over a bundle, in shuffled turns after one that is not counted, and the memory."""
    commands = ways(bundle, library, program)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    times: Mapping[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        milliseconds_to_decision(command, environment)
    shuffle = random.Random(0)
    for done in range(rounds):
        for name in shuffle.sample(list(commands), len(commands)):
            times[name].append(milliseconds_to_decision(commands[name], environment))
        progress(done + 1)
    file = bundle / NATIVE_FILE
    memory = memory_at_decision(commands["vibe-route"], file)
    return {
        "file_bytes": file.stat().st_size,
        "resident": memory.resident,
        "beside_the_file": memory.beside_the_file,
        "ways": [
            {"way": name, "least_ms": round(min(found), 3), "median_ms": round(statistics.median(found), 3)}
            | {"p90_ms": round(statistics.quantiles(found, n=10)[-1], 3)}
            for name, found in times.items()
        ],
    }
