"""The figures of docs/clib.md from their result file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.markdown import markdown
from benchmarks.report.files import Sections

_LABELS = {
    "vibe-route": "`vibe-route`",
    "router": "Python, `Router.load(usage=Usage.ONCE)`",
    "router-in-python": "... that reads prompts with `tokenizers`",
    "command": "Python, `vibe-router route`",
    "command-in-python": "... that reads prompts with `tokenizers`",
    "imports-and-library": "Python, the imports of `vibe_router`, then the C library",
    "library": "Python, the C library alone",
    "interpreter": "Python, nothing",
}
_MIB = 2**20


def _clib(content: Mapping[str, Any]) -> str:
    machine = content["machine"]
    parts = [f"On {machine['cpu']}, {machine['cpus']} CPUs:\n"]
    for one in content["bundles"]:
        rows = [
            (_LABELS[row["way"]], *(f"{row[key]:.1f}" for key in ("least_ms", "median_ms", "p90_ms")))
            for row in one["ways"]
        ]
        header = (f"{one['name']}, {one['rounds']} processes each", "least ms", "median", "p90")
        medians = {row["way"]: row["median_ms"] for row in one["ways"]}
        router, command = (medians[way] / medians[f"{way}-in-python"] for way in ("router", "command"))
        parts.append(
            markdown((header, rows))
            + f"\n- `vibe-route` has {one['beside_the_file'] / _MIB:.1f} MiB of memory beside the mapped file of "
            f"{one['file_bytes'] / _MIB:.1f} MiB when it writes its decision.\n"
            f"- With the library in place of numpy and `tokenizers`, Python's router takes {router:.2f} of the time, "
            f"and `vibe-router route` {command:.2f}.\n"
        )
    return "\n".join(parts)


CLIB: Sections = {"clib": _clib}
"""`clib` is the marker and the file's name."""
