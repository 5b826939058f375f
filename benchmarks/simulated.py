"""Simulated regression problems on which an estimate of the risk can be checked: the signal is known."""

from dataclasses import dataclass
from math import exp, log
from typing import Any

import numpy as np

from eigenkd import linear_flow, risk
from eigenkd.flow import LinearFlow

NOISES = {
    "gaussian": "Gaussian noise of variance 1",
    "t_4": "Student's t with 4 degrees of freedom, scaled to variance 1",
    "hetero": "Gaussian noise whose variance differs: exponentially distributed with mean 1",
    "nonlinear": "half of the noise is a quadratic function of the inputs, which the features cannot follow",
}


@dataclass(frozen=True, eq=False)
class Problem:
    """n samples X = Z diag(scale), y = X beta + rest; rest: noise, and what is not linear in the inputs.

    signal: (n,), without the noise of the labels. noise: its variance. quadratic: (p,), v of the nonlinear part
    ((z . v)^2 - 1)/2 of the signal, of variance 1/2, for unit v; or zeros.
    """

    flow: LinearFlow
    scale: Any
    beta: Any
    signal: Any
    noise: float
    best_time: float
    student_time: float
    teacher_time: float

    def on_new_inputs(self, fit):
        """(...,): E (f(x) - x . beta)^2 over a new x, given the data; what is not linear adds a constant."""
        return np.sum((self.scale * (fit.weights - self.beta)) ** 2, axis=-1)

    def on_training_inputs(self, fit):
        """(...,): (1/n) ||f - signal||^2, given the data."""
        return np.mean((fit.fitted - self.signal) ** 2, axis=-1)


def uniform_log(rng, low, high):
    return exp(rng.uniform(log(low), log(high)))


def draw(kind, seed):
    """A `Problem`: n from 60 to 400, p/n from 0.3 to 3, eigenvalues j^-a, squared coefficients j^-b, a from 0 to 2 and
    b from -1 to 4, signal to noise from 0.1 to 30, T/T* from 1/8 to 64 and s/T from 1/4 to 16, with T* the best time
    on the training inputs."""
    rng = np.random.default_rng([list(NOISES).index(kind), seed])
    n = int(rng.integers(60, 401))
    p = max(3, round(n * uniform_log(rng, 0.3, 3)))
    j = np.arange(1.0, p + 1)
    scale, energy = j ** (-rng.uniform(0, 2) / 2), j ** -rng.uniform(-1, 4)
    energy *= uniform_log(rng, 0.1, 30) / np.sum(scale**2 * energy)
    beta = rng.choice([-1.0, 1.0], size=p) * np.sqrt(energy)
    Z = rng.normal(size=(n, p))
    signal, noise = Z @ (scale * beta), 1.0
    if kind == "nonlinear":
        v = rng.normal(size=p)
        signal, noise = signal + ((Z @ v) ** 2 / (v @ v) - 1) / 2, 0.5
    y = signal + noise**0.5 * labels_noise(kind, n, rng)
    flow = linear_flow(Z * scale, y, "gram")
    top = flow.spectrum.eigenvalues[0]
    times = np.geomspace(1e-2, 1e8, 200) / top
    best = times[np.argmin(risk.fixed_design(flow.teacher(times), signal, noise).total)]
    T = best * uniform_log(rng, 1 / 8, 64)
    return Problem(flow, scale, beta, signal, noise, best, T * uniform_log(rng, 1 / 4, 16), T)


def labels_noise(kind, n, rng):
    """(n,) numbers of variance 1."""
    if kind == "t_4":
        return rng.standard_t(4, size=n) / 2**0.5
    return rng.normal(size=n) * (np.sqrt(rng.exponential(size=n)) if kind == "hetero" else 1)
