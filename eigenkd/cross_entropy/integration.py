"""Integration of the flow by an explicit method, in double precision. Eqs. (67) and (68), docs/theory.md."""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from eigenkd.typing import Array


def integrate(features: Array, begin: Array, losses: Sequence[tuple[float, float, np.ndarray]],
              times: np.ndarray, rtol: float, max_steps: int) -> tuple[np.ndarray, bool]:
    """z (N, k, m) at ascending times (N,) of dz/dt = features^T (targets - probabilities at begin + features z) from 0,
    summed over losses (weight, temperature, targets) as in Eq. (68), and whether the solver reached the last time."""
    solve, double_precision = _solver()
    with double_precision(True):  # for this thread and this block only
        values, done = solve(features, begin, losses, times, rtol, max_steps)
        return np.asarray(values), bool(done)


@cache
def _solver():
    """The compiled integration, by an explicit method interpolated at the times, and JAX's context of double precision.
    The Jacobian has eigenvalues between -lambda_1/2 and 0; docs/theory.md says why the method is not implicit."""
    try:
        import diffrax
        import jax
    except ImportError as error:
        raise ImportError("cross_entropy: expected JAX and diffrax, one of which is missing; "
                          "pip install 'eigenkd[ode]'") from error

    @partial(jax.jit, static_argnames="max_steps")
    def solve(features, begin, losses, times, rtol, max_steps):
        def rate(t, z, _):
            f = begin + (features @ z).reshape(begin.shape)
            slope: Any = sum(a * tau * (q - jax.nn.softmax(f / tau)) for a, tau, q in losses)
            return features.T @ slope.reshape(features.shape[0], -1)

        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(rate), diffrax.Dopri8(), 0.0, times[-1], None,
            jax.numpy.zeros((features.shape[1], begin.size // features.shape[0])), saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol), max_steps=max_steps, throw=False)
        return solution.ys, diffrax.is_successful(solution.result)

    return solve, jax.enable_x64
