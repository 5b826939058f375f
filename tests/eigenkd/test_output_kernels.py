"""Kernels (n, n, k, k) between the outputs of samples: the flow of the flattened kernel, shaped as the targets."""

import jax
import numpy as np
import pytest
import scipy.linalg

from eigenkd import cross_entropy, filters, kernel_flow, linear_flow, risk
from eigenkd.filters import flow as for_time

N, K, NEW = 5, 3, 4


def problem():
    """J (n, k, parameters) of outputs by parameters, whose products are a tangent kernel."""
    rng = np.random.default_rng(0)
    J, J_new = rng.normal(size=(N, K, 20)), rng.normal(size=(NEW, K, 20))
    between = np.einsum("iap,jbp->ijab", J, J), np.einsum("iap,jbp->ijab", J_new, J)
    return J, J_new, *between, rng.normal(size=(N, K)), rng


def test_outputs_are_trained_as_the_parameters_behind_them(library):
    J, J_new, kernel, new, y, _ = problem()
    assert kernel.shape == (N, N, K, K) and new.shape == (NEW, N, K, K)
    flow = kernel_flow(library.asarray(kernel), library.asarray(y))
    parameters = linear_flow(J.reshape(N * K, -1), y.reshape(-1))
    for s, T in ((0.1, 0.2), (np.array([0.1, np.inf]), 0.3)):
        fit, same, shape = flow.student(s, T), parameters.student(s, T), np.shape(s)
        assert isinstance(fit.fitted, library.array_type)
        np.testing.assert_allclose(np.asarray(fit.fitted), same.fitted.reshape(*shape, N, K), atol=1e-9)
        np.testing.assert_allclose(np.asarray(fit.predict(library.asarray(new))),
                                   same.predict(J_new.reshape(NEW * K, -1)).reshape(*shape, NEW, K), atol=1e-9)
        assert tuple(fit.components.shape) == (*shape, N * K)


def test_a_flattened_kernel_predicts_from_a_kernel_with_axes_of_outputs_too():
    _, _, kernel, new, y, _ = problem()
    flat = kernel.transpose(0, 2, 1, 3).reshape(N * K, N * K)
    fit, coupled = kernel_flow(flat, y.reshape(-1)).student(0.1, 0.2), kernel_flow(kernel, y).student(0.1, 0.2)
    np.testing.assert_allclose(fit.predict(new), coupled.predict(new).reshape(-1), rtol=1e-12)
    with pytest.raises(ValueError, match=r"K_new: expected 15 columns, got shape \(12, 12\)"):
        fit.predict(new[:, :4])


def test_a_kernel_has_no_weights_and_no_intercept_in_any_library(library):
    _, _, kernel, _, y, _ = problem()
    fit = kernel_flow(library.asarray(kernel), library.asarray(y)).teacher(1.0)
    for name in ("weights", "intercept"):
        with pytest.raises(TypeError, match="weights: a kernel fixes no finite feature space"):
            getattr(fit, name)


def test_against_a_dense_exponential_with_outputs_next_to_their_sample():
    _, _, kernel, _, y, _ = problem()
    flat = np.array([[kernel[i, j, a, b] for j in range(N) for b in range(K)] for i in range(N) for a in range(K)])
    smoother = np.eye(N * K) - scipy.linalg.expm(-0.05 * flat)
    np.testing.assert_allclose(kernel_flow(kernel, y).teacher(0.05).fitted, (smoother @ y.reshape(-1)).reshape(N, K),
                               atol=1e-10)
    assert kernel_flow(kernel, y).spectrum.residual(flat).reconstruction < 1e-13


