"""Learning rates, loss weights and SGD compared with computations by hand."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from validation.inputs import Fixed
from validation.schedules import (
    in_words,
    learning_rate,
    learning_rate_pieces,
    steps_per_epoch,
    weight_pieces,
)
from validation.settings.loss import Loss
from validation.settings.setting import Training
from validation.settings.terms import Terms
from validation.train import train

from .roles import role

STEPS = Training(epochs=10, batch_size=4, learning_rate=2.0, warmup_epochs=2, schedule="steps", decay_epochs=(4, 7),
                 decay_factor=0.5)


def rates(recipe, per_epoch=3):
    return [learning_rate(recipe, step, per_epoch) for step in range(recipe.epochs * per_epoch)]


def test_a_constant_rate_is_the_peak():
    assert set(rates(Training(3, 4, 0.1))) == {0.1}


def test_the_warm_up_increases_linearly_to_the_peak():
    assert rates(STEPS)[:7] == pytest.approx([2 / 6, 4 / 6, 1, 8 / 6, 10 / 6, 2, 2])


def test_step_decay_starts_with_the_given_epoch():
    assert rates(STEPS)[6:] == [2.0] * 6 + [1.0] * 9 + [0.5] * 9


def test_a_cosine_decays_from_the_peak_to_almost_zero():
    recipe = replace(STEPS, schedule="cosine", decay_epochs=())
    falling = rates(recipe)[6:]
    assert falling == pytest.approx([1 + math.cos(math.pi * i / 24) for i in range(24)])
    assert falling[0] == 2 and learning_rate(recipe, 30, 3) == pytest.approx(0)


def test_a_line_decays_from_the_peak_to_almost_zero():
    recipe = replace(STEPS, schedule="linear", decay_epochs=())
    falling = rates(recipe)[6:]
    assert falling == pytest.approx([2 * (24 - i) / 24 for i in range(24)])
    assert falling[0] == 2 and learning_rate(recipe, 30, 3) == pytest.approx(0)


def test_table_1_learning_rates_of_cifar():
    from validation.settings import find

    recipe = find("resnet_cifar100").teacher
    per_epoch = steps_per_epoch(50_000, recipe)
    assert per_epoch * recipe.epochs == 21_600  # the paper's 21.6k steps
    for epoch, rate in ((15, 1.0), (199, 1.0), (200, 0.1), (300, 0.01), (400, 0.001), (449, 0.001)):
        assert learning_rate(recipe, epoch * per_epoch, per_epoch) == pytest.approx(rate)


def test_drop_last_drops_the_smaller_last_batch():
    assert [steps_per_epoch(10, replace(STEPS, drop_last=drop)) for drop in (False, True)] == [3, 2]
    assert [steps_per_epoch(8, replace(STEPS, drop_last=drop)) for drop in (False, True)] == [2, 2]


@pytest.mark.parametrize(("terms", "distilled", "one_hot"), [
    ("0.8 distilled to one_hot", [0.8, 0.8, 0.8, 0.8, 0.6, 0.4, 0.2, 0, 0], [0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1]),
    ("one_hot to 0.8 distilled", [0, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 0.8], [1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0]),
])
@pytest.mark.parametrize("when", ["step 3 over 4 steps", "epoch 1.5 over 2 epochs", "30% over 40%"])  # 5 epochs of 2
def test_a_gradual_switch_is_linear_over_its_window(terms, distilled, one_hot, when):
    weights = [Terms.parse(f"{terms} at {when}").weights(step, 2, 5) for step in range(9)]
    assert [found["distilled"] for found in weights] == pytest.approx(distilled)
    assert [found["one_hot"] for found in weights] == pytest.approx(one_hot)


def test_a_switch_without_a_window_is_abrupt():
    jump = Terms.parse("distilled to one_hot at step 2")
    assert [jump.weights(step, 5, 1)["distilled"] for step in range(4)] == [1, 1, 0, 0]
    assert all(Terms.parse("0.3 distilled").weights(step, 5, 4) == {"distilled": 0.3} for step in range(20))


def test_several_switches_are_applied_in_order():
    back = Terms.parse("distilled to one_hot at 25% to distilled + squared at 75% over 2 steps")
    weights = [back.weights(step, 4, 2) for step in range(8)]
    assert [found["distilled"] for found in weights] == [1, 1, 0, 0, 0, 0, 0, 0.5]
    assert [found["squared"] for found in weights] == [0, 0, 0, 0, 0, 0, 0, 0.5]
    assert [found["one_hot"] for found in weights] == [0, 0, 1, 1, 1, 1, 1, 0.5]


def at(pieces, epoch):
    """The value of the last piece that starts at or before that epoch."""
    piece = [piece for piece in pieces if piece.first <= epoch][-1]
    done = (epoch - piece.first) / (piece.last - piece.first)
    if piece.shape == "cosine":
        done = (1 - math.cos(math.pi * done)) / 2
    return piece.start + (piece.end - piece.start) * done


@pytest.mark.parametrize("recipe", [
    STEPS, replace(STEPS, schedule="constant"), replace(STEPS, schedule="cosine"), replace(STEPS, schedule="linear"),
    replace(STEPS, warmup_epochs=0), replace(STEPS, warmup_epochs=4),
    replace(STEPS, warmup_epochs=1.5, decay_epochs=(4.2, 7.7)), Training(3, 4, 0.1)])
def test_the_pieces_of_a_learning_rate_match_training(recipe):
    pieces = learning_rate_pieces(recipe)
    assert pieces[0].first == 0 and pieces[-1].last == recipe.epochs
    assert all(one.last == other.first for one, other in pairwise(pieces))
    for step, rate in enumerate(rates(recipe, per_epoch=5)):
        warming = step / 5 < recipe.warmup_epochs
        epoch = min((step + 1) / 5, recipe.warmup_epochs) if warming else step / 5  # the warm-up ends at the peak
        assert rate == pytest.approx(at(pieces[:1] if warming else pieces, epoch))


@pytest.mark.parametrize("terms", [
    "0.3 distilled", "0.8 distilled to one_hot at step 3 over 4 steps", "one_hot to 0.8 distilled at epoch 1.5",
    "distilled to one_hot at step 0 over 20 steps", "distilled to one_hot at 10% to squared at 50% over 3 epochs"])
def test_the_pieces_of_a_loss_weight_match_training(terms):
    terms = Terms.parse(terms)
    for name, pieces in weight_pieces(terms, 10, 2).items():
        assert (pieces[0].first, pieces[-1].last) == (0, 10)
        assert all(one.last == other.first for one, other in pairwise(pieces))
        for step in range(20):
            assert terms.weights(step, 2, 10)[name] == pytest.approx(at(pieces, step / 2), abs=1e-6)


def test_pieces_are_described_in_words():
    recipe = replace(STEPS, learning_rate=1.0)
    assert in_words(learning_rate_pieces(recipe)) == (
        "rises from 0 to 1 by epoch 2, 1 until epoch 4, 0.5 until epoch 7, 0.25 until epoch 10")
    assert in_words(learning_rate_pieces(replace(recipe, schedule="cosine"))) == (
        "rises from 0 to 1 by epoch 2, falls along a cosine from 1 to 0 by epoch 10")
    assert in_words(learning_rate_pieces(replace(recipe, schedule="linear"))) == (
        "rises from 0 to 1 by epoch 2, falls from 1 to 0 by epoch 10")
    assert in_words(learning_rate_pieces(Training(3, 4, 0.1))) == "0.1 throughout"
    switched = Terms.parse("0.8 distilled to one_hot at step 3 over 4 steps")
    assert in_words(weight_pieces(switched, 10, 2)["distilled"]) == (
        "0.8 until epoch 1.5, falls from 0.8 to 0 by epoch 3.5, 0 until epoch 10")


def test_a_warm_up_shorter_than_a_step_does_not_exceed_the_peak():
    assert rates(replace(STEPS, warmup_epochs=0.1))[:3] == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_matches_a_computation_by_hand(nesterov):
    """v <- m v + g + d w, then w <- w - r (g + d w + m v) with Nesterov's momentum, else w <- w - r v."""
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(8, 3)), np.array([0, 1, 1, 0, 1, 0, 0, 1]), rng.normal(size=(2, 3))
    recipe = Training(epochs=6, batch_size=8, learning_rate=0.3, optimiser="sgd", momentum=0.9, nesterov=nesterov,
                      weight_decay=0.01, warmup_epochs=2, schedule="steps", decay_epochs=(4,))
    network = nn.Linear(3, 2, bias=False).double()
    network.weight.data.copy_(torch.from_numpy(w))
    train(network, Fixed(torch.from_numpy(x), torch.from_numpy(y)), role(recipe), seed=0)
    v = np.zeros_like(w)
    for rate in (0.15, 0.3, 0.3, 0.3, 0.03, 0.03):
        p = np.exp(x @ w.T) / np.exp(x @ w.T).sum(axis=1, keepdims=True)
        g = (p - np.eye(2)[y]).T @ x / 8 + 0.01 * w
        v = 0.9 * v + g
        w = w - rate * (g + 0.9 * v if nesterov else v)
    np.testing.assert_allclose(network.weight.detach().numpy(), w, rtol=1e-12)


def test_a_student_with_a_switch_descends_each_loss_in_turn():
    """After an abrupt switch only the labels count: the steps are those of one-hot training from there."""
    rng = np.random.default_rng(1)
    x, y = torch.from_numpy(rng.normal(size=(8, 3))), torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])
    answers = torch.from_numpy(rng.normal(size=(8, 2)))
    recipe, examples = Training(4, 8, 0.1, "sgd"), Fixed(x, y)

    def student(epochs, terms="distilled"):
        torch.manual_seed(0)
        network = nn.Linear(3, 2).double()
        train(network, examples, role(replace(recipe, epochs=epochs, loss=Loss(terms, temperature=2.0)), "student"),
              seed=0, teacher=lambda _, indices: answers[indices])
        return network

    switched, halfway = student(4, "distilled to one_hot at epoch 2"), student(2)
    train(halfway, examples, role(replace(recipe, epochs=2), "student"), seed=0)
    torch.testing.assert_close(switched.weight, halfway.weight, rtol=1e-13, atol=0)
    assert not torch.allclose(switched.weight, student(4).weight)
