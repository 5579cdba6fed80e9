"""Divide prompts by a hash of their text: the same prompt falls on the same side in every file and run."""

from __future__ import annotations

import hashlib


def hash_fraction(prompt: str, *, salt: str = "") -> float:
    """Return a number in [0, 1), uniform over prompts and fixed for each.

    The first eight bytes of SHA-256 over `salt`, a zero byte and the prompt in UTF-8, as a fraction of 2^64.
    White space around the prompt is ignored, so that near copies stay together. Another salt gives an
    independent division.
    """
    text = f"{salt}\0{prompt.strip()}".encode("utf-8", errors="surrogatepass")
    # 53 bits are what a float64 holds: more could round up to 1.
    return (int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 11) / 2.0**53


def is_held_out(prompt: str, share: float, *, salt: str = "") -> bool:
    """Return whether the prompt belongs to the held-out part, about `share` (0..1) of all prompts."""
    return hash_fraction(prompt, salt=salt) < share
