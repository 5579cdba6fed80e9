"""The PyTorch reference: the checkpoint as transformers runs it. The only file of this package that uses torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vibe_router.errors import CheckpointError, VibeRouterError
from vibe_router.extras import require_extra
from vibe_router.printable import first_line
from vibe_router_export.checkpoint.checkpoint import Checkpoint, wrapped_tensors
from vibe_router_export.checkpoint.files import has_file, read_object
from vibe_router_export.checkpoint.tokenizer import TOKENIZER_CONFIG
from vibe_router_export.checkpoint.transformers_config import transformers_config
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
            CheckpointError: the installed transformers cannot load the checkpoint, or not express its layer pattern.
        """
        require_extra("the PyTorch reference", extra="reference", modules=_MODULES)
        import torch
        import transformers

        self._torch = torch
        self._labels = checkpoint.labels
        self.name = f"transformers {transformers.__version__} eager fp32, torch {torch.__version__}"
        with _quiet(transformers):
            try:
                self._model: Any = _model(transformers, checkpoint).float().eval()
                self._tokenizer: Any = _tokenizer(transformers, checkpoint.folder)
                # Some of what a tokenizer's file says is read only when it is used.
                self.ids("", max_tokens=8)
            except (VibeRouterError, MemoryError):
                raise
            # transformers raises whatever its parts do on a file that is not as they expect.
            except Exception as error:
                raise CheckpointError(
                    f"{self.name} cannot load the checkpoint: {first_line(error)}",
                    hint="save the checkpoint again with this transformers, or export with --reference none",
                ) from error

    def ids(self, prompt: str, *, max_tokens: int) -> list[int]:
        """Return the ids of a prompt, literal special tokens read as text, cut to `max_tokens` with [SEP] kept."""
        ids: list[int] = self._tokenizer(prompt, truncation=True, max_length=max_tokens)["input_ids"]
        return ids

    def logit(self, ids: Sequence[int]) -> float:
        """Return the raw logit z of one sequence without padding; of two labels, cloud's minus the device's."""
        torch = self._torch
        input_ids = torch.tensor([list(ids)])
        with torch.inference_mode():
            # config.json can ask for plain tuples.
            output = self._model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids), return_dict=True)
        logits = output.logits[0]
        if self._labels is None:
            return float(logits[0])
        return float(logits[self._labels.cloud]) - float(logits[self._labels.device])


def load_reference(checkpoint: Checkpoint, choice: ReferenceChoice) -> Reference | None:
    """Return what to prove against; None: nothing.

    Raises:
        MissingExtraError: TRANSFORMERS was asked for and is not installed.
        CheckpointError: the installed transformers cannot load the checkpoint, or not express its layer pattern.
    """
    if choice is ReferenceChoice.NONE or (choice is ReferenceChoice.AUTO and not reference_available()):
        return None
    return Reference(checkpoint)


def _model(transformers: Any, checkpoint: Checkpoint) -> Any:
    config = transformers_config(transformers, checkpoint.folder, checkpoint.config)
    wrapped = wrapped_tensors(checkpoint.folder)
    if wrapped is not None:
        config._attn_implementation = "eager"
        model = transformers.ModernBertForSequenceClassification(config)
        model.load_state_dict(wrapped)
        return model
    return transformers.AutoModelForSequenceClassification.from_pretrained(
        checkpoint.folder,
        config=config,
        attn_implementation="eager",
        trust_remote_code=False,
        local_files_only=True,
    )


def _tokenizer(transformers: Any, folder: Path) -> Any:
    # transformers 5 calls its class for every tokenizer.json so, and transformers 4 has the same under another name.
    unknown = read_object(folder, TOKENIZER_CONFIG).get("tokenizer_class") if has_file(folder, TOKENIZER_CONFIG) else ""
    is_new = unknown == "TokenizersBackend" and not hasattr(transformers, "TokenizersBackend")
    loader = transformers.PreTrainedTokenizerFast if is_new else transformers.AutoTokenizer
    return loader.from_pretrained(folder, split_special_tokens=True, trust_remote_code=False, local_files_only=True)


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
