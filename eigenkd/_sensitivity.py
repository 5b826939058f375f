"""Weights and predictions with derivatives that do not pass through the eigenvectors.

A derivative of eigenvectors divides by differences of eigenvalues. The derivative of weights and predictions does not:
they are functions of the matrix K, and their derivative, Eqs. (51)-(54), consists of divided differences, which are
finite and right where eigenvalues repeat, nearly repeat or are 0. This module computes the value from the eigenbasis
and attaches that derivative to it, by jax.custom_jvp and by torch.autograd.Function. NumPy gets the value alone.

The derivative itself is computed from the eigenbasis. A second derivative differentiates that basis as the library
does: it is right where eigenvalues differ, NaN or infinite where they repeat.
"""

from functools import cache, partial
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from eigenkd import _pytrees
from eigenkd._arrays import library, real_array
from eigenkd._divided import dual, outer, shares, turned, turned_back
from eigenkd.spectrum import times


class Primals(NamedTuple):
    """What `_value` depends on. gain, limit and spectrum follow from filter, inputs and rest.

    inputs: X or K. rest: targets - outputs of the start. new: X_new or K_new, or None. gain, limit, spectrum: those of
    a `Fit` and its flow.
    """

    filter: Any
    inputs: Any
    rest: Any
    new: Any
    gain: Any
    limit: Any
    spectrum: Any


class Changes(NamedTuple):
    """Tangents or cotangents of the gain at fixed eigenvalues and of `Primals`; None for 0."""

    gain: Any
    inputs: Any
    rest: Any
    new: Any


def learned(view, fit, new=None):
    """(..., q, m): what a fit has learned, without its start, as "weights", "fitted", or "predict" on new inputs."""
    flow, gain = fit.flow, fit.gain
    spectrum, limit = flow.spectrum, flow.limit
    name = library(limit)
    if name not in ("JAX", "PyTorch"):
        return _value(view, Primals(None, None, None, new, gain, limit, spectrum))
    filter = _pytrees.mapped(fit._resolved, lambda a, _: real_array("filter", a, like=gain, finite=False, values=False))
    primals = Primals(filter, flow.inputs, flow.rest, new, gain, limit, spectrum)
    if name == "JAX":
        return _jax_function()(view, primals)
    arrays, rebuild = _pytrees.flatten(primals)
    return _torch_function().apply(view, rebuild, *arrays)


def _value(view, primals):
    """The view of the components gain * limit."""
    new, spectrum, components = primals.new, primals.spectrum, primals.gain[..., None] * primals.limit
    if view == "predict":
        return spectrum.predict(new, components)
    return spectrum.outputs(components) if view == "fitted" else spectrum.weights(components)


def _tangent(view, primals, changes):
    """The change (..., q, m) of `_value`, linear in changes.  Eqs. (51)-(54)"""
    filter, _, rest, new, gain, limit, spectrum = primals
    U, s, lam, V = spectrum.sample_basis, spectrum.singular_values, spectrum.eigenvalues, spectrum.feature_basis
    c, dX, fitted = times(U.T, rest), changes.inputs, view == "fitted"
    h = None if dX is None and changes.new is None else dual(filter, lam)[..., None]
    shared, turning, outside = [], [], []  # along the basis, for all views and for this one; outside of it
    if changes.gain is not None:
        shared.append(changes.gain[..., None] * limit)
    if changes.rest is not None:
        shared.append((gain * spectrum.inverse)[..., None] * times(U.T, changes.rest))
    if dX is not None:
        first, second = spectrum.turn(fitted, dX)
        turning.append(turned(filter, lam, first, second, c, spectrum.refined))
    if dX is not None and not spectrum.spans_samples:
        shared.append(h * times(V.T, times(dX.T, rest - times(U, c))))
        if fitted:
            outside.append(_beyond(U, times(dX, times(V, s[:, None] * h * c))))
    if dX is not None and not spectrum.spans_features and not fitted:
        weights = _beyond(V, times(dX.T, times(U, h * c)))
        outside.append(weights if view == "weights" else times(new, weights))
    if changes.new is not None:
        outside.append(times(changes.new, times(*spectrum.multiplied(gain[..., None] * limit, h * c))))
    if not shared and not turning:
        return sum(outside)
    coordinates, scale = _coordinates(view, primals)
    along: Any = sum([*turning, *(scale * change for change in shared)])
    return sum([times(coordinates, along), *outside])


def _cotangent(view, primals, along, wanted):
    """The transpose of `_tangent`: the `Changes` that `wanted` marks as True, for a cotangent `along` of `_value`."""
    filter, _, rest, new, gain, limit, spectrum = primals
    U, s, lam, V = spectrum.sample_basis, spectrum.singular_values, spectrum.eigenvalues, spectrum.feature_basis
    c, h = times(U.T, rest), dual(filter, lam)[..., None] if wanted.inputs or wanted.new else None
    fitted = view == "fitted"
    coordinates, scale = _coordinates(view, primals)
    turning = times(coordinates.T, along)
    shared = scale * turning
    dgain = array_namespace(gain).sum(shared * limit, axis=-1) if wanted.gain else None
    drest = times(U, (gain * spectrum.inverse)[..., None] * shared) if wanted.rest else None
    dX, dnew = None, None
    if wanted.inputs:
        of_gain, of_dual = spectrum.turns(fitted)
        first, second = turned_back(filter, lam, turning, c, of_gain, of_dual, spectrum.refined)
        dX = spectrum.turn_back(fitted, first, second)
    if wanted.inputs and not spectrum.spans_samples:
        dX = dX + outer(rest - times(U, c), h * shared) @ V.T
        if fitted:
            dX = dX + outer(_beyond(U, along), s[:, None] * h * c) @ V.T
    if wanted.inputs and not spectrum.spans_features and not fitted:
        dX = dX + U @ outer(h * c, _beyond(V, along if view == "weights" else times(new.T, along)))
    if wanted.new:
        basis, columns = spectrum.multiplied(gain[..., None] * limit, h * c)
        dnew = outer(along, columns) @ basis.T
    return Changes(dgain, dX, drest, dnew)


