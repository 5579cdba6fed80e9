"""A router for one prompt, read by the native library without numpy, decides as every other router does."""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.native import native_bundle, native_checkpoint, needs_native_engine
from tests.support.prompts import mixed_prompts, pieces
from tests.support.shared_data import PROMPTS, needs
from vibe_router import Reason, Router, Target, Usage
from vibe_router.bundle.bundle import bundled_folder, open_bundle
from vibe_router.bundle.manifest import MANIFEST_NAME
from vibe_router.engines.cancellation import CURRENT_STOP, Stop
from vibe_router.engines.native import library, router_file
from vibe_router.engines.native.library import Model, Status, native_library, text_library
from vibe_router.engines.native.router_file import RouterFile
from vibe_router.errors import (
    BundleCorruptError,
    DeadlineError,
    EngineError,
    EngineUnavailableError,
    PromptError,
    VibeRouterError,
)
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router.verify import read_golden, verify

pytestmark = needs_native_engine


class Text(str):
    """A text whose methods are not those of `str`."""

    def encode(self, *_: object, **__: object) -> bytes:
        return b"another"


LONG = "Explain the attached log file. \u00e9\U0001f642\n"
EDGES = (
    "",
    " ",
    "\x00",
    "a\x00b\x00",
    "\ud800",
    "a\udfffb",
    "\ud83d\ude00",
    "[CLS] [SEP] [MASK][PAD] <|endoftext|> |||EMAIL_ADDRESS|||",
    "[SEP]" * 600,
    Text("hi"),
    LONG * (1_000_000 // len(LONG)),
    "-" * 1_000_000,
    "\u00e9" * 500_000,
    "\U0001f642" * 250_000,
)
# Of 512 tokens; the marks begin where a prompt is first cut.
MARKS = "a" * 4096 + "\u0301" * 3000


@pytest.fixture(scope="module")
def once() -> Iterator[Router]:
    with Router.load(usage=Usage.ONCE) as router:
        assert isinstance(router.tokenizer, RouterFile)
        yield router


@pytest.fixture(scope="module")
def usual() -> Iterator[Router]:
    with Router.load(engine="native-cpu") as router:
        assert isinstance(router.tokenizer, PromptTokenizer)
        yield router


def outcome(call: Any) -> tuple[object, ...]:
    """Return what a call returns, or the kind, text and hint of its error."""
    try:
        return ("returned", call())
    except VibeRouterError as error:
        return (type(error), error.message, error.hint)


def assert_same_ids(once: Router, usual: Router, prompts: list[str]) -> None:
    for prompt in prompts:
        ours, expected = once.tokenizer.encode(prompt), usual.tokenizer.encode(prompt)
        assert ours.ids.tolist() == expected.ids.tolist(), prompt[:100]
        assert (ours.tokens, ours.truncated) == (expected.tokens, expected.truncated), prompt[:100]


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from vibe_router import Router, Usage\n"
        "Router.load(usage=Usage.ONCE).route('hi')\n"
        "print(*sorted(name for name in sys.modules if '.' not in name))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"numpy", "tokenizers", "onnxruntime"} & set(loaded)


def test_golden_prompts_have_the_bundles_ids(once: Router) -> None:
    golden = list(read_golden(once.bundle))
    assert golden
    for item in golden:
        found = once.tokenizer.encode(item.prompt)
        assert (tuple(found.ids.tolist()), found.truncated) == (item.input_ids, item.truncated)


@pytest.mark.parametrize("prompts", [pytest.param(EDGES, id="edges"), pytest.param(mixed_prompts(150), id="mixed")])
def test_scores_have_the_bits_of_the_usual_router(once: Router, usual: Router, prompts: list[str]) -> None:
    assert_same_ids(once, usual, prompts)
    for prompt in prompts:
        decision = once.route(prompt)
        assert decision == usual.route(prompt)
        assert decision.engine == "native-cpu"


@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.slow)])
@needs(PROMPTS)
def test_real_prompts_have_the_usual_ids(once: Router, usual: Router, step: int) -> None:
    lines = PROMPTS.read_bytes().splitlines()[::step]
    assert_same_ids(once, usual, [json.loads(line)["prompt"] for line in lines])


@pytest.mark.parametrize("prompt", [MARKS, 3, None, b"hi"], ids=["marks", "a number", "nothing", "bytes"])
def test_the_same_prompts_are_refused_with_the_same_words(once: Router, usual: Router, prompt: Any) -> None:
    options: dict[str, Any] = {"allow_cloud": False, "fallback": Target.DEVICE}
    ours = outcome(lambda: once.route(prompt, **options))
    assert ours[0] is PromptError
    assert ours == outcome(lambda: usual.route(prompt, **options))


def test_every_way_to_route_decides_alike(once: Router, usual: Router) -> None:
    prompts = [*pieces(), "hi", "Write a thread-safe LRU cache in Python"]
    messages = [{"role": "user", "content": "hi"}, {"role": "user", "content": "Design a consensus algorithm"}]
    expected = [usual.route(prompt) for prompt in prompts]
    assert once.route_many(prompts) == expected
    assert list(once.route_stream(prompts, chunk=3)) == expected
    assert asyncio.run(once.aroute_many(prompts)) == expected
    assert [asyncio.run(once.aroute(prompt, timeout=60)) for prompt in prompts[-2:]] == expected[-2:]
    assert once.route("hi", timeout=60, threshold=0.01) == usual.route("hi", threshold=0.01)
    chat = usual.route_chat(messages)
    assert once.route_chat(messages) == chat == asyncio.run(once.aroute_chat(messages))
    assert chat.scored
    assert once.route_many(["hi", MARKS], on_error="skip") == [usual.route("hi"), None]


