"""Flows, fits, spectra and filters as JAX pytrees: through jit and vmap, in and out, without checks and retracing."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eigenkd import _pytrees, filters, kernel_flow, linear_flow

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(4, 6)), RNG.normal(size=4)
FILTERS = [
    filters.flow(0.7), filters.flow(np.array([0.7, 0.3])) @ filters.flow(1.3), filters.identity, filters.ridge(0.3),
    filters.mix(filters.flow(0.2), filters.ridge(0.1), 0.4), filters.relax(filters.ridge(0.2), 0.3, filters.flow(0.1)),
    filters.descent(0.01, 5), filters.scheduled_descent([0.01, 0.02]), filters.heavy_flow(0.5, 0.1),
    filters.generations(filters.flow(0.5), 3, 0.2), filters.online_chain(0.5, 3), filters.mutual(0.3, 0.5)[0],
    filters.anneal(filters.flow(0.3), filters.identity, 0.5)]


@pytest.mark.parametrize("filter", FILTERS, ids=repr)
def test_a_filter_is_the_tree_of_its_parameters(filter):
    lam = jnp.asarray([0.0, 0.5, 1.0])
    leaves, structure = jax.tree.flatten(filter)
    assert all(isinstance(leaf, np.ndarray) for leaf in leaves)
    again = jax.tree.unflatten(structure, leaves)
    assert type(again) is type(filter)
    np.testing.assert_array_equal(again.gain(lam), filter.gain(lam))
    np.testing.assert_allclose(jax.jit(lambda f: f.gain(lam))(filter), filter.gain(lam), rtol=1e-14)
    assert jax.tree.structure(jax.tree.map(lambda a: -1 * a, filter)) == structure  # no value is checked
    jax.tree.unflatten(structure, [object() for _ in leaves])


def test_a_filter_goes_through_vmap_and_has_gradients():
    student = filters.flow(jnp.asarray(0.7)) @ filters.flow(jnp.asarray(1.3))

    def loss(student):
        return linear_flow(X, Y).fit(student).weights.sum()

    gradient = jax.grad(loss)(student)
    numbers = jax.grad(lambda s, T: loss(filters.flow(s) @ filters.flow(T)), (0, 1))(0.7, 1.3)
    np.testing.assert_allclose(jax.tree.leaves(gradient), numbers, rtol=1e-12)
    batch = jax.tree.map(lambda t: jnp.stack([t, 2 * t]), student)
    np.testing.assert_allclose(jax.vmap(loss)(batch)[1], loss(filters.flow(1.4) @ filters.flow(2.6)), rtol=1e-12)


@pytest.mark.parametrize("make", [lambda X: linear_flow(X, Y, start=np.ones(6)), lambda X: linear_flow(X, Y, "gram"),
                                  lambda X: kernel_flow(X @ X.T, Y)])
def test_flows_and_fits_go_in_and_out_of_jit(make):
    expected = make(jnp.asarray(X)).student(0.7, 1.3).fitted
    flow = jax.jit(make)(X)
    assert flow.spectrum.method in ("svd", "gram", "kernel")
    np.testing.assert_allclose(flow.student(0.7, 1.3).fitted, expected, rtol=1e-9)
    np.testing.assert_allclose(jax.jit(lambda flow: flow.student(0.7, 1.3).fitted)(flow), expected, rtol=1e-9)
    fit = jax.jit(lambda flow, t: flow.student(t, 1.3))(flow, 0.7)
    np.testing.assert_allclose(fit.fitted, expected, rtol=1e-9)
    assert fit.flow.vector is True


def test_vmap_over_a_batch_of_flows():
    batch = np.stack([X, 2 * X, np.eye(4, 6)])
    flows = jax.jit(jax.vmap(linear_flow, in_axes=(0, None)))(batch, Y)
    assert flows.inputs.shape == (3, 4, 6)
    fitted = jax.vmap(lambda flow: flow.student(0.7, 1.3).fitted)(flows)
    for one, features in zip(fitted, batch):
        np.testing.assert_allclose(one, linear_flow(features, Y).student(0.7, 1.3).fitted, rtol=1e-9)


def test_the_gradient_of_a_flow_is_in_what_it_was_made_from():
    flow = linear_flow(jnp.asarray(np.eye(4, 6)), Y)
    gradient = jax.grad(lambda flow: (flow.student(0.7, 1.3).weights ** 2).sum())(flow)
    direct = jax.grad(lambda X, y: (linear_flow(X, y).student(0.7, 1.3).weights ** 2).sum(), (0, 1))(flow.inputs, Y)
    np.testing.assert_allclose(gradient.inputs, direct[0], atol=1e-14)
    np.testing.assert_allclose(gradient.targets[:, 0], direct[1], atol=1e-14)
    for leaf in jax.tree.leaves((gradient.spectrum, gradient.limit)):
        np.testing.assert_array_equal(leaf, 0)


def test_nothing_is_traced_twice():
    traces = []

    @jax.jit
    def fitted(flow, filter):
        traces.append(filter)
        return flow.fit(filter).fitted

    for scale in (1.0, 2.0, 3.0):
        flow = linear_flow(jnp.asarray(scale * X), scale * Y)
        fitted(flow, filters.mix(filters.flow(scale), filters.ridge(scale), 0.1 * scale) @ filters.flow(scale))
    assert len(traces) == 1
    fitted(flow, filters.flow(1.0))
    assert len(traces) == 2


def test_trees_name_their_parts():
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(
        linear_flow(X, Y, "svd").teacher(0.7))]
    assert ".flow.spectrum.sample_basis" in paths
    assert ".flow.inputs" in paths
    assert any(path.startswith(".filter") for path in paths)


def test_flatten_and_rebuild_without_jax():
    tree = (filters.flow(0.7) @ filters.ridge(0.3), None, (X,))
    arrays, rebuild = _pytrees.flatten(tree)
    assert [float(a) for a in arrays[:2]] == [0.7, 0.3]
    filter, nothing, (same,) = rebuild([np.asarray(1.0), np.asarray(2.0), X])
    assert nothing is None
    assert same is X
    assert float(filter.gain(1.0)) == float((filters.flow(1.0) @ filters.ridge(2.0)).gain(1.0))


@pytest.mark.parametrize("order", ["import jax; import eigenkd", "import eigenkd; import jax"])
def test_jax_is_told_whichever_is_imported_first(order):
    code = order + """
import numpy as np
flow = eigenkd.linear_flow(np.eye(3), np.ones(3))
print(*{type(leaf).__name__ for leaf in jax.tree.leaves((flow, flow.teacher(0.3), eigenkd.filters.flow(0.3)))})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["ndarray"], done.stderr
