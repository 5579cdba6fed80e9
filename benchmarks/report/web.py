"""The figures of docs/web.md from their result file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import markdown
from benchmarks.report.files import Sections


def _web(content: Mapping[str, Any]) -> str:
    machine, prompt, visit = content["machine"], content["prompt"], content["first_decision"]
    relaxed = ", relaxed SIMD" if content["relaxed"] else ", SIMD"
    labels = {
        "c": "the C library, one thread",
        "node": f"Node {content['node']}, SIMD",
        "page": f"Chromium {content['chromium']}{relaxed}",
    }
    rows = [
        (
            labels[key],
            *(f"{found[name]:.2f}" for name in ("least_ms", "median_ms", "p90_ms")),
            *(f"{found[name] / prompt['c'][name]:.1f}" for name in ("least_ms", "median_ms")),
        )
        for key, found in prompt.items()
    ]
    header = (f"{content['tokens']} tokens", "least ms", "median", "p90", "least, times C", "median, times C")
    sizes = ", ".join(f"`{name}` {size / 1000:.0f} KB" for name, size in content["gzipped"].items())
    return (
        f"On {machine['cpu']}, {machine['cpus']} CPUs, the bundled router, {content['calls']} calls each in turns:\n\n"
        + markdown((header, rows))
        + f"\n- From opening the demo to its first decision, with nothing kept, from a server on the loopback: median "
        f"{visit['median_ms']:.0f} ms, least {visit['least_ms']:.0f}, p90 {visit['p90_ms']:.0f} "
        f"({content['visits']} visits, a file of {content['file_bytes'] / 1e6:.1f} MB).\n"
        f"- Gzipped: {sizes}.\n"
    )


WEB: Sections = {"web": _web}
"""`web` is the marker and the file's name."""
