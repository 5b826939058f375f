"""A filter's residual as a signed sum of residuals of ridge regression, with real and complex penalties.

Two steps. Relaxation, Eq. (10), keeps residuals in the ring of

    r(lam) = sum_i w_i exp(-t_i lam) prod_q mu_iq/(lam + mu_iq)                                               Eq. (78)

so that a student of a flow is a signed sum of teachers: e_s + e_T - e_{s+T} with e_t = exp(-t lam). And each of these
is a sum of a few

    Re sum_j omega_j z_j/(z_j + lam u)        (ridge's residual with penalty z_j/u)                   Eqs. (79)-(81)

for the exponential the inverse Laplace transform on Talbot's contour, for products of ridges a circle around their
penalties. Every functional that is linear in the residual for ridge regression follows for all of these filters from
its values at a dozen complex penalties: leave-one-out errors, and risks on new inputs.
"""

from dataclasses import dataclass
from math import pi
from typing import TypeAlias

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import is_concrete, moved, to_numpy
from eigenkd._pytrees import pytree
from eigenkd.filters import schedules, training
from eigenkd.filters.algebra import ClosedForm, Filter, Leaf, Relaxation, identity, zero
from eigenkd.filters.elementary import product
from eigenkd.filters.resolved import Resolved
from eigenkd.typing import Array, Pair

POINTS = {8: 24, 4: 12}  # of Talbot's contour, by the size of a number: errors of 2e-14 and 1e-6
DEEPEST = 12  # generations: 2^12 terms, whose errors add up to 1e-10
RADIUS, ON_CIRCLE = 1.2, 40  # of the circle in log mu: 1.2^40 / pi^40 is 2e-17
SPREAD = 0.48  # half of the largest difference of log mu that the circle holds: (0.48/1.2)^40 is 1e-16

Number: TypeAlias = float | Array


class NoResolvents(ValueError):
    """Raised for a filter that is not made of flows and ridge regressions."""


@dataclass(frozen=True, eq=False)
class Term:
    """weight * exp(-time lam) * prod_q mu_q/(lam + mu_q); arrays that broadcast. time, mu: 0 to inf."""

    weight: Number
    time: Number
    strengths: tuple[Number, ...] = ()

    def __mul__(self, other: 'Term') -> "Term":
        return Term(self.weight * other.weight, self.time + other.time, self.strengths + other.strengths)

    def scaled(self, factor: Number) -> "Term":
        return Term(factor * self.weight, self.time, self.strengths)


@pytree("weight", "omega", "z", "u")
@dataclass(frozen=True, eq=False)
class Group:
    """weight * Re sum_j omega_j z_j/(z_j + lam u).

    weight (...,). u (...,): 1/penalty or a time; inf is the limit of a vanishing penalty, 0 that of an infinite one.
    omega, z: pairs (real, imaginary part), omega of shape (..., J) like u or (J,), z (J,).
    """

    weight: Array
    omega: Pair
    z: Pair
    u: Array

    @classmethod
    def of(cls, weight: Array, omega: np.ndarray, z: np.ndarray, u: Array) -> "Group":
        """omega and z given as NumPy's complex numbers."""
        return cls(weight, parts(omega, u), parts(z, u), u)


def groups(filter: Filter, like: Array) -> tuple[Group, ...]:
    """The residual of a filter as `Group`s in the library and precision of the array `like`.

    Their sum is the residual at every lam > 0, and 1 at lam = 0 for every filter, as null directions have it. Raises
    `NoResolvents` for filters that are not made of flows, ridge regressions and constant weights.
    """
    xp = array_namespace(like)

    def local(value):
        return xp.astype(moved(value if hasattr(value, "ndim") else np.asarray(value), like), like.dtype, copy=False)

    if _depth(filter) > DEEPEST:
        raise NoResolvents(f"more than {DEEPEST} generations, whose sums would cancel")
    terms, at_zero = _residual(filter, local)
    missing = 1 - at_zero  # of labels that are mixed in: the limit of infinite time, where null directions stay
    if not (isinstance(missing, float | int) and missing == 0):
        terms = [*terms, Term(missing, np.inf)]
    result = []
    for term in terms:
        weight, time, strengths = local(term.weight), local(term.time), [local(mu) for mu in term.strengths]
        still = isinstance(term.time, float) and term.time == 0
        if not strengths:
            result.append(_exponential(weight, time, xp))
        elif len(strengths) == 1:
            result += [_ridge(weight, strengths[0], xp)] if still else _decayed(weight, time, strengths[0], xp)
        elif still:
            result += _ridges(weight, strengths, xp)
        else:
            raise NoResolvents("several ridges and a flow")
    return tuple(result)


