"""What the nano's lessons are made of beside the shared rows: pasted texts, unseen verdicts, capitals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nano.chat_teacher import ChatTeacher, Verdicts
from nano.embeddings import cooccurrence_embeddings
from nano.languages import is_foreign
from nano.material import plain
from nano.pasted import pasted_requests
from tests.unit.test_everyday_prompts import CASES
from vibe_router_export.proof.golden import EXAMPLES
from vibe_router_training.tokenizer import train_tokenizer

PASSAGES = ("The harbour of Valparaíso was rebuilt after the earthquake, and its funiculars still climb the hills.",)


def test_pasted_requests_are_of_every_language_and_mostly_easy() -> None:
    requests = pasted_requests(PASSAGES, count=2000, seed=0)
    assert requests == pasted_requests(PASSAGES, count=2000, seed=0)
    assert sum(PASSAGES[0] in request.text for request in requests) > 300
    assert 0.5 < np.mean([is_foreign(request.text) for request in requests]) < 0.8
    ratings = np.array([request.cloud for request in requests])
    assert 0.1 <= ratings.min() < 0.2
    assert ratings.max() < 0.9
    assert 0.1 < np.mean(ratings > 0.5) < 0.3
    tested = {plain(prompt) for prompt in (*EXAMPLES, *(prompt for _, prompt, _ in CASES))}
    assert not tested & {plain(request.text) for request in requests}


def test_a_longer_text_is_a_harder_request_unless_it_is_hard_anyway(tmp_path: Path) -> None:
    file = tmp_path / "pasted.txt"
    file.write_text("[English]\n14 Summarize this\n70 Refute this\n- One.\n- Two.\n")
    short, long = (
        {
            request.text.split(":")[0].split("\n")[0]: request.cloud
            for request in requests
            if "this" in request.text[:14]
        }
        for requests in (pasted_requests(("x" * length,), count=80, seed=0, path=file) for length in (30, 3000))
    )
    assert short["Summarize this"] < 0.2 < long["Summarize this"] == pytest.approx(0.44)
    assert short["Refute this"] == long["Refute this"] == 0.7
    file.write_text("[English]\nSummarize this\n")
    with pytest.raises(ValueError, match="no rating"):
        pasted_requests((), count=1, seed=0, path=file)


def test_an_unseen_verdict_does_not_move_its_own_prompt() -> None:
    rated = [f"hello number {number}" for number in range(6)] + [f"prove theorem {number}" for number in range(6)]
    ratings = np.repeat([0.1, 0.9], 6)
    prompts = tuple(f"Tell me about item {number} of the catalogue" for number in range(12))
    verdicts = Verdicts(prompts=prompts, sources=("one",) * 12, difference=np.array([1.0] + [0.0] * 11), mass=20.0)
    teacher = ChatTeacher(rated, ratings, [verdicts])
    seen, unseen = teacher(prompts), teacher.held_out(verdicts)
    assert seen[0] > seen[1:].mean() + 0.1
    assert unseen[0] < unseen[1:].mean() + 0.1
    assert np.all((unseen > 0) & (unseen < 1))


def test_capitals_start_where_small_letters_are() -> None:
    prompts = ["set a timer for ten minutes", "set the alarm for seven", "play some music for me"] * 20
    tokenizer = train_tokenizer([*prompts, *("SET A TIMER",) * 30], vocabulary_size=300)
    embeddings = cooccurrence_embeddings(tokenizer, prompts, width=16, seed=0)
    (capital,), (small,) = (tokenizer.encode(text, add_special_tokens=False).ids for text in ("SET", "set"))
    np.testing.assert_allclose(embeddings[capital], embeddings[small])
