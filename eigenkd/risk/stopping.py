"""When to stop: the time at which a teacher's training loss has come down to a given value."""

import numpy as np

from eigenkd._arrays import moved, real_array, to_numpy
from eigenkd.flow import LinearFlow
from eigenkd.risk.directions import checked_flow, checked_values, split
from eigenkd.typing import Array, ArrayLike

STEPS = 500  # of Newton's method, which takes about six, and about one a decade of eigenvalues at worst


def time_to_loss(flow: LinearFlow, loss: ArrayLike) -> Array:
    """The time at which a teacher's training loss (1/n) ||y - f||^2, that of `training_loss`, is `loss`.  Eq. (46)

    Newton's method for log sum_k ||c_k||^2 exp(-2 t lam_k) = log (n loss - ||outside||^2), from t = 0: the left side is
    convex and decreasing in t, so that every step stops short of the solution and none goes back.

    loss: > 0, a number or an array of any shape. 0 where the loss is no smaller than the one at the start, inf where it
    equals the one at t = inf. In double precision, without derivatives; the result is of the flow's library and
    precision. Raises ValueError for a loss below the one at t = inf, which no training time reaches.

    >>> from eigenkd import linear_flow
    >>> flow = linear_flow([[2.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    >>> print(time_to_loss(flow, [1.0, 0.5, 1e-3]).round(4))
    [0.     0.1611 3.1073]
    """
    flow = checked_values(checked_flow(flow))
    wanted = to_numpy(real_array("loss", loss, nonnegative=True)).astype(float)
    here, n = split(flow, flow.targets), flow.targets.shape[0]
    energy, lam, floor = (to_numpy(a).astype(float) for a in (here.energy, flow.spectrum.eigenvalues, here.floor))
    some = energy > 0
    energy, lam, below = energy[some] / n, lam[some], floor / n
    if np.any(wanted < below * (1 - 1e-12)):
        raise ValueError(f"loss: expected at least {below:.6g}, the loss that training ends with, got "
                         f"{wanted.min():.6g}; ask for more, or give the flow features that reach the labels")
    rest = np.maximum(wanted - below, 0)
    times = _newton(np.log(energy), lam, rest) if energy.size else np.zeros_like(rest)
    return moved(np.asarray(times, dtype=to_numpy(flow.limit).dtype), flow.limit)


def _newton(log_energy, lam, wanted):
    """Times at which sum exp(log_energy - 2 t lam) = wanted, each from the left."""
    reachable = wanted > 0
    log_wanted = np.log(np.where(reachable, wanted, 1.0))
    t = np.zeros_like(wanted)
    for _ in range(STEPS):
        exponent = log_energy - 2 * t[..., None] * lam
        top = exponent.max(axis=-1)
        share = np.exp(exponent - top[..., None])
        total = share.sum(axis=-1)
        step = (top + np.log(total) - log_wanted) * total / (2 * (share @ lam))
        t = t + np.maximum(step, 0)  # below 0 where the start has less, and by rounding
        if not np.any(step > 4 * np.finfo(float).eps * t):
            break
    return np.where(reachable, t, np.inf)
