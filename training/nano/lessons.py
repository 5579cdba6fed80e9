"""Everything before the student's first step: teachers, the texts they judge, tokenizer and token embeddings.

exam rows -> exam teacher -> p of the rows and their variants; ratings and measured verdicts -> chat teacher -> p of
every other text: labelled and unlabelled prompts, requests written for this, phrases in many languages, recombinations.
Each form of a prompt (forms.py) is taught with the p of the plain prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from nano.chat_teacher import ChatTeacher
from nano.embeddings import cooccurrence_embeddings
from nano.exam_teacher import Teacher
from nano.forms import reform, upper_case
from nano.languages import is_foreign, script_of
from nano.material import Material, plain, sample, verdicts, without
from nano.mix import Mix
from nano.one_step import one_step_requests
from nano.pasted import pasted_requests
from nano.phrases import RatedRequest, read_phrases, read_requests
from nano.settings import NanoEvents, NanoSettings
from nano.sources import INTENTS
from nano.variants import make_variants
from vibe_router_export.proof.golden import EXAMPLES
from vibe_router_tools.evaluation.logistic import FloatArray, logit
from vibe_router_training.data import Example
from vibe_router_training.model import build_model
from vibe_router_training.tokenizer import train_tokenizer

_RARE_SCRIPT_REPEATS = 5
"""How often the tokenizer counts a text that is not ASCII: such texts are few, and their languages many."""
_CAPITALS_REPEATS = 2


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Examples for a student and its starting point; `embeddings` is float64 [vocabulary, width].

    `counts` says how many examples there are of each kind.
    """

    chat: ChatTeacher
    exam: Teacher
    mix: Mix
    examples: tuple[Example, ...]
    counts: dict[str, int]
    tokenizer: Tokenizer
    embeddings: FloatArray
    settings: NanoSettings

    def fresh_model(self) -> Any:
        """Return the student before its first step, the same each time."""
        torch.manual_seed(self.settings.seed)
        prior = float(logit(np.mean([example.p_teacher for example in self.examples])))
        model = build_model(self.settings.shape(), self.tokenizer, bias=prior)
        model.get_input_embeddings().weight.data.copy_(torch.from_numpy(self.embeddings))
        return model


@dataclass(frozen=True, kw_only=True)
class _Texts:
    """Chat prompts to be judged: `often` are taught in several forms, and have the p of `judged_as`; `once` in one."""

    often: list[str]
    judged_as: list[str]
    once: list[str]


def prepare_lessons(material: Material, settings: NanoSettings, *, events: NanoEvents) -> Lessons:
    """Make everything that a fit needs from the rows of `material`, and from nothing else."""
    events.stage("fitting the exam teacher")
    exam = Teacher(material.exam, seed=settings.seed)
    mix = Mix(
        exam.out_of_fold,
        material.exam.preference,
        margin_share=settings.margin_share,
        quality_share=settings.quality_share,
    )
    variants = make_variants(
        material.exam.prompts, material.exam.sources, rounds=settings.exam_variants, seed=settings.seed
    )
    exams = [*material.exam.prompts, *variants]
    exam_p = mix.preference(exam.logits(exams))
    events.stage("fitting the chat teacher")
    pasted = pasted_requests(material.passages, count=settings.pasted, seed=settings.seed)
    chat, known = fit_chat_teacher(material, settings, pasted[: settings.pasted_rated])
    texts = _chat_texts(material, settings)
    events.stage(f"judging {len(texts.often) + len(texts.once):,} chat prompts")
    often_p, once_p = chat(texts.judged_as), chat(texts.once)
    often_p = np.array([known.get(text, p) for text, p in zip(texts.often, often_p, strict=True)])
    generator = np.random.default_rng(settings.seed)
    lessons = {
        "exam": _taught(exams, exam_p, generator, plain_share=0.8),
        "labelled chat and phrases": _taught(texts.often, often_p, generator, plain_share=1.0),
        "their forms": _taught(texts.often * settings.rated_forms, np.tile(often_p, settings.rated_forms), generator),
        "other chat": _taught(texts.once, once_p, generator, plain_share=0.5),
        "pasted texts": _taught(
            [request.text for request in pasted],
            np.array([request.cloud for request in pasted]),
            generator,
            plain_share=0.5,
        ),
    }
    examples = tuple(example for part in lessons.values() for example in part)
    events.stage(f"training the tokenizer on {len(examples):,} lessons")
    tokenizer = train_tokenizer(_tokenizer_texts(exams, texts, examples), vocabulary_size=settings.vocabulary)
    plain_texts = [*exams, *texts.often, *texts.once, *(request.text for request in pasted)]
    embeddings = cooccurrence_embeddings(tokenizer, plain_texts, width=settings.shape().width, seed=settings.seed)
    return Lessons(
        chat=chat,
        exam=exam,
        mix=mix,
        examples=examples,
        counts={name: len(part) for name, part in lessons.items()},
        tokenizer=tokenizer,
        embeddings=embeddings,
        settings=settings,
    )


