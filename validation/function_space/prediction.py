"""Predicted gains along each direction, and the drift of training from them."""

import numpy as np
from scipy.optimize import minimize_scalar

from eigenkd import cross_entropy, filters


def drift(predicted, measured, size):
    """sqrt(sum_k size_k^2 (measured_k - predicted_k)^2 / sum_k size_k^2), Eq. (72): 0 if training follows the closed
    form, and of order 1 if it does not. size (k,): the size of the targets along each direction."""
    there = size > 0
    return float(np.sqrt(np.sum((size * (measured - predicted))[there] ** 2) / np.sum(size[there] ** 2)))


def of_steps(study, eigenvalues, marks):
    """The gains (2, marks, k) of teacher and student on the squared loss after `marks` steps; nothing is fitted."""
    rate = study.learning_rate / float(eigenvalues[0])

    def learned(steps):
        one = (filters.descent(rate, steps) if study.optimiser == "sgd" else filters.heavy_ball(rate, steps, 0.9))
        return one.gain(eigenvalues)

    each = np.array([learned(int(steps)) for steps in marks])
    return np.stack([each, each * learned(study.steps)])


def of_nearest_times(eigenvalues, measured, size):
    """The gains (2, marks, k) of gradient flow on the squared loss at the best-fitting times, for training without a
    closed form; one time is fitted for each mark of teacher and student."""
    largest = float(eigenvalues[0])

    def nearest(taught, gain):
        def of(log_time):
            return -np.expm1(-np.exp(log_time) * eigenvalues) * taught

        found = minimize_scalar(lambda log_time: drift(of(log_time), gain, size), method="bounded",
                                bounds=(np.log(1e-4 / largest), np.log(1e8 / largest)))
        return of(found.x)

    teacher = np.array([nearest(1.0, gain) for gain in measured[0]])
    return np.stack([teacher, np.array([nearest(teacher[-1], gain) for gain in measured[1]])])


def of_cross_entropy(study, kernel, labels, start, marks):
    """The probabilities (2, marks, n, C) of teacher and student under gradient flow of the linear model on this kernel
    (n C, n C) with the cross-entropy, at the times of `marks` steps; nothing is fitted."""
    flow = cross_entropy.kernel_flow(kernel, labels, start=start)
    times = study.learning_rate / float(flow.spectrum.eigenvalues[0]) * np.array(marks)
    return np.stack([flow.teacher(times).probabilities, flow.student(times, teacher_time=times[-1]).probabilities])
