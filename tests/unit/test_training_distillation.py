"""The loss: each term against a value computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from vibe_router_training.choices import Objective
from vibe_router_training.distillation import (
    capped_margin,
    cross_entropy,
    reverse_kl,
    router_loss,
)
from vibe_router_training.fit_settings import LossSettings

LOGIT_OF_THREE_QUARTERS = math.log(3)
Q = torch.tensor([0.9])
Z = torch.tensor([LOGIT_OF_THREE_QUARTERS])
ENTROPY = -0.9 * math.log(0.75) - 0.1 * math.log(0.25)
KL = 0.75 * math.log(0.75 / 0.9) + 0.25 * math.log(0.25 / 0.1)


def test_cross_entropy_is_the_teachers_expected_log_likelihood() -> None:
    assert cross_entropy(Z, Q).item() == pytest.approx(ENTROPY, rel=1e-6)


def test_the_kl_term_runs_from_student_to_teacher() -> None:
    forward = 0.9 * math.log(0.9 / 0.75) + 0.1 * math.log(0.1 / 0.25)
    assert reverse_kl(Z, Q).item() == pytest.approx(KL, rel=1e-6)
    assert abs(KL - forward) > 0.01


def test_kl_vanishes_only_where_student_and_teacher_agree() -> None:
    assert reverse_kl(Z, torch.tensor([0.75])).item() == pytest.approx(0.0, abs=1e-7)
    assert reverse_kl(Z, torch.tensor([0.74])).item() > 0


def test_kl_stays_finite_at_certain_labels_and_saturated_students() -> None:
    values = reverse_kl(torch.tensor([80.0, -80.0, 80.0]), torch.tensor([0.0, 1.0, 1.0]))
    assert torch.isfinite(values).all()
    assert values[0].item() == pytest.approx(-math.log(1e-4), rel=1e-5)


def test_margin_is_the_distance_from_a_tie_with_a_cap() -> None:
    margins = capped_margin(torch.tensor([0.5, 0.6, 0.2, 0.0, 1.0]), 0.7)
    assert margins.tolist() == pytest.approx([0.0, 0.2, 0.6, 0.7, 0.7], abs=1e-6)


def test_the_terms_add_up() -> None:
    settings = LossSettings(beta_kl=0.05, margin_cap=0.7)
    loss = router_loss(Z, Q, torch.tensor([2.0]), settings)
    assert loss.item() == pytest.approx(2 * (0.7 * ENTROPY + 0.05 * KL), rel=1e-6)


def test_a_tie_teaches_nothing_but_the_kl_term() -> None:
    tie = torch.tensor([0.5])
    without_kl = LossSettings(beta_kl=0.0)
    assert router_loss(Z, tie, torch.ones(1), without_kl).item() == 0.0
    assert router_loss(Z, tie, torch.ones(1), LossSettings()).item() > 0


def test_plain_cross_entropy_has_neither_margin_nor_kl() -> None:
    settings = LossSettings(objective=Objective.CROSS_ENTROPY, beta_kl=1.0, margin_cap=0.1)
    assert router_loss(Z, Q, torch.ones(1), settings).item() == pytest.approx(ENTROPY, rel=1e-6)


def test_the_loss_is_the_mean_over_the_batch() -> None:
    settings = LossSettings()
    rows = [(0.3, 0.9), (-1.0, 0.2)]
    single = [router_loss(torch.tensor([z]), torch.tensor([q]), torch.ones(1), settings).item() for z, q in rows]
    both = router_loss(torch.tensor([0.3, -1.0]), torch.tensor([0.9, 0.2]), torch.ones(2), settings)
    assert both.item() == pytest.approx(sum(single) / 2, rel=1e-6)


def test_descending_the_loss_moves_the_student_to_the_teachers_side() -> None:
    logit = torch.zeros(1, requires_grad=True)
    router_loss(logit, Q, torch.ones(1), LossSettings()).backward()
    assert logit.grad is not None
    assert logit.grad.item() < 0
