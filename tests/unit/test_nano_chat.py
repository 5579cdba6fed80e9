"""The parts of the nano's recipe that judge chat: encoder, teacher, forms, phrases, profiles, figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nano.chat_teacher import ChatTeacher, Verdicts
from nano.encoder import PromptNumbers, embed, excerpt, outline
from nano.forms import FORMS, JUDGED_FORMS, decided_alike, reform, typing_error
from nano.judge import Scorer, judge_rated, verdict_figures
from nano.languages import is_foreign, script_of
from nano.material import Material, centred_verdicts, plain, read_turns, verdicts
from nano.phrases import read_phrases, read_requests
from nano.profiles import best_threshold, choose_profiles
from tests.support.training import sentence_encoder_read_once
from tests.unit.test_everyday_prompts import CASES
from vibe_router.errors import DataError
from vibe_router_export.proof.golden import EXAMPLES
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray
from vibe_router_training.data import RawPrompt, Split, split_of

EASY = ("hello there", "set a timer for ten minutes", "what is the capital of Peru?", "thanks a lot", "good morning")
HARD = (
    "Prove the spectral theorem for compact operators",
    "Design a fault-tolerant payment system and justify each decision",
    "Find the memory leak in this multithreaded server",
    "Derive the Black-Scholes equation step by step",
    "Draft a contract that satisfies both jurisdictions",
)
LANGUAGES = 19


@pytest.fixture(autouse=True, scope="module")
def _encoder() -> Iterator[None]:
    with sentence_encoder_read_once():
        yield


def rows_of(
    prompts: tuple[str, ...], preference: FloatArray, sources: tuple[str, ...] | None = None
) -> LabelledPrompts:
    return LabelledPrompts(
        prompts=prompts,
        sources=sources or ("s",) * len(prompts),
        groups=(None,) * len(prompts),
        preference=preference,
        device_quality=1.0 - preference,
        cloud_quality=preference,
    )


def ratings() -> FloatArray:
    return np.array([0.1] * len(EASY) + [0.9] * len(HARD))


def test_the_encoder_brings_translations_together() -> None:
    english, german, other = embed(
        ["good morning, how are you?", "guten Morgen, wie geht es dir?", "sort a linked list"]
    )
    assert english @ german > english @ other + 0.2
    np.testing.assert_allclose(np.linalg.norm(english[:512]), 1.0, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(english[512:]), 1.0, atol=1e-3)
    assert embed([]).shape == (0, 896)


def test_a_long_prompt_is_read_at_both_ends() -> None:
    assert excerpt("short") == "short"
    cut = excerpt("a" * 5000 + "z" * 5000)
    assert len(cut) == 601
    assert (cut[0], cut[-1]) == ("a", "z")


def test_outlines_are_as_many_numbers_for_every_prompt() -> None:
    assert len({len(outline(prompt)) for prompt in ("", "a", "x = 1;\n" * 50, "你好", "\n" * 200)}) == 1
    numbers = PromptNumbers(EASY)
    assert numbers([]).shape == (0, 909)
    assert np.all(np.isfinite(numbers(["", "\n" * 200, "1" * 5000])))


def test_the_teacher_judges_languages_that_no_rating_is_in() -> None:
    teacher = ChatTeacher([*EASY, *HARD], ratings())
    greeting, proof = teacher(["hola, buenos días", "Demuestra el teorema espectral para operadores compactos"])
    assert greeting < 0.4 < 0.5 < proof


def test_verdicts_move_prompts_of_their_source_apart_and_not_their_mean() -> None:
    alike = tuple(f"Tell me about item {number} of the catalogue" for number in range(8))
    parts = Verdicts(
        prompts=alike,
        sources=("one",) * 4 + ("two",) * 4,
        difference=np.array([0.9, 0.9, 1, 1, -1, -1, 0, 0]),
        mass=20.0,
    )
    plain_p, moved = (ChatTeacher([*EASY, *HARD], ratings(), given)(alike) for given in ((), (parts,)))
    assert moved[2:4].mean() > moved[:2].mean() + 0.05
    assert moved[6:].mean() > moved[4:6].mean() + 0.05
    for here in (slice(0, 4), slice(4, 8)):
        assert moved[here].mean() == pytest.approx(plain_p[here].mean(), abs=0.05)


def test_every_form_says_the_same_in_another_way() -> None:
    generator = np.random.default_rng(0)
    prompt = 'explain "Recursion" to me, it\'s hard.'
    for form in FORMS:
        changed = {form(prompt, generator) for _ in range(20)}
        assert changed - {prompt}, form.__name__
        assert all("explain" in text.lower() or form is typing_error for text in changed), form.__name__
        for odd in ("", "a", "你好", "?"):
            assert isinstance(form(odd, generator), str)
    first, second = (reform(prompt, np.random.default_rng(3)) for _ in range(2))
    assert first == second


def test_a_router_that_counts_characters_is_seen_through() -> None:
    shares = decided_alike(["abc", "abcd"], lambda texts: np.array([float(len(text)) for text in texts]), 6.0, seed=0)
    assert set(shares) == set(JUDGED_FORMS)
    assert (shares["200 newlines"], shares["upper case"]) == (0.0, 1.0)


def test_phrases_are_translations_line_by_line(tmp_path: Path) -> None:
    phrases = read_phrases()
    english = [phrase for phrase in phrases if phrase.text == phrase.english]
    assert len(phrases) == LANGUAGES * len(english)
    assert len({phrase.text for phrase in phrases}) == len(phrases)
    for phrase in phrases:
        assert ("4k+3" in phrase.text) == ("4k+3" in phrase.english), phrase
        assert ("1648" in phrase.text) == ("1648" in phrase.english), phrase
    broken = tmp_path / "phrases.txt"
    broken.write_text("[en]\none\ntwo\n[de]\neins\n")
    with pytest.raises(ValueError, match="zip"):
        read_phrases(broken)


def test_requests_are_rated_and_in_no_test(tmp_path: Path) -> None:
    requests = read_requests()
    assert len({request.text for request in requests}) == len(requests) > 150
    assert 0.0 < min(request.cloud for request in requests) < 0.3 < 0.6 < max(request.cloud for request in requests) < 1
    tested = {plain(prompt) for prompt in (*EXAMPLES, *(prompt for _, prompt, _ in CASES))}
    assert not tested & {plain(request.text) for request in requests}
    assert not tested & {plain(phrase.text) for phrase in read_phrases()}
    unrated = tmp_path / "requests.txt"
    unrated.write_text("140 too sure\n")
    with pytest.raises(ValueError, match="no rating"):
        read_requests(unrated)


def test_balanced_decides_as_rated_and_the_others_lie_around_it() -> None:
    generator = np.random.default_rng(0)
    rated = generator.uniform(size=400)
    raw = 0.2 + 0.5 * rated + generator.normal(size=400) * 0.02
    assert best_threshold(raw, rated) == pytest.approx(0.45, abs=0.02)
    profiles = choose_profiles(raw, rated)
    rates = {name: float(np.mean(raw > threshold)) for name, threshold in profiles.items()}
    assert list(rates) == ["max-quality", "conservative", "balanced", "cost-saving", "aggressive"]
    assert list(rates.values()) == sorted(rates.values(), reverse=True)
    assert rates["conservative"] == pytest.approx(rates["balanced"] + 0.3 * (1 - rates["balanced"]), abs=0.01)


def test_baselines_decide_at_their_best_threshold_on_validation() -> None:
    rated = np.array([0.1, 0.2, 0.8, 0.9] * 10)
    rows = rows_of(tuple(f"{'x' * round(10 * p)}{number}" for number, p in enumerate(rated)), rated)
    length = Scorer(name="length", score=lambda texts: np.array([float(len(text)) for text in texts]))
    figures = judge_rated([length], rows, rows)["all"]["length"]
    assert figures.agreement.value == 1.0
    assert figures.rank_correlation.value > 0.9


def test_measured_rows_are_judged_within_their_source() -> None:
    rows = rows_of(("a", "b", "c", "d"), np.array([0.9, 1.0, 0.1, 0.3]), ("x", "x", "y", "y"))
    assert centred_verdicts(rows).preference.tolist() == [0.0, 1.0, 0.0, 1.0]
    # The second source's scores are all below the first's, which says nothing.
    figures = verdict_figures(np.array([0.8, 0.9, 0.1, 0.2]), centred_verdicts(rows))
    assert figures.auc.value == 1.0
    assert verdict_figures(np.array([0.8, 0.9, 0.2, 0.1]), centred_verdicts(rows)).auc.value == 0.5
    assert np.isnan(figures.apgr.value)
    assert verdicts(rows, mass=2.0).difference.tolist() == pytest.approx([0.8, 1.0, -0.8, -0.4])


def test_other_languages_are_told_by_letters_and_common_words() -> None:
    assert all(map(is_foreign, ("wie ist das", "你好", "où es-tu", "привет")))
    assert [script_of(text) for text in ("wie", "你好", "привет как", "2+2")] == ["LATIN", "CJK", "CYRILLIC", "none"]
    assert not any(map(is_foreign, ("how are you?", "2+2", "what’s a résumé and how long should mine be, in pages?")))


def test_nothing_of_the_test_split_is_in_the_training_part() -> None:
    prompts = tuple(f"prompt {number}" for number in range(100))
    rows = rows_of(prompts, np.where(np.arange(100) % 2, 0.9, 0.1))
    unlabelled = tuple(RawPrompt(prompt=f"other {number}", source="x") for number in range(100))
    material = Material(rated=rows, chat=rows, verifiable=rows, exam=rows, unlabelled=unlabelled)
    train = material.part(Split.TRAIN)
    taught = [*train.rated.prompts, *train.exam.prompts, *(row.prompt for row in train.unlabelled)]
    assert {split_of(prompt) for prompt in taught} == {Split.TRAIN}
    assert sum(len(material.part(split).rated.prompts) for split in Split) == 100


def test_dialogues_give_what_users_wrote(tmp_path: Path) -> None:
    file = tmp_path / "dialogues.jsonl"
    turns = [{"user": "hi", "bot": "hello"}, {"user": " ", "bot": "?"}, {"user": "and in French?", "bot": "salut"}]
    file.write_text(json.dumps({"history": turns}) + "\n")
    assert read_turns(file, "user") == ["hi", "and in French?"]
    file.write_text('{"no": 1}\n')
    with pytest.raises(DataError, match="cannot read dialogues"):
        read_turns(file, "user")
