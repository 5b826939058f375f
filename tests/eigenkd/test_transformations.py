"""jit, vmap, grad and their compositions in JAX and PyTorch, where eigenvalues repeat and where they don't."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import func

from eigenkd import kernel_flow, linear_flow
from tests.oracles import dense_flow, dense_product, dense_views, differences, matrix_with

RNG = np.random.default_rng(0)
Y, START, NEW, E = RNG.normal(size=4), RNG.normal(size=5), RNG.normal(size=(3, 5)), RNG.normal(size=(4, 5))
REPEATED, NULL = np.eye(4, 5), np.eye(4, 5) * [1, 1, 0, 0, 0]
DISTINCT = matrix_with([1.2, 0.9, 0.6, 0.3], 4, 5, RNG)
FEATURES = {"repeated": REPEATED, "distinct": DISTINCT, "null": NULL}


def total(weights, fitted, predicted):
    return (weights**2).sum() + fitted.sum() + (predicted**2).sum()


def scalar(X, t=0.7):
    """A number made of every view of a student."""
    fit = linear_flow(X, Y, start=START).student(t, 1.3)
    return total(fit.weights, fit.fitted, fit.predict(NEW))


def dense_scalar(X, t=0.7):
    return (total(*dense_views(dense_product(dense_flow(t), dense_flow(1.3)), X, Y, START, NEW)),)


def slope(X, t=0.7):
    """d scalar(X + e E)/de."""
    return differences(dense_scalar, (X, t), (E, 0.0))[0]


def test_first_derivatives_of_jax():
    jitted, compiled = jax.jit(scalar), jax.jit(jax.grad(scalar))
    inside = {
        "jacfwd": jax.jacfwd(scalar), "jacrev": jax.jacrev(scalar), "checkpoint": jax.grad(jax.checkpoint(scalar)),
        "scan": jax.grad(lambda X: jax.lax.scan(lambda c, _: (c + scalar(X), None), 0.0, None, 2)[0] / 2),
        "vmap grad": lambda X: jax.vmap(jax.grad(scalar))(jnp.stack([X, DISTINCT]))[0],
        "grad vmap": jax.grad(lambda X: jax.vmap(scalar)(jnp.stack([X, DISTINCT]))[0]),
    }
    within = jax.jit(lambda X: {way: gradient(X) for way, gradient in inside.items()})  # one program compiles sooner
    for name, X in FEATURES.items():
        expected = slope(X)
        found = {"jit grad": compiled(X), "grad": jax.grad(scalar)(X), "grad jit": jax.grad(jitted)(X)} | within(X)
        for way, gradient in found.items():
            assert np.vdot(gradient, E) == pytest.approx(expected, rel=1e-8), (name, way)
        assert float(jax.linearize(jitted, X)[1](E)) == pytest.approx(expected, rel=1e-8), name
        with jax.debug_nans(True):  # nothing of the eigenvectors' own derivatives is left in what is compiled
            compiled(X)


@pytest.mark.parametrize("X", FEATURES.values(), ids=FEATURES)
def test_first_derivatives_of_pytorch(X):
    expected = slope(X)
    X, change = torch.tensor(X), torch.tensor(E)
    batch, one = torch.stack([X, torch.tensor(DISTINCT)]), torch.ones((), dtype=torch.float64)
    found = {"grad": func.grad(scalar)(X), "vjp": func.vjp(scalar, X)[1](one)[0], "jacrev": func.jacrev(scalar)(X),
             "jacfwd": func.jacfwd(scalar)(X), "vmap": func.vmap(func.grad(scalar))(batch)[0],
             "grad vmap": func.grad(lambda batch: func.vmap(scalar)(batch)[0])(batch)[0],
             "jacfwd vmap": func.jacfwd(lambda batch: func.vmap(scalar)(batch)[0])(batch)[0]}
    for name, value in found.items():
        assert float((value * change).sum()) == pytest.approx(expected, rel=1e-8), name
    tangents = func.vmap(lambda E: func.jvp(scalar, (X,), (E,))[1])(torch.stack([change, 2 * change]))
    np.testing.assert_allclose(tangents, [expected, 2 * expected], rtol=1e-8)


def test_forward_mode_twice_is_refused_in_pytorch():
    """Where PyTorch would return 0 for the second derivative through any autograd.Function."""
    X = torch.tensor(DISTINCT)
    for outer, inner in ((func.jacfwd, func.jacfwd), (func.vmap, lambda f: func.jacfwd(func.jacfwd(f)))):
        with pytest.raises(NotImplementedError, match=r"jvp of torch.func.jvp: .* as torch.func.hessian does"):
            outer(inner(scalar))(X[None] if outer is func.vmap else X)


@jax.jit
def twice_in_jax(X):
    return ((jax.jvp(jax.grad(scalar), (X,), (E,))[1] * E).sum(),
            jax.jvp(lambda X: jax.jvp(scalar, (X,), (E,))[1], (X,), (E,))[1],
            jax.grad(lambda t: (jax.grad(scalar)(X, t) * E).sum())(0.7))


def second_in_jax(X):
    return tuple(map(float, twice_in_jax(X)))


def second_in_pytorch(X):
    X, t = torch.tensor(X, requires_grad=True), torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    change = torch.tensor(E)
    (first,) = torch.autograd.grad(scalar(X, t), X, create_graph=True)
    twice, mixed = torch.autograd.grad((first * change).sum(), (X, t))
    hessian = func.hessian(scalar)(X.detach())
    return float((twice * change).sum()), float(torch.einsum("ijkl,ij,kl", hessian, change, change)), float(mixed)


@pytest.mark.parametrize("second", [second_in_jax, second_in_pytorch])
def test_second_derivatives(second):
    """d^2/de^2 in two ways and d^2/(dt de): right where eigenvalues differ, even by little; NaN where they repeat."""
    near = matrix_with([1.2, 1.2 * (1 - 1e-7), 0.6, 0.3], 4, 5, np.random.default_rng(6))
    for X in (DISTINCT, near):
        twice, mixed = (differences(lambda X, t: (slope(X, t),), (X, 0.7), change, 2.0**-5, 4)[0]
                        for change in ((E, 0.0), (0 * E, 1.0)))
        assert second(X) == pytest.approx((twice, twice, mixed), rel=1e-6)
    for X in (REPEATED, NULL):
        assert np.isnan(second(X)[:2]).all()


@pytest.mark.parametrize("n, p", [(3, 4), (4, 3)])
def test_gradcheck_of_pytorch(n, p):
    """First and second derivatives of every view, through every argument, by PyTorch's own check."""
    torch.manual_seed(0)

    def made(*shape):
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    def features(X, y, start, new, s, T):
        fit = linear_flow(X, y, "svd", start=start).student(s, T)
        return fit.weights, fit.fitted, fit.predict(new)

    def kernel(X, y, start, new, new_start, s, T):
        fit = kernel_flow(X @ X.T + torch.eye(n, dtype=X.dtype), y, start=start).student(s, T)
        return fit.fitted, fit.predict(new, start=new_start)

    times = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in ([[0.5], [2.0]], [0.3, 0.9])]
    for function, arguments in ((features, (made(n, p), made(n, 2), made(p, 2), made(2, p), *times)),
                                (kernel, (made(n, p), made(n, 2), made(n, 2), made(2, n), made(2, 2), *times))):
        assert torch.autograd.gradcheck(function, arguments, fast_mode=True)
        assert torch.autograd.gradgradcheck(function, arguments, fast_mode=True)


