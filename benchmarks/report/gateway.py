"""The table of docs/gateway.md from its result file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import markdown
from benchmarks.report.files import Sections


def _gateway(content: Mapping[str, Any]) -> str:
    added, rates = content["added_ms"], content["requests_per_second"]
    rows = [
        (name, f"{latency['median']:.2f}", f"{latency['p99']:.2f}", f"{added[name]:.2f}", f"{rates[name]:,.0f}")
        for name, latency in content["first_byte_ms"].items()
        if name in added
    ]
    direct = content["first_byte_ms"]["direct"]
    paced = content["at_100_requests_a_second_ms"]
    left = ", ".join(f"{took:.1f} ms {when}" for when, took in content["cancelled_within_ms"].items())
    return (
        f"On {content['machine']['cpu']}, {content['machine']['cpus']} CPUs; the upstream itself answers after "
        f"{direct['median']:.2f} ms:\n\n"
        + markdown(
            (("server", "first byte, ms", "p99", "added, ms", f"requests a second, {content['at_once']} at once"), rows)
        )
        + f"\n- With a score and 100 requests a second: {paced['median']:.1f} ms, p99 {paced['p99']:.1f} ms.\n"
        f"- An upstream is cancelled after its client has left: {left}.\n"
    )


GATEWAY: Sections = {"gateway": _gateway}
