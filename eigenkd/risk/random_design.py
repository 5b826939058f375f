"""Risk on new inputs before any data are drawn: deterministic equivalents for random designs.

Rows of X are x = Sigma^(1/2) z with independent entries z (Gaussian, or others of variance one), y = x . beta + noise.
For large n and p the risk of ridge regression depends on the eigenvalues of Sigma, on the components of beta along its
eigenvectors and on n alone (Hastie et al. 2022). It is analytic in the penalty, so that flows, their students and
mixtures follow as sums over complex penalties. Sec. 20, docs/theory.md.
"""

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from eigenkd import filters
from eigenkd._arrays import constant, is_concrete, leading, moved, real_array
from eigenkd._pytrees import mapped, pytree
from eigenkd.filters.algebra import Filter, filter_named
from eigenkd.filters.resolvents import NoResolvents, groups
from eigenkd.risk._text import numbers
from eigenkd.risk.change import Change
from eigenkd.risk.mixing import Line
from eigenkd.typing import Array, ArrayLike, Pair

FIXED = 4  # iterations for the effective penalty
NEWTON = 14
RESOLVED = 2**11  # roundings: the least difference of risks, relative to that without training


def random_design(eigenvalues: ArrayLike, coefficients: ArrayLike, n: int, noise: ArrayLike,
                  unexplained: ArrayLike = 0.0) -> "RandomDesign":
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

    eigenvalues: Array
    energy: Array
    noise: Array
    unexplained: Array
    n: int

    def __repr__(self) -> str:
        return (f"RandomDesign(n={self.n}, directions={self.eigenvalues.shape[-1]}, "
                f"{numbers(noise=self.noise, unexplained=self.unexplained)})")

    def teacher(self, time: ArrayLike) -> "DesignFit":
        """Trained on the labels for `time` >= 0."""
        return self.fit(filters.flow(time))

    def student(self, time: ArrayLike, teacher_time: ArrayLike) -> "DesignFit":
        """Trained for `time` on the outputs of a teacher stopped at `teacher_time`."""
        return self.fit(filters.flow(time) @ filters.flow(teacher_time))

    def ridge(self, strength: ArrayLike) -> "DesignFit":
        """Ridge regression with penalty (strength/2) ||b||^2."""
        return self.fit(filters.ridge(strength))

    def fit(self, filter: Filter) -> "DesignFit":
        """Any filter made of flows, ridge regressions and mixtures. Raises ValueError for others."""
        filter = filter_named("filter", filter)
        design = self._moved(filter)
        return DesignFit(design, filter, _cross(design, *[_nodes(design, filter)] * 2))

    def mixing(self, student: Filter, teacher: Filter) -> Line:
        """Students of weight * teacher + (1 - weight) * labels, as `risk.mixing`, on new inputs: a `Line`.

        Risks are differences of sums, right to about 1e-13 of the risk without training, on p features to (p/n)^2 times
        that where p > n. What is smaller counts as no difference: students of labels and of the teacher are then the
        same, and the weight is 0.
        """
        student, teacher = filter_named("student", student), filter_named("teacher", teacher)
        design = self._moved(student @ teacher)
        alone, taught = _nodes(design, student), _nodes(design, student @ teacher)
        between = _difference(alone, taught)
        risk = _cross(design, alone, alone)
        difference, distance = (_resolved(design, _cross(design, other, between), risk) for other in (alone, between))
        return Line(design.noise, (risk[0] + design.unexplained, risk[1]), difference, distance)

    def change(self, student: Filter, teacher: Filter) -> Change:
        """R(student) - R(teacher) on new inputs, as `risk.change`: whether distilling helps, from which noise on. As in
        `mixing`, what rounding does not resolve counts as no change."""
        taught, alone = self.fit(filter_named("student", student) @ filter_named("teacher", teacher)), self.fit(teacher)
        A, B = _resolved(alone.design, tuple(a - b for a, b in zip(taught.parts, alone.parts)), alone.parts)
        return Change(self.noise, (A, B), 0 * A)

    def effective_penalty(self, strength: ArrayLike) -> Array:
        """kappa(mu) of Eq. (89): on the population, ridge regression with this penalty shrinks as mu does on n
        samples."""
        mu = real_array("strength", strength, nonnegative=True)
        design = mapped(self, lambda array, _: moved(array, leading(self.eigenvalues, mu)))
        mu = real_array("strength", mu, like=design.eigenvalues)
        return _improved(design, array_namespace(mu).real(_kappa(design, mu + 0j)), mu)

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
    parts: Pair

    def __repr__(self) -> str:
        return (f"DesignFit({self.filter!r}, n={self.design.n}, "
                f"{numbers(risk=self.risk, bias=self.bias, variance=self.variance)})")

    @property
    def variance(self) -> Array:
        """What the noise of the labels adds to the risk."""
        return _times(self.design.noise, self.parts[1])

    @property
    def bias(self) -> Array:
        """The squared error without noise in the labels."""
        return self.parts[0] + self.design.unexplained + 0 * self.design.noise

    @property
    def risk(self) -> Array:
        """E (f(x) - signal(x))^2 for a new x, summed over outputs."""
        return self.bias + self.variance


