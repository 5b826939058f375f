import math
from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn

from validation.errors import UsageError
from validation.inputs import Fixed
from validation.losses import objective
from validation.settings.loss import Loss
from validation.settings.setting import Training
from validation.train import predict, train

from .roles import role


def linear(weight):
    network = nn.Linear(weight.shape[1], weight.shape[0], bias=False).double()
    network.weight.data.copy_(torch.from_numpy(weight))
    return network


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def adam_by_hand(weight, gradient, learning_rate, steps):
    """Adam (Kingma & Ba 2015) with beta = 0.9, 0.999 and epsilon = 1e-8."""
    m = v = np.zeros_like(weight)
    for step in range(1, steps + 1):
        g = gradient(weight)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        weight = weight - learning_rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    return weight


def examples(x, y):
    return Fixed(torch.from_numpy(x), torch.from_numpy(y))


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 4)), np.array([0, 2, 1, 1, 0, 2]), rng.normal(size=(3, 4)), rng.normal(size=(6, 3))


def test_teacher_steps_match_a_computation_by_hand(problem):
    x, y, weight, _ = problem
    network = linear(weight)
    steps = train(network, examples(x, y), role(Training(5, 6, 0.1)), seed=0)
    expected = adam_by_hand(weight, lambda W: (softmax(x @ W.T) - np.eye(3)[y]).T @ x / 6, 0.1, 5)
    assert steps == 5
    np.testing.assert_allclose(network.weight.detach().numpy(), expected, rtol=1e-10)


def test_student_steps_match_a_computation_by_hand(problem):
    x, y, weight, teacher = problem
    tau, alpha = 3.0, 0.7
    network = linear(weight)
    teacher_logits = torch.from_numpy(teacher)
    loss = Loss(f"{alpha} distilled + {1 - alpha} one_hot", temperature=tau)
    train(network, examples(x, y), role(Training(4, 6, 0.1, loss=loss), "student"), seed=0,
          teacher=lambda _, indices: teacher_logits[indices])

    def gradient(W):
        z = x @ W.T
        distilled = tau * (softmax(z / tau) - softmax(teacher / tau))
        return (alpha * distilled + (1 - alpha) * (softmax(z) - np.eye(3)[y])).T @ x / 6

    expected = adam_by_hand(weight, gradient, 0.1, 4)
    np.testing.assert_allclose(network.weight.detach().numpy(), expected, rtol=1e-10)


def test_the_distillation_loss_matches_a_computation_by_hand():
    # Two classes, temperature 2: teacher logits (log 9, 0) give (3/4, 1/4), the student's (0, 0) give (1/2, 1/2).
    teacher, student = torch.tensor([[math.log(9), 0]], dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64)
    kl = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    loss = objective(Loss(temperature=2.0), {"distilled": 0.4, "one_hot": 0.6}, student, torch.tensor([1]), teacher)
    assert loss.item() == pytest.approx(0.4 * 4 * kl + 0.6 * math.log(2), rel=1e-12)


def test_loss_limits(problem):
    _, y, _, teacher = problem
    teacher, y = torch.from_numpy(teacher), torch.from_numpy(y)
    student = torch.zeros(6, 3, dtype=torch.float64)
    distilled = {"distilled": 1.0}
    assert objective(Loss(), {"one_hot": 1.0, "distilled": 0.0}, student, y).item() == pytest.approx(math.log(3))
    assert objective(Loss(temperature=4.0), distilled, teacher, y, teacher).item() == pytest.approx(0, abs=1e-15)
    # At high temperature T, T^2 KL is half the mean squared difference of centred logits.
    centred = teacher - teacher.mean(dim=1, keepdim=True)
    expected = ((centred**2).mean(dim=1) / 2).mean().item()
    assert objective(Loss(temperature=1e4), distilled, student, y, teacher).item() == pytest.approx(expected, rel=1e-3)


class Spy(nn.Module):
    """Records the examples, one number each, of every training batch."""

    def __init__(self):
        super().__init__()
        self.weight, self.batches = nn.Parameter(torch.zeros(2, 1)), []

    def forward(self, x):
        self.batches.append(x[:, 0].tolist())
        return x @ self.weight.T


def batches(seed=0, stream="teacher", epochs=2, n=10, size=4, drop_last=False):
    spy = Spy()
    train(spy, Fixed(torch.arange(n, dtype=torch.float32)[:, None], torch.zeros(n, dtype=torch.long)),
          role(Training(epochs, size, 1e-3, drop_last=drop_last), stream), seed=seed)
    return spy.batches


def test_every_epoch_uses_each_example_once_in_a_new_order():
    seen = batches()
    assert [len(batch) for batch in seen] == [4, 4, 2] * 2
    first, second = list(chain(*seen[:3])), list(chain(*seen[3:]))
    assert sorted(first) == sorted(second) == list(range(10)) and first != second


def test_drop_last_drops_a_smaller_last_batch():
    assert [len(batch) for batch in batches(drop_last=True)] == [4, 4] * 2
    assert batches(drop_last=True)[:2] == batches()[:2]


def test_the_order_depends_only_on_seed_role_and_epoch():
    assert batches() == batches()
    torch.rand(7)
    assert batches(epochs=1) == batches(epochs=3)[:3]
    assert batches() != batches(seed=1) and batches() != batches(stream="student")


def test_callbacks_receive_every_step_and_the_mean_loss(problem):
    x, y, weight, _ = problem
    steps, epochs = [], []
    network = linear(weight)
    train(network, examples(x, y), role(Training(2, 4, 1e-12)), seed=0,
          on_step=steps.append, on_epoch=lambda *entry: epochs.append(entry))
    assert steps == [0, 1, 2, 3, 4]
    loss = -np.log(softmax(x @ weight.T)[np.arange(6), y]).mean()
    assert [(epoch, step) for epoch, step, _ in epochs] == [(1, 2), (2, 4)]
    assert [value for *_, value in epochs] == pytest.approx([loss, loss], rel=1e-6)


def test_a_non_finite_loss_raises_and_names_the_learning_rate():
    x = torch.full((4, 1), 1e30)
    network = nn.Linear(1, 2, bias=False)
    with pytest.raises(UsageError, match=r"--student.learning-rate: expected a finite loss"):
        train(network, Fixed(x, torch.tensor([0, 1, 0, 1])), role(Training(3, 4, 1e30), "student"), seed=0)


def test_predict_uses_evaluation_mode_and_keeps_the_order():
    network = nn.Sequential(nn.Dropout(0.9), nn.Linear(3, 2))
    x = torch.arange(30.0).reshape(10, 3)
    split = Fixed(x, torch.zeros(10))
    split.evaluation_batch = 3
    torch.testing.assert_close(predict(network, split), network[1](x))
    torch.testing.assert_close(predict(network, split, torch.tensor([7, 2])), network[1](x[[7, 2]]))
    assert not predict(network, split).requires_grad
