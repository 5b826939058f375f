"""Each term of a loss compared with a computation by hand, its gradients, and its limits."""

import numpy as np
import pytest
import torch

from validation.errors import UsageError
from validation.losses import needs_teacher, objective
from validation.settings.loss import Loss
from validation.settings.terms import Terms

RNG = np.random.default_rng(0)
LOGITS, TEACHER = RNG.normal(size=(5, 4)), 3 * RNG.normal(size=(5, 4))
LABELS = np.array([0, 3, 1, 1, 2])
Y = np.eye(4)[LABELS]


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def value(loss, weights):
    """The objective and its gradient in the logits."""
    logits = torch.tensor(LOGITS, requires_grad=True)
    found = objective(loss, weights, logits, torch.from_numpy(LABELS), torch.from_numpy(TEACHER))
    return found.item(), torch.autograd.grad(found, logits)[0].numpy()


def kl(p, q):
    return (p * np.log(p / q)).sum(axis=1)


def test_one_hot_labels_are_smoothed():
    smoothed = 0.9 * Y + 0.1 / 4
    found, gradient = value(Loss(smoothing=0.1), {"one_hot": 1.0})
    assert found == pytest.approx(-(smoothed * np.log(softmax(LOGITS))).sum(axis=1).mean(), rel=1e-12)
    np.testing.assert_allclose(gradient, (softmax(LOGITS) - smoothed) / 5, rtol=1e-10)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_distillation_is_the_forward_divergence_and_its_gradient_that_of_eq_2(temperature):
    p, q = softmax(TEACHER / temperature), softmax(LOGITS / temperature)
    found, gradient = value(Loss("distilled", temperature=temperature), {"distilled": 1.0})
    assert found == pytest.approx(temperature**2 * kl(p, q).mean(), rel=1e-12)
    np.testing.assert_allclose(gradient, temperature * (q - p) / 5, rtol=1e-9)


def test_the_reverse_divergence_swaps_student_and_teacher():
    p, q = softmax(TEACHER / 2), softmax(LOGITS / 2)
    found, _ = value(Loss("distilled", temperature=2.0, divergence="reverse"), {"distilled": 1.0})
    assert found == pytest.approx(4 * kl(q, p).mean(), rel=1e-12)


def test_squared_terms_are_half_the_squared_distance():
    found, gradient = value(Loss("squared"), {"squared": 1.0})
    assert found == pytest.approx(0.5 * ((LOGITS - Y) ** 2).sum(axis=1).mean(), rel=1e-12)
    np.testing.assert_allclose(gradient, (LOGITS - Y) / 5, rtol=1e-12)
    found, gradient = value(Loss("squared_distilled"), {"squared_distilled": 1.0})
    assert found == pytest.approx(0.5 * ((LOGITS - TEACHER) ** 2).sum(axis=1).mean(), rel=1e-12)


def test_powers_of_the_teachers_confidence_change_weight_and_temperature_of_each_example():
    confidence = softmax(TEACHER).max(axis=1)
    temperature = 2.0 * confidence**-0.5
    p, q = (softmax(f / temperature[:, None]) for f in (TEACHER, LOGITS))
    loss = Loss("distilled", temperature=2.0, confidence_weight=3.0, confidence_temperature=0.5)
    found, _ = value(loss, {"distilled": 1.0})
    assert found == pytest.approx((confidence**3 * temperature**2 * kl(p, q)).mean(), rel=1e-12)


def test_a_mixture_is_the_weighted_sum_of_its_terms():
    loss = Loss("distilled", temperature=3.0)
    parts = {name: value(loss, {name: 1.0}) for name in ("one_hot", "distilled", "squared", "squared_distilled")}
    weights = {"one_hot": 0.2, "distilled": 0.7, "squared": 1.5, "squared_distilled": 0.0}
    found, gradient = value(loss, weights)
    assert found == pytest.approx(sum(weight * parts[name][0] for name, weight in weights.items()), rel=1e-12)
    np.testing.assert_allclose(gradient, sum(weight * parts[name][1] for name, weight in weights.items()), rtol=1e-9)


def test_the_teacher_is_evaluated_only_if_its_weight_is_not_zero():
    assert needs_teacher({"distilled": 0.1, "one_hot": 0.0}) and needs_teacher({"squared_distilled": 1.0})
    assert not needs_teacher({"distilled": 0.0, "one_hot": 1.0, "squared": 2.0})


@pytest.mark.parametrize("text", [
    "one_hot", "0.9 one_hot + 0.1 distilled", "distilled to one_hot at epoch 45",
    "distilled to one_hot at step 15000 over 1000 steps", "squared to squared_distilled at 12.5% over 0.5 epochs",
    "one_hot to distilled at 25% to one_hot at 75% over 10%"])
def test_terms_parse_what_they_write(text):
    assert str(Terms.parse(text)) == text and Loss(text).terms == text


@pytest.mark.parametrize(("written", "canonical"), [
    ("distilled+one_hot", "one_hot + distilled"), ("  .5 * distilled ", "0.5 distilled"),
    ("1 distilled + 0 one_hot", "distilled"), ("distilled to one_hot at epoch 2.0 over 1 epoch",
                                              "distilled to one_hot at epoch 2 over 1 epochs")])
def test_terms_have_a_canonical_form(written, canonical):
    assert Loss(written).terms == canonical


@pytest.mark.parametrize("text", [
    "", "distill", "distilled + distilled", "0 distilled", "-1 distilled", "distilled to one_hot",
    "distilled at epoch 4", "distilled to one_hot at 4", "distilled to one_hot at epoch x", "distilled to at 5%",
    "distilled to one_hot at 5% over", "distilled to one_hot at 5% over 3 days"])
def test_invalid_terms_raise_with_examples(text):
    with pytest.raises(UsageError, match=r"^--student.loss.terms: expected a mixture of .*such as 'distilled'"):
        Loss(text)