def _nodes(design, filter):
    """(weights (..., J), left (..., J, p), learned (..., J, p)) of the residual: complex, half of the contours, and one
    node for all that is at u = inf."""
    try:
        sums = groups(filter, design.eigenvalues)
    except NoResolvents as error:
        raise ValueError(f"filter: expected one made of flows, ridge regressions, students and mixtures of them, got "
                         f"{filter!r} (because of {error}); for gradient descent use the flow of time = learning_rate "
                         f"* steps") from error
    xp = array_namespace(design.eigenvalues)
    rows, endless = [], 0.0
    for group in sums:
        weight = group.weight[..., None] * (group.omega[0] + 1j * group.omega[1])
        last = xp.isinf(group.u)[..., None]
        rows.append((xp.where(last, 0j, weight), _inverse_penalties(group, design)))
        endless = endless + xp.where(last, xp.sum(xp.real(weight), axis=-1)[..., None], 0.0)
    shape = np.broadcast_shapes(*(tuple(part.shape[:-1]) for row in rows for part in row))
    weights, w = (xp.concat([xp.broadcast_to(row[i], (*shape, row[i].shape[-1])) for row in rows], axis=-1)
                  for i in (0, 1))
    lam, k = design.eigenvalues, _limit(design)
    product = lam * w[..., None]
    left, learned = 1 / (1 + product), product / (1 + product)
    last = xp.where(lam > 0, k / xp.where(lam > 0, lam + k, 1.0), 1.0)
    left, learned = (xp.concat([part, xp.broadcast_to(end + 0j, (*shape, 1, end.shape[0]))], axis=-2)
                     for part, end in ((left, last), (learned, 1 - last)))
    return xp.concat([weights, xp.broadcast_to(endless + 0j, (*shape, 1))], axis=-1), left, learned


def _difference(first, second):
    """Nodes of the difference of two residuals."""
    (v, *parts), (w, *others), xp = first, second, array_namespace(first[0])
    shape = np.broadcast_shapes(tuple(v.shape[:-1]), tuple(w.shape[:-1]))
    pairs = ((v, -w), *zip(parts, others))
    return tuple(xp.concat([xp.broadcast_to(part, (*shape, *part.shape[len(part.shape) - own:])) for part in pair],
                           axis=-own) for own, pair in zip((1, 2, 2), pairs))


def _inverse_penalties(group, design):
    """1/kappa (..., J) at the penalties p = z/u: 0 at u = 0; any number at u = inf.  Eq. (89)

    A last step of Newton's method, for d/kappa = c (n - sum_j lam_j/(lam_j + kappa)) with d/c = p, has the derivatives
    at u = 0 too.
    """
    lam, xp = design.eigenvalues, array_namespace(group.u)
    u = xp.where(xp.isinf(group.u), 1.0, group.u)[..., None]
    z, least = group.z[0] + 1j * group.z[1], design.n * xp.max(constant(lam))
    some, large = u > 0, u * least > 1
    c = xp.where(large, 1 / least, u)
    d = z * xp.where(large, 1 / xp.where(large, u * least, 1.0), 1.0)
    start = xp.where(some, 1 / _kappa(design, z / xp.where(some, u, 1 / least)), 0.0)
    kept = 1 / (1 + lam * start[..., None])
    excess = design.n - _rank(lam)
    miss = d * start - c * (excess + xp.sum(xp.where(lam > 0, kept, 0.0), axis=-1))
    return start - miss / (d + c * xp.sum(lam * kept**2, axis=-1))


def _rank(lam):
    return array_namespace(lam).sum(array_namespace(lam).astype(lam > 0, lam.dtype))


