"""The parts of the nano's recipe that judge exam rows: features, the cross-fitted teacher, its curve, variants."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from nano.embeddings import cooccurrence_embeddings
from nano.exam_teacher import FOLDS, PartLogits, Teacher, fold_of
from nano.features import shape_numbers, shape_terms
from nano.mix import LiftedLogistic, Mix, fit_lifted_logistic
from nano.one_step import one_step_requests
from nano.variants import make_variants, pieces, vary
from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray, sigmoid
from vibe_router_tools.evaluation.metrics import auc
from vibe_router_tools.evaluation.reliability import expected_calibration_error
from vibe_router_training.baselines import bag_of_words
from vibe_router_training.tokenizer import train_tokenizer


def test_terms_tell_case_places_and_outline() -> None:
    terms = shape_terms("Who won in 1998?")
    assert {"who", "who won", "0000", "FIRST Who", "LAST 0000 ?", "CAPITAL True", "DIGITS 4"} <= set(terms)
    assert "TAIL 0000?" in terms
    assert shape_terms("") == ["LENGTH 0", "CAPITAL False", "LINES 0", "DIGITS 0", "HEAD ", "TAIL "]


def test_numbers_are_as_many_for_every_prompt() -> None:
    sizes = {len(shape_numbers(prompt)) for prompt in ("", " ", "hi", "Ünï 7?\n$x_1$", "a" * 5000)}
    assert len(sizes) == 1
    assert all(np.isfinite(shape_numbers("")))


def test_embeddings_bring_tokens_of_one_kind_together() -> None:
    prompts = ["the cat the dog the cat"] * 20 + ["a sun a moon a sun"] * 20
    tokenizer = train_tokenizer(prompts, vocabulary_size=300)
    embeddings = cooccurrence_embeddings(tokenizer, prompts, width=8, seed=0)
    assert embeddings.shape == (tokenizer.get_vocab_size(), 8)
    assert np.isfinite(embeddings).all()
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cat, dog, moon = (unit[tokenizer.token_to_id(token)] for token in ("Ġcat", "Ġdog", "Ġmoon"))
    assert cat @ dog > cat @ moon
    again = cooccurrence_embeddings(tokenizer, prompts, width=8, seed=0)
    assert np.array_equal(embeddings, again)


def labelled(count: int, *, seed: int = 0) -> LabelledPrompts:
    """Prompts whose first word decides the chance that the cloud is better; labels are noisy draws of it."""
    generator = np.random.default_rng(seed)
    hard = generator.uniform(size=count) < 0.5
    prompts = [f"{'Prove' if is_hard else 'name'} item {number}" for number, is_hard in enumerate(hard)]
    cloud = generator.uniform(size=count) < np.where(hard, 0.8, 0.4)
    return rows_of(prompts, np.where(cloud, 0.9, 0.1))


def rows_of(prompts: list[str], preference: FloatArray) -> LabelledPrompts:
    return LabelledPrompts(
        prompts=tuple(prompts),
        sources=(None,) * len(prompts),
        groups=(None,) * len(prompts),
        preference=preference,
        device_quality=1.0 - preference,
        cloud_quality=preference,
    )


def out_of_fold(rows: LabelledPrompts, *, seed: int) -> FloatArray:
    fitted = Teacher(rows, seed=seed).out_of_fold
    return Mix(fitted, rows.preference).preference(fitted)


@pytest.mark.slow
def test_the_teacher_sees_through_noise_and_is_calibrated() -> None:
    rows = labelled(1500)
    taught = out_of_fold(rows, seed=0)
    assert auc(taught, rows.preference) > 0.65
    assert expected_calibration_error(taught, rows.preference) < 0.05
    hard = np.array([prompt.startswith("Prove") for prompt in rows.prompts])
    assert taught[hard].mean() == pytest.approx(0.74, abs=0.04)
    assert taught[~hard].mean() == pytest.approx(0.42, abs=0.04)


def test_the_teacher_never_saw_the_prompt_it_judges() -> None:
    generator = np.random.default_rng(0)
    prompts = [f"unique{number} words{number}" for number in range(300)]
    preference = np.where(generator.uniform(size=300) < 0.5, 0.9, 0.1)
    assert auc(out_of_fold(rows_of(prompts, preference), seed=0), preference) < 0.6, "noise cannot be predicted"


def test_the_teacher_learns_from_qualities_what_the_preference_does_not_tell() -> None:
    generator = np.random.default_rng(0)
    hard = np.arange(400) % 2 == 1
    prompts = [f"{'Prove' if is_hard else 'name'} item {number}" for number, is_hard in enumerate(hard)]
    rows = replace(
        rows_of(prompts, np.where(generator.uniform(size=400) < 0.5, 0.6, 0.4)),
        cloud_quality=(generator.uniform(size=400) < 0.9).astype(float),
        device_quality=(generator.uniform(size=400) < np.where(hard, 0.3, 0.8)).astype(float),
    )
    logits = Teacher(rows, seed=0).out_of_fold
    assert logits.qualities[hard].mean() > logits.qualities[~hard].mean() + 1.0
    assert abs(logits.plain[hard].mean() - logits.plain[~hard].mean()) < 0.5


@pytest.mark.slow
def test_the_teacher_is_the_same_each_time() -> None:
    rows = labelled(300)
    first, second = (out_of_fold(rows, seed=4) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_teacher_judges_texts_by_the_mean_of_its_folds() -> None:
    rows = labelled(200)
    teacher = Teacher(rows, seed=0)
    by_fold, mean = teacher.logits_by_fold(rows.prompts), teacher.logits(rows.prompts)
    assert len(by_fold) == FOLDS
    assert teacher.folds.tolist() == [fold_of(prompt) for prompt in rows.prompts]
    for part in ("plain", "weighted", "qualities"):
        stacked = np.stack([getattr(one, part) for one in by_fold])
        np.testing.assert_allclose(getattr(mean, part), stacked.mean(axis=0))
        unseen = stacked[teacher.folds, np.arange(len(rows.prompts))]
        np.testing.assert_allclose(unseen, getattr(teacher.out_of_fold, part))
        assert np.abs(unseen - getattr(mean, part)).max() > 0.01


def test_the_curve_of_the_mix_is_found_again() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(size=20_000)
    true = LiftedLogistic(slope=1.5, offset=-1.0, floor=0.4)
    hard = (generator.uniform(size=len(scores)) < true(scores)).astype(float)
    found = fit_lifted_logistic(scores, hard)
    np.testing.assert_allclose(found(scores), true(scores), atol=0.02)
    assert found.floor == pytest.approx(0.4, abs=0.05)


def test_the_curve_of_the_mix_without_a_floor_is_a_logistic_one() -> None:
    scores = np.linspace(-3.0, 3.0, 200)
    found = fit_lifted_logistic(scores, sigmoid(2.0 * scores - 0.5))
    assert (found.slope, found.offset, found.floor) == pytest.approx((2.0, -0.5, 0.0), abs=1e-3)
    falling = fit_lifted_logistic(scores, sigmoid(-scores))
    assert falling.slope == 0.0, "a higher score never means less"


def test_preferences_are_mixed_and_lifted_as_the_formula_says() -> None:
    generator = np.random.default_rng(0)
    plain, weighted, qualities = generator.normal(size=(3, 500)) * np.array([[1.0], [2.0], [3.0]]) + 1.0
    parts = PartLogits(plain=plain, weighted=weighted, qualities=qualities)
    labels = sigmoid(plain + 0.2 * qualities)
    mix = Mix(parts, labels, margin_share=0.3, quality_share=0.4)
    standard = [(part - part.mean()) / part.std() for part in (plain, weighted, qualities)]
    mixed = 0.6 * (0.7 * standard[0] + 0.3 * standard[1]) + 0.4 * standard[2]
    np.testing.assert_allclose(mix.preference(parts), mix.curve(mixed))
    one = PartLogits(plain=plain[:1], weighted=weighted[:1], qualities=qualities[:1])
    np.testing.assert_allclose(mix.preference(one), mix.preference(parts)[:1])


QUESTION = "Which planet is red?\nIt has two moons.\nA. Venus\nB. Mars\nC. Earth\nD. Jupiter\nAnswer:"


def test_variants_of_a_multiple_choice_question_are_such_questions() -> None:
    generator = np.random.default_rng(0)
    other = QUESTION.replace("red", "large").replace("Venus", "Saturn")
    found = {vary(QUESTION, other, generator) for _ in range(200)}
    assert len(found) > 50
    letters = {text: re.findall(r"\n([A-J])\. ", text) for text in found if text.endswith("\nAnswer:")}
    asked = [text for text, marks in letters.items() if marks and marks == list("ABCDEFGHIJ"[: len(marks)])]
    assert len(asked) > 0.7 * len(found), "letters follow each other again"
    assert any("Saturn" in text for text in asked), "options come from the partner too"
    assert any(len(letters[text]) == 2 for text in asked)


def test_variants_of_text_recombine_its_parts() -> None:
    generator = np.random.default_rng(0)
    first, second = "One is here. Two is there. Three is gone.", "Red fades. Blue stays. Green grows."
    found = {vary(first, second, generator) for _ in range(200)}
    assert {"One is here. Three is gone.", "Two is there. One is here. Three is gone."} <= found
    assert any(text.startswith("One") and text.endswith("grows.") for text in found)
    assert set(" ".join(found).split()) <= set(f"{first} {second}".split())
    assert vary("hi", "hi", generator) in {"hi", "hi hi"}


@pytest.mark.parametrize("prompt", ["", "hi", "\n\n", "A. b", "Wait... what?! No.\n\nYes", QUESTION])
def test_pieces_are_the_whole_prompt(prompt: str) -> None:
    assert "".join(pieces(prompt)) == prompt
    assert all(pieces(prompt))


def test_both_parents_of_a_variant_share_their_source() -> None:
    sources = ["x", "y", None] * 6
    prompts = [f"{source}{row}a {source}{row}b. {source}{row}c {source}{row}d." for row, source in enumerate(sources)]
    made = make_variants(prompts, sources, rounds=2, seed=0)
    assert len(made) == 2 * len(prompts)
    for variant in made:
        assert len({word.rstrip("abcd.").rstrip("0123456789") for word in variant.split()}) == 1, variant
    parents = [{word.rstrip("abcd.") for word in variant.split()} for variant in made]
    assert max(map(len, parents)) == 2, "some have two parents"
    assert made == make_variants(prompts, sources, rounds=2, seed=0)
    assert made != make_variants(prompts, sources, rounds=2, seed=1)
    assert make_variants(prompts, sources, rounds=0, seed=0) == []


def test_one_step_requests_ask_about_numbers_and_known_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nano.one_step._RANKS", slice(1, 3))
    prompts = ["which organ", "which organ makes hormones", "which gland makes hormones", "which rare tumor", "Which?"]
    made = one_step_requests(prompts, count=400, seed=0)
    words = {word for request in made for word in re.findall(r"organ|hormones|makes|which|gland|tumor", request)}
    assert words == {"hormones", "makes"}, "the most frequent one and rare ones are left out"
    assert sum(bool(re.search(r"\d", request)) for request in made) == pytest.approx(400 * 10 / 20, abs=10)
    assert made == one_step_requests(prompts[::-1], count=400, seed=0) != one_step_requests(prompts, count=400, seed=1)
    assert all(re.search(r"\d", request) for request in one_step_requests([], count=30, seed=0))


def test_the_bag_of_words_baseline_ranks_by_words() -> None:
    rows = labelled(400)
    scores = bag_of_words(rows.prompts, rows.preference)(["Prove item", "name item"])
    assert scores[0] > 0.6 > 0.5 > scores[1]
