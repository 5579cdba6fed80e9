"""Fit a router to examples with Hugging Face's Trainer: seeded, resumable, stopped early."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from vibe_router_training.batches import Collate, Items, SimilarLengths
from vibe_router_training.choices import OptimizerKind, Precision
from vibe_router_training.data import Example
from vibe_router_training.distillation import router_loss
from vibe_router_training.fit_settings import FitResult, FitSettings
from vibe_router_training.model import model_max_tokens
from vibe_router_training.optimizer import MuonBesideAdamW
from vibe_router_training.progress import FitCallback, ReportProgress
from vibe_router_training.resume import claim, fingerprint, finish, finished


def fit(
    model: Any,
    tokenizer: Tokenizer,
    train: Sequence[Example],
    validation: Sequence[Example],
    settings: FitSettings,
    *,
    work: Path,
    progress: FitCallback | None = None,
) -> FitResult:
    """Train `model` in place and leave the weights of the epoch with the lowest validation loss in it.

    Where `validation` is empty every epoch is run and the last one's weights stay.

    `work` holds a snapshot of each epoch while fitting; where it holds one of the same run, the run resumes
    there and ends as it would have without the interruption. The caller removes the folder.

    Raises:
        UsageError: `work` belongs to a run with other data or settings.
    """
    claim(work, fingerprint(model, tokenizer, train, validation, settings))
    known = finished(model, work)
    if known is not None:
        return known
    # Where the model ends, the runtime cuts as well.
    limit = min(settings.max_tokens, model_max_tokens(model))
    trainer = _RouterTrainer(
        model=model,
        args=_arguments(settings, work, rows=len(train), validated=bool(validation)),
        train_dataset=Items(train, tokenizer, max_tokens=limit),
        # Sorted by length, the validation rows need the least padding; their order changes nothing.
        eval_dataset=Items(sorted(validation, key=lambda row: len(row.prompt)), tokenizer, max_tokens=limit),
        data_collator=Collate(padding=int(model.config.pad_token_id)),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=settings.patience)] if validation else [],
        settings=settings,
    )
    trainer.remove_callback(PrinterCallback)
    if progress is not None:
        trainer.add_callback(ReportProgress(progress))
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(work)))
    # The Trainer has put a forward pass in bf16 in the place of the model's own, and leaves it there.
    trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    losses = tuple(entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry)
    model.to("cpu").eval()
    # NaN, the loss of an epoch that diverged, is lower than nothing.
    best = min(range(len(losses)), key=lambda epoch: (math.isnan(losses[epoch]), losses[epoch]), default=None)
    result = FitResult(
        validation_loss=None if best is None else losses[best],
        best_epoch=settings.epochs if best is None else best + 1,
        validation_losses=losses,
        seconds=time.monotonic() - started,
    )
    finish(model, result, work)
    return result


def _arguments(settings: FitSettings, work: Path, *, rows: int, validated: bool) -> Any:
    """Return the Trainer's arguments for `rows` rows, with a validation after each epoch or without any."""
    steps = math.ceil(rows / settings.batch) * settings.epochs
    return TrainingArguments(
        output_dir=str(work),
        per_device_train_batch_size=settings.batch,
        per_device_eval_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        adam_beta2=settings.adam_beta2,
        num_train_epochs=settings.epochs,
        warmup_steps=round(settings.warmup * steps),
        lr_scheduler_type=settings.schedule,
        bf16=settings.precision is Precision.BF16 or (settings.precision is Precision.AUTO and has_bf16()),
        use_cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),
        seed=settings.seed,
        data_seed=settings.seed,
        eval_strategy="epoch" if validated else "no",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=validated,
        # The patience already used up counts after a resumption too.
        restore_callback_states_from_checkpoint=True,
        metric_for_best_model="eval_loss" if validated else None,
        greater_is_better=False if validated else None,
        prediction_loss_only=True,
        logging_steps=10,
        label_names=["p_teacher"],
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
    )


def has_bf16() -> bool:
    """Return whether this machine computes in bf16 by itself rather than emulating it."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


class _RouterTrainer(Trainer):  # type: ignore[misc]  # transformers carries no types
    """The Trainer with this project's loss, optimisers and order of examples."""

    def __init__(self, *, settings: FitSettings, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._settings = settings

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002 - part of the overridden signature
    ) -> Any:
        output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], return_dict=True)
        loss = router_loss(output.logits[:, 0], inputs["p_teacher"], inputs["weight"], self._settings.loss)
        return (loss, output) if return_outputs else loss

    def create_optimizer(self) -> Any:
        settings = self._settings
        if settings.optimizer is OptimizerKind.ADAMW:
            return super().create_optimizer()
        self.optimizer: Any = MuonBesideAdamW(
            self.model,
            learning_rate=settings.learning_rate,
            muon_learning_rate=settings.muon_times * settings.learning_rate,
            weight_decay=settings.weight_decay,
            betas=(self.args.adam_beta1, settings.adam_beta2),
        )
        return self.optimizer

    def _get_train_sampler(self, train_dataset: Any = None) -> SimilarLengths:
        items: Items = train_dataset if train_dataset is not None else self.train_dataset
        return SimilarLengths(items.lengths(), batch=self.args.train_batch_size, seed=self.args.seed)
