"""Targets split into the part that training can learn, direction by direction, and the part that it cannot."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from array_api_compat import array_namespace

from eigenkd._arrays import is_concrete, real_array
from eigenkd._pytrees import pytree
from eigenkd.flow import Fit, LinearFlow
from eigenkd.typing import Array, ArrayLike


@pytree("basis", "components", "outside", "unreached", "unit")
@dataclass(frozen=True, eq=False)
class Directions:
    """The displacement z of targets from what the start predicts, z = U c + outside.

    basis: U (n, k), the sample basis with columns of null directions 0. components: c = U^T z (k, m). outside: (n, m),
    the part that is orthogonal to the range of K and that no training reaches, exactly 0 where K has full rank.
    unreached: (), the number of such dimensions, n - rank. unit: (n,), the direction along which an intercept fits,
    which counts as reached; 0 without one.
    """

    basis: Array
    components: Array
    outside: Array
    unreached: Array
    unit: Array

    @cached_property
    def energy(self) -> Array:
        """(k,): ||c_k||^2, summed over outputs."""
        return array_namespace(self.components).sum(self.components**2, axis=-1)

    @cached_property
    def floor(self) -> Array:
        """||outside||^2, summed over samples and outputs: what is left at t = inf."""
        return array_namespace(self.outside).sum(self.outside**2)

    @cached_property
    def leverage(self) -> Array:
        """(n, k): U^2, whose rows, weighted with gains, add up to the diagonal of S."""
        return self.basis**2

    @cached_property
    def beyond(self) -> Array:
        """(n,): leverage that no training reaches, 1 - sum_k U_ik^2; 0 where it is not above rounding."""
        xp, U = array_namespace(self.basis), self.basis
        beyond = 1 - xp.sum(self.leverage, axis=-1) - self.unit**2
        beyond = xp.where(beyond > 10 * U.shape[0] * xp.finfo(U.dtype).eps, beyond, 0.0)
        return xp.where(self.unreached > 0, beyond, 0.0)


def split(flow: LinearFlow, targets: Array) -> Directions:
    """`Directions` of targets (n, m). For the flow's own targets the components are those of its fits."""
    xp, lam = array_namespace(targets), flow.spectrum.eigenvalues
    U = xp.where(lam > 0, flow.spectrum.sample_basis, 0.0)
    begin = flow.start_outputs
    z = targets if begin is None else targets - begin
    own = targets is flow.targets
    components = flow.spectrum.singular_values[:, None] * flow.limit if own else U.T @ z
    fits = has_intercept(flow)
    unreached = z.shape[0] - xp.sum(xp.astype(lam > 0, lam.dtype)) - int(fits)
    unit = flow.weighting.unit if fits else 0 * U[:, 0]
    return Directions(U, components, xp.where(unreached > 0, z - U @ (U.T @ z), 0.0), unreached, unit)


def has_intercept(flow: LinearFlow) -> bool:
    return flow.weighting is not None and flow.weighting.centre is not None


def of_targets(flow: LinearFlow) -> Directions:
    """`Directions` of the flow's own targets."""
    return split(flow, flow.targets)


def checked_fit(fit: Fit) -> Fit:
    """The fit, if its predictions on the training inputs are linear in the labels by its filter alone."""
    if not isinstance(fit, Fit):
        raise TypeError(f"fit: expected a Fit, got {type(fit).__name__}; pass what flow.teacher(time), "
                        f"flow.student(...) or flow.fit(filter) returned, of a flow of eigenkd.linear_flow or "
                        f"kernel_flow, which have an eigenbasis")
    checked_flow(fit.flow, "fit")
    return fit


def checked_noise(noise: ArrayLike, gain: Array) -> Array:
    """Variances >= 0 that broadcast with the parameters of the fit with this gain (..., k)."""
    noise, shape = real_array("noise", noise, like=gain, nonnegative=True), tuple(gain.shape[:-1])
    try:
        np.broadcast_shapes(tuple(noise.shape), shape)
    except ValueError as error:
        raise ValueError(f"noise: expected a number, or an array that broadcasts with the fit's parameters of shape "
                         f"{shape}, got shape {tuple(noise.shape)}; add axes of length 1, as in noise[:, None]"
                         ) from error
    return noise


def checked_flow(flow: object, name: str = "flow") -> LinearFlow:
    """The flow, if its targets are labels."""
    if not isinstance(flow, LinearFlow):
        raise TypeError(f"{name}: expected a LinearFlow, got {type(flow).__name__}; make one with "
                        f"eigenkd.linear_flow(X, y) or kernel_flow(K, y)")
    if flow.coupled:
        raise ValueError(f"{name}: expected a kernel between samples, got one between {flow.coupled} outputs of each; "
                         f"make the flow of the flattened kernel, K.transpose(0, 2, 1, 3).reshape(n k, n k), and of "
                         f"y.reshape(-1), by which every output of a sample counts as a sample")
    if flow.targets.ndim != 2:
        raise ValueError(f"{name}: expected targets (n, m) that are labels, got shape {tuple(flow.targets.shape)}; for "
                         f"a student of a teacher with other features, retarget its flow to one teacher's outputs")
    return flow


def equally_weighted(flow: LinearFlow, intercept: bool = True) -> LinearFlow:
    """The flow, if its samples have equal weights and, where `intercept` is False, no intercept."""
    if flow.weighting is not None and (flow.weighting.weighted or not intercept):
        wanted = "equal sample weights" if intercept else "equal sample weights and no intercept"
        raise ValueError(f"flow: expected {wanted}, as the risk under noise is that of equal samples, got a flow with "
                         f"sample_weight or intercept; use gcv or leave_one_out, or a flow without them")
    return flow


def checked_values(flow: LinearFlow) -> LinearFlow:
    """The flow, if its values are known."""
    if not is_concrete(flow.limit):
        raise TypeError("flow: expected numbers that can be looked at, got a traced array; call this outside of jit, "
                        "grad and vmap")
    return flow


def targets_like(name: str, value: ArrayLike, flow: LinearFlow) -> Array:
    """`value` (n,) or (n, m) as columns, checked to be shaped like the flow's targets y."""
    value = real_array(name, value, like=flow.limit)
    n, m = flow.targets.shape
    expected = (n,) if flow.vector else (n, m)
    if tuple(value.shape) != expected:
        raise ValueError(f"{name}: expected shape {expected} like y, got {tuple(value.shape)}; pass one row a sample")
    return value.reshape((n, m))


def parts(flow: LinearFlow, signal: ArrayLike | None, mean: ArrayLike | None) -> tuple[Array, Array, Array]:
    """(b, d, ||outside||^2) of `fixed_design`; d is exactly 0 where the mean is the signal."""
    equally_weighted(flow, intercept=False)
    signal = targets_like("signal", signal, flow)  # pyrefly: ignore[bad-argument-type]
    here = split(flow, signal)
    if mean is None:
        return here.components, 0 * here.components, here.floor
    expected = split(flow, targets_like("mean", mean, flow)).components
    return expected, here.components - expected, here.floor