def test_it_is_pickled_and_verified_as_any_router(once: Router, usual: Router) -> None:
    with pickle.loads(pickle.dumps(once)) as again:
        assert isinstance(again.tokenizer, RouterFile)
        assert again.route("hi") == usual.route("hi")
    assert verify(once) == verify(usual)
    assert verify(once).id_mismatches == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_an_engine_of_its_own(once: Router, usual: Router) -> None:
    expected = usual.route("hi")
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if once.route("hi") == expected else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert once.route("hi") == expected


def test_without_a_score_it_does_what_every_router_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with Router.load(usage=Usage.ONCE) as router:
        tokens = router.route("hi there").tokens
        with pytest.raises(DeadlineError):
            router.route("hi there", timeout=0)
        monkeypatch.setattr(native_library(), "vr_logits", lambda *_: Status.NO_MEMORY)
        with pytest.raises(EngineError, match="not enough memory"):
            router.route("hi there")
        there = router.route("hi there", fallback=Target.CLOUD)
        assert (there.target, there.p_cloud, there.tokens) == (Target.CLOUD, None, tokens)
        monkeypatch.setattr(native_library(), "vr_logits", not_a_number)
        with pytest.raises(EngineError, match="not one finite logit"):
            router.route("hi there")
        router.close()
        pinned = router.route("hi there", allow_cloud=False)
        assert (pinned.target, pinned.p_cloud, pinned.tokens) == (Target.DEVICE, None, tokens)
        with pytest.raises(EngineError, match="closed"):
            router.route("hi there")


def not_a_number(_engine: Any, _ids: Any, _lengths: Any, _count: Any, _stop: Any, logits: int) -> int:
    ctypes.c_float.from_address(logits).value = float("nan")
    return int(Status.OK)


def test_a_call_ends_when_it_is_asked_to(once: Router) -> None:
    stop = Stop()
    stop.set()
    token = CURRENT_STOP.set(stop)
    try:
        with pytest.raises(EngineError, match="asked to stop"):
            once.route("hi")
        assert once.route("hi", fallback=Target.DEVICE).reason is Reason.FALLBACK
    finally:
        CURRENT_STOP.reset(token)


def copy_of_the_bundle(folder: Path) -> Path:
    return shutil.copytree(bundled_folder(), folder / "bundle")


def test_an_altered_byte_in_any_file_is_found(tmp_path: Path) -> None:
    names = list(open_bundle().manifest.files)
    assert {"tokenizer.json", "golden.jsonl", "native/model_int8.safetensors"} < set(names)
    folder = copy_of_the_bundle(tmp_path)
    for name in names:
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(BundleCorruptError, match="altered"):
            Router.load(folder, usage=Usage.ONCE)
        path.write_bytes(content)
    Router.load(folder, usage=Usage.ONCE).close()


def test_weights_that_processors_would_compute_differently_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[Model] = []

    def refuse(model: Any) -> int:
        checked.append(model._obj)
        return int(Status.BAD_INPUT)

    monkeypatch.setattr(native_library(), "vr_check_weights", refuse)
    with pytest.raises(BundleCorruptError, match="do not fit each other"):
        Router.load(usage=Usage.ONCE)
    (model,) = checked
    assert model.layer_count > 0


def as_in_an_old_library() -> Any:
    raise EngineUnavailableError("the native library is an old one")


def other_limit(folder: Path) -> Path:
    """Write a copy whose manifest keeps fewer ids than its native file."""
    copy = copy_of_the_bundle(folder)
    manifest = json.loads((copy / MANIFEST_NAME).read_text("utf-8"))
    (copy / MANIFEST_NAME).write_text(json.dumps(manifest | {"max_tokens": 16}), encoding="utf-8")
    return copy


@pytest.mark.parametrize("case", ["old library", "other limit", "no tokenizer in the file"])
def test_what_the_library_cannot_read_is_read_in_python(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = None
    if case == "old library":
        monkeypatch.setattr(router_file, "text_library", as_in_an_old_library)
    elif case == "other limit":
        folder = other_limit(tmp_path)
    else:
        folder = native_bundle(tmp_path / "bundle", native_checkpoint(tmp_path / "checkpoint"))
    caplog.set_level(logging.INFO, logger="vibe_router")
    prompt = "a " * 40
    with Router.load(folder, usage=Usage.ONCE) as router, Router.load(folder, engine="native-cpu") as usual:
        assert isinstance(router.tokenizer, PromptTokenizer)
        assert router.route(prompt) == usual.route(prompt)
        assert router.route(prompt).engine == "native-cpu"
    (record,) = caplog.records
    assert "does not read the prompts" in record.getMessage()


def test_a_library_without_the_functions_is_an_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        """Has none of them."""

    text_library.cache_clear()
    try:
        monkeypatch.setattr(library, "native_library", Old)
        with pytest.raises(EngineUnavailableError, match="an old one"):
            text_library()
    finally:
        text_library.cache_clear()


def test_another_engine_reads_prompts_in_python() -> None:
    with Router.load(engine="onnx-cpu", precision="fp32", usage=Usage.ONCE) as router:
        assert isinstance(router.tokenizer, PromptTokenizer)
        assert router.route("hi").engine == "onnx-cpu"
