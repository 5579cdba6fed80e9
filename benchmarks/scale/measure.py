"""The seconds of each way in turns, and the memory of the Parquet command by rows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vibe_router.router import Router

_FILES = 8
_PORTION = 100_000
SHORT = 8
"""Characters of a prompt where memory is measured: a million whole ones would take most of an hour."""


def write_logs(folder: Path, prompts: Sequence[str], rows: int) -> int:
    """Write `rows` prompts, repeated where they are fewer, into a few files; return the bytes of all of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([("id", pa.int64()), ("prompt", pa.string())])
    each = -(-rows // _FILES)
    for number, start in enumerate(range(0, rows, each)):
        with pq.ParquetWriter(folder / f"{number:03d}.parquet", schema, compression="zstd") as writer:
            for first in range(start, min(start + each, rows), _PORTION):
                ids = range(first, min(first + _PORTION, start + each, rows))
                texts = [prompts[index % len(prompts)] for index in ids]
                writer.write_table(pa.table({"id": ids, "prompt": texts}, schema=schema))
    return folder_bytes(folder)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of the Parquet files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def one_round(work: Path, bundle: str | None, *, ways: Sequence[str], batch: int) -> dict[str, Any]:
    """Return the seconds of each way, in turn: for all rows, and for so few that they show what starting takes."""
    found: dict[str, Any] = {}
    for way in ways:
        seconds = {}
        for name in ("few", "all"):
            out = work / "out"
            shutil.rmtree(out, ignore_errors=True)
            command = [sys.executable, "-m", "benchmarks.scale.way", way, str(work / name), str(out), bundle or ""]
            done = subprocess.run([*command, str(batch)], stdout=subprocess.PIPE, text=True, check=True)
            seconds[name] = round(json.loads(done.stdout.splitlines()[-1])["seconds"], 3)
        found[way] = seconds
    return found


def memory(work: Path, bundle: str | None, prompts: Sequence[str], rows: int) -> dict[str, Any]:
    """Return the most resident memory of the Parquet command, in MiB, for a number of short rows, and its seconds."""
    logs, out = work / "memory", work / "memory-out"
    write_logs(logs, [prompt[:SHORT] for prompt in prompts], rows)
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "vibe_router_tools", "route", "-i", str(logs), "-o", str(out), "--json"]
    command += [] if bundle is None else ["-b", bundle]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the command ended with {process.returncode}")
    shutil.rmtree(logs)
    seconds = round(time.perf_counter() - began, 1)
    return {"rows": rows, "characters": SHORT, "peak_mib": round(usage.ru_maxrss / 1024, 1), "seconds": seconds}


def loading_seconds(bundle: str | None) -> float:
    """Return how long a router takes to load in a process that has loaded one before."""
    Router.load(bundle, threads=1).close()
    began = time.perf_counter()
    Router.load(bundle, threads=1).close()
    return time.perf_counter() - began
