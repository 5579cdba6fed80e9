"""Distance of each contender from this machine's limits: weight bytes by bandwidth, operations by peak."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.contenders.definition import Contender
from benchmarks.peers.sources import environment
from vibe_router_export.checkpoint.config import ModernBertConfig

Rates = Mapping[str, Mapping[str, float]]
"""By kind ("bandwidth", or a number format) and library: bytes or operations a second."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one prompt asks for: weights of linear layers, and operations (a multiplication and an addition are two)."""

    weights: int
    linear_operations: int
    attention_operations: int


def work_of(config: ModernBertConfig, tokens: int) -> Work:
    """Return the least work for a prompt: each weight read once, and only pairs of tokens within the window."""
    hidden, inner = config.hidden_size, config.intermediate_size
    weights = len(config.layers) * (4 * hidden * hidden + 3 * hidden * inner)
    pairs = sum(_pairs(tokens, layer.window) for layer in config.layers)
    return Work(
        weights=weights + hidden * hidden + hidden,
        linear_operations=2 * weights * tokens + 2 * (hidden * hidden + hidden),
        # Queries by keys, and probabilities by values.
        attention_operations=2 * 2 * hidden * pairs,
    )


def floor_seconds(contender: Contender, work: Work, rates: Rates) -> float | None:
    """Return the least time of a prompt: reading the weights, or computing, whichever takes longer.

    None where the peak of the contender's products was not measured.
    """
    if contender.products not in rates:
        return None
    reading = work.weights * contender.weight_bytes / max(rates["bandwidth"].values())
    linear = work.linear_operations / max(rates[contender.products].values())
    # Attention multiplies activations, which all contenders do in fp32 or better.
    exact = max(max(rates[kind].values()) for kind in ("fp32", "bf16") if kind in rates)
    return max(reading, linear + work.attention_operations / exact)


def measure_rates(threads: int) -> dict[str, dict[str, float]]:
    """Return this machine's rates with `threads` threads, measured in a fresh process.

    Raises:
        RuntimeError: the process failed.
    """
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.limits_child", str(threads)],
        capture_output=True,
        text=True,
        env=environment(threads=threads),
    )
    if finished.returncode:
        raise RuntimeError(f"measuring failed: {finished.stderr.strip().splitlines()[-1]}")
    rates: dict[str, dict[str, float]] = json.loads(finished.stdout)
    return rates


def floors(
    contenders: Mapping[str, Contender],
    config: ModernBertConfig,
    latency: Mapping[str, Any],
    rates: Mapping[int, Rates],
) -> list[dict[str, Any]]:
    """Return, for each median of a latency result, the floor and how many times longer it took."""
    rows = []
    for row in latency["summary"]:
        if row["tokens"] is None or row["threads"] not in rates or row["key"] not in contenders:
            continue
        least = floor_seconds(contenders[row["key"]], work_of(config, row["tokens"]), rates[row["threads"]])
        if least is not None:
            rows.append(
                {
                    "threads": row["threads"],
                    "tokens": row["tokens"],
                    "key": row["key"],
                    "floor_ms": round(least * 1e3, 4),
                    "median_ms": row["median_ms"],
                    "times_floor": round(row["median_ms"] / (least * 1e3), 2),
                }
            )
    return rows


def _pairs(tokens: int, window: int | None) -> int:
    if window is None or window >= tokens:
        return tokens * tokens
    return tokens * (2 * window + 1) - window * (window + 1)
