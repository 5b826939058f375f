"""Criteria from the training data alone: a fit's loss, its degrees of freedom, and estimates of its risk.

A fit is linear in the targets: f - f0 = S (y - f0) with S = U diag(g) U^T and f0 what the start predicts. All criteria
are computed from the residuals r = 1 - g, direction by direction, so that nothing cancels where a fit interpolates.
Functions that end in `_of` also take the `Directions` of the targets, for callers that evaluate many fits of one flow.
"""

from array_api_compat import array_namespace

from eigenkd.fit import Fit
from eigenkd.risk.directions import Directions, checked_fit, checked_noise, equally_weighted, has_intercept, of_targets
from eigenkd.typing import Array, ArrayLike


def training_loss(fit: Fit) -> Array:
    """(...,): (1/n) ||y - f||^2 = (1/n) [sum_k r_k^2 ||c_k||^2 + ||outside||^2], c = U^T (y - f0).  Eq. (36)

    outside: the part of y - f0 orthogonal to the range of K. For flow.student(s[:, None], T) the result is the loss
    surface over both times. It is right to a few units in the last place even where it is far below rounding of y. With
    sample weights (1/n) sum_i w_i ||y_i - f_i||^2.

    Raises TypeError for what is not a Fit, as all functions of a fit here do.
    """
    return loss_of(checked_fit(fit), of_targets(fit.flow))


def loss_of(fit: Fit, here: Directions) -> Array:
    r = fit.residual
    return (array_namespace(r).sum(r**2 * here.energy, axis=-1) + here.floor) / here.outside.shape[0]


def degrees_of_freedom(fit: Fit) -> Array:
    """(...,): tr S = sum_k g_k, the number of samples that the fit follows, the same for every output.  Eq. (37)

    An intercept adds 1.
    """
    fit = checked_fit(fit)
    return array_namespace(fit.gain).sum(fit.gain, axis=-1) + int(has_intercept(fit.flow))


def sure(fit: Fit, noise: ArrayLike) -> Array:
    """(...,): Stein's unbiased estimate of the risk, (1/n) ||y - f||^2 + 2 noise df/n - noise.  Eq. (38)

    noise: variance of a sample's targets around their mean, summed over outputs (sigma^2 for one, m sigma^2 for m of
    the same variance, `flip_noise` for flipped classes): >= 0, a number or an array that broadcasts with the fit's
    parameters. Unbiased for the risk towards that mean, for any noise that is independent between samples with this
    variance. It may be negative, unlike the risk. Raises ValueError for a flow with sample weights.
    """
    return sure_of(checked_fit(fit), of_targets(fit.flow), noise)


def sure_of(fit: Fit, here: Directions, noise: ArrayLike) -> Array:
    equally_weighted(fit.flow)
    noise = checked_noise(noise, fit.gain)
    return loss_of(fit, here) + noise * (2 * degrees_of_freedom(fit) / here.outside.shape[0] - 1)