def _depth(filter):
    """How many trainings follow each other in a filter: its residual is a sum of 2 to that power of terms."""
    if isinstance(filter, Resolved):
        return _depth(filter.filter)
    if not isinstance(filter, Relaxation):
        return 0
    weight = filter.weight
    if isinstance(weight, schedules.Handover):
        count = weight.count
        return _depth(filter.start) + (float(to_numpy(count)) if is_concrete(count) and not count.ndim else 0)
    own = 0 if isinstance(weight, ClosedForm) else 1
    return own + max(_depth(filter.target), _depth(filter.start))


def _residual(filter, local):
    """(terms, r(0)) of a filter's residual: Eq. (78), and its value at lam = 0, an int where that is known.

    local: takes the filter's parameters to the library and precision of the result.
    """
    if isinstance(filter, Resolved):
        return _residual(filter.filter, local)
    if isinstance(filter, Leaf):
        return _of_leaf(filter, local)
    if not isinstance(filter, Relaxation):
        raise NoResolvents(repr(filter))
    weight = filter.weight
    if isinstance(weight, schedules.Handover):
        start, at_start = _residual(filter.start, local)
        return _generations(weight, start, at_start, local)
    (b, at_b), (d, at_d) = _residual(filter.target, local), _residual(filter.start, local)
    if isinstance(weight, ClosedForm) and weight.name == "constant":
        w = local(weight.arguments[0])
        at_zero = at_b if isinstance(at_b, int) and at_b is at_d else w * at_b + (1 - w) * at_d
        return _merged([term.scaled(w) for term in b] + [term.scaled(1 - w) for term in d]), at_zero
    v, at_v = _residual(weight, local)
    terms = [*b, *((x * y).scaled(-1.0) for x in v for y in b), *(x * y for x in v for y in d)]
    return _merged(terms), at_b if at_b is at_d else at_b - at_v * at_b + at_v * at_d


def _of_leaf(leaf, local):
    if leaf is zero:
        return [Term(1.0, 0.0)], 1
    if leaf is identity:
        return [], 0
    exponent = getattr(leaf, "exponent", None)
    if exponent is training._flow_exponent:
        time, *decay = map(local, leaf.arguments)
        if not decay:
            return [Term(1.0, time)], 1
        kept = array_namespace(time, decay[0]).exp(-product(time, decay[0]))
        return [Term(kept, time)], kept
    if exponent is training._ridge_exponent:
        return [Term(1.0, 0.0, (local(leaf.arguments[0]),))], 1
    if leaf.name == "annealed" and is_concrete(leaf.arguments[0]) and not np.any(to_numpy(leaf.arguments[0])):
        return [Term(1.0, 0.0)], 1  # the window of an abrupt switch
    raise NoResolvents(repr(leaf))


def _generations(handover, start, at_start, local):
    """Generations of one flow or ridge, r_k = v + (1 - alpha) (1 - v) r_{k-1}, as polynomials in its residual v."""
    student, at_student = _residual(handover.student, local)
    count, alpha = handover.count, local(handover.weight)
    if len(student) != 1 or not isinstance(at_student, int) or not is_concrete(count) or count.ndim:
        raise NoResolvents("generations of that kind, or of several numbers")
    (v,) = student
    ofstart, oflabels = [1.0], [0.0]  # coefficients of v^j, next to r_0 and alone
    for _ in range(int(to_numpy(count))):
        ofstart = _stepped(ofstart, alpha)
        oflabels = _stepped(oflabels, alpha)
        oflabels[1] = oflabels[1] + 1.0
    powers = [Term(1.0, 0.0)]
    for _ in range(len(ofstart) - 1):
        powers.append(powers[-1] * v)
    terms = [power.scaled(c) * term for power, c in zip(powers, ofstart) for term in start]
    terms += [power.scaled(c) for power, c in zip(powers, oflabels)]
    at_zero = 1 if len(ofstart) > 1 else at_start
    return _merged(terms), at_zero


def _stepped(coefficients, alpha):
    """(1 - alpha) (1 - v) times a polynomial in v."""
    padded = [0.0, *coefficients, 0.0]
    return [(1 - alpha) * (padded[i + 1] - padded[i]) for i in range(len(padded) - 1)]


def _merged(terms):
    """Terms of the same time and penalties as one, where these are plain numbers without a derivative."""
    found, others = {}, []
    for term in terms:
        key = tuple(float(v) if isinstance(v, float | int) or (isinstance(v, np.ndarray | np.generic) and v.ndim == 0)
                    else None for v in (term.time, *term.strengths))
        if None in key:
            others.append(term)
            continue
        key = (key[0], *sorted(key[1:]))  # pyrefly: ignore[bad-specialization]
        before = found.get(key)
        found[key] = term if before is None else Term(before.weight + term.weight, term.time, term.strengths)
    return [t for t in found.values() if not (isinstance(t.weight, float | int) and t.weight == 0)] + others


