"""Ways of training along one eigendirection: flow, gradient descent, momentum, weight decay, ridge regression."""

from numbers import Real

from array_api_compat import array_namespace

from eigenkd._arrays import is_concrete
from eigenkd.filters.algebra import (
    Alternating,
    ClosedForm,
    Exponential,
    Filter,
    check_shapes,
    identity,
    parameter,
    share,
    toward,
    whole,
)
from eigenkd.filters.elementary import exact_product, log1p, mean_decay, product
from eigenkd.filters.two_rates import two_rates
from eigenkd.typing import Array, ArrayLike


def flow(time: ArrayLike, weight_decay: ArrayLike = 0.0) -> Filter:
    """Gradient flow for `time` from zero towards the labels: g = 1 - exp(-t lam).  Eq. (4)

    time: t >= 0, a number or an array of any shape, inf allowed. Unit: 1/eigenvalue, for the loss (1/2)||X b - y||^2.
    weight_decay: mu >= 0, in units of the eigenvalue, for that loss + (mu/2)||b||^2:
    g = lam/(lam + mu) (1 - exp(-t (lam + mu))).  Eq. (16)
    Raises ValueError for a negative or NaN time or decay.
    """
    return relax(identity, time, weight_decay=weight_decay)


def relax(target: Filter, time: ArrayLike, start: Filter | None = None, weight_decay: ArrayLike = 0.0) -> Filter:
    """Gradient flow for `time` towards `target`, from `start` (zero): g = tau + exp(-t lam) (g0 - tau).  Eq. (10)

    target, start: filters, the targets and the start of the training. time, weight_decay: as in `flow`; the decay pulls
    the start towards zero as well.
    """
    return _trained(Exponential, "flow", {"time": parameter("time", time)}, _flow_exponent, target, start, weight_decay)


def descent(learning_rate: ArrayLike, steps: ArrayLike, weight_decay: ArrayLike = 0.0) -> Filter:
    """Gradient descent for `steps` steps from zero towards the labels: g = 1 - (1 - eta lam)^k.  Eq. (11)

    learning_rate: eta >= 0; steps: k, a whole number >= 0, inf allowed; numbers or arrays that broadcast. weight_decay:
    mu as in `flow`, so that eta (lam + mu) takes the place of eta lam. Where that is above 1 the residual changes its
    sign from step to step, and above 2 it grows. Gain and residual are right there too, but have no logarithms, and the
    order that Theorem 4.1 rests on fails.

    >>> print(descent(0.5, [1, 2, 3]).gain(3.0))     # eta lam = 1.5
    [1.5   0.75  1.125]

    Raises ValueError for values out of range, for logarithms where eta lam > 1, and for infinitely many steps where
    eta lam >= 2; the last two on evaluation.
    """
    return descend(identity, learning_rate, steps, weight_decay=weight_decay)


def descend(target: Filter, learning_rate: ArrayLike, steps: ArrayLike, start: Filter | None = None,
            weight_decay: ArrayLike = 0.0) -> Filter:
    """Gradient descent for `steps` steps towards `target`, from `start` (zero): `relax` by steps.  Eqs. (10), (11)"""
    arguments = {"learning_rate": parameter("learning_rate", learning_rate, finite=True),
                 "steps": whole("steps", steps)}
    return _trained(Alternating, "descent", arguments, _descent, target, start, weight_decay)


def scheduled_descent(learning_rates: ArrayLike, target: Filter = identity, start: Filter | None = None,
                      weight_decay: ArrayLike = 0.0) -> Filter:
    """Gradient descent by a schedule of steps: g = 1 - prod_i (1 - eta_i lam), in any order.  Eq. (17)

    learning_rates: (steps,), or (..., steps) for several schedules: eta_i >= 0, finite. The rest as in `descend`;
    single steps may be longer than stable ones, as Chebyshev's are.
    """
    rates = parameter("learning_rates", learning_rates, finite=True)
    if rates.ndim == 0:
        raise ValueError(f"learning_rates: expected one a step, got the number {float(rates):g}; pass a list, or use "
                         f"descent(learning_rate, steps) for equal steps")
    return _trained(Alternating, "scheduled_descent", {"learning_rates": rates}, _schedule, target, start, weight_decay,
                    own_axes=1)


