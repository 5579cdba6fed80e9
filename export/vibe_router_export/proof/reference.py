"""The PyTorch reference: the checkpoint as transformers runs it. The only file of this package that uses torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vibe_router.errors import ParityError
from vibe_router.extras import require_extra
from vibe_router_export.checkpoint.checkpoint import Checkpoint
from vibe_router_export.checkpoint.config import ModernBertConfig
from vibe_router_export.choices import ReferenceChoice

_MODULES = ("torch", "transformers")


def reference_available() -> bool:
    """Return whether torch and transformers are installed."""
    return all(find_spec(name) is not None for name in _MODULES)


class Reference:
    """transformers' tokenizer and its eager attention in fp32, on the CPU."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Load the checkpoint's folder; works with transformers 4 and 5.

        Raises:
            MissingExtraError: torch or transformers is not installed.
            ParityError: the installed transformers cannot express the checkpoint's layer pattern.
        """
        require_extra("the PyTorch reference", extra="reference", modules=_MODULES)
        import torch
        import transformers

        self._torch = torch
        self.name = f"transformers {transformers.__version__} eager fp32, torch {torch.__version__}"
        with _quiet(transformers):
            config = transformers_config(transformers, checkpoint.folder, checkpoint.config)
            model = transformers.AutoModelForSequenceClassification.from_pretrained(
                checkpoint.folder,
                config=config,
                attn_implementation="eager",
                trust_remote_code=False,
                local_files_only=True,
            )
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                checkpoint.folder, split_special_tokens=True, trust_remote_code=False, local_files_only=True
            )
        self._model: Any = model.float().eval()

    def ids(self, prompt: str, *, max_tokens: int) -> list[int]:
        """Return the ids of a prompt, literal special tokens read as text, cut to `max_tokens` with [SEP] kept."""
        ids: list[int] = self._tokenizer(prompt, truncation=True, max_length=max_tokens)["input_ids"]
        return ids

    def logit(self, ids: Sequence[int]) -> float:
        """Return the raw logit z of one sequence without padding."""
        torch = self._torch
        input_ids = torch.tensor([list(ids)])
        with torch.inference_mode():
            output = self._model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids))
        return float(output.logits[0, 0])


def load_reference(checkpoint: Checkpoint, choice: ReferenceChoice) -> Reference | None:
    """Return what to prove against; None: nothing.

    Raises:
        MissingExtraError: TRANSFORMERS was asked for and is not installed.
        ParityError: the installed transformers cannot express the checkpoint's layer pattern.
    """
    if choice is ReferenceChoice.NONE or (choice is ReferenceChoice.AUTO and not reference_available()):
        return None
    return Reference(checkpoint)


def transformers_config(transformers: Any, folder: Path, expected: ModernBertConfig) -> Any:
    """Return transformers' own reading of config.json, corrected where transformers 4 ignores transformers 5's keys.

    Raises:
        ParityError: the installed transformers cannot express the layer pattern of `expected`.
    """
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if int(transformers.__version__.split(".")[0]) >= 5 or not hasattr(config, "rope_parameters"):
        return config
    layers = expected.layers
    spacing = [index for index, layer in enumerate(layers) if layer.window is None]
    every = spacing[1] if len(spacing) > 1 else max(len(layers), 1)
    if any((layer.window is None) != (index % every == 0) for index, layer in enumerate(layers)):
        raise ParityError(
            f"transformers {transformers.__version__} cannot run this pattern of global and local layers",
            hint="install transformers 5, or export with --reference none",
        )
    config.global_attn_every_n_layers = every
    for layer in layers:
        key = "global_rope_theta" if layer.window is None else "local_rope_theta"
        setattr(config, key, layer.rope_theta)
    return config


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep transformers from writing to a terminal that belongs to the caller."""
    logging = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
