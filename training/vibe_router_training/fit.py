"""Fit a router to examples with Hugging Face's Trainer: seeded, resumable, stopped early."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from tokenizers import Tokenizer
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from vibe_router.errors import UsageError
from vibe_router.staging import write_file
from vibe_router_training.batches import Collate, Items, SimilarLengths
from vibe_router_training.data import Example
from vibe_router_training.distillation import LossSettings, router_loss
from vibe_router_training.progress import FitCallback, ReportProgress

_FINGERPRINT, _RESULT, _WEIGHTS = "run.json", "result.json", "best.safetensors"


class Precision(str, Enum):
    """Arithmetic of the forward and backward pass; weights and optimiser stay in fp32."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """The recipe; the defaults are the model card's, and the Trainer's where the card is silent.

    `warmup` is a share of all steps, `patience` a number of epochs.
    """

    learning_rate: float = 5e-5
    weight_decay: float = 0.01
    adam_beta2: float = 0.999
    warmup: float = 0.1
    schedule: str = "linear"
    epochs: int = 7
    patience: int = 3
    batch: int = 128
    max_tokens: int = 512
    seed: int = 0
    precision: Precision = Precision.AUTO
    loss: LossSettings = field(default_factory=LossSettings)


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What came out: the lowest validation loss (nats), its epoch, all epochs' losses, wall-clock seconds.

    Without validation examples the loss is None, there are no losses, and the epoch is the last one.
    """

    validation_loss: float | None
    best_epoch: int
    validation_losses: tuple[float, ...]
    seconds: float


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
    _claim(work, _fingerprint(model, train, validation, settings))
    if (work / _RESULT).is_file():
        return _finished(model, work)
    steps = math.ceil(len(train) / settings.batch) * settings.epochs
    arguments = TrainingArguments(
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
        eval_strategy="epoch" if validation else "no",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=bool(validation),
        # The patience already used up counts after a resumption too.
        restore_callback_states_from_checkpoint=True,
        metric_for_best_model="eval_loss" if validation else None,
        greater_is_better=False if validation else None,
        prediction_loss_only=True,
        logging_steps=10,
        label_names=["p_teacher"],
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
    )
    limit = settings.max_tokens
    trainer = _RouterTrainer(
        model=model,
        args=arguments,
        train_dataset=Items(train, tokenizer, max_tokens=limit),
        # Sorted by length, the validation rows need the least padding; their order changes nothing.
        eval_dataset=Items(sorted(validation, key=lambda row: len(row.prompt)), tokenizer, max_tokens=limit),
        data_collator=Collate(padding=int(model.config.pad_token_id)),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=settings.patience)] if validation else [],
        loss=settings.loss,
    )
    trainer.remove_callback(PrinterCallback)
    if progress is not None:
        trainer.add_callback(ReportProgress(progress))
    started = time.monotonic()
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(work)))
    losses = tuple(entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry)
    model.to("cpu").eval()
    result = FitResult(
        validation_loss=min(losses, default=None),
        best_epoch=losses.index(min(losses)) + 1 if losses else settings.epochs,
        validation_losses=losses,
        seconds=time.monotonic() - started,
    )
    _finish(model, result, work)
    return result


def has_bf16() -> bool:
    """Return whether this machine computes in bf16 by itself rather than emulating it."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


class _RouterTrainer(Trainer):  # type: ignore[misc]  # transformers carries no types
    """The Trainer with this project's loss and its order of examples."""

    def __init__(self, *, loss: LossSettings, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._loss_settings = loss

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002 - part of the overridden signature
    ) -> Any:
        output = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        loss = router_loss(output.logits[:, 0], inputs["p_teacher"], inputs["weight"], self._loss_settings)
        return (loss, output) if return_outputs else loss

    def _get_train_sampler(self, train_dataset: Any = None) -> SimilarLengths:
        items: Items = train_dataset if train_dataset is not None else self.train_dataset
        return SimilarLengths(items.lengths(), batch=self.args.train_batch_size, seed=self.args.seed)


def _fingerprint(model: Any, train: Sequence[Example], validation: Sequence[Example], settings: FitSettings) -> str:
    """Return JSON that is equal for two runs that would go the same way."""
    digest = hashlib.sha256()
    for rows in (train, validation):
        for row in rows:
            digest.update(json.dumps(asdict(row), sort_keys=True).encode("utf-8", errors="surrogatepass"))
        digest.update(b"|")
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().float().cpu().numpy().tobytes())
    return json.dumps({"settings": asdict(settings), "sha256": digest.hexdigest()}, indent=2) + "\n"


def _claim(work: Path, fingerprint: str) -> None:
    """Make `work` the folder of the run with this fingerprint, or find that it is already.

    Raises:
        UsageError: it belongs to another run.
    """
    marker = work / _FINGERPRINT
    if marker.is_file() and marker.read_text(encoding="utf-8") != fingerprint:
        raise UsageError(
            f"{work} holds an interrupted run with other data or settings",
            hint="remove that folder to start anew, or repeat the command of the interrupted run",
        )
    work.mkdir(parents=True, exist_ok=True)
    write_file(marker, fingerprint.encode())


def _finish(model: Any, result: FitResult, work: Path) -> None:
    """Keep the outcome of a fit, so that a longer run that is interrupted later need not repeat it."""
    save_model(model, str(work / _WEIGHTS))
    write_file(work / _RESULT, json.dumps(asdict(result)).encode())
    for snapshot in work.glob("checkpoint-*"):
        shutil.rmtree(snapshot)


def _finished(model: Any, work: Path) -> FitResult:
    """Load the outcome of a finished fit into `model`."""
    load_model(model, str(work / _WEIGHTS))
    model.eval()
    result = json.loads((work / _RESULT).read_text(encoding="utf-8"))
    return FitResult(**{**result, "validation_losses": tuple(result["validation_losses"])})


def release(work: Path) -> None:
    """Remove the snapshots of a finished run."""
    shutil.rmtree(work, ignore_errors=True)
