"""Compare the C tokenizer with the runtime's `PromptTokenizer`, id for id.

    python -m native.text.compare artifacts/nano/tokenizer.json --strings 1000000 --prompts artifacts/nano/golden.jsonl

reads every code point alone and between letters, so many random strings of every script mixed, and the prompts of files
in JSON lines. It prints what it compared, and ends with 1 where anything differs: ids, truncation, or which prompts are
refused.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from native.text.library import CTokenizer, compile_tokenizer
from vibe_router.errors import PromptError
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.emit.native.text_tables import text_tables

_LENGTHS = (3, 16, 64, 512)
_SHORT = (
    "I'M",
    "\u0130",
    "\u03a3 ",
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "the",
    "Write",
    "1",
    "12",
    "-",
)
_MARKUP = ("[CLS]", "[SEP]", "[MASK]", "[UNK]", "<|endoftext|>", "|||EMAIL_ADDRESS|||", "[unused1]", "|||IP", " " * 9)
_SPACES = "\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\u0085\x0b\x0c\x1c\x1d\x1e\x1f\u200b\ufeff\u180e"


def code_points() -> Iterator[str]:
    """Yield every code point, surrogates among them, alone and between letters, digits and marks."""
    for code in range(0x110000):
        one = chr(code)
        yield one
        yield f"a{one}b {one}1{one} \u0301{one}"


def random_strings(count: int, *, seed: int) -> Iterator[str]:
    """Yield `count` strings in which the scripts, marks, spaces and special tokens of Unicode follow one another."""
    source = random.Random(seed)
    assigned = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs")]
    marks = [one for one in assigned if unicodedata.combining(one)]
    decomposed = [one for one in assigned if unicodedata.normalize("NFD", one) != one]
    cased = [one for one in assigned if one.lower() != one]
    jamo = [chr(code) for code in range(0x1100, 0x1200)]
    kinds = (assigned, marks, decomposed, cased, jamo)
    for _ in range(count):
        yield "".join(_piece(source, *kinds) for _ in range(source.choice((1, 2, 3, 5, 8, 13, 30))))


def _piece(
    source: random.Random,
    assigned: list[str],
    marks: list[str],
    decomposed: list[str],
    cased: list[str],
    jamo: list[str],
) -> str:
    kind = source.randrange(13)
    if kind < 3:
        return source.choice(_SHORT)
    if kind == 3:
        return source.choice(_MARKUP)
    if kind == 4:
        return source.choice(_SPACES)
    if kind == 5:
        return source.choice(_SHORT) * source.choice((2, 3, 9, 50))
    if kind == 6:
        return chr(source.randrange(0x110000))
    if kind == 7:
        return "".join(source.choices(jamo, k=source.randrange(1, 5)))
    if kind == 8:
        return source.choice(decomposed) + "".join(source.choices(marks, k=source.randrange(4)))
    if kind == 9:
        return "".join(source.choices(marks, k=source.choice((1, 2, 3, 20))))
    if kind == 10:
        return "".join(source.choices(cased, k=source.randrange(1, 4))) + source.choice(("", source.choice(marks)))
    # A word of one script: neighbours in the order of code points.
    start = source.randrange(len(assigned))
    return "".join(source.choices(assigned[start : start + 60], k=source.randrange(1, 8)))


def prompts_of(path: Path) -> Iterator[str]:
    """Yield every string of a file in JSON lines, however deep it lies."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield from _strings(json.loads(line))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


class Comparison:
    """Both tokenizers of one `tokenizer.json`, at several lengths."""

    def __init__(self, library: Path, content: bytes, *, lengths: tuple[int, ...] = _LENGTHS) -> None:
        self._pairs = [
            (
                PromptTokenizer(content, max_tokens=length),
                CTokenizer(library, text_tables(content, max_tokens=length)),
            )
            for length in lengths
        ]
        self.compared = 0

    def difference(self, prompt: str) -> str | None:
        """Return in what the two differ on a prompt, or None; the lengths take turns."""
        runtime, ours = self._pairs[self.compared % len(self._pairs)]
        self.compared += 1
        try:
            encoded = runtime.encode(prompt)
            expected: object = (encoded.ids.tolist(), encoded.truncated)
        except PromptError:
            expected = None
        try:
            found: object = ours.encode(prompt)
        except ValueError:
            found = None
        if found == expected:
            return None
        return f"{prompt[:200]!r} ({len(prompt)} characters): {str(found)[:300]} instead of {str(expected)[:300]}"


def main() -> int:
    """Compare, and print how much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--strings", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--code-points", action="store_true")
    parser.add_argument("--prompts", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "tokenizer.so"
        compile_tokenizer(library)
        comparison = Comparison(library, options.tokenizer.read_bytes())
        sources = {"random strings": random_strings(options.strings, seed=options.seed)}
        if options.code_points:
            sources["code points, alone and between letters"] = code_points()
        sources |= {path.name: prompts_of(path) for path in options.prompts}
        different = 0
        for name, prompts in sources.items():
            before = comparison.compared
            for prompt in prompts:
                difference = comparison.difference(prompt)
                if difference is not None:
                    different += 1
                    sys.stdout.write(f"{difference}\n")
                    if different == 20:
                        return 1
            sys.stdout.write(f"{comparison.compared - before} {name}: {different} differences so far\n")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
