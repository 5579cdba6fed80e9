"""The loss: Privileged Information Distillation, read as a one-step policy with two actions.

Penaloza et al., "Privileged Information Distillation for Language Models" (arXiv 2602.04942), train a student
that sees only the question together with a teacher that also sees privileged information, on the teacher's
rewarded behaviour and with a reverse KL term that keeps the student near the teacher. A router takes one step
and has two actions, cloud and device, so everything is in closed form:

* the privileged information are both models' answers; whoever judged them is the teacher and its policy is
  the label, q = p_teacher for the cloud and 1 - q for the device;
* the student pi = sigmoid(z) has seen the prompt alone, z being its logit;
* the reward of an action is the quality that it buys: r(cloud) = q, r(device) = 1 - q. The expectation of
  the teacher's reward-weighted log-likelihood is the cross-entropy H(q, pi);
* how much a prompt matters is the advantage of the better action over the other, the margin |2 q - 1|: a
  prompt that both models answer equally well teaches nothing. The cap keeps the few certain prompts from
  outweighing all others.

    loss    = mean_i( weight_i * ( margin_i * H(q_i, pi_i) + beta_kl * KL(pi_i || q_i) ) )
    margin  = min(|2 q - 1|, cap)
    H(q,pi) = -q log pi - (1 - q) log(1 - pi)
    KL      = pi log(pi / q) + (1 - pi) log((1 - pi) / (1 - q))

This is our reading; the paper treats sequences and samples them. Note what the margin does: a model fitted
with it estimates the preference among prompts where the models differ, not E[p_teacher], so its scores are
too far from 0.5 on data with many ties and a temperature can only partly bring them back. `CROSS_ENTROPY`,
H(q, pi) without margin and KL, is calibrated by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from vibe_router_training.choices import Objective
from vibe_router_training.fit_settings import LossSettings

SMALLEST_TEACHER = 1e-4
"""Labels are kept this far from 0 and 1 inside the logarithms of the KL term, which else would be infinite."""


def router_loss(logits: Tensor, p_teacher: Tensor, weight: Tensor, settings: LossSettings) -> Tensor:
    """Return the mean loss, float32 []; `logits`, `p_teacher` and `weight` are float [batch]."""
    logits, p_teacher = logits.float(), p_teacher.float()
    entropy = cross_entropy(logits, p_teacher)
    if settings.objective is Objective.CROSS_ENTROPY:
        return (weight * entropy).mean()
    rewarded = capped_margin(p_teacher, settings.margin_cap) * entropy
    return (weight * (rewarded + settings.beta_kl * reverse_kl(logits, p_teacher))).mean()


def capped_margin(p_teacher: Tensor, cap: float) -> Tensor:
    """Return min(|2 p_teacher - 1|, cap), float [batch]."""
    return (2.0 * p_teacher - 1.0).abs().clamp(max=cap)


def cross_entropy(logits: Tensor, p_teacher: Tensor) -> Tensor:
    """Return H(p_teacher, sigmoid(logits)) of each row in nats, float [batch]."""
    return functional.binary_cross_entropy_with_logits(logits, p_teacher, reduction="none")


def reverse_kl(logits: Tensor, p_teacher: Tensor) -> Tensor:
    """Return KL(sigmoid(logits) || p_teacher) of each row in nats, float [batch]."""
    student = torch.sigmoid(logits)
    teacher = p_teacher.clamp(SMALLEST_TEACHER, 1.0 - SMALLEST_TEACHER)
    to_cloud = functional.logsigmoid(logits) - torch.log(teacher)
    to_device = functional.logsigmoid(-logits) - torch.log1p(-teacher)
    return student * to_cloud + (1.0 - student) * to_device
