"""What the theory says that training learns along each direction, and how far training departs from it."""

import numpy as np
from scipy.optimize import minimize_scalar

from eigenkd import cross_entropy, filters


def drift(predicted, measured, size):
    """sqrt(sum_k size_k^2 (measured_k - predicted_k)^2 / sum_k size_k^2): 0 where training follows the closed form, and
    of the order of 1 where it knows nothing of it. size (k,): of the targets, direction by direction. Eq. (72)"""
    there = size > 0
    return float(np.sqrt(np.sum((size * (measured - predicted))[there] ** 2) / np.sum(size[there] ** 2)))


def of_steps(study, eigenvalues, marks):
    """The gains (2, marks, k) of teacher and student of the squared loss after so many steps: nothing is fitted."""
    rate = study.learning_rate / float(eigenvalues[0])

    def learned(steps):
        one = (filters.descent(rate, steps) if study.optimiser == "sgd" else filters.heavy_ball(rate, steps, 0.9))
        return one.gain(eigenvalues)

    each = np.array([learned(int(steps)) for steps in marks])
    return np.stack([each, each * learned(study.steps)])


def of_nearest_times(eigenvalues, measured, size):
    """The gains (2, marks, k) of gradient flow on the squared loss for those times, of teacher and student, that come
    nearest to the measured ones: for what has no closed form of its own, one number fitted a curve."""
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
    """The probabilities (2, marks, n, C) of teacher and student of the linear model on this kernel (n C, n C), by
    gradient flow on the cross-entropy for as long as so many steps take: nothing is fitted."""
    flow = cross_entropy.kernel_flow(kernel, labels, start=start)
    times = study.learning_rate / float(flow.spectrum.eigenvalues[0]) * np.array(marks)
    return np.stack([flow.teacher(times).probabilities, flow.student(times, teacher_time=times[-1]).probabilities])
