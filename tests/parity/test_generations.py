"""Files that transformers 4 and 5 have saved: exporter, reference and trainer compute one model, on either generation.

The configurations in tests/data have other thetas than the defaults, so that whoever ignores them computes another.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.generations import write_saved
from vibe_router.errors import CheckpointError
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.emit.numpy.values import evaluate
from vibe_router_export.export import ExportOptions, export_onnx

transformers = pytest.importorskip("transformers", reason="compared with transformers")
torch = pytest.importorskip("torch", reason="compared with torch")

IDS = [1, *((37 * index) % 900 + 10 for index in range(60)), 2]
GLOBAL = ["full_attention"] * 4


def exported_logit(folder: Path) -> float:
    row = np.array([IDS])
    return float(evaluate(read_checkpoint(folder).weights, row, np.ones_like(row))[0])


def reference_logit(folder: Path) -> float:
    from vibe_router_export.proof.reference import Reference

    return Reference(read_checkpoint(folder)).logit(IDS)


def trained_logit(folder: Path) -> float:
    from vibe_router_training.model import load_model

    with torch.no_grad():
        output = load_model(str(folder)).eval()(
            input_ids=torch.tensor([IDS]), attention_mask=torch.ones(1, len(IDS), dtype=torch.long)
        )
    return float(output.logits[0, 0])


@pytest.mark.parametrize("generation", [4, 5])
def test_all_three_compute_one_model(generation: int, tmp_path: Path) -> None:
    folder = write_saved(tmp_path / "saved", generation)
    expected = exported_logit(folder)
    assert reference_logit(folder) == pytest.approx(expected, abs=1e-4)
    assert trained_logit(folder) == pytest.approx(expected, abs=1e-4)


def test_both_generations_are_one_model(tmp_path: Path) -> None:
    four, five = (write_saved(tmp_path / f"{generation}", generation) for generation in (4, 5))
    assert read_checkpoint(four).config == read_checkpoint(five).config
    assert exported_logit(four) == exported_logit(five)


def test_a_pattern_of_global_layers_alone_is_run_as_it_is(tmp_path: Path) -> None:
    folder = write_saved(tmp_path / "global", 5, layer_types=GLOBAL)
    expected = exported_logit(folder)
    assert expected != exported_logit(write_saved(tmp_path / "usual", 5))
    assert reference_logit(folder) == pytest.approx(expected, abs=1e-4)
    assert trained_logit(folder) == pytest.approx(expected, abs=1e-4)


@pytest.mark.skipif(int(transformers.__version__[0]) >= 5, reason="transformers 5 runs every pattern")
def test_a_pattern_that_transformers_4_cannot_run_is_refused_by_both(tmp_path: Path) -> None:
    folder = write_saved(tmp_path / "odd", 5, layer_types=GLOBAL[:2] + ["sliding_attention"] * 2)
    for logit in (reference_logit, trained_logit):
        with pytest.raises(CheckpointError, match="cannot run this pattern") as caught:
            logit(folder)
        assert "transformers>=5" in caught.value.hint


@pytest.mark.parametrize("generation", [4, 5])
def test_what_the_trainer_writes_is_what_the_exporter_reads(generation: int, tmp_path: Path) -> None:
    from vibe_router_training.checkpoint import write_checkpoint
    from vibe_router_training.model import load_model
    from vibe_router_training.tokenizer import load_tokenizer

    folder = write_saved(tmp_path / "saved", generation)
    write_checkpoint(tmp_path / "fitted", load_model(str(folder)), load_tokenizer(folder))
    assert read_checkpoint(tmp_path / "fitted").config == read_checkpoint(folder).config
    assert exported_logit(tmp_path / "fitted") == pytest.approx(exported_logit(folder), abs=1e-6)


def test_an_export_is_proven_and_both_generations_know_its_classes(tmp_path: Path) -> None:
    folder = write_saved(tmp_path / "saved", 5)
    saved = json.loads((folder / "tokenizer_config.json").read_text())
    assert saved["tokenizer_class"] == "TokenizersBackend"
    options = ExportOptions(reference=ReferenceChoice.TRANSFORMERS)
    exported = export_onnx(read_checkpoint(folder), tmp_path / "bundle", options=options)
    assert exported.manifest.engines[0].parity is not None
    written = json.loads((tmp_path / "bundle" / "tokenizer_config.json").read_text())
    assert written["tokenizer_class"] == "PreTrainedTokenizerFast"
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "bundle")
    golden = [json.loads(line) for line in (tmp_path / "bundle" / "golden.jsonl").read_text().splitlines()]
    assert all(tokenizer(one["prompt"]).input_ids == one["input_ids"] for one in golden if not one["truncated"])
