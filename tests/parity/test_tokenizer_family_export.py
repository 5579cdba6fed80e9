"""Checkpoints with tokenizers of other kinds are exported and proven: ids and logits are transformers'."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from tests.support.checkpoints import small_config
from tests.support.tokenizer_family import FAMILY
from vibe_router import Router
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.checkpoint.config import parse_config
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.export import ExportOptions, export_onnx
from vibe_router_export.synthetic.checkpoint import random_tensors

pytest.importorskip("transformers", reason="compared with transformers")


@pytest.mark.parametrize("name", FAMILY)
def test_an_export_is_proven(name: str, tmp_path: Path) -> None:
    folder, tokenizer = tmp_path / "checkpoint", FAMILY[name]()
    folder.mkdir()
    (folder / "tokenizer.json").write_text(tokenizer.to_str())
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "TokenizersBackend"}')
    start, end = tokenizer.encode("").ids
    config = json.dumps(
        small_config(
            vocab_size=max(tokenizer.get_vocab().values()) + 1,
            pad_token_id=0,
            cls_token_id=start,
            sep_token_id=end,
            bos_token_id=start,
            eos_token_id=end,
        )
    )
    (folder / "config.json").write_text(config)
    save_file(random_tensors(parse_config(config), seed=0), folder / "model.safetensors", metadata={"format": "pt"})
    options = ExportOptions(reference=ReferenceChoice.TRANSFORMERS, prompts=["hi", "日本語 🙂 Ω"], max_tokens=64)
    exported = export_onnx(read_checkpoint(folder), tmp_path / "bundle", options=options)
    assert exported.manifest.engines[0].parity is not None
    with Router.load(tmp_path / "bundle", threads=1) as router:
        assert 0 < router.route("naïve 日本語 🙂").p_cloud < 1
