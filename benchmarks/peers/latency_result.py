"""The samples of a latency measurement, and the table they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.outcome import Outcome
from benchmarks.peers.results import merge_contenders
from vibe_router_tools.measurement.timing import summarize

# Whose logits the others' are compared with: the first of these that was measured.
_EXACT = ("pytorch-fp32", "ours-fp32")
_Key = tuple[int, int | None, str]


@dataclass
class LatencyResult:
    """Samples by threads, tokens (None: real prompts, from text) and contender; grows round by round."""

    head: Mapping[str, Any]
    settings: Mapping[str, Any]
    contenders: list[dict[str, Any]] = field(default_factory=list)
    _microseconds: dict[_Key, list[float]] = field(default_factory=dict)
    _logits: dict[_Key, float] = field(default_factory=dict)
    _rounds: dict[int, int] = field(default_factory=dict)

    @classmethod
    def resume(
        cls, head: Mapping[str, Any], settings: Mapping[str, Any], old: Mapping[str, Any] | None
    ) -> LatencyResult:
        """Return an empty result, or one that goes on where the file `old` ended."""
        result = cls(head, settings)
        if old is not None:
            result.contenders = old["contenders"]
            result._rounds = {int(threads): count for threads, count in old["rounds"].items()}
            for sample in old["samples"]:
                key = (sample["threads"], sample["tokens"], sample["key"])
                result._microseconds[key] = sample["microseconds"]
                if sample["logit"] is not None:
                    result._logits[key] = sample["logit"]
        return result

    def rounds(self, threads: int) -> int:
        """Return how many rounds there are with this number of threads."""
        return self._rounds.get(threads, 0)

    def finish_round(self, threads: int) -> None:
        """Count a round."""
        self._rounds[threads] = self.rounds(threads) + 1

    def note(self, outcomes: Iterable[Outcome]) -> None:
        """Keep what became of the contenders."""
        self.contenders = merge_contenders(self.contenders, [outcome.fields() for outcome in outcomes])

    def add(self, key: str, *, threads: int, tokens: int | None, seconds: Sequence[float], logit: float | None) -> None:
        """Add the calls of one turn."""
        place = (threads, tokens, key)
        self._microseconds.setdefault(place, []).extend(round(value * 1e6, 1) for value in seconds)
        if logit is not None:
            self._logits[place] = logit

    def summary(self) -> list[dict[str, Any]]:
        """Return a row for each sample: median, p10, p95, times faster than the baseline, the logit's difference."""
        rows = []
        for place, values in sorted(self._microseconds.items(), key=_order):
            threads, tokens, key = place
            timing = summarize([value / 1e6 for value in values])
            baseline = self._microseconds.get((threads, tokens, str(self.settings["baseline"])))
            times_faster = None if baseline is None else _median(baseline) / timing.median_ms
            rows.append(
                {
                    "threads": threads,
                    "tokens": tokens,
                    "key": key,
                    "calls": timing.calls,
                    "p10_ms": round(timing.p10_ms, 4),
                    "median_ms": round(timing.median_ms, 4),
                    "p95_ms": round(timing.p95_ms, 4),
                    "times_faster": None if times_faster is None else round(times_faster, 3),
                    "logit_difference": self._difference(place),
                }
            )
        return rows

    def content(self) -> dict[str, Any]:
        """Return the JSON values of the file."""
        samples = [
            {
                "threads": threads,
                "tokens": tokens,
                "key": key,
                "logit": self._logits.get((threads, tokens, key)),
                "microseconds": values,
            }
            for (threads, tokens, key), values in sorted(self._microseconds.items(), key=_order)
        ]
        return {
            **self.head,
            "settings": dict(self.settings),
            "rounds": self._rounds,
            "contenders": self.contenders,
            "summary": self.summary(),
            "samples": samples,
        }

    def _difference(self, place: _Key) -> float | None:
        threads, tokens, _ = place
        exact = next((key for key in _EXACT if (threads, tokens, key) in self._logits), None)
        if exact is None or place not in self._logits:
            return None
        return abs(self._logits[place] - self._logits[threads, tokens, exact])


def _median(microseconds: Sequence[float]) -> float:
    return summarize([value / 1e6 for value in microseconds]).median_ms


def _order(item: tuple[_Key, list[float]]) -> tuple[int, float, str]:
    threads, tokens, key = item[0]
    return threads, float("inf") if tokens is None else tokens, key
