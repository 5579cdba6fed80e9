"""A bundle that makes text lower case: the tokenizer in its native file decides as Python, whatever the case."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkpoints import write_checkpoint
from tests.support.native import PROFILES, native_config, needs_native_engine
from tests.support.prompts import capitals, mixed_prompts
from tests.support.tokenizer_family import lower_case_first
from vibe_router import Router, Usage
from vibe_router.engines.native.router_file import RouterFile
from vibe_router.text.tokenizer import PromptTokenizer
from vibe_router_export.checkpoint.checkpoint import read_checkpoint
from vibe_router_export.choices import ReferenceChoice
from vibe_router_export.export import NativeOptions, export_native

pytestmark = needs_native_engine


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, tokenizer = tmp_path_factory.mktemp("lower-case"), lower_case_first()
    size = max(tokenizer.get_vocab().values()) + 1
    write_checkpoint(folder / "checkpoint", native_config(vocab_size=size))
    (folder / "checkpoint" / "tokenizer.json").write_text(tokenizer.to_str())
    settings = {"profiles": PROFILES, "default_profile": next(iter(PROFILES))}
    (folder / "checkpoint" / "router_config.json").write_text(json.dumps(settings))
    checkpoint = read_checkpoint(folder / "checkpoint")
    export_native(checkpoint, folder / "bundle", options=NativeOptions(reference=ReferenceChoice.NONE))
    return folder / "bundle"


@pytest.fixture(scope="module")
def usual(bundle: Path) -> Iterator[Router]:
    with Router.load(bundle, engine="native-cpu", precision="int8") as router:
        assert isinstance(router.tokenizer, PromptTokenizer)
        yield router


@pytest.fixture(scope="module")
def once(bundle: Path) -> Iterator[Router]:
    with Router.load(bundle, engine="native-cpu", precision="int8", usage=Usage.ONCE) as router:
        assert isinstance(router.tokenizer, RouterFile)
        yield router


def test_the_file_decides_as_python(bundle: Path, usual: Router, once: Router) -> None:
    golden = [json.loads(line)["prompt"] for line in (bundle / "golden.jsonl").read_text("utf-8").splitlines()]
    # One of them is newer than some Pythons' Unicode: a run of it is refused there.
    long = [piece * 3000 for piece in capitals() if piece != "\ua7cb"]
    for prompt in (*golden, *capitals(), " ".join(capitals()), *mixed_prompts(50, seed=5), *long, "A\ud800 B"):
        assert once.tokenizer.encode(prompt).ids.tolist() == usual.tokenizer.encode(prompt).ids.tolist()
        assert once.route(prompt) == usual.route(prompt)


@pytest.mark.parametrize("prompt", ["Write a Thread-safe LRU cache", "ПРИВЕТ, как Дела?", "Explain [SEP] and [MASK]"])
def test_case_changes_no_decision(usual: Router, once: Router, prompt: str) -> None:
    for router in (usual, once):
        decision = router.route(prompt)
        assert all(router.route(one) == decision for one in (prompt.lower(), prompt.upper(), prompt.swapcase()))


def test_literal_special_tokens_are_text_in_golden_prompts(bundle: Path) -> None:
    special = {*range(5)}
    lines = [json.loads(line) for line in (bundle / "golden.jsonl").read_text("utf-8").splitlines()]
    literal = [line["input_ids"] for line in lines if "[SEP]" in line["prompt"]]
    assert literal
    assert all(not special & {*ids[1:-1]} for ids in literal)
