"""Subjects of fuzzing: the reader that gets hostile bytes, and the judge of its answer, in a child process."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from benchmarks.hardening.fuzzing.mutations import mutate_bytes, mutate_json, mutate_onnx, random_prompt, random_value
from benchmarks.hardening.fuzzing.sandbox import CONFIG, MODEL, TOKENIZER, WEIGHTS, Sandbox
from vibe_router.bundle.manifest import MANIFEST_NAME
from vibe_router.errors import VibeRouterError
from vibe_router.policy import Decision, Reason, Target, profile_threshold
from vibe_router.router import Router
from vibe_router.verify import GOLDEN_NAME, read_golden, verify
from vibe_router_export.emit.native.file import NATIVE_FILE

PROBES = ("hi", "Explain quantum error correction codes", "é 字 🙂 [SEP] " * 20)
_LARGEST_DIFFERENCE = 1e-5


class Kind(str, Enum):
    """What became of one input."""

    ACCEPTED = "accepted"
    """It was taken, and every decision was what it must be."""
    TYPED_ERROR = "typed error"
    CRASH = "crash"
    """Another exception than this project's own, or the process died."""
    HANG = "hang"
    WRONG = "wrong answer"


@dataclass(frozen=True)
class Outcome:
    """`detail` names the error, or what was wrong."""

    kind: Kind
    detail: str


class WrongAnswerError(Exception):
    """A decision is not what it must be, or an altered file was not noticed."""


@dataclass(frozen=True)
class Folders:
    """A bundle, the checkpoint that it was made of, and another checkpoint's bundle; a subject may change them."""

    bundle: Path
    checkpoint: Path
    other: Path

    @staticmethod
    def below(folder: Path) -> Folders:
        """Return the three folders below `folder`."""
        return Folders(folder / "bundle", folder / "checkpoint", folder / "other")


@dataclass(frozen=True)
class Subject:
    """`make` gives an input for a source of randomness, `check` gives it to the code under test."""

    make: Callable[[random.Random], bytes]
    check: Callable[[bytes], None]


def judge(check: Callable[[bytes], None], content: bytes) -> Outcome:
    """Give one input to the code under test; whatever happens becomes an outcome."""
    try:
        check(content)
    except WrongAnswerError as error:
        return Outcome(Kind.WRONG, str(error))
    except VibeRouterError as error:
        return Outcome(Kind.TYPED_ERROR, type(error).__name__)
    except BaseException as error:  # noqa: BLE001 - a panic of a Rust library is no Exception
        return Outcome(Kind.CRASH, f"{type(error).__name__}: {str(error)[:200]}")
    return Outcome(Kind.ACCEPTED, "")


def _manifest(folders: Folders) -> Subject:
    return _bundle_file(folders.bundle, MANIFEST_NAME, _json_or_bytes, same_scores=True)


def _tokenizer(folders: Folders) -> Subject:
    return _bundle_file(folders.bundle, TOKENIZER, _json_or_bytes, same_scores=False)


def _golden(folders: Folders) -> Subject:
    return _bundle_file(folders.bundle, GOLDEN_NAME, _lines_or_bytes, same_scores=True)


def _onnx(folders: Folders) -> Subject:
    return _bundle_file(folders.bundle, MODEL, _onnx_or_bytes, same_scores=False)


def _native(folders: Folders) -> Subject:
    """The native engine's file: whatever its weights have become, there is a decision or one of our errors."""
    box = Sandbox(folders.bundle)

    def check(content: bytes) -> None:
        box.replace(NATIVE_FILE, content, rehash=True)
        try:
            with Router.load(folders.bundle, engine="native-cpu", precision="int8", threads=2) as router:
                for prompt in PROBES:
                    check_decision(router.route(prompt), router)
        finally:
            box.restore()

    return Subject(make=lambda draw: _header_or_bytes(box.originals[NATIVE_FILE], draw), check=check)


def _config(folders: Folders) -> Subject:
    return _checkpoint_file(folders.checkpoint, CONFIG, _json_or_bytes)


def _safetensors(folders: Folders) -> Subject:
    return _checkpoint_file(folders.checkpoint, WEIGHTS, _header_or_bytes)


def _prompt(folders: Folders) -> Subject:
    router = Router.load(folders.bundle, threads=1)
    seeds = [item.prompt for item in read_golden(router.bundle)]

    def check(content: bytes) -> None:
        prompt = content.decode("utf-8", "surrogatepass")
        first = router.route(prompt)
        check_decision(first, router)
        if router.route(prompt) != first:
            raise WrongAnswerError("the second answer differs from the first")
        if router.route_many([prompt, "hi"])[0].target is not first.target:
            raise WrongAnswerError("route_many decides otherwise")

    return Subject(make=lambda draw: random_prompt(seeds, draw).encode("utf-8", "surrogatepass"), check=check)


TARGETS: dict[str, Callable[[Folders], Subject]] = {
    "manifest": _manifest,
    "tokenizer": _tokenizer,
    "config": _config,
    "golden": _golden,
    "safetensors": _safetensors,
    "onnx": _onnx,
    "native": _native,
    "prompt": _prompt,
}
"""Subjects by name."""


