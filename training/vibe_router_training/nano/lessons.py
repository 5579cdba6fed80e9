"""What the student is taught, and what it starts from: everything before the first step of a fit.

rows -> tokenizer -> token embeddings; rows -> teacher -> p of rows and of their variants; other prompts -> weak labels.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from vibe_router.evaluation.dataset import LabelledPrompts
from vibe_router.evaluation.logistic import FloatArray, logit
from vibe_router_training.data import Example, RawPrompt, Split, select, split_of
from vibe_router_training.model import build_model
from vibe_router_training.nano.embeddings import cooccurrence_embeddings
from vibe_router_training.nano.settings import NanoEvents, NanoSettings
from vibe_router_training.nano.teacher import Mix, Teacher
from vibe_router_training.nano.variants import make_variants
from vibe_router_training.nano.weak_labels import weak_examples
from vibe_router_training.tokenizer import train_tokenizer


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Examples for a student and its starting point, made from the rows of some splits and no others.

    `rows` are the labelled rows, `out_of_fold` the p of teachers that have not seen them, float64 [n]; `examples` are
    these with the p that is taught, the `weak` weakly labelled ones and the `variants`, each once. `embeddings` is
    float64 [vocabulary, width].
    """

    rows: LabelledPrompts
    out_of_fold: FloatArray
    examples: tuple[Example, ...]
    variants: int
    weak: int
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


def prepare_lessons(
    labelled: LabelledPrompts,
    unlabelled: Sequence[RawPrompt],
    settings: NanoSettings,
    *,
    parts: Collection[Split],
    events: NanoEvents,
) -> Lessons:
    """Make everything that a fit needs from the prompts, labelled or not, that belong to one of `parts`."""
    rows = select(labelled, parts)
    events.stage("training the tokenizer")
    known = [*rows.prompts, *(row.prompt for row in unlabelled if split_of(row.prompt) in parts)]
    tokenizer = train_tokenizer(known, vocabulary_size=settings.vocabulary)
    embeddings = cooccurrence_embeddings(tokenizer, known, width=settings.shape().width, seed=settings.seed)
    events.stage("fitting the teacher")
    teacher, mix = fit_teacher(rows, settings)
    variants = make_variants(rows.prompts, rows.sources, rounds=settings.variants, seed=settings.seed)
    taught = [
        _examples(prompts, mix.preference(teacher.logits(prompts))) if prompts else []
        for prompts in (rows.prompts, variants)
    ]
    weak = weak_examples(unlabelled, seed=settings.seed, parts=parts)
    return Lessons(
        rows=rows,
        out_of_fold=mix.preference(teacher.out_of_fold),
        examples=(*taught[0], *weak, *taught[1]),
        variants=len(variants),
        weak=len(weak),
        tokenizer=tokenizer,
        embeddings=embeddings,
        settings=settings,
    )


def fit_teacher(rows: LabelledPrompts, settings: NanoSettings) -> tuple[Teacher, Mix]:
    """Fit the teacher to labelled rows, and mix its parts as the recipe does."""
    teacher = Teacher(rows, seed=settings.seed)
    mix = Mix(
        teacher.out_of_fold,
        rows.preference,
        margin_share=settings.margin_share,
        quality_share=settings.quality_share,
    )
    return teacher, mix


def _examples(prompts: Sequence[str], p: FloatArray) -> list[Example]:
    return [Example(prompt=prompt, p_teacher=float(value)) for prompt, value in zip(prompts, p, strict=True)]