def fit_chat_teacher(
    material: Material, settings: NanoSettings, pasted: Sequence[RatedRequest]
) -> tuple[ChatTeacher, dict[str, float]]:
    """Fit the chat teacher to ratings, measured verdicts and rule-checked answers; no example prompt has a rating.

    The second value has p of the prompts whose verdict it has seen and that have no rating, by teachers that have not.
    """
    requests = [*read_requests(), *pasted]
    prompts = [*material.rated.prompts, *(request.text for request in requests)]
    ratings = np.concatenate([material.rated.preference, [request.cloud for request in requests]])
    chat = verdicts(material.chat, mass=settings.chat_mass)
    measured = [chat, verdicts(material.verifiable, mass=settings.verifiable_mass)]
    teacher, rated = ChatTeacher(prompts, ratings, measured), frozenset(prompts)
    unseen = zip(chat.prompts, map(float, teacher.held_out(chat)), strict=True)
    return teacher, {text: p for text, p in unseen if text not in rated}


def _chat_texts(material: Material, settings: NanoSettings) -> _Texts:
    """Return the texts that the chat teacher judges; the example prompts of the card are none of them."""
    excluded = frozenset(map(plain, EXAMPLES))
    intents = [row.prompt for row in material.unlabelled if row.source in INTENTS]
    others = [row.prompt for row in material.unlabelled if row.source not in INTENTS]
    real = [*material.verifiable.prompts, *others]
    labelled = [*material.rated.prompts, *material.chat.prompts]
    spliced = [*labelled, *real]
    rated, translated = without(labelled, excluded), read_phrases()
    foreign = [prompt for prompt in spliced if is_foreign(prompt)]
    foreign += [phrase.text for phrase in translated if phrase.text != phrase.english]
    written = one_step_requests(material.exam.prompts, count=settings.one_step_requests, seed=settings.seed)
    once = [
        *sample(intents, settings.intents, seed=settings.seed),
        *real,
        *written,
        *make_variants(spliced, _kinds(spliced), rounds=settings.splices, seed=settings.seed),
        *make_variants(foreign, _kinds(foreign), rounds=settings.foreign_splices, seed=settings.seed + 1),
    ]
    often = [*rated, *(prompt for prompt in rated if is_foreign(prompt)), *(row.text for row in read_requests())]
    return _Texts(
        often=[*often, *(phrase.text for phrase in translated)],
        judged_as=[*often, *(phrase.english for phrase in translated)],
        once=without([text for text in once if text.strip()], excluded),
    )


def _kinds(prompts: Sequence[str]) -> list[str]:
    """Return what a prompt may be recombined with: its length, and its script where it is not English."""
    return [
        f"{script_of(prompt) if is_foreign(prompt) else 'English'} {'short' if len(prompt) < 150 else 'long'}"
        for prompt in prompts
    ]


def _taught(
    prompts: Sequence[str], p: FloatArray, generator: np.random.Generator, *, plain_share: float = 0.0
) -> list[Example]:
    """Return each prompt once, as it is in a share of the cases, else in another form."""
    return [
        Example(
            prompt=prompt if generator.random() < plain_share else reform(prompt, generator),
            p_teacher=float(value),
        )
        for prompt, value in zip(prompts, p, strict=True)
    ]


def _tokenizer_texts(exams: Sequence[str], texts: _Texts, examples: Sequence[Example]) -> list[str]:
    """Return what the tokenizer's vocabulary is counted on: the lessons, exams cut short, capitals, rare scripts."""
    chat = [*texts.often, *texts.once]
    rare = [text[:400] for text in chat if not text.isascii()] * _RARE_SCRIPT_REPEATS
    capitals = [upper_case(text[:200], np.random.default_rng(0)) for text in texts.often] * _CAPITALS_REPEATS
    return [*(text[:300] for text in exams), *(example.prompt[:600] for example in examples), *rare, *capitals]
