"""Refuse checkpoints whose JSON names code for transformers to fetch or run."""

from __future__ import annotations

from typing import Any

from vibe_router.errors import CheckpointError

_CODE_KEYS = frozenset(("auto_map", "custom_pipelines", "custom_generate"))
_ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")


def refuse_code(raw: Any, *, where: str) -> None:
    """Check that a checkpoint's JSON names no code for transformers to fetch or run.

    transformers 4.56 to 5.2 take an attention implementation from config.json and load it from the hub, whatever
    `trust_remote_code` says (CVE-2026-4372).

    Raises:
        CheckpointError: it names some.
    """
    # A list instead of recursion, which a deeply nested file would break.
    left = [raw]
    while left:
        value = left.pop()
        left += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for key, item in value.items() if isinstance(value, dict) else ():
            plain = item is None or isinstance(item, bool) or (isinstance(item, str) and item in _ATTENTION)
            if key in _CODE_KEYS or ("attn_implementation" in key and not plain):
                raise CheckpointError(
                    f"{where} sets {key}, which names code to run", hint=f"remove {key}, if you trust the rest"
                )
