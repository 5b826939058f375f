"""Slow, independent references: what the closed forms are held against.

Arbitrary precision (mpmath) where the claim is about digits, a dense matrix exponential or an ODE solver where it is
about the formula. Nothing here uses the package.
"""

import jax
import mpmath as mp
import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm


def matrix_with(singular_values, n, p, rng):
    """A random (n, p) matrix with these singular values."""
    k = len(singular_values)
    U = np.linalg.qr(rng.normal(size=(n, k)))[0]
    V = np.linalg.qr(rng.normal(size=(p, k)))[0]
    return (U * np.asarray(singular_values)) @ V.T


class ExactRegression:
    """Weights of gradient flow on (1/2)||X b - y||^2 in arbitrary precision, from the eigenbasis of X^T X or X X^T."""

    def __init__(self, X, digits=80):
        self.digits = digits
        with mp.workdps(digits):
            self.X = mp.matrix(X.tolist())
            self.wide = X.shape[0] <= X.shape[1]
            K = self.X * self.X.T if self.wide else self.X.T * self.X
            self.lam, self.Q = mp.eigsy(K)

    def weights(self, y, times):
        """b after the generations `times`, the last one last: the gain is the product of the 1 - exp(-t lam)."""
        with mp.workdps(self.digits):
            y = mp.matrix(y.tolist())
            c = self.Q.T * (y if self.wide else self.X.T * y)
            for i, lam in enumerate(self.lam):
                gain = mp.fprod(1 - mp.exp(-mp.mpf(float(t)) * lam) for t in times)
                c[i] *= gain / lam
            b = self.Q * c
            return np.array([float(v) for v in (self.X.T * b if self.wide else b)])


def relative_error(value, reference):
    return np.linalg.norm(np.asarray(value) - reference) / np.linalg.norm(reference)


def dense_teacher(X, y, t):
    """(X^T X)^+ (I - exp(-t X^T X)) X^T y by a matrix exponential: int_0^t exp(-u X^T X) du is one block."""
    M = X.T @ X
    p = M.shape[0]
    block = np.zeros((2 * p, 2 * p))
    block[:p, :p], block[:p, p:] = -t * M, t * np.eye(p)
    return expm(block)[:p, p:] @ (X.T @ y)


def ode_weights(X, targets, t, start=None):
    """Weights of gradient flow towards `targets` (n,) from `start` after time t, by an adaptive Runge-Kutta method."""
    start = np.zeros(X.shape[1]) if start is None else start
    solution = solve_ivp(lambda _, b: X.T @ (targets - X @ b), (0, t), start, method="DOP853", rtol=1e-12, atol=1e-14)
    return solution.y[:, -1]


def cross_entropy_loss(B, X, y, teacher_logits, temperature, weight):
    """Summed over samples: weight temperature^2 KL(softmax(f_T/temperature) || softmax(f/temperature)) of f = X B
    + (1 - weight) cross-entropy(y, softmax(f)), as it is written down."""
    def log_softmax(f):
        return f - jax.nn.logsumexp(f, axis=1, keepdims=True)

    log_q, log_p = log_softmax(teacher_logits / temperature), log_softmax(X @ B / temperature)
    divergence = (jax.numpy.exp(log_q) * (log_q - log_p)).sum()
    return weight * temperature**2 * divergence - (1 - weight) * (y * log_softmax(X @ B)).sum()


cross_entropy_gradient = jax.jit(jax.grad(cross_entropy_loss))


def cross_entropy_weights(X, y, time, start, teacher_logits=None, temperature=1.0, weight=0.0):
    """Weights (p, m) of gradient flow on that loss, which JAX differentiates, by an adaptive Runge-Kutta method."""
    teacher_logits = np.zeros(y.shape) if teacher_logits is None else teacher_logits
    return ode(lambda _, B: -np.asarray(cross_entropy_gradient(B, X, y, teacher_logits, temperature, weight)), start,
               time)


def gap(lam, pivot, student_time, teacher_time, digits=700):
    """teacher's gain - student's gain at lam, matched at pivot, by subtraction in so many digits that some remain."""
    with mp.workdps(digits):
        lam, pivot, s, T = (mp.mpf(float(v)) for v in (lam, pivot, student_time, teacher_time))
        a, b = mp.exp(-pivot * s), mp.exp(-pivot * T)
        kappa = lam / pivot
        return a**kappa + b**kappa - (a + b - a * b) ** kappa - (a * b) ** kappa


def log_pair(gain):
    """(log gain, log residual) of an exact gain, in the working precision."""
    return (mp.log(gain) if gain > 0 else -mp.inf), (mp.log(1 - gain) if gain < 1 else -mp.inf)


def ode(rate, start, time):
    """State at `time` of d state/dt = rate(t, state) from `start`, any shapes, by an adaptive Runge-Kutta method."""
    start = np.asarray(start, dtype=float)
    solution = solve_ivp(lambda t, state: np.ravel(rate(t, state.reshape(start.shape))), (0, time), start.ravel(),
                         method="DOP853", rtol=1e-12, atol=1e-14)
    return solution.y[:, -1].reshape(start.shape)


def smoother(X, gain, cutoff=1e-10):
    """The matrix S (n, n) with fitted = S y for a gain function of the eigenvalues of X X^T, 0 on null ones."""
    lam, U = np.linalg.eigh(X @ X.T)
    return (U * np.where(lam > cutoff * lam[-1], gain(np.maximum(lam, 0)), 0.0)) @ U.T