def _coordinates(view, primals):
    """(coordinates (q, k) of the view, the scale of changes that all views share)."""
    spectrum = primals.spectrum
    if view == "predict":
        return spectrum.project(primals.new), 1.0
    return (spectrum.sample_basis, spectrum.singular_values[:, None]) if view == "fitted" else (
        spectrum.feature_basis, 1.0)


def _beyond(basis, columns):
    """The part of columns (..., q, m) that is outside the span of a basis (q, k)."""
    return columns - times(basis, times(basis.T, columns))


def _gain_of(filter, spectrum):
    """The gain up to a constant, as a function of the filter; by the residual, for the reason that `_divided.slope`
    gives."""
    return -shares(filter, spectrum.eigenvalues)[1]


@cache
def _jax_function():
    """`_value` for JAX, with `_tangent` as its derivative, which JAX transposes by itself."""
    import jax
    from jax.custom_derivatives import SymbolicZero

    def zero(change):
        return isinstance(change, SymbolicZero)

    tangent = jax.jit(_tangent, static_argnums=0)

    @partial(jax.custom_jvp, nondiff_argnums=(0,))
    def value(view, primals):
        return _value(view, primals)

    @partial(value.defjvp, symbolic_zeros=True)
    def rule(view, primals, tangents):
        (primals,), (given,) = primals, tangents
        dfilter, dgain = given.filter, None
        if not all(zero(change) for change in jax.tree.leaves(dfilter)):
            dfilter = jax.tree.map(lambda d: jax.numpy.zeros(d.shape, d.dtype) if zero(d) else d, dfilter)
            dgain = jax.jvp(lambda filter: _gain_of(filter, primals.spectrum), (primals.filter,), (dfilter,))[1]
        # The tangents of spectrum, gain and limit are dropped: Eqs. (51)-(54) contain them.
        changes = Changes(dgain, *(None if zero(d) else d for d in (given.inputs, given.rest, given.new)))
        result = value(view, primals)
        return result, result * 0 if all(d is None for d in changes) else tangent(view, primals, changes)

    return value


@cache
def _torch_function():
    """`_value` for PyTorch, with `_cotangent` as its backward and `_tangent` as its forward derivative."""
    import torch
    from torch._functorch.pyfunctorch import TransformType, retrieve_all_functorch_interpreters

    def gain_of(primals):
        """The parameters of the filter, and the gain as a function of them."""
        parameters, rebuild = _pytrees.flatten(primals.filter)
        return tuple(parameters), lambda *values: _gain_of(rebuild(values), primals.spectrum)

    class Learned(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(view, rebuild, *arrays):
            return _value(view, rebuild(arrays))

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.view, ctx.rebuild, *arrays = inputs
            ctx.save_for_backward(*arrays)
            ctx.save_for_forward(*arrays)

        @staticmethod
        def backward(ctx, along):  # pyrefly: ignore[bad-override]
            arrays, needs = ctx.saved_tensors, ctx.needs_input_grad[2:]
            primals, index = ctx.rebuild(arrays), ctx.rebuild(range(len(arrays)))
            parameters, gain = gain_of(primals)
            count, cotangents = len(parameters), [None] * len(arrays)  # the parameters come first
            wanted = Changes(any(needs[:count]), *(i is not None and needs[i] for i in index[1:4]))
            changes = _cotangent(ctx.view, primals, along, wanted)
            if changes.gain is not None:
                cotangents[:count] = torch.func.vjp(gain, *parameters)[1](changes.gain.sum_to_size(primals.gain.shape))
            for i, change in zip(index[1:4], changes[1:]):
                if change is not None:
                    cotangents[i] = change.sum_to_size(arrays[i].shape)
            return None, None, *cotangents

        @staticmethod
        def jvp(ctx, _, __, *tangents):  # pyrefly: ignore[bad-override]
            primals, given = ctx.rebuild(ctx.saved_tensors), ctx.rebuild(tangents)
            parameters, gain = gain_of(primals)
            of_filter, dgain = tangents[:len(parameters)], None
            if sum(level.key() == TransformType.Jvp for level in retrieve_all_functorch_interpreters()) > 1:
                raise NotImplementedError(
                    "torch.func.jvp of torch.func.jvp: PyTorch drops the outer derivative of an autograd.Function "
                    "there without a word; take one of the two in reverse mode, as torch.func.hessian does")
            if any(d is not None for d in of_filter):
                of_filter = tuple(torch.zeros_like(p) if d is None else d for p, d in zip(parameters, of_filter))
                dgain = torch.func.jvp(gain, parameters, of_filter)[1]
            return _tangent(ctx.view, primals, Changes(dgain, *given[1:4]))

    return Learned