def heavy_ball(learning_rate: ArrayLike, steps: ArrayLike, momentum: ArrayLike) -> Filter:
    """Gradient descent with momentum (Polyak's heavy ball, PyTorch's SGD), from rest at zero.  Eq. (18)

    b_{k+1} = b_k - eta grad + beta (b_k - b_{k-1}). learning_rate: eta >= 0; steps: k, whole, finite; momentum: 0 <=
    beta < 1; numbers or arrays that broadcast. It overshoots, so it has no logarithms, and Theorem 4.1 does not hold.
    For a student or a start use heavy_ball(...) @ teacher or toward(target, heavy_ball(...), start). Derivatives in
    beta are NaN at beta = 0. Raises ValueError for values out of range.

    >>> print(heavy_ball(0.1, [1, 10, 20], momentum=0.9).gain(1.0).round(4))
    [0.1    1.5888 0.6553]
    """
    arguments = {"learning_rate": parameter("learning_rate", learning_rate, finite=True),
                 "steps": whole("steps", steps, finite=True), "momentum": checked_momentum(momentum)}
    check_shapes(arguments.values())
    return ClosedForm("heavy_ball", tuple(arguments), tuple(arguments.values()), pair=_heavy_ball)


def checked_momentum(momentum: ArrayLike) -> Array:
    """The share of the last step that is kept: 0 <= beta < 1."""
    momentum = share("momentum", momentum, "pass the share of the last step that is kept")
    if is_concrete(momentum) and bool(array_namespace(momentum).any(momentum == 1)):
        raise ValueError("momentum: expected numbers below 1, got 1; without friction nothing settles")
    return momentum


def heavy_flow(time: ArrayLike, damping: ArrayLike) -> Filter:
    """The heavy ball in continuous time, b'' + c b' + grad = 0, from rest at zero.  Eq. (19)

    time: t >= 0, in units of eigenvalue^(-1/2); damping: c >= 0, in units of eigenvalue^(1/2); both finite, numbers or
    arrays that broadcast. A direction is overdamped where c > 2 sqrt(lam), else it oscillates; for a large c this is
    flow(t/c). It has no logarithms, as `heavy_ball`. Raises ValueError for values out of range.
    """
    arguments = {"time": parameter("time", time, finite=True), "damping": parameter("damping", damping, finite=True)}
    check_shapes(arguments.values())
    return ClosedForm("heavy_flow", tuple(arguments), tuple(arguments.values()), pair=_heavy_flow)


def ridge(strength: ArrayLike) -> Filter:
    """Ridge regression with penalty (mu/2)||b||^2: g = lam / (lam + mu).  Eq. (14)

    strength: mu >= 0, a number or an array of any shape, inf allowed, in units of the eigenvalue; mu = 0 is the limit
    of a vanishing penalty: 1 where lam > 0 and 0 in null directions.
    """
    return Exponential("ridge", ("strength",), (parameter("strength", strength),), exponent=_ridge_exponent)


def _trained(kind, name, arguments, rule, target, start, weight_decay, own_axes=0):
    """The leaf of `kind` towards `target` from `start`; with decay at lam + mu, and towards ridge(mu) @ target."""
    if not (isinstance(weight_decay, Real) and weight_decay == 0):
        decay = parameter("weight_decay", weight_decay, finite=True)
        arguments = arguments | {"weight_decay": decay[(..., *(None,) * own_axes)]}
        target = ridge(decay) @ target if target is not identity else ridge(decay)
    check_shapes(arguments.values(), own_axes)
    leaf = kind(name, tuple(arguments), tuple(arguments.values()), rule, own_axes=own_axes)
    return leaf if target is identity and start is None else toward(target, leaf, start)


def _flow_exponent(lam, time, weight_decay=0.0):
    return product(time, lam + weight_decay)


def _ridge_exponent(lam, strength):
    xp = array_namespace(lam)
    null = (lam == 0) & (strength == 0)
    return xp.where(null, 0.0, log1p(lam / xp.where(null, 1.0, strength)))


def _descent(lam, learning_rate, steps, weight_decay=0.0):
    """(exponent, negative, overshoots) of (1 - eta lam)^k."""
    xp = array_namespace(lam)
    exponent, overshoots, progress = _step(lam + weight_decay, learning_rate)
    if is_concrete(progress) and bool(xp.any(xp.isinf(steps) & (progress >= 2))):
        raise ValueError(f"steps: expected a finite number where learning_rate * eigenvalue >= 2, got inf at "
                         f"{float(xp.max(progress)):.6g}; there gradient descent does not converge: use a learning "
                         f"rate below 2/{float(xp.max(lam)):.6g}")
    negative = overshoots & (xp.floor(steps / 2) * 2 != steps)
    grows = exponent < 0
    return xp.where(grows, -product(steps, xp.where(grows, -exponent, 0.0)),
                    product(steps, xp.where(grows, 0.0, exponent))), negative, overshoots