def test_only_what_is_asked_for_has_a_gradient_in_pytorch():
    flow = linear_flow(torch.tensor(REPEATED), Y, start=START)
    assert not flow.teacher(0.7).fitted.requires_grad
    t = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    (by_time,) = torch.autograd.grad(flow.student(t, 1.3).weights.sum(), t)
    (expected,) = differences(lambda t: (dense_views(dense_product(dense_flow(t), dense_flow(1.3)), REPEATED, Y, START,
                                                     NEW)[0].sum(),), (0.7,), (1.0,))
    assert float(by_time) == pytest.approx(expected, rel=1e-9)
    fit, new = flow.teacher(0.7), torch.tensor(NEW, requires_grad=True)
    (by_new,) = torch.autograd.grad(fit.predict(new).sum(), new)
    np.testing.assert_allclose(by_new, np.tile(fit.weights, (3, 1)), rtol=1e-12)


def test_single_precision_has_derivatives_of_its_own():
    X = REPEATED.astype(np.float32)
    for gradient in (jax.grad(scalar)(jnp.asarray(X)), func.grad(scalar)(torch.tensor(X))):
        assert np.asarray(gradient).dtype == np.float32
        assert np.vdot(np.asarray(gradient), E) == pytest.approx(slope(REPEATED), rel=1e-4)


def test_components_have_the_derivatives_of_the_decomposition():
    """They depend on the basis: right up to its signs where eigenvalues differ, and not silently 0."""
    def squares(X):
        return (linear_flow(X, Y).teacher(0.7).components ** 2)[1]

    (expected,) = differences(lambda X: (squares(X),), (DISTINCT,), (E,))
    assert float(jax.jvp(squares, (DISTINCT,), (E,))[1]) == pytest.approx(expected, rel=1e-7)
    X = torch.tensor(DISTINCT, requires_grad=True)
    squares(X).backward()
    assert np.vdot(X.grad.numpy(), E) == pytest.approx(expected, rel=1e-7)
