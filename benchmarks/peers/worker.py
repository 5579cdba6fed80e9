"""A contender in a process of its own: loads, then answers one request a line on stdin with one line on stdout.

The coordinator (`client`) decides who computes when. Requests are JSON objects with the name of an operation below and
its arguments; an answer is what the operation returns, or {"error": text}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.contenders.registry import ALL
from benchmarks.peers.contenders.scorer import Load, Scorer
from benchmarks.peers.present import missing
from benchmarks.prompts import read_prompts
from vibe_router_tools.measurement.machine import installed_versions
from vibe_router_tools.measurement.resident import current_resident, peak_resident
from vibe_router_tools.measurement.timing import time_calls

_ALONE, _BATCHED = "alone", "batched"


@dataclass(frozen=True)
class Operations:
    """What a loaded contender can be asked."""

    scorer: Scorer

    def time_ids(self, ids: Sequence[int], calls: int, warm_up: int, limit: float) -> dict[str, Any]:
        """Score the same ids `warm_up` + `calls` times; return seconds of the latter and the logit.

        After `limit` seconds no further call is begun, so that long prompts do not take all of a measurement's time.
        """
        sequence = np.array(ids, np.int64)
        logits: list[float] = []
        seconds = time_calls(
            lambda: logits.append(self.scorer.logit(sequence)), calls=calls, warm_up=warm_up, least=1, limit=limit
        )
        return {"seconds": seconds, "logit": logits[-1]}

    def time_cpu(self, ids: Sequence[int], calls: int, limit: float) -> dict[str, Any]:
        """Score the same ids up to `calls` times after one call; return the seconds and CPU-seconds of each."""
        sequence = np.array(ids, np.int64)
        self.scorer.logit(sequence)
        seconds: list[float] = []
        cpu_seconds: list[float] = []
        while len(seconds) < calls and sum(seconds) < limit:
            wall, cpu = time.perf_counter(), time.process_time()
            self.scorer.logit(sequence)
            cpu_seconds.append(time.process_time() - cpu)
            seconds.append(time.perf_counter() - wall)
        return {"seconds": seconds, "cpu_seconds": cpu_seconds}

    def time_prompt(self, prompt: str, calls: int, warm_up: int) -> dict[str, Any]:
        """Decide the same prompt, from text; return seconds."""
        return {"seconds": time_calls(lambda: self.scorer.decide(prompt), calls=calls, warm_up=warm_up)}

    def soak(self, sequences: Sequence[Sequence[int]], calls: int, every: int) -> dict[str, Any]:
        """Score the sequences in turn; return the resident bytes after each `every` calls, where the system tells."""
        arrays = [np.array(ids, np.int64) for ids in sequences]
        # Written once beforehand: samples that are kept one by one would be a growth of their own.
        resident = np.full(calls // every, -1, np.int64)
        for call in range(calls):
            self.scorer.logit(arrays[call % len(arrays)])
            if (call + 1) % every == 0:
                resident[call // every] = current_resident() or -1
        return {"resident": resident[resident >= 0].tolist(), "peak": peak_resident()}

    def memory(self) -> dict[str, Any]:
        """Return peak and current resident bytes."""
        return {"peak": peak_resident(), "current": current_resident()}

    def decide_all(self, file: str, way: str, callers: int) -> dict[str, Any]:
        """Decide every prompt of a JSONL file: one after the other, in batches, or from several threads at once."""
        prompts = read_prompts(Path(file))
        self.scorer.decide_many(prompts[:4])
        started = time.perf_counter()
        if way == _BATCHED:
            decisions = self.scorer.decide_many(prompts)
        elif way == _ALONE:
            decisions = [self.scorer.decide(prompt) for prompt in prompts]
        else:
            with ThreadPoolExecutor(callers) as pool:
                decisions = list(pool.map(self.scorer.decide, prompts))
        return {"seconds": time.perf_counter() - started, "cloud": sum(decisions), "peak": peak_resident()}


def serve(operations: Operations, lines: Any, answer: Callable[[dict[str, Any]], None]) -> None:
    """Answer every line until there are no more."""
    known = {
        name: getattr(operations, name)
        for name in ("time_ids", "time_cpu", "time_prompt", "soak", "memory", "decide_all")
    }
    for line in lines:
        request = json.loads(line)
        try:
            answer(known[request.pop("operation")](**request))
        except Exception as error:  # noqa: BLE001 - told to the coordinator, which lists it in the results
            answer({"error": f"{type(error).__name__}: {error}"})


def main() -> None:
    """Load the contender named on the command line and serve."""
    contender, load = ALL[sys.argv[1]], json.loads(sys.argv[2])
    channel = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    # What libraries print must not come between the answers.
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        channel.write(json.dumps(content) + "\n")

    absent = missing(contender.modules)
    if absent:
        answer({"missing": absent})
        return
    paths = {name: None if load[name] is None else Path(load[name]) for name in ("checkpoint", "bundle", "artifact")}
    try:
        scorer = contender.load(Load(**paths, threads=load["threads"]), lambda _: None)
    except Exception as error:  # noqa: BLE001 - as above
        answer({"error": f"{type(error).__name__}: {error}"})
        return
    answer({"versions": installed_versions(contender.libraries), "peak": peak_resident()})
    serve(Operations(scorer), sys.stdin, answer)


if __name__ == "__main__":
    main()
