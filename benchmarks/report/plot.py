"""Latency by tokens as a plot, with the model card's figures drawn in as what they are: quoted, on other machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# https://huggingface.co/darkolorin/vibe-router-modernbert-v3: PyTorch, milliseconds at 1-5, 10-20 and 30+ tokens.
QUOTED = {"H200": (8.0, 8.5, 8.8), "Apple MPS": (11.0, 35.0, 45.0)}
_RANGES = ((2, 5), (10, 20), (30, 64))
_FAMILY_COLOURS = {"ours": "C3", "pytorch": "C1", "optimum": "C2", "openvino": "C0"}
_STYLES = ("-", "--", "-.", ":")
_DOTS_AN_INCH = 110


def plot_latency(content: dict[str, Any], path: Path, *, threads: int) -> None:
    """Write a PNG or SVG: a line a contender, medians, both axes logarithmic; dotted grey: quoted references.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    from vibe_router.extras import require_extra

    require_extra("The plot", extra="eval", modules=("matplotlib",))
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The same numbers give the same file.
    with mpl.rc_context({"svg.hashsalt": "vibe-router", "font.size": 8}):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        _draw_measured(axes, content, threads=threads)
        _draw_quoted(axes)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel("tokens")
        axes.set_ylabel("median ms, batch 1")
        machine = content["machine"]
        axes.set_title(f"{content['name']}, {threads} threads of {machine['cpu']}", fontsize=9)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(visible=True, which="major", alpha=0.3)
        axes.legend(ncols=2, fontsize=7)
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, dpi=_DOTS_AN_INCH, metadata=metadata)


def _draw_measured(axes: Any, content: dict[str, Any], *, threads: int) -> None:
    styles: dict[str, int] = {}
    for entry in content["contenders"]:
        rows = [
            row
            for row in content["summary"]
            if row["key"] == entry["key"] and row["threads"] == threads and row["tokens"] is not None
        ]
        if not rows:
            continue
        family = str(entry["key"]).split("-", maxsplit=1)[0]
        style = styles.setdefault(family, 0)
        styles[family] += 1
        axes.plot(
            [row["tokens"] for row in rows],
            [row["median_ms"] for row in rows],
            _STYLES[style % len(_STYLES)],
            color=_FAMILY_COLOURS.get(family, "C4"),
            linewidth=2 if family == "ours" else 1,
            marker=".",
            label=entry["label"],
        )


def _draw_quoted(axes: Any) -> None:
    for style, (name, figures) in zip(("-", "--"), QUOTED.items(), strict=True):
        label: str | None = f"quoted from the model card: PyTorch on {name}"
        for (low, high), value in zip(_RANGES, figures, strict=True):
            axes.plot([low, high], [value, value], style, color="0.55", linewidth=2.5, alpha=0.8, label=label)
            label = None
