"""The learning rate at each training step, and text that describes learning rates and loss weights. Table 1."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal


def steps_per_epoch(examples, recipe):
    """The number of batches per epoch; a smaller last batch is dropped if the recipe says so."""
    return examples // recipe.batch_size if recipe.drop_last else math.ceil(examples / recipe.batch_size)


def learning_rate(recipe, step, per_epoch):
    """The learning rate of the step after `step` steps, with `per_epoch` steps per epoch.

    Over the first W = warmup_epochs * per_epoch steps it increases linearly as (step + 1) / W of the peak. Then it is
    the peak times

        constant    1
        steps       decay_factor ^ (number of decay_epochs that have passed)
        linear      (epochs * per_epoch - step) / (epochs * per_epoch - W)
        cosine      (1 + cos(pi (step - W) / (epochs * per_epoch - W))) / 2
    """
    warmup = recipe.warmup_epochs * per_epoch
    if step < warmup:
        return min(recipe.learning_rate * (step + 1) / warmup, recipe.learning_rate)
    if recipe.schedule == "steps":
        passed = sum(step >= epoch * per_epoch for epoch in recipe.decay_epochs)
        return recipe.learning_rate * recipe.decay_factor**passed
    if recipe.schedule in ("linear", "cosine"):
        done = (step - warmup) / (recipe.epochs * per_epoch - warmup)
        left = 1 - done if recipe.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
        return recipe.learning_rate * left
    return recipe.learning_rate


@dataclass(frozen=True)
class Piece:
    """A part of a training, from epoch `first` to `last`, in which a value changes from `start` to `end`."""

    first: float
    last: float
    start: float
    end: float
    shape: Literal["constant", "linear", "cosine"] = "linear"


def learning_rate_pieces(recipe):
    """`learning_rate` over a whole training as a list of `Piece`."""
    peak, warmup, end = recipe.learning_rate, recipe.warmup_epochs, recipe.epochs
    pieces = [Piece(0, warmup, 0.0, peak)] if warmup else []
    if recipe.schedule in ("linear", "cosine"):
        return [*pieces, Piece(warmup, end, peak, 0.0, recipe.schedule)]
    ends = [*(recipe.decay_epochs if recipe.schedule == "steps" else ()), end]
    values = [peak * recipe.decay_factor**passed for passed in range(len(ends))]
    return _lasting(pieces + _constant([warmup, *ends[:-1]], ends, values))


def weight_pieces(terms, epochs, per_epoch):
    """Name of a loss term -> list of `Piece` that describes its weight over a training of `epochs` epochs."""
    marks = [0.0, epochs]
    for switch in terms.switches:
        start, window = (each.steps(per_epoch, epochs) / per_epoch for each in (switch.start, switch.window))
        marks += [start, start + window]
    marks = sorted({min(mark, epochs) for mark in marks})
    found = {name: [] for name in terms.names}
    for first, last in pairwise(marks):
        inside = 1e-9 * (last - first)  # at an abrupt switch, take the weight after it
        begin, end = (terms.weights(at * per_epoch, per_epoch, epochs) for at in (first + inside, last - inside))
        for name, pieces in found.items():
            start, stop = (round(weights[name], 6) for weights in (begin, end))
            pieces.append(Piece(first, last, start, stop, "constant" if start == stop else "linear"))
    return found


def in_words(pieces):
    """Pieces as text, such as "rises from 0 to 1 by epoch 15, 1 until epoch 200, 0.1 until epoch 450"."""
    if [piece.shape for piece in pieces] == ["constant"]:
        return f"{pieces[0].start:.4g} throughout"
    return ", ".join(_words(piece) for piece in pieces)


def _words(piece):
    if piece.shape == "constant":
        return f"{piece.start:.4g} until epoch {piece.last:.5g}"
    goes, how = "rises" if piece.end > piece.start else "falls", " along a cosine" if piece.shape == "cosine" else ""
    return f"{goes}{how} from {piece.start:.4g} to {piece.end:.4g} by epoch {piece.last:.5g}"


def _lasting(pieces):
    return [piece for piece in pieces if piece.first < piece.last]


def _constant(firsts, lasts, values):
    return [Piece(first, last, value, value, "constant") for first, last, value in zip(firsts, lasts, values)]
