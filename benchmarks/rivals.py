"""The same predictions by existing methods: decompositions, matrix exponentials and ODE solvers."""

import numpy as np
import scipy.linalg
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import expm_multiply

TOLERANCES = {"rtol": 1e-8, "atol": 1e-10}


def gain(times, *earlier):
    """Function of eigenvalues (k,) that returns the gains (times, k) of teachers, or after generations at `earlier`."""
    def gain(lam):
        return -np.expm1(-np.multiply.outer(times, lam)) * np.prod(-np.expm1(-np.multiply.outer(earlier, lam)), axis=0)

    return gain


def largest_difference(found, expected):
    """The largest relative difference over times between two arrays (times, ...)."""
    axes = tuple(range(1, found.ndim))
    return float(np.max(np.sqrt(np.sum((found - expected) ** 2, axis=axes) / np.sum(expected**2, axis=axes))))


def eigh_predictions(decomposed, y, gain):
    """Predictions (times, n, m) from the result of eigh, for a gain (times, n)."""
    eigenvalues, U = decomposed
    return np.stack([U @ (g[:, None] * (U.T @ y)) for g in gain(eigenvalues)])


def svd_weights(decomposed, y, gain):
    """Weights (times, p, m) from the result of svd, for a gain (times, k)."""
    U, s, Vt = decomposed
    return np.stack([Vt.T @ ((g / s)[:, None] * (U.T @ y)) for g in gain(s**2)])


def expm_predictions(K, y, time):
    """Predictions (1, n, m) at one time, by scipy.linalg.expm."""
    return (y - scipy.linalg.expm(-time * K) @ y)[None]


def expm_multiply_predictions(K, y, first, last, count):
    """Predictions (count, n, m) at evenly spaced times, the only ones that SciPy's expm_multiply supports."""
    return y - expm_multiply(-K, y, start=first, stop=last, num=count, endpoint=True)


def scipy_predictions(K, y, times):
    """Predictions (times, n, m): f' = K (y - f) by SciPy's explicit Runge-Kutta method of order 8, interpolated."""
    solution = solve_ivp(lambda _, f: (K @ (y - f.reshape(y.shape))).ravel(), (0, times[-1]), np.zeros(y.size),
                         method="DOP853", t_eval=times, **TOLERANCES)
    return solution.y.T.reshape((len(times), *y.shape))


def diffrax_predictions(K, y, times):
    """A function that computes the same with diffrax's Tsit5 and a PID controller; its first call compiles."""
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    @jax.jit
    def solve(K, y, times):
        return diffrax.diffeqsolve(diffrax.ODETerm(lambda t, f, _: K @ (y - f)), diffrax.Tsit5(), 0.0, times[-1], None,
                                   jnp.zeros_like(y), saveat=diffrax.SaveAt(ts=times), max_steps=2**16,
                                   stepsize_controller=diffrax.PIDController(**TOLERANCES)).ys

    arguments = jnp.asarray(K), jnp.asarray(y), jnp.asarray(times)
    return lambda: np.asarray(solve(*arguments).block_until_ready())
