"""The figures of docs/gateway.md from their result files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import markdown
from benchmarks.report.files import Sections

_ENDS = {
    "left": "the client's leaving",
    "error": "one error",
    "answer": "an answer",
    "error event": "an error event",
}


def _gateway(content: Mapping[str, Any]) -> str:
    added, rates = content["added_ms"], content["requests_per_second"]
    rows = [
        (name, f"{latency['median']:.2f}", f"{latency['p99']:.2f}", f"{added[name]:.2f}", f"{rates[name]:,.0f}")
        for name, latency in content["first_byte_ms"].items()
        if name in added
    ]
    direct = content["first_byte_ms"]["direct"]
    paced = content["at_100_requests_a_second_ms"]
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    left = ", ".join(f"{took:.1f} ms {when}" for when, took in content["cancelled_within_ms"].items())
    return (
        f"On {content['machine']['cpu']}, {content['machine']['cpus']} CPUs, with {versions}; the upstream itself "
        f"answers after {direct['median']:.2f} ms:\n\n"
        + markdown(
            (("server", "first byte, ms", "p99", "added, ms", f"requests a second, {content['at_once']} at once"), rows)
        )
        + f"\n- With a score and 100 requests a second: {paced['median']:.1f} ms, p99 {paced['p99']:.1f} ms.\n"
        f"- An upstream is cancelled after its client has left: {left}.\n"
    )


def _faults(content: Mapping[str, Any]) -> str:
    ends = ", ".join(f"{count:,} in {_ENDS[end]}" for end, count in content["ends"].items())
    asked, forbidden, lost = content["requests"], content["forbidden_requests"], content["log_lost"]
    return (
        f"{asked:,} requests with faults at random ended: {ends}. {forbidden:,} of them forbade the cloud. "
        f"The log lost {lost} rows. Broken promises, such as a forbidden request in the cloud, two answers to one, "
        f"or one that the log misses: {len(content['broken_promises']) or 'none'}.\n"
    )


def _endurance(content: Mapping[str, Any]) -> str:
    memory, streams = content["memory"], content["streams"]
    samples = memory["samples"]
    every = samples[len(samples) // 5 - 1 :: len(samples) // 5]
    points = ", ".join(f"{sample['mib']:.0f} after {sample['requests']:,}" for sample in every)
    return (
        f"Resident memory of the gateway's process over {memory['requests']:,} requests of six kinds, in MiB: "
        f"{memory['mib_before']:.0f} before, {points}. {streams['open_at_once']} of {streams['streams']} streams of "
        f"{streams['seconds_each']:.0f} s were open at once and {streams['whole']} ended whole; they took "
        f"{streams['mib_during'] - streams['mib_before']:.0f} MiB, and a decision beside them came after "
        f"{streams['decision_ms_meanwhile']:.1f} ms (median).\n"
    )


def _decisions(content: Mapping[str, Any]) -> str:
    rows = []
    for measured in content["bundles"].values():
        decision, system_one = measured["ms"]["decision"], measured["ms"]["systemone"]
        for length, figures in decision.items():
            times = (f"{part['median']:.2f} (p99 {part['p99']:.2f})" for part in (figures, system_one[length]))
            rows.append((f"{measured['bundle']}, {measured['engine']}", length, *times))
    head = ("bundle", "tokens", "/v1/decision, ms", "/v1/systemone, ms")
    return f"On {content['machine']['cpu']}, {content['machine']['cpus']} CPUs:\n\n" + markdown((head, rows))


GATEWAY: Sections = {
    "gateway": _gateway,
    "gateway-decisions": _decisions,
    "gateway-faults": _faults,
    "gateway-endurance": _endurance,
}
