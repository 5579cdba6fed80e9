"""What the student is taught, and what it starts from: everything before the first step of a fit.

rows -> tokenizer -> token embeddings; rows -> teacher -> p of rows and of their variants; other prompts and one-step
requests -> weak labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from vibe_router_tools.evaluation.dataset import LabelledPrompts
from vibe_router_tools.evaluation.logistic import FloatArray, logit
from vibe_router_training.data import Example, RawPrompt
from vibe_router_training.model import build_model
from vibe_router_training.nano.embeddings import cooccurrence_embeddings
from vibe_router_training.nano.mix import Mix
from vibe_router_training.nano.settings import NanoEvents, NanoSettings
from vibe_router_training.nano.teacher import Teacher
from vibe_router_training.nano.variants import make_variants
from vibe_router_training.nano.weak_labels import weak_examples
from vibe_router_training.tokenizer import train_tokenizer


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Examples for a student and its starting point, made from some rows and no others.

    `rows` are the labelled rows, `teacher` was fitted to them and is read through `mix`; `examples` are these with the
    p that is taught, the `weak` weakly labelled ones and the `variants`, each once. `embeddings` is float64
    [vocabulary, width].
    """

    rows: LabelledPrompts
    teacher: Teacher
    mix: Mix
    examples: tuple[Example, ...]
    variants: int
    weak: int
    tokenizer: Tokenizer
    embeddings: FloatArray
    settings: NanoSettings

    def expect(self, prompts: Sequence[str]) -> FloatArray:
        """Return the p that the teacher would teach of any prompts, float64 [n]."""
        return self.mix.preference(self.teacher.logits(prompts))

    def fresh_model(self) -> Any:
        """Return the student before its first step, the same each time."""
        torch.manual_seed(self.settings.seed)
        prior = float(logit(np.mean([example.p_teacher for example in self.examples])))
        model = build_model(self.settings.shape(), self.tokenizer, bias=prior)
        model.get_input_embeddings().weight.data.copy_(torch.from_numpy(self.embeddings))
        return model


def prepare_lessons(
    rows: LabelledPrompts, unlabelled: Sequence[RawPrompt], settings: NanoSettings, *, events: NanoEvents
) -> Lessons:
    """Make everything that a fit needs from labelled rows and other prompts, and from nothing else."""
    events.stage("training the tokenizer")
    known = [*rows.prompts, *(row.prompt for row in unlabelled)]
    tokenizer = train_tokenizer(known, vocabulary_size=settings.vocabulary)
    embeddings = cooccurrence_embeddings(tokenizer, known, width=settings.shape().width, seed=settings.seed)
    events.stage("fitting the teacher")
    teacher = Teacher(rows, seed=settings.seed)
    mix = Mix(
        teacher.out_of_fold,
        rows.preference,
        margin_share=settings.margin_share,
        quality_share=settings.quality_share,
    )
    variants = make_variants(rows.prompts, rows.sources, rounds=settings.variants, seed=settings.seed)
    taught = [
        _examples(prompts, mix.preference(teacher.logits(prompts))) if prompts else []
        for prompts in (rows.prompts, variants)
    ]
    weak = weak_examples(
        unlabelled,
        rows.prompts,
        seed=settings.seed,
        device_weight=settings.device_weight,
        one_step=settings.one_step_requests,
    )
    return Lessons(
        rows=rows,
        teacher=teacher,
        mix=mix,
        examples=(*taught[0], *weak, *taught[1]),
        variants=len(variants),
        weak=len(weak),
        tokenizer=tokenizer,
        embeddings=embeddings,
        settings=settings,
    )


def _examples(prompts: Sequence[str], p: FloatArray) -> list[Example]:
    return [Example(prompt=prompt, p_teacher=float(value)) for prompt, value in zip(prompts, p, strict=True)]
