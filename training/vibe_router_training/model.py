"""ModernBERT classifiers with one logit: built from scratch in a named size, or read from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from vibe_router.errors import CheckpointError, DataError
from vibe_router.printable import first_line
from vibe_router_export.checkpoint.checkpoint import wrapped_tensors
from vibe_router_export.checkpoint.config import parse_backbone
from vibe_router_export.checkpoint.files import read_object
from vibe_router_export.checkpoint.find import find_checkpoint
from vibe_router_export.checkpoint.transformers_config import transformers_config
from vibe_router_export.choices import Size
from vibe_router_training.tokenizer import END, PADDING, START


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The numbers that make a ModernBERT; `pooling` is "cls" or "mean", `dropout` acts in training only.

    `local_attention` is how many tokens a layer with a window sees, half of them on either side.
    """

    width: int
    layers: int
    heads: int
    intermediate: int
    pooling: str
    dropout: float
    max_tokens: int
    local_attention: int = 128


SHAPES = {
    Size.NANO: Shape(
        width=192,
        layers=4,
        heads=3,
        intermediate=288,
        pooling="mean",
        dropout=0.1,
        max_tokens=512,
        local_attention=16,
    ),
    Size.BASE: Shape(width=768, layers=22, heads=12, intermediate=1152, pooling="cls", dropout=0.0, max_tokens=8192),
}

_CLASSIFIER = {
    "num_labels": 1,
    "id2label": {0: "cloud"},
    "label2id": {"cloud": 0},
    # Generic consumers then apply a sigmoid; on one plain logit they would apply a softmax, which is always 1.
    "problem_type": "multi_label_classification",
}


_HEAD = ("head.", "classifier.")


def build_model(shape: Shape, tokenizer: Tokenizer, *, bias: float = 0.0) -> Any:
    """Return a `ModernBertForSequenceClassification` with random weights from torch's global generator.

    The classifier starts at weight 0 and the given `bias`, so that the first logit is the prior.
    """
    from transformers import ModernBertConfig, ModernBertForSequenceClassification

    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    config = ModernBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=shape.width,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.max_tokens,
        local_attention=shape.local_attention,
        global_attn_every_n_layers=3,
        classifier_pooling=shape.pooling,
        embedding_dropout=shape.dropout,
        mlp_dropout=shape.dropout,
        classifier_dropout=shape.dropout,
        pad_token_id=tokenizer.token_to_id(PADDING),
        bos_token_id=start,
        cls_token_id=start,
        eos_token_id=end,
        sep_token_id=end,
        attn_implementation=_attention(),
        **_CLASSIFIER,
    )
    _dont_compile(config)
    model = ModernBertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.fill_(bias)
    return model


def load_model(checkpoint: str, *, fresh_head: bool = True) -> Any:
    """Return the one-logit classifier in a folder or under a hub id; with `fresh_head` it may have no head yet.

    It is configured as the exporter reads config.json, whichever generation of transformers wrote the file, so that
    what is trained and calibrated is what is exported.

    Raises:
        CheckpointError: it cannot be read, is not a ModernBERT, lacks tensors, has more than one label, or has a layer
            pattern that the installed transformers cannot run.
    """
    import transformers

    folder = find_checkpoint(checkpoint)
    expected = parse_backbone(read_object(folder, "config.json"))
    try:
        config = transformers_config(transformers, folder, expected)
        for name, value in _CLASSIFIER.items():
            if name != "num_labels":
                setattr(config, name, value)
        _dont_compile(config)
        wrapped = wrapped_tensors(folder)
        if wrapped is not None:
            config._attn_implementation = _attention()
            model = transformers.ModernBertForSequenceClassification(config)
            model.load_state_dict(wrapped)
            return model
        model, found = transformers.ModernBertForSequenceClassification.from_pretrained(
            folder,
            config=config,
            attn_implementation=_attention(),
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
        )
    # transformers raises whatever its parts do on a file that is not as they expect.
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"cannot read a model from {checkpoint}: {first_line(error)}",
            hint="name a folder with config.json and model.safetensors, or a hub id",
        ) from error
    _refuse_random(found["missing_keys"], checkpoint, fresh_head=fresh_head)
    return model


def _refuse_random(missing: Iterable[str], checkpoint: str, *, fresh_head: bool) -> None:
    """Refuse a model of which transformers has drawn weights at random, but for a head that is to be fitted."""
    lost = sorted(name for name in missing if not (fresh_head and name.startswith(_HEAD)))
    if lost:
        raise CheckpointError(
            f"{checkpoint} lacks {len(lost)} tensors, such as {lost[0]}",
            hint="check that config.json and model.safetensors come from the same checkpoint",
        )


def pad(rows: list[list[int]], padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, both int64 [batch, longest], of rows padded on the right."""
    if not rows:
        raise DataError("no prompts to score", hint="give at least one prompt")
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), padding, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask


def model_max_tokens(model: Any) -> int:
    """Return how many tokens the model can read; prompts are cut there, and at 512 in any case."""
    return min(512, int(model.config.max_position_embeddings))


def save_model(model: Any, folder: Path) -> None:
    """Write `config.json` and `model.safetensors`."""
    model.save_pretrained(folder, safe_serialization=True)
    # safetensors creates its file readable by the owner alone.
    (folder / "model.safetensors").chmod(0o644)


def _attention() -> str:
    # On a CPU the plain implementation is the faster one for short prompts, and keeps to bf16 under autocast.
    return "sdpa" if torch.cuda.is_available() else "eager"


def _dont_compile(config: Any) -> None:
    # transformers 4 compiles ModernBERT by itself on some machines, which makes runs differ between them.
    if hasattr(config, "reference_compile"):
        config.reference_compile = False
