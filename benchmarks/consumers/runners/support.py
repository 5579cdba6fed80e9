"""The frame of a runner in Python: read the request, load, score every prompt, print the answer as JSON.

Nothing of this project is imported here. A request has `bundle`, `graph` (relative to it), `precision`, `max_tokens`,
`prompts`, `options` and `scratch`, a folder to write to. The answer has `load_ms`, and a list each of the prompts'
`ids`, `p` (p_cloud) and `ms`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

Request: TypeAlias = dict[str, Any]
Encode: TypeAlias = Callable[[str], list[int]]
Score: TypeAlias = Callable[[str, list[int]], float]
"""Takes a prompt and its ids, and uses one of them."""


def run(load: Callable[[Request], tuple[Encode, Score]]) -> None:
    """Answer the request in the file that the command line names, into the second file that it names."""
    request: Request = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    started = time.perf_counter()
    encode, score = load(request)
    answer: dict[str, Any] = {"load_ms": _since(started), "ids": [], "p": [], "ms": []}
    for prompt in request["prompts"]:
        ids = encode(prompt)
        started = time.perf_counter()
        answer["p"].append(score(prompt, ids))
        answer["ms"].append(_since(started))
        answer["ids"].append(ids)
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")


def plain_tokenizer(request: Request) -> Encode:
    """Return what the `tokenizers` library makes of the bundle's tokenizer.json."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(request["bundle"]) / "tokenizer.json"))
    tokenizer.enable_truncation(request["max_tokens"])

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text).ids
        return ids

    return encode


def sigmoid(logit: float) -> float:
    """Return 1 / (1 + exp(-logit))."""
    return 1 / (1 + math.exp(-logit)) if logit > 0 else math.exp(logit) / (1 + math.exp(logit))


def _since(started: float) -> float:
    return round(1e3 * (time.perf_counter() - started), 3)
