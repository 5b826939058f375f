"""Risk on new inputs before any data are drawn: deterministic equivalents for random designs.

Rows of X are x = Sigma^(1/2) z with independent entries z (Gaussian, or others of variance one), y = x . beta + noise.
For large n and p the risk of ridge regression depends on the eigenvalues of Sigma, on the components of beta along its
eigenvectors and on n alone (Hastie et al. 2022). It is analytic in the penalty, so that flows, their students and
mixtures follow as sums over complex penalties. Sec. 20, docs/theory.md.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd._arrays import Array, constant, is_concrete, leading, moved, real_array
from eigenkd._pytrees import mapped, pytree
from eigenkd.filters.algebra import Filter, filter_named
from eigenkd.filters.resolvents import NoResolvents, groups
from eigenkd.risk.change import Change
from eigenkd.risk.mixing import Line

FIXED, NEWTON = 20, 24  # iterations for the effective penalty; at most 20 of Newton's were needed


def random_design(eigenvalues: Array, coefficients: Array, n: int, noise: Array, unexplained: Array = 0.0
                  ) -> "RandomDesign":
    """Risks on new inputs of models trained on n random samples, in the limit of large n and p.  Eqs. (89)-(92)

    eigenvalues: (p,) >= 0, of the covariance of the inputs, in any order. coefficients: (p,) or (p, m), the components
    of the true weights along its eigenvectors. n: the number of samples. noise: variance of the labels around the
    signal, summed over outputs; a number or an array that broadcasts with the filters' parameters. unexplained:
    variance of a part of the signal that is not linear in the inputs (uncorrelated with them), for a misspecified
    model: it acts like noise, and is itself part of the risk.

    >>> design = random_design([2.0, 1.0, 0.5], [1.0, 1.0, 1.0], n=50, noise=1.0)
    >>> print(design.teacher([0.0, 0.05, float("inf")]).risk.round(4))     # of nothing, a stopped, and least squares
    [3.5    0.1112 0.0638]
    >>> found = design.mixing(filters.flow(0.05), filters.flow(0.05))
    >>> print(found.weight.round(3), found.noise_at(0.5).round(3))         # distilling pays from this noise on
    -1.194 13.463

    Raises TypeError or ValueError for what is not real, finite, >= 0 or of matching shape. Returns a `RandomDesign`.
    """
    lam = real_array("eigenvalues", eigenvalues, ndim=(1,), nonnegative=True)
    lam = moved(lam, leading(lam, *(v for v in (coefficients, noise, unexplained) if hasattr(v, "shape"))))
    beta = real_array("coefficients", coefficients, like=lam, ndim=(1, 2))
    if beta.shape[0] != lam.shape[0]:
        raise ValueError(f"coefficients: expected {lam.shape[0]} rows, one an eigenvalue, got shape "
                         f"{tuple(beta.shape)}; pass the components of the weights along the eigenvectors")
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"n: expected a whole number >= 1, got {n!r}; pass the number of training samples")
    if is_concrete(lam) and not bool(array_namespace(lam).any(lam > 0)):
        raise ValueError("eigenvalues: expected a positive one, got zeros alone; there is nothing to learn from")
    xp = array_namespace(lam)
    energy = beta**2 if beta.ndim == 1 else xp.sum(beta**2, axis=-1)
    noise, unexplained = (real_array(name, value, like=lam, nonnegative=True)
                          for name, value in (("noise", noise), ("unexplained", unexplained)))
    return RandomDesign(lam, energy, noise, unexplained, int(n))


@pytree("eigenvalues", "energy", "noise", "unexplained")
@dataclass(frozen=True, eq=False)
class RandomDesign:
    """A law of the data, made by `random_design`: risks of the models that are trained on n samples of it.

    Times and penalties are those of K = X X^T, as for `linear_flow` on n samples.
    """

    eigenvalues: Any
    energy: Any
    noise: Any
    unexplained: Any
    n: int

    def teacher(self, time: Array) -> "DesignFit":
        """Trained on the labels for `time` >= 0."""
        return self.fit(filters.flow(time))

    def student(self, time: Array, teacher_time: Array) -> "DesignFit":
        """Trained for `time` on the outputs of a teacher stopped at `teacher_time`."""
        return self.fit(filters.flow(time) @ filters.flow(teacher_time))

    def ridge(self, strength: Array) -> "DesignFit":
        """Ridge regression with penalty (strength/2) ||b||^2."""
        return self.fit(filters.ridge(strength))

    def fit(self, filter: Filter) -> "DesignFit":
        """Any filter made of flows, ridge regressions and mixtures. Raises ValueError for others."""
        filter = filter_named("filter", filter)
        design = self._moved(filter)
        return DesignFit(design, filter, _cross(design, *[_nodes(design, filter)] * 2))

    def mixing(self, student: Filter, teacher: Filter) -> Line:
        """Students of weight * teacher + (1 - weight) * labels, as `risk.mixing`, on new inputs: a `Line`."""
        student, teacher = filter_named("student", student), filter_named("teacher", teacher)
        design = self._moved(student @ teacher)
        alone, taught = _nodes(design, student), _nodes(design, student @ teacher)
        xp = array_namespace(alone[0])
        shape = np.broadcast_shapes(tuple(alone[0].shape[:-1]), tuple(taught[0].shape[:-1]))
        between = tuple(xp.concat([xp.broadcast_to(part, (*shape, part.shape[-1])) for part in pair], axis=-1)
                        for pair in ((alone[0], -taught[0]), (alone[1], taught[1])))
        risk = _cross(design, alone, alone)
        return Line(design.noise, (risk[0] + design.unexplained, risk[1]), _cross(design, alone, between),
                    _cross(design, between, between))

    def change(self, student: Filter, teacher: Filter) -> Change:
        """R(student) - R(teacher) on new inputs, as `risk.change`: whether distilling helps, from which noise on."""
        taught, alone = self.fit(filter_named("student", student) @ filter_named("teacher", teacher)), self.fit(teacher)
        A, B = (a - b for a, b in zip(taught.parts, alone.parts))
        return Change(self.noise, (A, B), 0 * A)

    def effective_penalty(self, strength: Array) -> Array:
        """kappa(mu) of Eq. (89): on the population, ridge regression with this penalty shrinks as mu does on n
        samples."""
        mu = real_array("strength", strength, nonnegative=True)
        design = mapped(self, lambda array, _: moved(array, leading(self.eigenvalues, mu)))
        mu = real_array("strength", mu, like=design.eigenvalues)
        return array_namespace(mu).real(_kappa(design, mu + 0j))

    def _moved(self, filter):
        like = leading(self.eigenvalues, *filter.parameters)
        return mapped(self, lambda array, _: moved(array, like))


@pytree("design", "filter", "parts")
@dataclass(frozen=True, eq=False)
class DesignFit:
    """A model of a `RandomDesign`; numbers (...,) of the shape of the filter's parameters.

    parts: the squared bias (without what is unexplained), and what a unit of noise adds.
    """

    design: RandomDesign
    filter: Filter
    parts: tuple

    def __repr__(self):
        return f"DesignFit({self.filter!r}, n={self.design.n})"

    @property
    def variance(self) -> Array:
        """What the noise of the labels adds to the risk."""
        return self.design.noise * self.parts[1] + 0 * self.parts[0]

    @property
    def bias(self) -> Array:
        """The squared error without noise in the labels."""
        return self.parts[0] + self.design.unexplained + 0 * self.design.noise

    @property
    def risk(self) -> Array:
        """E (f(x) - signal(x))^2 for a new x, summed over outputs."""
        return self.bias + self.variance


def _nodes(design, filter):
    """(weights, kappa) (..., J) of the residual: complex, half of the contours."""
    try:
        sums = groups(filter, design.eigenvalues)
    except NoResolvents as error:
        raise ValueError(f"filter: expected one made of flows, ridge regressions, students and mixtures of them, got "
                         f"{filter!r} (because of {error}); for gradient descent use the flow of time = learning_rate "
                         f"* steps") from error
    xp = array_namespace(design.eigenvalues)
    rows = [(group.weight[..., None] * (group.omega[0] + 1j * group.omega[1]), _penalties(group, design))
            for group in sums]
    shape = np.broadcast_shapes(*(tuple(part.shape[:-1]) for row in rows for part in row))
    weights, penalties = (xp.concat([xp.broadcast_to(row[i], (*shape, row[i].shape[-1])) for row in rows], axis=-1)
                          for i in (0, 1))
    return weights, _kappa(design, penalties)


def _penalties(group, design):
    """p = z/u (..., J): 0 at u = inf; at u = 0 so large that nothing is learned."""
    xp, u = array_namespace(group.u), group.u[..., None]
    most = design.n * xp.max(design.eigenvalues) / xp.finfo(u.dtype).eps
    scale = xp.where(u * most > 1, 1 / xp.where(u * most > 1, u, 1.0), most)
    return (group.z[0] + 1j * group.z[1]) * scale


def _kappa(design, p):
    """The solution of p = kappa (n - sum_j lam_j/(lam_j + kappa)) that continues the one for p > 0.  Eq. (89)

    A contraction towards it, then Newton's method, whose last step has the derivatives. With fewer features than
    samples it vanishes with the penalty.
    """
    n, xp = design.n, array_namespace(p)

    def improved(kappa, p, lam):
        share = lam / (lam + kappa[..., None])
        return kappa - (kappa * (n - xp.sum(share, axis=-1)) - p) / (n - xp.sum(share**2, axis=-1))

    fixed, lam = constant(p), constant(design.eigenvalues)
    kappa = fixed / n + xp.sum(lam) / n
    for _ in range(FIXED):
        kappa = fixed / n + xp.sum(lam * kappa[..., None] / (lam + kappa[..., None]), axis=-1) / n
    for _ in range(NEWTON):
        kappa = improved(kappa, fixed, lam)
    return improved(kappa, p, design.eigenvalues)


def _cross(design, first, second):
    """(bias, per unit of noise) (...,) of the cross risk of two residuals.  Eqs. (90)-(92)"""
    (v, k), (w, l), lam = first, second, design.eigenvalues
    xp, n = array_namespace(lam), design.n
    w, l = (xp.concat([values, xp.conj(values)], axis=-1) for values in (w, l))
    left = k[..., None] / (lam + k[..., None])  # (..., J, p): shares that are not learned
    right = xp.matrix_transpose(l[..., None] / (lam + l[..., None]))
    signal = left @ (right * (lam * design.energy)[:, None])
    both = (1 - left) @ (1 - right)  # df2
    rest = n - both
    bias, noise = (n * signal + design.unexplained[..., None, None] * both) / rest, both / rest
    return tuple(xp.real(xp.sum(v[..., :, None] * w[..., None, :] * part, axis=(-2, -1))) / 2
                 for part in (bias, noise))