def _schedule(lam, learning_rates, weight_decay=0.0):
    """(exponent, negative, overshoots) of prod_i (1 - eta_i lam), the steps along the last axis."""
    xp = array_namespace(lam)
    exponent, overshoots, _ = _step(lam[..., None] + weight_decay, learning_rates)
    flips = xp.sum(xp.astype(overshoots, xp.int32), axis=-1)
    return xp.sum(exponent, axis=-1), flips % 2 == 1, xp.any(overshoots, axis=-1)


def _step(lam, learning_rate):
    """(-log |1 - eta lam|, whether 1 - eta lam < 0, eta lam), corrected for the rounding of eta lam."""
    xp = array_namespace(lam)
    progress, rest = exact_product(learning_rate, lam)
    remaining = 1 - progress - rest
    overshoots = remaining < -4 * xp.finfo(progress.dtype).eps  # less is rounding of a step that reaches its target
    remaining = xp.where(overshoots, -remaining, xp.where(remaining > 0, remaining, 0.0))
    # Next to 1 the rounding of eta * lam is not small next to 1 - eta * lam; next to 0 the logarithm needs log1p.
    near, far = progress > 0.5, xp.where(progress > 0.5, 0.5, progress)
    logarithm = xp.where(near, xp.log(xp.where(near, remaining, 1.0)), log1p(-far) - rest / (1 - far))
    return -logarithm, overshoots, progress


def _heavy_flow(lam, time, damping):
    """Two rates m1, m2 with m1 + m2 = c and m1 m2 = lam, real or not.  Eq. (19)"""
    return two_rates(damping * time, lam * time * time)


def _heavy_ball(lam, learning_rate, steps, momentum):
    """The residual z1^k + ..., from the roots of z^2 - (1 + beta - eta lam) z + beta.  Eq. (18)"""
    xp = array_namespace(lam)
    u = learning_rate * lam
    middle = (1 + momentum - u) / 2
    root = xp.sqrt(momentum)
    # middle^2 - beta without cancellation where the roots meet: at u = (1 - sqrt beta)^2 and (1 + sqrt beta)^2.
    disc = ((1 - u) - root * (2 - root)) * ((1 - u) + root * (2 + root)) / 4
    real, swings = disc >= 0, disc < 0
    split = xp.sqrt(xp.where(disc > 0, disc, 1.0)) * xp.where(disc > 0, 1.0, 0.0)
    larger = xp.where(real, xp.abs(middle) + split, 1.0)
    ratio = xp.where(real & (larger > 0), momentum / xp.where(larger > 0, larger * larger, 1.0), 0.0)
    sign = xp.where((middle < 0) & (xp.floor(steps / 2) * 2 != steps), -1.0, 1.0)
    creep = (middle > 0) & real
    # Creeping: 1 - z1 = u/(1 - z2), and the residual z1^k (1 + (1 - z1) (q + q^2 + ... + q^k)), q = z2/z1.
    gap = u / (1 - xp.where(creep, ratio * larger, 0.0))
    slow = xp.where(creep, steps * -log1p(-xp.where(creep, gap, 0.0)), 0.0)
    powers = _geometric(ratio, steps)
    residual = xp.exp(-slow) * (1 + gap * ratio * powers)
    gain = -xp.expm1(-slow) - xp.exp(-slow) * gap * ratio * powers
    # Real and negative: (-1)^k (W_k + beta W_{k-1}), W_k = z^k (1 + q + ... + q^k).
    before = xp.where(steps > 0, steps - 1, 0.0)
    opposite = sign * (larger**steps * _geometric(ratio, steps + 1)
                       + xp.where(steps > 0, momentum * larger**before * powers, 0.0))
    # Swinging: beta^(k/2) (sin((k + 1) w) - sqrt(beta) sin(k w)) / sin w.
    w = xp.where(swings, xp.atan2(xp.sqrt(xp.where(swings, -disc, 1.0)), middle), 1.0)
    swinging = root**steps * (xp.sin((steps + 1) * w) - root * xp.sin(steps * w)) / xp.sin(w)
    other = xp.where(swings, swinging, opposite)
    return xp.where(creep, gain, 1 - other), xp.where(creep, residual, other)


def _geometric(ratio, count):
    """1 + q + ... + q^(count - 1) for q in [0, 1]."""
    xp = array_namespace(ratio)
    log_ratio = xp.log(xp.where(ratio > 0, ratio, 1.0))
    total = count * mean_decay(-count * log_ratio) / mean_decay(-log_ratio)
    return xp.where(ratio > 0, total, xp.where(count > 0, 1.0, 0.0))
