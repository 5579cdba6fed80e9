"""The parts of a `tokenizer.json` that surround its model: which kinds and settings are read, checked in plain JSON.

Besides ModernBERT's own (byte-level BPE over NFC) these are the parts of multilingual ModernBERTs: Gemma's, with spaces
replaced and bytes as a fallback, Unigram's, lower case, and the splitting expressions of later GPTs. Expressions are
taken from a list, because any other could cost the library minutes or gigabytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vibe_router.bundle.strict_json import shown

# GPT-2's, GPT-4's (cl100k, Llama 3), Qwen's with single digits, and GPT-4o's (o200k).
EXPRESSIONS = frozenset(
    {
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
        r"\s+(?!\S)|\s+",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
        r"\s+(?!\S)|\s+",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    }
)
_KINDS: Mapping[str, frozenset[str]] = {
    "normalizer": frozenset({"NFC", "NFKC", "Lowercase", "Replace", "Prepend"}),
    "pre_tokenizer": frozenset({"ByteLevel", "Split", "Metaspace", "WhitespaceSplit", "Digits"}),
    "post_processor": frozenset({"TemplateProcessing", "RobertaProcessing", "BertProcessing", "ByteLevel"}),
    "decoder": frozenset({"ByteLevel", "Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"}),
}
_MEMBERS = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}
_MOST_MEMBERS = 8
# What may take a text's place is short, so that eight replacements in a row do not make gigabytes of a prompt.
_LONGEST_PATTERN, _LONGEST_CONTENT, _MOST_GROWING = 32, 4, 2
_MOST_NUMBER = 2**31


def part_problem(name: str, part: Any) -> str | None:
    """Return why the part `name` of a tokenizer is not read, as parsed JSON; None where it is fine.

    `name` is "normalizer", "pre_tokenizer", "post_processor" or "decoder".
    """
    members = [part]
    if isinstance(part, dict) and part.get("type") == "Sequence":
        members = part.get(_MEMBERS[name], [])
        if not isinstance(members, list) or len(members) > _MOST_MEMBERS or part.keys() != {"type", _MEMBERS[name]}:
            return f"its {name} is not a short sequence"
    for member in members if part is not None else ():
        problem = _member_problem(name, member)
        if problem is not None:
            return problem
    growth = sum(_growth(name, member) for member in members if isinstance(member, dict))
    if growth > _MOST_GROWING:
        return f"its {name} makes texts longer too many times"
    return None


def small_problem(value: Any, where: str, *, depth: int = 4) -> str | None:
    """Return why a value is not a few short lists and objects of numbers in range; None where it is."""
    if isinstance(value, (int, float)) and not abs(value) <= _MOST_NUMBER:
        return f"its {where} is out of range"
    if isinstance(value, (list, dict)):
        if len(value) > _MOST_MEMBERS or depth == 0:
            return f"its {where} has more than a tokenizer needs"
        for item in value.values() if isinstance(value, dict) else value:
            problem = small_problem(item, where, depth=depth - 1)
            if problem is not None:
                return problem
    return None


def _member_problem(name: str, part: Any) -> str | None:
    if not isinstance(part, dict):
        return f"its {name} is not an object"
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in _KINDS[name]:
        return f"its {name} of the kind {shown(kind)} is none of {', '.join(sorted(_KINDS[name]))}"
    for key, value in part.items():
        problem = small_problem(value, f"{name}.{key}"[:64])
        if problem is not None:
            return problem
    if "pattern" in part and not _is_known(part["pattern"]):
        return f"its {name} has a pattern that is none of those that are read"
    for key in ("content", "prepend", "replacement"):
        text = part.get(key, "")
        if not isinstance(text, str) or len(text) > _LONGEST_CONTENT:
            return f"its {name} has a {key} of more than {_LONGEST_CONTENT} characters"
    return None


def _is_known(pattern: Any) -> bool:
    if not isinstance(pattern, dict) or len(pattern) != 1:
        return False
    text = pattern.get("String")
    if isinstance(text, str):
        return 0 < len(text) <= _LONGEST_PATTERN
    return isinstance(pattern.get("Regex"), str) and pattern["Regex"] in EXPRESSIONS


def _growth(name: str, part: Mapping[str, Any]) -> int:
    """Return how often a part can make a text four times as long."""
    # NFKC makes 18 characters of one, and the bytes of a character are characters to the next part.
    if part.get("type") == "NFKC" or (name == "pre_tokenizer" and part.get("type") == "ByteLevel"):
        return _MOST_GROWING
    pattern = part.get("pattern")
    text = pattern.get("String") if isinstance(pattern, dict) else None
    grows = part.get("type") == "Replace" and (text is None or len(part.get("content", "")) > len(text))
    return int(grows)
