"""The bundle that ships with the package, where it has been built."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tokenizers import Tokenizer

from tests.support.prompts import mixed_prompts
from tests.support.tokenizers import reference_ids
from vibe_router import Router
from vibe_router.bundle.bundle import bundled_folder
from vibe_router.engines.select import is_proven
from vibe_router.verify import read_golden, verify

pytestmark = pytest.mark.skipif(not bundled_folder().is_dir(), reason="artifacts/nano has not been built")


@pytest.fixture(scope="module")
def default() -> Iterator[Router]:
    with Router.load(threads=1) as router:
        yield router


def test_it_is_found_without_a_name_and_proven(default: Router) -> None:
    assert default.bundle.folder == bundled_folder()
    assert all(is_proven(file) for file in default.bundle.manifest.engines)


def test_its_golden_prompts_pass_here(default: Router) -> None:
    report = verify(default)
    report.require()
    assert report.prompts >= 64


def test_its_golden_ids_are_those_of_plain_tokenizers_that_cuts_long_prompts(default: Router) -> None:
    """docs/consumers.md says so: without the cut, the rows that say that they were cut differ, and no others."""
    tokenizer, golden = Tokenizer.from_buffer(default.bundle.read("tokenizer.json")), [*read_golden(default.bundle)]
    whole = [tokenizer.encode(row.prompt).ids == list(row.input_ids) for row in golden]
    assert whole == [not row.truncated for row in golden]
    tokenizer.enable_truncation(default.bundle.manifest.max_tokens)
    assert all(tokenizer.encode(row.prompt).ids == list(row.input_ids) for row in golden)


def test_its_tokenizer_is_capped_without_a_change(default: Router) -> None:
    content, limit = default.bundle.read("tokenizer.json"), default.bundle.manifest.max_tokens
    for prompt in mixed_prompts(200, seed=2):
        encoded = default.tokenizer.encode(prompt)
        assert (encoded.ids.tolist(), encoded.truncated) == reference_ids(content, prompt, max_tokens=limit)


def test_many_prompts_together_are_decided_as_one_by_one(default: Router) -> None:
    prompts = mixed_prompts(200, seed=4)
    alone = [default.route(prompt).target for prompt in prompts]
    assert [decision.target for decision in default.route_many(prompts)] == alone
