"""Set-up before a command computes: missing libraries are named, the number of threads is chosen."""

from __future__ import annotations

from vibe_router.extras import require_extra


def require_training() -> None:
    """Name the libraries that training needs and that are missing, before any of them is imported.

    Raises:
        MissingExtraError: one is not installed.
    """
    require_extra("training", extra="train", modules=("torch", "transformers", "accelerate", "sklearn"))
    from transformers.utils import logging

    logging.set_verbosity_error()


def use_threads(threads: int | None) -> None:
    """Let torch compute with `threads` CPU threads, by default with as many as this process may use."""
    import os

    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(threads or allowed)
