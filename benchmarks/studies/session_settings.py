"""Cost and benefit of each setting of an ONNX Runtime session: one graph, every setting in a process of its own.

`python -m benchmarks.studies.session_settings INDEX GRAPH` is that process: it measures `SETTINGS[INDEX]`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.peers.neighbours import neighbours
from benchmarks.peers.sources import environment

_TOKENS = (4, 16, 48, 512)


@dataclass(frozen=True)
class Settings:
    """A session's settings; the entries are ONNX Runtime's session configuration."""

    name: str
    entries: dict[str, str] = field(default_factory=dict)
    optimisation: str = "ORT_ENABLE_BASIC"
    arena: bool = True
    memory_pattern: bool = False
    threads: int = 2


_PAUSING = {"session.force_spinning_stop": "1"}
_AS_IT_LIES = {"session.disable_prepacking": "1"}
SETTINGS = (
    Settings("ONNX Runtime's defaults", optimisation="ORT_ENABLE_ALL", memory_pattern=True),
    Settings("REPEATEDLY", _PAUSING),
    Settings("... that never spins", {"session.intra_op.allow_spinning": "0"}),
    Settings("... on one thread", _PAUSING, threads=1),
    Settings("... with every optimisation", _PAUSING, optimisation="ORT_ENABLE_ALL"),
    Settings("... with memory patterns", _PAUSING, memory_pattern=True),
    Settings("... without arena", _PAUSING, arena=False),
    Settings("ONCE", _PAUSING | _AS_IT_LIES, optimisation="ORT_DISABLE_ALL"),
)


def compare(graph: Path, *, rounds: int, busy: int = 0) -> dict[str, dict[str, float]]:
    """Return the medians of each setting over `rounds` processes, which take turns, next to `busy` spinning processes.

    Milliseconds to load the session, to answer the first prompt of 16 tokens and, warm, prompts of 4 to 512; MB of
    memory before the longest prompt and at most; milliseconds of CPU time in the second after the last prompt.
    """
    rows: dict[str, list[dict[str, float]]] = {one.name: [] for one in SETTINGS}
    with neighbours("spinning", busy) as beside, beside.working():
        for _ in range(rounds):
            for index, one in enumerate(SETTINGS):
                command = [sys.executable, "-m", "benchmarks.studies.session_settings", str(index), str(graph)]
                done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(threads=1))
                rows[one.name].append(json.loads(done.stdout))
    return {
        name: {column: statistics.median(row[column] for row in measured) for column in measured[0]}
        for name, measured in rows.items()
    }


def measure(settings: Settings, graph: str) -> dict[str, float]:
    """Load and run in this process."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, settings.optimisation)
    options.enable_mem_pattern = settings.memory_pattern
    options.enable_cpu_mem_arena = settings.arena
    for key, value in settings.entries.items():
        options.add_session_config_entry(key, value)
    begun = time.perf_counter()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    load = time.perf_counter() - begun

    def run(tokens: int) -> float:
        ids = np.random.default_rng(tokens).integers(1000, 2000, (1, tokens))
        begun = time.perf_counter()
        session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        return 1e3 * (time.perf_counter() - begun)

    row = {"load": 1e3 * load, "first": run(16)}
    warm = {tokens: statistics.median(run(tokens) for _ in range(9)) for tokens in _TOKENS if tokens < 100}
    row["MB before 512"] = _peak_megabytes()
    warm[512] = statistics.median(run(512) for _ in range(3))
    row |= {f"{tokens} tokens": warm[tokens] for tokens in _TOKENS}
    row["MB"] = _peak_megabytes()
    spent = time.process_time()
    time.sleep(1)
    row["idle CPU"] = 1e3 * (time.process_time() - spent)
    return row


def _peak_megabytes() -> float:
    """Return the peak of resident memory so far, as Linux counts it."""
    (line,) = (line for line in Path("/proc/self/status").read_text("utf-8").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(SETTINGS[int(sys.argv[1])], sys.argv[2])))