def _kappa(design, p):
    """The solution of p = kappa (n - sum_j lam_j/(lam_j + kappa)) that continues the one for p > 0.  Eq. (89)

    A contraction towards it, then Newton's method for logarithms: of both sides, or, with more features than samples,
    of sum_j lam_j/(lam_j + kappa) + p/kappa = n, as then kappa > 0 where p = 0. The solution is the only one whose
    angle lies between 0 and that of p. Without derivatives.
    """
    n, xp, p, lam = design.n, array_namespace(p), constant(p), constant(design.eigenvalues)
    excess, kappa = n - _rank(lam), p / n + xp.sum(lam) / n
    for _ in range(FIXED):
        kappa = p / n + xp.sum(lam * kappa[..., None] / (lam + kappa[..., None]), axis=-1) / n
    some = p != 0
    angle = xp.imag(xp.log(xp.where(some, p, 1.0)))
    least, most = xp.minimum(angle, 0 * angle), xp.maximum(angle, 0 * angle)
    for _ in range(NEWTON):
        share = lam / (lam + kappa[..., None])
        left = xp.where(lam > 0, kappa[..., None] / (lam + kappa[..., None]), 0.0)
        learned = xp.sum(share, axis=-1) + p / kappa
        wide = xp.log(learned / n) * learned / (xp.sum(share * left, axis=-1) + p / kappa)
        slope, rest = excess + xp.sum(left * (1 + share), axis=-1), excess + xp.sum(left, axis=-1)
        tall = xp.log(xp.where(some, kappa * rest / xp.where(some, p, 1.0), 1.0)) * rest / slope
        log = xp.log(kappa) + xp.where(excess < 0, wide, -tall)
        kappa = xp.exp(xp.real(log) + 1j * xp.minimum(xp.maximum(xp.imag(log), least), most))
    return kappa


def _limit(design):
    """kappa where the penalty vanishes: 0 unless there are more features than samples; with derivatives."""
    lam, xp = design.eigenvalues, array_namespace(design.eigenvalues)
    return _improved(design, xp.real(_kappa(design, 0j * lam[:1]))[0], 0.0)


def _improved(design, kappa, p):
    """A real kappa after one more step of Newton's method, which has the derivatives; 0 where p = 0 and p <= n. On as
    many features as samples kappa begins as sqrt(p / sum 1/lam), with an infinite derivative."""
    lam, xp = design.eigenvalues, array_namespace(design.eigenvalues)
    excess = design.n - _rank(lam)
    kappa = xp.where((p == 0) & (excess >= 0), 0.0, kappa)
    total = xp.where(lam > 0, lam + kappa[..., None], 1.0)
    left = xp.where(lam > 0, kappa[..., None] / total, 0.0)
    slope = excess + xp.sum(left * (1 + lam / total), axis=-1)
    miss = kappa * (excess + xp.sum(left, axis=-1)) - p
    root = xp.where(slope > 0, 1.0, p + 0 * kappa) ** 0.5 / xp.sum(xp.where(lam > 0, 1 / total, 0.0), axis=-1) ** 0.5
    return kappa - xp.where(slope > 0, miss / xp.where(slope > 0, slope, 1.0), -root)


def _cross(design, first, second):
    """(bias, per unit of noise) (...,) of the cross risk of two residuals; infinite without end on as many features as
    samples.  Eqs. (90)-(92)"""
    (v, left, learned), (w, right, others), lam = first, second, design.eigenvalues
    xp, n = array_namespace(lam), design.n
    w, right, others = (xp.concat([part, xp.conj(part)], axis=axis) for part, axis in
                        ((w, -1), (right, -2), (others, -2)))
    signal = left @ xp.matrix_transpose(right * (lam * design.energy))
    both = learned @ xp.matrix_transpose(others)  # df2
    left, right = (xp.where(lam > 0, part, 0.0) for part in (left, right))
    rest = n - _rank(lam) - left @ xp.matrix_transpose(right)  # n - df2 where nothing cancels
    rest = rest + xp.sum(left, axis=-1)[..., :, None] + xp.sum(right, axis=-1)[..., None, :]
    full = rest == 0
    rest = xp.where(full, 1.0, rest)
    noise, weight = xp.where(full, xp.inf + 0j, both / rest), v[..., :, None] * w[..., None, :]
    noise = xp.where(full & (weight == 0), 0j, noise)

    def summed(part):
        products = xp.real(weight) * xp.real(part) - xp.imag(weight) * xp.imag(part)  # inf has no imaginary part
        return xp.sum(products, axis=(-2, -1)) / 2

    bias, noise = summed(n * signal / rest), summed(noise)
    return bias + _times(design.unexplained, noise), noise


def _resolved(design, pair, risk):
    """A difference of risks (bias, per unit of noise), none where rounding does not resolve one of the two."""
    xp, lam = array_namespace(design.eigenvalues), design.eigenvalues
    least = RESOLVED * xp.finfo(lam.dtype).eps * max(1.0, lam.shape[-1] / design.n) ** 2
    lost = [(part != 0) & (xp.abs(part) < least * scale) for part, scale in
            zip(pair, (xp.sum(lam * design.energy), xp.where(risk[1] > 1, risk[1], 1.0)))]
    return tuple(xp.where(lost[0] | lost[1], 0.0, part) for part in pair)


def _times(variance, unit):
    """variance * unit, 0 where there is none of an infinite unit."""
    xp = array_namespace(unit)
    return variance * xp.where(xp.isinf(unit) & (variance == 0), 0.0, unit)
