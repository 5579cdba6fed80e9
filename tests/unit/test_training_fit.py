"""Fitting with the Trainer: it learns, seeds decide, interruptions change nothing, patience ends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.training import examples, tiny_model, tiny_tokenizer
from vibe_router.errors import UsageError
from vibe_router_training.choices import OptimizerKind, Precision
from vibe_router_training.fit import fit
from vibe_router_training.fit_settings import FitResult, FitSettings
from vibe_router_training.optimizer import Muon, MuonBesideAdamW, orthogonalised
from vibe_router_training.progress import FitProgress
from vibe_router_training.scoring import score_logits
from vibe_router_training.sweep import Sweep, SweepRow, sweep, sweep_json, sweep_markdown
from vibe_router_training.tokenizer import in_small_letters

# The Trainer doubts clocks by which two snapshots are written within a second.
pytestmark = pytest.mark.filterwarnings("ignore:mtime may not be reliable:UserWarning")

SETTINGS = FitSettings(
    learning_rate=1e-2, epochs=3, batch=16, max_tokens=32, precision=Precision.FP32, schedule="cosine"
)
TRAIN, VALIDATION = examples(64), examples(16, offset=1000)


def run(work: Path, settings: FitSettings = SETTINGS, **options: Any) -> tuple[Any, FitResult]:
    model = tiny_model(tiny_tokenizer())
    return model, fit(model, tiny_tokenizer(), TRAIN, VALIDATION, settings, work=work, **options)


def same_weights(first: Any, second: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, FitResult]:
    return run(tmp_path_factory.mktemp("work"))


def test_it_learns_what_the_labels_say(uninterrupted: tuple[Any, FitResult]) -> None:
    model, result = uninterrupted
    easy, hard = score_logits(model, tiny_tokenizer(), ["hello there number 7", "Design a system number 7"])
    assert easy < 0 < hard
    assert result.validation_loss == min(result.validation_losses)
    assert result.validation_losses[result.best_epoch - 1] == result.validation_loss


def test_the_same_seed_gives_the_same_weights(uninterrupted: tuple[Any, FitResult], tmp_path: Path) -> None:
    model, result = run(tmp_path / "same")
    assert same_weights(model, uninterrupted[0])
    assert result.validation_losses == uninterrupted[1].validation_losses
    other, _ = run(tmp_path / "other", replace(SETTINGS, seed=1))
    assert not same_weights(other, uninterrupted[0])


def test_an_interrupted_run_ends_as_if_it_had_not_been(uninterrupted: tuple[Any, FitResult], tmp_path: Path) -> None:
    model, result = interrupted_and_resumed(tmp_path, SETTINGS)
    assert same_weights(model, uninterrupted[0])
    assert result.validation_losses == uninterrupted[1].validation_losses


def test_with_muon_it_learns_other_weights_and_resumes_as_well(
    uninterrupted: tuple[Any, FitResult], tmp_path: Path
) -> None:
    settings = replace(SETTINGS, optimizer=OptimizerKind.MUON, muon_times=5.0)
    model, result = run(tmp_path / "whole", settings)
    easy, hard = score_logits(model, tiny_tokenizer(), ["hello there number 7", "Design a system number 7"])
    assert easy < 0 < hard
    assert not same_weights(model, uninterrupted[0])
    resumed, again = interrupted_and_resumed(tmp_path, settings)
    assert same_weights(resumed, model)
    assert again.validation_losses == result.validation_losses


def test_muon_turns_the_layers_matrices_and_leaves_the_rest_to_adamw() -> None:
    model = tiny_model(tiny_tokenizer())
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = MuonBesideAdamW(model, learning_rate=1e-3, muon_learning_rate=0.1, weight_decay=0.0, betas=(0.9, 0.999))
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight)
    optimizer.step()
    moved = {name: weight.detach() - before[name] for name, weight in model.named_parameters()}
    for name in ("model.layers.0.attn.Wqkv.weight", "model.layers.1.mlp.Wo.weight", "head.dense.weight"):
        rows, columns = moved[name].shape
        step = moved[name] / (0.1 * max(1.0, rows / columns) ** 0.5)
        # Every direction moves about as far, whatever the gradient's singular values were.
        assert torch.linalg.svdvals(step)[:8].sub(1.0).abs().max() < 0.4, name
    for name in ("model.embeddings.tok_embeddings.weight", "classifier.weight"):
        assert moved[name].abs().max() == pytest.approx(1e-3, rel=1e-3), "AdamW's first step is as long as its rate"


def interrupted_and_resumed(folder: Path, settings: FitSettings) -> tuple[Any, FitResult]:
    def interrupt(state: FitProgress) -> None:
        if state.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder / "work", settings, progress=interrupt)
    steps: list[int] = []
    model, result = run(folder / "work", settings, progress=lambda state: steps.append(state.step))
    assert steps[0] == 5, "the second run starts behind the first epoch, not at the beginning"
    return model, result


@pytest.mark.slow
def test_a_finished_fit_is_not_repeated(uninterrupted: tuple[Any, FitResult], tmp_path: Path) -> None:
    run(tmp_path / "work")

    def refuse(state: FitProgress) -> None:
        raise AssertionError(state)

    model, result = run(tmp_path / "work", progress=refuse)
    assert same_weights(model, uninterrupted[0])
    assert result.validation_losses == uninterrupted[1].validation_losses


@pytest.mark.slow
def test_another_runs_work_is_not_taken_over(tmp_path: Path) -> None:
    run(tmp_path / "work")
    with pytest.raises(UsageError, match="interrupted run with other data or settings"):
        run(tmp_path / "work", replace(SETTINGS, weight_decay=0.5))


@pytest.mark.slow
def test_work_with_another_tokenizer_is_not_taken_over(tmp_path: Path) -> None:
    # The same vocabulary, so that the model's first weights are the same.
    run(tmp_path / "work")
    with pytest.raises(UsageError, match="interrupted run with other data or settings"):
        fit(
            tiny_model(tiny_tokenizer()),
            in_small_letters(tiny_tokenizer()),
            TRAIN,
            VALIDATION,
            SETTINGS,
            work=tmp_path / "work",
        )


def test_what_lies_behind_the_models_last_position_is_not_learned(tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=1, max_tokens=512)
    models = []
    for tail in ("a", "b"):
        long = [replace(row, prompt=f"{row.prompt} {'cut ' * 64}{tail}") for row in TRAIN]
        models.append(tiny_model(tiny_tokenizer()))
        fit(models[-1], tiny_tokenizer(), long, VALIDATION, settings, work=tmp_path / tail)
    assert same_weights(*models)


def test_without_validation_every_epoch_is_run_and_the_last_weights_stay(tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=2, patience=1)
    steps: list[int] = []
    model = tiny_model(tiny_tokenizer())
    result = fit(
        model, tiny_tokenizer(), TRAIN, (), settings, work=tmp_path, progress=lambda state: steps.append(state.step)
    )
    assert steps[-1] == 2 * len(TRAIN) // SETTINGS.batch
    assert (result.validation_loss, result.validation_losses, result.best_epoch) == (None, (), 2)
    easy, hard = score_logits(model, tiny_tokenizer(), ["hello there number 7", "Design a system number 7"])
    assert easy < hard
    again = fit(tiny_model(tiny_tokenizer()), tiny_tokenizer(), TRAIN, (), settings, work=tmp_path)
    assert again == result, "a finished fit is not repeated"


def test_what_was_fitted_in_bf16_computes_in_fp32_afterwards(tmp_path: Path) -> None:
    model, _ = run(tmp_path, replace(SETTINGS, epochs=1, precision=Precision.BF16))
    fresh = tiny_model(tiny_tokenizer(), seed=1)
    fresh.load_state_dict(model.state_dict())
    prompts = [example.prompt for example in VALIDATION]
    scored, expected = (score_logits(one, tiny_tokenizer(), prompts) for one in (model, fresh))
    assert scored.tolist() == expected.tolist(), "the weights decide, not how they came to be"


def test_patience_ends_a_fit_that_only_gets_worse(tmp_path: Path) -> None:
    wrong = [replace(row, p_teacher=1 - row.p_teacher) for row in VALIDATION]
    model = tiny_model(tiny_tokenizer())
    settings = replace(SETTINGS, epochs=7, patience=1)
    result = fit(model, tiny_tokenizer(), TRAIN, wrong, settings, work=tmp_path / "work")
    assert len(result.validation_losses) < 7
    assert result.validation_loss == min(result.validation_losses)


def test_progress_tells_steps_losses_and_time_left(tmp_path: Path) -> None:
    states: list[FitProgress] = []
    run(tmp_path / "work", replace(SETTINGS, epochs=3, batch=4), progress=states.append)
    assert [state.step for state in states if state.validation_loss is None] == list(range(1, 17))
    assert states[-1].total_steps == 48
    assert states[-1].loss is not None
    assert states[-1].validation_loss is not None
    assert states[-1].seconds_left == 0.0


def test_the_table_of_a_sweep_tells_learning_rates_apart() -> None:
    rates = (2e-5, 7e-4, 1e-3, 1.4e-3)
    rows = [
        SweepRow(learning_rate=rate, validation_loss=0.5, best_epoch=1, seconds=90.0, best=rate == 1e-3)
        for rate in rates
    ]
    lines = sweep_markdown(rows).splitlines()[2:]
    assert [float(line.split("|")[1]) for line in lines] == list(rates)
    assert lines[2] == "| 1.0e-03 | 0.5000 | 1 | 1.5 | best |"


@pytest.mark.slow
def test_a_sweep_keeps_the_best_of_its_fits(tmp_path: Path) -> None:
    swept = sweep(
        lambda: tiny_model(tiny_tokenizer()),
        tiny_tokenizer(),
        TRAIN,
        VALIDATION,
        replace(SETTINGS, epochs=2),
        learning_rates=(1e-6, 1e-2),
        work=tmp_path / "work",
    )
    assert [row.best for row in swept.rows] == [False, True]
    calm, learned = (row.validation_loss for row in swept.rows)
    assert calm is not None
    assert learned is not None
    assert learned < calm
    easy, hard = score_logits(swept.model, tiny_tokenizer(), ["hello there number 7", "Design a system number 7"])
    assert easy < hard
    assert [line.endswith("| best |") for line in sweep_markdown(swept.rows).splitlines()] == [False] * 3 + [True]
    assert '"best": true' in sweep_json(swept.rows)


@pytest.mark.slow
def test_a_fit_that_diverged_is_not_the_best_of_a_sweep(tmp_path: Path) -> None:
    def swept(*rates: float) -> Sweep:
        return sweep(
            lambda: tiny_model(tiny_tokenizer()),
            tiny_tokenizer(),
            TRAIN,
            VALIDATION,
            replace(SETTINGS, epochs=1),
            learning_rates=rates,
            work=tmp_path / "work",
        )

    found = swept(1e30, 1e-3)
    assert [(row.learning_rate, row.best) for row in found.rows] == [(1e-3, True), (1e30, False)]
    assert all(torch.isfinite(weight).all() for weight in found.model.parameters())
    assert found.rows[1].validation_loss is None
    assert "| diverged |" in sweep_markdown(found.rows)
    assert "NaN" not in sweep_json(found.rows)
    with pytest.raises(UsageError, match="diverged"):
        swept(1e30)


def test_muon_steps_along_the_orthogonalised_momentum() -> None:
    torch.manual_seed(0)
    for shape in ((24, 8), (8, 24), (16, 16)):
        values = torch.linalg.svdvals(orthogonalised(torch.randn(shape)))
        assert values.min() > 0.3
        assert values.max() < 1.3
    ours, theirs = (torch.nn.Parameter(torch.ones(6, 4)) for _ in range(2))
    optimizers = (
        Muon([ours], learning_rate=0.1, weight_decay=0.01),
        torch.optim.Muon([theirs], lr=0.1, weight_decay=0.01),
    )
    for _ in range(3):
        ours.grad = torch.randn(6, 4)
        theirs.grad = ours.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours.detach(), theirs.detach(), atol=0.02, rtol=0.0)
