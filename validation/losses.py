"""Computation of the loss terms that `settings.loss.Loss` configures."""

import torch
import torch.nn.functional as F


def objective(loss, weights, logits, labels, teacher_logits=None):
    """The mean over a batch of sum_i weights_i term_i; see `settings.loss.Loss` for the terms.

    weights: name of a term -> its weight in this step; terms of weight zero are not computed. logits, teacher_logits:
    (batch, classes); labels: (batch,) whole numbers. Only distilled terms need teacher_logits.
    """
    return sum(weight * TERMS[name](loss, logits, labels, teacher_logits) for name, weight in weights.items()
               if weight).mean()


def needs_teacher(weights):
    """Whether this step needs the teacher's logits."""
    return any(weight and name.endswith("distilled") for name, weight in weights.items())


def one_hot(loss, logits, labels, teacher_logits=None):
    """(batch,): the cross-entropy of the paper's Eq. (1), with smoothed labels."""
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=loss.smoothing)


def distilled(loss, logits, labels, teacher_logits):
    """(batch,): the divergence from the teacher at a temperature; its gradient is that of the paper's Eq. (2)."""
    confidence = torch.softmax(teacher_logits, dim=1).amax(dim=1)
    temperature = loss.temperature * confidence**-loss.confidence_temperature
    student, teacher = (F.log_softmax(f / temperature[:, None], dim=1) for f in (logits, teacher_logits))
    true, other = (teacher, student) if loss.divergence == "forward" else (student, teacher)
    divergence = F.kl_div(other, true, reduction="none", log_target=True).sum(dim=1)
    return confidence**loss.confidence_weight * temperature**2 * divergence


def squared(loss, logits, labels, teacher_logits=None):
    """(batch,): half the squared distance from the one-hot labels."""
    return 0.5 * (logits - F.one_hot(labels, logits.shape[1])).square().sum(dim=1)


def squared_distilled(loss, logits, labels, teacher_logits):
    """(batch,): half the squared distance from the teacher's logits."""
    return 0.5 * (logits - teacher_logits).square().sum(dim=1)


TERMS = {"one_hot": one_hot, "distilled": distilled, "squared": squared, "squared_distilled": squared_distilled}