def check_bundle(folder: Path, known: dict[str, Decision] | None, *, replay: bool = True) -> None:
    """Load a bundle, route the probes, replay the golden prompts.

    With `known`, decisions that read the same tokens must have the same scores.

    Raises:
        WrongAnswerError: a decision is not what the manifest, or `known`, says.
        VibeRouterError: the bundle is refused.
    """
    with Router.load(folder, threads=1) as router:
        for prompt in PROBES:
            decision = router.route(prompt)
            check_decision(decision, router)
            if known is not None and decision.tokens == known[prompt].tokens:
                expected, score = known[prompt].p_cloud, decision.p_cloud
                if expected is None or score is None or abs(score - expected) > _LARGEST_DIFFERENCE:
                    raise WrongAnswerError(f"p_cloud is {score} instead of {expected}")
        if replay:
            verify(router)


def check_decision(decision: Decision, router: Router) -> None:
    """Check what holds for every decision by score.

    Raises:
        WrongAnswerError: it does not hold.
    """
    manifest = router.bundle.manifest
    score = decision.p_cloud
    if score is None or not math.isfinite(score) or not 0 <= score <= 1:
        raise WrongAnswerError(f"p_cloud is {score}")
    if decision.threshold != profile_threshold(manifest, None) or decision.reason is not Reason.SCORE:
        raise WrongAnswerError(f"the threshold is {decision.threshold}, the reason {decision.reason}")
    if (decision.target is Target.CLOUD) != (score > decision.threshold):
        raise WrongAnswerError(f"{decision.target} for {score} against {decision.threshold}")
    if not 2 <= decision.tokens <= manifest.max_tokens:
        raise WrongAnswerError(f"{decision.tokens} tokens of {manifest.max_tokens}")


def known_decisions(folder: Path) -> dict[str, Decision]:
    """Return the decisions of the bundle as it is."""
    with Router.load(folder, threads=1) as router:
        return {prompt: router.route(prompt) for prompt in PROBES}


def _bundle_file(
    bundle: Path, name: str, mutate: Callable[[bytes, random.Random], bytes], *, same_scores: bool
) -> Subject:
    known = known_decisions(bundle) if same_scores else None
    box = Sandbox(bundle)

    def check(content: bytes) -> None:
        box.replace(name, content, rehash=True)
        try:
            check_bundle(bundle, known, replay=name != MANIFEST_NAME)
        finally:
            box.restore()

    return Subject(make=lambda draw: mutate(box.originals[name], draw), check=check)


def _checkpoint_file(checkpoint: Path, name: str, mutate: Callable[[bytes, random.Random], bytes]) -> Subject:
    from vibe_router_export.checkpoint.checkpoint import read_checkpoint

    box = Sandbox(checkpoint)

    def check(content: bytes) -> None:
        box.replace(name, content, rehash=False)
        read_checkpoint(checkpoint)

    return Subject(make=lambda draw: mutate(box.originals[name], draw), check=check)


def _json_or_bytes(original: bytes, draw: random.Random) -> bytes:
    if draw.random() < 0.25:
        return mutate_bytes(original, draw)
    return mutate_json(json.loads(original), draw)


def _lines_or_bytes(original: bytes, draw: random.Random) -> bytes:
    if draw.random() < 0.25:
        return mutate_bytes(original, draw)
    lines = original.splitlines()
    place = draw.randrange(len(lines))
    lines[place] = mutate_json(json.loads(lines[place]), draw)
    return b"\n".join(lines) + b"\n"


def _onnx_or_bytes(original: bytes, draw: random.Random) -> bytes:
    return mutate_bytes(original, draw) if draw.random() < 0.25 else mutate_onnx(original, draw)


def _header_or_bytes(original: bytes, draw: random.Random) -> bytes:
    """Mutate a safetensors file: its eight bytes of length, its JSON header, or any of its bytes."""
    (length,) = struct.unpack("<Q", original[:8])
    kind = draw.randrange(4)
    if kind == 0:
        return mutate_bytes(original, draw)
    if kind == 1:
        other = draw.choice((0, 1, length - 1, length + 1, len(original), 2**31, 2**63, 2**64 - 1))
        return struct.pack("<Q", other) + original[8:]
    header = json.loads(original[8 : 8 + length])
    text = mutate_json(header, draw) if kind == 2 else _mutate_tensor(header, draw)
    return struct.pack("<Q", len(text)) + text + original[8 + length :]


def _mutate_tensor(header: dict[str, dict[str, object]], draw: random.Random) -> bytes:
    tensor = header[draw.choice([name for name in header if name != "__metadata__"])]
    key = draw.choice(("dtype", "shape", "data_offsets"))
    if key == "dtype":
        tensor[key] = draw.choice(("F16", "BF16", "F64", "I8", "BOOL", "F8_E4M3", "U64", "X"))
    elif key == "shape":
        tensor[key] = [draw.choice((0, 1, 16, 2**32, 2**63, -1)) for _ in range(draw.randrange(4))]
    else:
        tensor[key] = [draw.choice((0, 8, 2**40, 2**64, -1)), draw.choice((0, 64, 2**40, random_value(draw)))]
    return json.dumps(header).encode()
