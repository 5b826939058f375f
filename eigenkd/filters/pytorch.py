"""Training as PyTorch runs it, full batches of `torch.optim.SGD` on an `MSELoss`, in the units of the flow."""

from numbers import Real

from eigenkd.filters.algebra import Filter, parameter, whole
from eigenkd.filters.training import checked_momentum, descent, heavy_ball
from eigenkd.typing import Array, ArrayLike

REDUCTIONS = ("mean", "sum")


def sgd(learning_rate: ArrayLike, steps: ArrayLike, samples: int, outputs: int = 1, reduction: str = "mean",
        momentum: ArrayLike = 0.0, weight_decay: ArrayLike = 0.0) -> Filter:
    """The filter of torch.optim.SGD on full batches with torch.nn.MSELoss, of a linear model without bias.  Eq. (77)

    The flow and its filters have the loss (1/2)||X b - y||^2, whose gradient is X^T (X b - y). The "mean" of MSELoss
    divides the squared error by n m and does not halve it: its gradient is 2/(n m) times that, and of the "sum" twice.
    This is descent(eta, steps), or heavy_ball(eta, steps, momentum), with eta = learning_rate * 2/(n m) or
    learning_rate * 2.

    learning_rate, steps, momentum, weight_decay: as torch.optim.SGD has them (v = momentum v + gradient, b = b -
    learning_rate v; no dampening, no nesterov); numbers or arrays that broadcast. steps are batches, which here are
    epochs. samples, outputs: n and m, the shape of the targets. A run that starts from weights b0: linear_flow(X, y,
    start=b0).fit(sgd(...)), without weight decay, which in PyTorch pulls towards 0.

    >>> print(sgd(0.1, 100, samples=50).gain(2.0).round(4))     # 100 steps of 0.1 * 2/50, along an eigenvalue of 2
    0.5521

    Raises ValueError for values out of range, another reduction, and momentum together with weight decay.
    """
    rate, scale = _rate(learning_rate, samples, outputs, reduction)
    decays = not _is_zero(weight_decay)
    if _is_zero(momentum):
        return descent(rate, steps, parameter("weight_decay", weight_decay, finite=True) / scale if decays else 0.0)
    if decays:
        raise ValueError(f"weight_decay: expected 0 next to momentum, got {weight_decay!r}; heavy_ball has no decay: "
                         f"leave one of them out")
    return heavy_ball(rate, steps, momentum)


def sgd_time(learning_rate: ArrayLike, steps: ArrayLike, samples: int, outputs: int = 1, reduction: str = "mean",
             momentum: ArrayLike = 0.0) -> Array:
    """The time of the flow that corresponds to steps of PyTorch's SGD: steps * eta/(1 - momentum).  Eq. (77)

    Arguments as in `sgd`. teacher(sgd_time(...)) is the limit of small steps; sgd(...) is the steps themselves. With
    momentum the time is right for many steps: the first 1/(1 - momentum) of them are slower.

    >>> print(round(float(sgd_time(0.1, 1000, samples=50, outputs=10)), 12))
    0.4
    """
    rate, _ = _rate(learning_rate, samples, outputs, reduction)
    return rate * whole("steps", steps) / (1 - checked_momentum(momentum))


def _rate(learning_rate, samples, outputs, reduction):
    """(eta, eta/learning_rate)"""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction: expected 'mean' or 'sum', got {reduction!r}; pass that of the MSELoss")
    for name, value in {"samples": samples, "outputs": outputs}.items():
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
            raise ValueError(f"{name}: expected a whole number >= 1, got {value!r}; pass the shape of the targets")
    scale = 2 / (samples * outputs) if reduction == "mean" else 2.0
    return parameter("learning_rate", learning_rate, finite=True) * scale, scale


def _is_zero(value):
    return isinstance(value, Real) and value == 0
