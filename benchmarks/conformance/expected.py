"""Write what Python decides about prompts, for the tests of the bindings in other languages.

    python -m benchmarks.conformance.expected artifacts/nano -o expected.jsonl --prompts PROMPTS.jsonl --count 2000

writes one line for each golden prompt of the bundle, and for each of `--count` prompts spread evenly over the files:
the prompt, its ids, whether it had more, and the native engine's score, threshold and target. A binding's tests write
the same lines, without the prompts, into the file that VIBE_ROUTER_ANSWERS names.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from vibe_router import Router
from vibe_router.text.tokenizer import PromptTokenizer


def golden_prompts(bundle: Path) -> list[str]:
    """Return the prompts of a bundle's golden.jsonl."""
    return [json.loads(line)["prompt"] for line in (bundle / "golden.jsonl").read_text("utf-8").splitlines()]


def write_expected(bundle: Path, prompts: Iterable[str], to: Path) -> int:
    """Write Python's decisions about the prompts that are Unicode text, and return how many there are.

    A prompt with half of a pair of surrogates is left out: other languages' strings do not hold it.
    """
    texts = [prompt for prompt in prompts if not any("\ud800" <= one <= "\udfff" for one in prompt)]
    with Router.load(bundle, engine="native-cpu", precision="int8") as router, to.open("w", encoding="utf-8") as lines:
        content = (bundle / "tokenizer.json").read_bytes()
        tokenizer = PromptTokenizer(content, max_tokens=router.bundle.manifest.max_tokens)
        for prompt, decision in zip(texts, router.route_many(texts), strict=True):
            encoded = tokenizer.encode(prompt)
            line = {"prompt": prompt, "ids": encoded.ids.tolist(), "truncated": encoded.truncated}
            score = {"p_cloud": decision.p_cloud, "threshold": decision.threshold, "target": decision.target.value}
            lines.write(json.dumps(line | score) + "\n")
    return len(texts)


def spread(files: Sequence[Path], count: int) -> list[str]:
    """Return `count` values of `prompt` of files in JSON lines, evenly over all of them; fewer if there are fewer."""
    prompts: list[str] = []
    for path in files:
        with path.open(encoding="utf-8") as lines:
            prompts.extend(json.loads(line)["prompt"] for line in lines)
    step = max(len(prompts) / count, 1.0) if count else 1.0
    return [prompts[int(place * step)] for place in range(min(count, len(prompts)))]


def main() -> None:
    """Write the lines, and say how many."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, nargs="*", default=[])
    parser.add_argument("--count", type=int, default=2000)
    options = parser.parse_args()
    prompts = [*golden_prompts(options.bundle), *spread(options.prompts, options.count)]
    sys.stdout.write(f"{write_expected(options.bundle, prompts, options.output)} prompts\n")


if __name__ == "__main__":
    main()