def left_out_errors(model, X, y):
    """y_i less the prediction at x_i of the model trained without sample i; model(X, y) returns a predictor."""
    keep = ~np.eye(len(y), dtype=bool)
    return np.array([y[i] - model(X[keep[i]], y[keep[i]])(X[i:i + 1])[0] for i in range(len(y))])


def deflated_residuals(lam, unreached, n, time, digits=60):
    """Residuals exp(-t lam)/(1 - df/n) with "1 - df/n" at every pole: the inverse Laplace transform, by its poles, of
    n/(lam_k + p) / sum_j 1/(lam_j + p) / p, for eigenvalues lam > 0 and then for the `unreached` dimensions.

    P(p) = p^unreached prod (lam_j + p) has the sum P'/P, and so the transform is n P/(lam_k + p)/(p P').
    """
    with mp.workdps(digits):
        lam = [mp.mpf(float(v)) for v in lam]

        def times(a, b):  # polynomials, constant term first
            out = [mp.mpf(0)] * (len(a) + len(b) - 1)
            for i, x in enumerate(a):
                for j, y in enumerate(b):
                    out[i + j] += x * y
            return out

        def over(k):  # prod_{j != k} (lam_j + p)
            out = [mp.mpf(1)]
            for j, v in enumerate(lam):
                out = out if j == k else times(out, [v, mp.mpf(1)])
            return out

        total = [mp.fsum(column) for column in zip(*(over(k) for k in range(len(lam))))]  # the sum of 1/(lam_j + p)
        if unreached:
            total = [unreached * a + b for a, b in zip(over(None), [mp.mpf(0), *total])]
        value = lambda c, p: mp.polyval(c[::-1], p)  # noqa: E731
        slope = [i * c for i, c in enumerate(total)][1:]
        poles = mp.polyroots(total[::-1], maxsteps=500, extraprec=400)
        tops = [over(k) if not unreached else [mp.mpf(0), *over(k)] for k in range(len(lam))] + [over(None)]
        return np.array([float(mp.re(n * (value(c, 0) / value(total, 0) + mp.fsum(
            mp.exp(q * time) * value(c, q) / (q * value(slope, q)) for q in poles)))) for c in tops])


def generations_gap(lam, pivot, gain, parameters, learner, digits=400):
    """matched learner's gain - last generation's gain at lam, and the matched parameter, by subtraction.

    gain(lam, parameter) in arbitrary precision, learner(lam, gain) the parameter that has this gain at lam.
    """
    with mp.workdps(digits):
        lam, pivot = mp.mpf(float(lam)), mp.mpf(float(pivot))
        parameters = [mp.mpf(float(p)) for p in parameters]
        matched = learner(pivot, mp.fprod(gain(pivot, p) for p in parameters))
        return gain(lam, matched) - mp.fprod(gain(lam, p) for p in parameters), matched


# Filters of a dense symmetric matrix S: functions S -> (G, H) with G = g(S) and H = h(S), h(lam) = g(lam)/lam, without
# an eigenvalue anywhere. They are smooth in S, singular or not, and `differences` takes their derivatives.


def dense_flow(time):
    """G = I - exp(-t S) and H = int_0^t exp(-u S) du, by one matrix exponential of twice the size."""
    def of(S):
        n = len(S)
        block = np.zeros((2 * n, 2 * n))
        block[:n, :n], block[:n, n:] = -time * S, time * np.eye(n)
        H = expm(block)[:n, n:]
        return S @ H, H

    return of


def dense_ridge(strength):
    def of(S):
        H = np.linalg.inv(S + strength * np.eye(len(S)))
        return S @ H, H

    return of


def dense_descent(learning_rate, steps):
    def of(S):
        H = np.zeros_like(S)
        for _ in range(steps):
            H = H + learning_rate * (np.eye(len(S)) - S @ H)
        return S @ H, H

    return of


def dense_product(student, teacher):
    return lambda S: (student(S)[0] @ teacher(S)[0], student(S)[1] @ teacher(S)[0])


def dense_mix(a, b, weight):
    return lambda S: tuple(weight * A + (1 - weight) * B for A, B in zip(a(S), b(S)))


def dense_relaxation(target, time, start):
    """Flow for `time` towards the outputs of target(S), from where start(S) left off."""
    def of(S):
        (G, H), (target_G, _), (start_G, start_H) = dense_flow(time)(S), target(S), start(S)
        return G @ target_G + start_G - G @ start_G, H @ target_G + start_H - G @ start_H

    return of


def dense_views(filter, X, y, start, new):
    """(weights, fitted, predictions on X_new) of training on (X, y) from a start, as a dense filter has it."""
    H = filter(X @ X.T)[1]
    weights = start + X.T @ (H @ (y - X @ start))
    return weights, X @ weights, new @ weights


def dense_kernel_views(filter, K, y, start, new, new_start):
    """(fitted, predictions) of the same for a kernel, of which the symmetric part counts."""
    G, H = filter((K + K.T) / 2)
    return start + G @ (y - start), new_start + new @ (H @ (y - start))


def differences(function, values, direction, step=2.0**-8, levels=4):
    """The derivative of a tuple of arrays at `values` along `direction`, by central differences extrapolated to 0.

    Richardson's extrapolation from steps that halve: errors of step^(2 levels), and rounding over the smallest step.
    """
    def at(e):
        return function(*(v + e * d for v, d in zip(values, direction)))

    sizes = [step / 2**i for i in range(levels)]
    table = [[(after - before) / (2 * e) for after, before in zip(at(e), at(-e))] for e in sizes]
    for j in range(1, levels):
        table = [[(4**j * fine - coarse) / (4**j - 1) for fine, coarse in zip(table[i + 1], table[i])]
                 for i in range(len(table) - 1)]
    return tuple(table[0])
