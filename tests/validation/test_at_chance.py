"""Networks at chance are reported in the result, the summary and the lines over seeds."""

from math import comb

import numpy as np
import pytest
import torch

from validation.findings import AT_CHANCE
from validation.findings import is_at_chance as of_arrays
from validation.report import over_seeds, summary

# A student that does not learn, and a teacher that does.
RUN = ("mlp_mnist", "--model.hidden", 100, "--teacher.epochs", 5, "--teacher.learning-rate", 1e-3,
       "--student.epochs", 1, "--student.learning-rate", 1e-12)


def is_at_chance(logits, labels):
    return of_arrays(logits.numpy(), labels.numpy())


def logits_of(classes, predicted):
    return torch.nn.functional.one_hot(torch.as_tensor(predicted), classes).double()


def test_a_constant_prediction_is_at_chance_at_any_accuracy():
    labels = torch.tensor([0] * 90 + [1] * 10)
    assert is_at_chance(logits_of(2, [0] * 100), labels) and is_at_chance(logits_of(2, [1] * 100), labels)
    assert is_at_chance(torch.full((100, 2), torch.nan), labels)
    assert is_at_chance(logits_of(2, [0] * 100), torch.zeros(100, dtype=torch.int64))
    assert not is_at_chance(logits_of(2, labels), labels)


@pytest.mark.parametrize("right", [0, 10, 20, 30])
def test_the_limit_of_chance_follows_the_binomial_distribution(right):
    """Ten classes with ten labels and ten predictions each: a guess is right with probability 0.1."""
    labels = torch.arange(100) % 10
    predicted = torch.where(torch.arange(100) < right, labels, (labels + 1) % 10)
    seldom = sum(comb(100, k) * 0.1**k * 0.9 ** (100 - k) for k in range(right, 101))
    assert is_at_chance(logits_of(10, predicted), labels) == (seldom > AT_CHANCE) == (right <= 20)


def test_guesses_are_at_chance_and_slightly_better_predictions_on_many_examples_are_not():
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.choice(5, 20_000, p=[0.6, 0.1, 0.1, 0.1, 0.1]))
    guesses = torch.from_numpy(rng.permutation(labels.numpy()))
    assert is_at_chance(logits_of(5, guesses), labels)
    better = torch.where(torch.from_numpy(rng.random(20_000) < 0.05), labels, guesses)
    assert not is_at_chance(logits_of(5, better), labels)


def test_a_student_that_learns_nothing_is_reported_as_at_chance(command, result_of):
    result = result_of(*RUN)
    assert result["at_chance"] == {"train": ["distilled"], "test": ["distilled"]}
    text = summary(result)
    assert "  at chance           the distilled student on the training set: no better than guessing" in text
    assert "  at chance           the distilled student on the test set" in text and "slope" not in text
    assert "at chance" not in summary(result | {"smoke": True})  # numbers of a smoke run mean nothing
    _, out, _ = command(*RUN)
    assert "at chance" in out  # also for a reused run


def test_slopes_over_seeds_exclude_runs_at_chance(result_of):
    result = result_of("rf_noisy_mnist", "--smoke")
    low = {"value": -4e21, "low": None, "high": None}

    def seed(k, at_chance, value):
        train = result["deviation"]["train"]
        slopes = train["slope_low"] | {"0.25": low | {"value": value}}
        return result | {"seed": k, "smoke": False, "at_chance": at_chance, "teachers": {"teacher": "it"},
                         "deviation": {"train": train | {"slope_low": slopes}}}

    learned = [seed(k, {"train": [], "test": ["teacher", "one_hot"]}, 1.5) for k in (0, 2)]
    lost = seed(1, {"train": ["distilled"], "test": []}, -4e21)
    first, second, *_ = over_seeds([learned[0], lost, learned[1]])
    assert "over 3 seeds" in first and "low slope 1.50 (1.50 to 1.50)" in first
    assert second == "  slope and underfit exclude seed 1: teacher or student at chance"
    assert not any("without seed" in line for line in over_seeds(learned))
    assert summary(learned[0]).count("at chance") == 1  # only the teacher: the one-hot student is the teacher
    old = {key: value for key, value in learned[0].items() if key != "at_chance"}
    assert "at chance" not in summary(old) and "low slope           1.50" in summary(old)
