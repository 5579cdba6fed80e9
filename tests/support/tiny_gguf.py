"""A random llama of 64 channels as a GGUF file, with the bundled router's vocabulary: it answers noise, quickly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

CHANNELS, LAYERS, HEADS, FEED_FORWARD, CONTEXT = 64, 2, 4, 128, 2048
CONTROL = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def write_tiny_gguf(path: Path, tokenizer: Path, *, seed: int = 0) -> Path:
    """Write the model to `path` and return it."""
    from gguf import GGUFWriter, TokenType

    model = json.loads(tokenizer.read_text("utf-8"))["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    writer: Any = GGUFWriter(str(path), "llama")
    writer.add_name("random-tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(CHANNELS)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(CHANNELS // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types([TokenType.CONTROL if token in CONTROL else TokenType.NORMAL for token in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(3)
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)
    _add_tensors(writer, len(tokens), np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tensors(writer: Any, vocabulary: int, random: np.random.Generator) -> None:
    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, (random.standard_normal(shape) * 0.05).astype(np.float32))

    def add_ones(name: str) -> None:
        writer.add_tensor(name, np.ones(CHANNELS, np.float32))

    add("token_embd.weight", vocabulary, CHANNELS)
    add_ones("output_norm.weight")
    add("output.weight", vocabulary, CHANNELS)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        add_ones(block + "attn_norm.weight")
        add_ones(block + "ffn_norm.weight")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"{block}{name}.weight", CHANNELS, CHANNELS)
        add(block + "ffn_gate.weight", FEED_FORWARD, CHANNELS)
        add(block + "ffn_up.weight", FEED_FORWARD, CHANNELS)
        add(block + "ffn_down.weight", CHANNELS, FEED_FORWARD)
