"""What must hold for an export of ModernBERT-base at full size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx

from vibe_router import Router, Target
from vibe_router.bundle.bundle import bundled_folder
from vibe_router.verify import verify
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import Precision, ReferenceChoice, Size
from vibe_router_export.export import ExportOptions, export_onnx
from vibe_router_export.first_manifest import Claims
from vibe_router_export.proof.golden import EXAMPLES, mixed_prompts
from vibe_router_export.recipes.files import MODEL_FILES
from vibe_router_export.synthetic.checkpoint import Outliers, write_random_checkpoint

MODEL_FILE = MODEL_FILES[Precision.FP32]

MODERNBERT_BASE_ENCODER = 149_014_272
SHARED_TOKENIZER = Path(__file__).resolve().parents[3] / "shared" / "tokenizer" / "tokenizer.json"


def tokenizer() -> Path:
    """The true tokenizer where it is at hand, else the bundled one filled up to the vocabulary's size."""
    return SHARED_TOKENIZER if SHARED_TOKENIZER.exists() else bundled_folder() / "tokenizer.json"


def check_base_size(tmp_path: Path, outliers: Outliers | None, *, prompts: int, kept: list[str], more: int = 0) -> None:
    """Export random weights as fp32 and int8, compare with PyTorch, verify; int8 keeps the matrices `kept` exact.

    It may keep `more` others. PyTorch and the engines on one thread are most of the time, so `prompts`, beside the
    golden ones, are fewer than an export takes by itself.
    """
    folder = tmp_path / "base"
    parameters = write_random_checkpoint(folder, size=Size.BASE, seed=0, outliers=outliers, tokenizer=tokenizer())
    # Encoder, head (dense and norm), classifier with bias.
    assert parameters == MODERNBERT_BASE_ENCODER + 768 * 768 + 768 + 768 + 1

    precisions = [Precision.FP32, Precision.INT8]
    exported = export_onnx(
        read_checkpoint(folder),
        tmp_path / "bundle",
        options=ExportOptions(
            claims=Claims(temperature=1.083),
            reference=ReferenceChoice.TRANSFORMERS,
            precisions=precisions,
            prompts=mixed_prompts(EXAMPLES, count=prompts, seed=0),
        ),
    )
    (int8,) = exported.low_precision
    assert int8.report.numbers.flips_outside_band == 0
    assert [matrix.name for matrix in int8.kept][: len(kept)] == kept
    assert len(int8.kept) <= len(kept) + more
    numbers = exported.report.numbers
    assert numbers.prompts >= 102 + prompts
    assert numbers.max_abs_logit_difference < 1e-4
    assert numbers.flips == 0

    nodes = onnx.load(tmp_path / "bundle" / MODEL_FILE, load_external_data=False).graph.node
    assert len(nodes) < 330
    golden = [json.loads(line) for line in (tmp_path / "bundle" / "golden.jsonl").read_text().splitlines()]
    assert np.isfinite([row["logit"] for row in golden]).all()
    for precision in ("fp32", "int8"):
        with Router.load(tmp_path / "bundle", precision=precision) as router:
            # The bundle's fp32 graph has just been compared on these prompts; int8 is what a replay can break.
            assert precision == "fp32" or verify(router).passed
            assert {router.route(row["prompt"]).target for row in golden[:40]} == set(Target)
