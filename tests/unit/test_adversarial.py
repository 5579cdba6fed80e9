from __future__ import annotations

import pytest

from benchmarks.hardening.adversarial.edits import edits
from benchmarks.hardening.adversarial.gadgets import Search, climb, printable_tokens
from benchmarks.hardening.adversarial.measure import Settings, measure
from tests.support.bundles import GOLDEN_PROMPTS
from vibe_router import Router, Target

SEARCH = Search(tokens=4, steps=6, candidates=6)
PROMPTS = [f"{prompt[:40]} {number}" for number in range(3) for prompt in GOLDEN_PROMPTS]


def test_edits_keep_a_prompt_that_has_nothing_to_edit() -> None:
    for name, edit in edits(0).items():
        assert isinstance(edit(""), str), name
    assert edits(0)["paraphrase: sentences in reverse order"]("One. Two! Three") == "Three Two! One."
    assert edits(0)["paraphrase: without stop words"]("Tell me the name of a dog") == "Tell me name dog"
    typing = edits(0)["paraphrase: one typing error in five words"]
    words = "several sufficiently lengthy unremarkable words"
    assert sorted(typing(words)) == sorted(words)
    assert typing(words) != words


@pytest.mark.parametrize("target", Target)
def test_climbing_finds_a_gadget_that_moves_the_score(target: Target, router: Router) -> None:
    vocabulary = printable_tokens(router)
    assert "[SEP]" not in vocabulary
    started = climb(
        router, [""], target, vocabulary=vocabulary, search=Search(tokens=4, steps=1, candidates=1), seed="s"
    )
    gadget = climb(router, [""], target, vocabulary=vocabulary, search=SEARCH, seed="s")
    scores = [router.route(text).p_cloud for text in (started, gadget)]
    assert scores[0] is not None
    assert scores[1] is not None
    assert scores[1] > scores[0] if target is Target.CLOUD else scores[1] < scores[0]


def test_the_same_seed_gives_the_same_rows_and_every_prompt_is_counted_once_a_profile(router: Router) -> None:
    settings = Settings(count=12, tuning=2, specific=2, search=SEARCH, seed=3)
    rows = measure(router, PROMPTS, settings)
    assert measure(router, PROMPTS, settings) == rows
    assert len(rows) == len(edits(0)) + 4 + 2
    for row in rows:
        for flips in row.profiles:
            assert flips.device + flips.cloud == row.prompts
            assert 0 <= flips.to_cloud <= flips.device
            assert 0 <= flips.to_device <= flips.cloud
    with pytest.raises(ValueError, match="fewer than"):
        measure(router, PROMPTS[:5], settings)
