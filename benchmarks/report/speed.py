"""The tables of docs/speed.md from their result files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.markdown import markdown
from benchmarks.report.files import Sections

_PARTS = (
    ("products", ("query_key_value", "attention_output", "mlp_input", "mlp_output")),
    ("attention", ("attention",)),
    ("embedding, norms, rounding", ("embedding", "attention_norm", "rounding_of_attention", "mlp_norm", "rounding")),
    ("head", ("head",)),
)


def steps_table(by_tokens: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Return a row for each length: milliseconds of computing by part, of waiting, and of all."""
    rows = []
    for tokens, steps in by_tokens.items():
        parts = [sum(steps[name][0] for name in names) for _, names in _PARTS]
        waits = sum(waiting for _, waiting in steps.values())
        rows.append((tokens, *(f"{value:.1f}" for value in (*parts, waits, sum(parts) + waits))))
    return markdown((("tokens", *(name for name, _ in _PARTS), "waits", "all"), rows))


def instructions_table(by_name: Mapping[str, Mapping[str, float]]) -> str:
    """Return a row for each instruction set, median milliseconds by tokens."""
    lengths = list(next(iter(by_name.values())))
    rows = [(name, *(f"{one[tokens]:.1f}" for tokens in lengths)) for name, one in by_name.items()]
    return markdown((("", *lengths), rows))


def _steps(content: Mapping[str, Any]) -> str:
    return f"{_where(content)}, milliseconds:\n\n{steps_table(content['milliseconds'])}"


def _instructions(content: Mapping[str, Any]) -> str:
    return f"{_where(content)}, median milliseconds by tokens:\n\n{instructions_table(content['milliseconds'])}"


def _where(content: Mapping[str, Any]) -> str:
    machine = content["machine"]
    return f"Base on {machine['cpu']}, {machine['threads']} of {machine['cpus']} CPUs"


SPEED: Sections = {"steps": _steps, "instructions": _instructions}
