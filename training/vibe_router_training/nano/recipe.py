"""The whole recipe of the bundled default: two files of prompts in, a calibrated checkpoint and its card out."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from vibe_router_training.checkpoint import require_new, work_folder, write_checkpoint
from vibe_router_training.data import read_examples, read_prompts, train_and_validation
from vibe_router_training.nano.card import training_card
from vibe_router_training.nano.choose import choose
from vibe_router_training.nano.judge import judge
from vibe_router_training.nano.refit import refit
from vibe_router_training.nano.report import TrainingReport, dump_report
from vibe_router_training.nano.settings import SILENT, NanoEvents, NanoSettings
from vibe_router_training.resume import release

LABELLED_NAME, UNLABELLED_NAME = "routing_labelled.jsonl", "prompts.jsonl"
REPORT_NAME, CARD_NAME = "training_report.json", "TRAINING.md"


def make_nano(data: Path, out: Path, settings: NanoSettings, *, events: NanoEvents = SILENT) -> TrainingReport:
    """Choose, calibrate, refit and judge a nano from the folder `data`, and write it to the new folder `out`.

    Temperature, reliability diagram and figures are those of the model fitted to the training split, the weights
    and thresholds those of the refit. An interrupted run resumes from the hidden work folder beside `out` when it
    is repeated.

    Raises:
        UsageError: `out` exists, or an interrupted run with other settings lies beside it.
        DataError: a file cannot be read, or has a bad row.
    """
    require_new(out)
    started = time.monotonic()
    work = work_folder(out)
    events.stage("reading the data")
    labelled = read_examples(data / LABELLED_NAME)
    unlabelled = read_prompts(data / UNLABELLED_NAME)
    train, validation = train_and_validation(labelled, str(data / LABELLED_NAME))
    chosen = choose(train, unlabelled, validation, settings, work=work, events=events)
    refitted = refit(chosen, labelled, unlabelled, work=work / "refit", events=events)
    events.stage("judging")
    report = judge(chosen, refitted, labelled, unlabelled, started=started)
    texts = {REPORT_NAME: dump_report(report), CARD_NAME: training_card(report)}
    files = {name: text.encode("utf-8") for name, text in texts.items()}
    calibrated = replace(chosen.calibrated, config=refitted.config)
    write_checkpoint(out, refitted.model, refitted.lessons.tokenizer, files={**calibrated.files(), **files})
    release(work)
    return report
