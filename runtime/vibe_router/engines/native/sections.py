"""The part of the native file that makes it a whole router: tables for a reader in C, after the engine's tensors.

docs/clib.md describes each. Python checks their names and places, and reads none: it has `tokenizer.json` and the
manifest. With `Usage.ONCE` the library reads the tokenizer's (`router_file.py`).
"""

from __future__ import annotations

PREFIX = "router."
"""Every one of these tensors is called so, and none of the engine's."""

FILLER = "router.filler"
"""Zeros after the engine's last tensor, so that what follows begins at a multiple of 64 bytes."""

SECTIONS = {
    "router.model": "I64",
    "router.text.numbers": "I32",
    "router.text.byte_ids": "I32",
    "router.text.merge_starts": "I32",
    "router.text.merges": "I32",
    "router.text.token_starts": "I32",
    "router.text.token_bytes": "U8",
    "router.text.token_order": "I32",
    "router.text.added": "I32",
    "router.text.added_bytes": "U8",
    "router.golden.text": "U8",
    "router.golden.text_starts": "I32",
    "router.golden.ids": "I32",
    "router.golden.id_starts": "I32",
    "router.golden.logits": "F32",
    "router.settings": "I64",
    "router.strings": "U8",
}
"""Name and type of each, in the order in which `router.contents` lists them."""

CONTENTS = "router.contents"
"""int64 [sections, 2]: where each begins, counted from the first tensor, and how many elements it has."""

END = "router.end"
"""The last 64 bytes of the file, by which a reader finds the rest."""

NAMES = frozenset({FILLER, *SECTIONS, CONTENTS, END})