def test_a_start_other_targets_and_other_students():
    _, _, kernel, new, y, rng = problem()
    f0, new0 = rng.normal(size=(N, K)), rng.normal(size=(NEW, K))
    flow = kernel_flow(kernel, y, start=f0)
    plain = kernel_flow(kernel, y - f0)
    np.testing.assert_allclose(flow.teacher(0.1).fitted, f0 + plain.teacher(0.1).fitted, atol=1e-10)
    np.testing.assert_allclose(flow.teacher(0.1).predict(new, start=new0), new0 + plain.teacher(0.1).predict(new),
                               atol=1e-10)
    np.testing.assert_allclose(flow.retarget(2 * y).teacher(0.1).fitted,
                               kernel_flow(kernel, 2 * y, start=f0).teacher(0.1).fitted, atol=1e-12)
    np.testing.assert_allclose(plain.distil(plain.teacher([0.2, 0.3]), for_time(0.1)).fitted,
                               plain.student(0.1, [0.2, 0.3]).fitted, atol=1e-10)
    features = linear_flow(rng.normal(size=(N, 7)), y)
    taught = features.distil(plain.teacher(0.2), for_time(0.1))
    np.testing.assert_allclose(taught.fitted, features.retarget(plain.teacher(0.2).fitted).teacher(0.1).fitted,
                               atol=1e-12)
    back = plain.distil(features.teacher(0.2), for_time(0.1)).fitted
    np.testing.assert_allclose(back, plain.retarget(features.teacher(0.2).fitted).teacher(0.1).fitted, atol=1e-12)


def test_it_goes_through_jit_and_grad():
    _, _, kernel, _, y, _ = problem()

    def total(kernel):
        return (kernel_flow(kernel, y).teacher(0.05).fitted ** 2).sum()

    assert float(jax.jit(total)(kernel)) == pytest.approx(float(total(kernel)))
    step = np.zeros_like(kernel)
    step[1, 2, 0, 1] = step[2, 1, 1, 0] = 1e-6
    assert float((jax.grad(total)(kernel) * step).sum()) == pytest.approx((total(kernel + step) - total(kernel - step))
                                                                          / 2, rel=1e-6)


def test_the_cross_entropy_takes_it_too():
    _, _, kernel, new, _, _ = problem()
    labels = np.eye(K)[[0, 1, 2, 0, 1]]
    flat, flat_new = (a.transpose(0, 2, 1, 3).reshape(-1, N * K) for a in (kernel, new))
    fit = cross_entropy.kernel_flow(kernel, labels).teacher(0.1)
    same = cross_entropy.kernel_flow(flat, labels).teacher(0.1)
    np.testing.assert_array_equal(fit.fitted, same.fitted)
    np.testing.assert_array_equal(fit.predict(new), same.predict(flat_new))


def test_repr_counts_samples_and_outputs():
    _, _, kernel, _, y, _ = problem()
    assert repr(kernel_flow(kernel, y)) == "LinearFlow(5 samples, 3 output(s), 15 directions of rank 15, by 'kernel')"


kernel, new, y = problem()[2:5]
flow = kernel_flow(kernel, y)


@pytest.mark.parametrize("make, words", [
    (lambda: kernel_flow(kernel[..., :2], y), r"K: expected a kernel of shape \(n, n, k, k\).* got shape \(5, 5, 3, 2"),
    (lambda: kernel_flow(kernel[:4], y), "K: expected a square matrix"),
    (lambda: kernel_flow(kernel, y.T), r"y: expected shape \(5, 3\) for a kernel between outputs, got \(3, 5\)"),
    (lambda: kernel_flow(kernel, y.reshape(-1)), r"y: expected shape \(5, 3\).* a row a sample and a column an output"),
    (lambda: kernel_flow(kernel, y, start=y[:2]), r"start: expected shape \(5, 3\)"),
    (lambda: flow.retarget(y[:, 0]), r"y: expected shape \(5, 3\)"),
    (lambda: flow.teacher(1.0).predict(new[:, :4]), "K_new: expected 15 columns"),
    (lambda: flow.teacher(1.0).predict(new[:, :, 0, 0]), "K_new: expected 4 dimension"),
    (lambda: kernel_flow(kernel, y, start=y).teacher(1.0).predict(new), r"start: expected the pred.*shape \(4, 3\)"),
    (lambda: flow.distil(linear_flow(np.eye(5), y[:, :2]).teacher(1.0), filters.flow(1.0)), "teacher: expected a model "
     "of 3 outputs like this kernel's, got one of 2"),
    (lambda: flow.distil(linear_flow(np.eye(15), y.reshape(-1)).teacher(1.0), filters.flow(1.0)), "teacher: expected a "
     "model of 5 training samples, got one of 15"),
    (lambda: risk.gcv(flow.teacher(1.0)), "fit: expected a kernel between samples, got one between 3 outputs"),
    (lambda: risk.tune(flow), "flow: expected a kernel between samples, got one between 3 outputs"),
])
def test_errors_name_the_argument_and_the_mend(make, words):
    with pytest.raises(ValueError, match=words):
        make()
