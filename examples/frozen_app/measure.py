"""Print how large frozen programs are and how long they take from their start to the first decision.

python examples/frozen_app/measure.py build/frozen/route-prompts build/frozen-one-file

Each argument is a folder that holds the program. It is run without a PATH, so that no Python of this machine helps.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

PROGRAM = "route-prompts.exe" if sys.platform == "win32" else "route-prompts"
UNWANTED = ("torch", "transformers", "matplotlib", "scipy", "coremltools")
ENVIRONMENT = {"PATH": "/nonexistent"}
PROMPT = "what is 2+2?"


def main() -> None:
    """Measure each folder and print the figures, one `name: value` a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--runs", type=int, default=20, help="how often each program is started")
    arguments = parser.parse_args()
    _say(f"machine: {platform.platform()}, {platform.machine()}")
    for folder in arguments.folders:
        _say(f"\n{folder}")
        _describe_size(folder)
        _describe_time(folder / PROGRAM, runs=arguments.runs)


def _describe_size(folder: Path) -> None:
    sizes = {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*") if _is_own_file(path)}
    parts: Counter[str] = Counter()
    for path, size in sizes.items():
        parts["/".join(path.parts[:2])] += size
    _say(f"size: {sum(sizes.values()) / 1e6:.1f} MB in {len(sizes)} files")
    _say("largest: " + ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in parts.most_common(6)))
    unwanted = [str(path) for path in sizes if any(part.lower().startswith(UNWANTED) for part in path.parts)]
    _say(f"files of {', '.join(UNWANTED)}: {', '.join(unwanted) or 'none'}")


def _is_own_file(path: Path) -> bool:
    # PyInstaller links libraries from one folder to another; they are stored once.
    return path.is_file() and not path.is_symlink()


def _describe_time(program: Path, *, runs: int) -> None:
    # The first start reads the files from the disk and says more about the disk than about the program.
    times = [_start_once(program) for _ in range(runs + 1)][1:]
    _say(f"process start to first decision: median {_milliseconds(times)}, worst {max(times) * 1e3:.3g} ms")
    following = _ask_running(program, count=200)
    _say(f"a decision from the running program: median {statistics.median(following) * 1e3:.2f} ms ({PROMPT!r})")


def _start_once(program: Path) -> float:
    start = time.perf_counter()
    with subprocess.Popen([program, PROMPT], env=ENVIRONMENT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
    json.loads(line)
    return seconds


def _ask_running(program: Path, *, count: int) -> list[float]:
    """Return the seconds from writing a request to reading its answer, the first left out."""
    seconds = []
    request = json.dumps(PROMPT).encode() + b"\n"
    with subprocess.Popen(
        [program], env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(count + 1):
            start = time.perf_counter()
            process.stdin.write(request)
            process.stdout.readline()
            seconds.append(time.perf_counter() - start)
    return seconds[1:]


def _milliseconds(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.3g} ms"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