def _exponential(weight, time, xp):
    """exp(-t lam) on Talbot's contour.  Eq. (79)"""
    z, omega = talbot(POINTS[8 if xp.finfo(time.dtype).bits == 64 else 4])
    return Group.of(weight, omega, z, time)


def parts(values: np.ndarray, like: Array) -> Pair:
    """(real, imaginary) part of NumPy's complex numbers, in the library and precision of `like`."""
    return tuple(array_namespace(like).astype(moved(part.copy(), like), like.dtype, copy=False)
                 for part in (values.real, values.imag))


def talbot(points: int) -> tuple[np.ndarray, np.ndarray]:
    """(z, omega), half of the contour's points: Re sum_j omega_j phi(z_j/t) is the inverse Laplace transform of
    phi(p)/p at t (Trefethen, Weideman and Schmelzer 2006)."""
    theta = (2 * np.arange(1, points // 2 + 1) - 1) * pi / points
    angle = 0.6407 * theta
    z = points * (0.5017 * theta / np.tan(angle) - 0.6122 + 0.2645j * theta)
    slope = points * (0.5017 / np.tan(angle) - 0.5017 * angle / np.sin(angle) ** 2 + 0.2645j)
    return z, 2 * np.exp(z) * slope / (1j * points) / z


def _ridge(weight, mu, xp):
    """mu/(lam + mu)"""
    one = np.ones(1, complex)
    return Group.of(weight, one, one, xp.where(mu > 0, 1 / xp.where(mu > 0, mu, 1.0), xp.inf))


def _decayed(weight, time, mu, xp):
    """exp(-t lam) mu/(lam + mu): partial fractions of p/(lam + p) mu/(lam + mu) at every point p of the contour."""
    z, omega = talbot(POINTS[8 if xp.finfo(time.dtype).bits == 64 else 4])
    ends = xp.isinf(mu) | xp.isinf(time)  # there the ridge changes nothing
    a = xp.where(ends, 0.0, product(mu, time))[..., None]  # mu t; a/(a - z) multiplies the exponential's points
    (x, y), (re, im) = parts(z, time), parts(omega, time)
    size = (a - x) ** 2 + y**2
    share_re, share_im = a * (a - x) / size, a * y / size
    share_re, share_im = xp.where(ends[..., None], 1.0, share_re), xp.where(ends[..., None], 0.0, share_im)
    pair = re * share_re - im * share_im, re * share_im + im * share_re
    flow = Group(weight, pair, (x, y), time + xp.zeros_like(a[..., 0]))
    return [flow, _ridge(weight * (1 - xp.sum(pair[0], axis=-1)), mu, xp)]


def _ridges(weight, strengths, xp):
    """prod_q mu_q/(lam + mu_q): by a circle around log mu where they are close, else by partial fractions."""
    logs = [xp.log(mu) for mu in strengths]
    middle = sum(logs) / len(logs)
    spread = xp.max(xp.stack(xp.broadcast_arrays(*(xp.abs(value - middle) for value in logs))), axis=0)
    close = spread <= SPREAD
    known = is_concrete(close)
    if known and bool(xp.all(close)):
        return [_circle(weight, logs, middle, xp)]
    if len(strengths) == 2:
        far = xp.where(close, 0.0, 1.0)
        (a, b), gap = strengths, xp.where(close, 1.0, strengths[1] - strengths[0])
        fractions = [_ridge(weight * far * b / gap, a, xp), _ridge(-weight * far * a / gap, b, xp)]
        if known and not bool(xp.any(close)):
            return fractions
        shifted = [xp.where(close, value, 0.0) for value in logs]
        return [*fractions, _circle(weight * (1 - far), shifted, xp.where(close, middle, 0.0), xp)]
    raise NoResolvents("several ridges of different penalties")


def _circle(weight, logs, middle, xp):
    """-(1/2 pi i) times the integral of prod mu_q/(mu_q - p) p/(lam + p) dp/p around the penalties."""
    phi = (2 * np.arange(ON_CIRCLE // 2) + 1) * pi / ON_CIRCLE
    turn = RADIUS * np.exp(1j * phi)
    z = np.exp(turn)
    (a, b), (re, im) = parts(z, weight), parts(-2 * turn / ON_CIRCLE, weight)  # dp/p, against the clock
    for value in logs:  # each factor is mu/(mu - p) = 1/(1 - exp(log p - log mu))
        scale = xp.exp(middle - value)[..., None]
        x, y = 1 - scale * a, -scale * b
        size = x**2 + y**2
        re, im = (re * x + im * y) / size, (im * x - re * y) / size
    return Group(weight, (re, im), (a, b), xp.exp(-middle))
