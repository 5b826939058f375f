"""Leave-one-out errors and GCV of flows, students, generations and mixtures: against n refits, and transforms by
poles."""

import numpy as np
import pytest

from eigenkd import filters, kernel_flow, linear_flow, risk
from eigenkd._arrays import library as array_library
from eigenkd.filters.resolvents import NoResolvents, groups
from tests.oracles import ExactRegression, deflated_residuals, left_out_errors, matrix_with

EXAMPLE = np.array([[1, 0, 2], [0, 1, 1], [1, 1, 0], [2, 1, 1], [0, 2, 1.0]]), np.array([1, 2, 0, 3, 1.0])
CASES = [(8, 14, None), (14, 8, None), (10, 10, None), (14, 8, 5), (8, 14, 5)]
FILTERS = {
    "teacher": filters.flow(0.3),
    "nearly everything learned": filters.flow(1e4),
    "to the last digit": filters.flow(1e9),
    "student": filters.flow(0.4) @ filters.flow(2.0),
    "student of its own time": filters.flow(0.4) @ filters.flow(0.4),
    "chain": filters.flow(0.1) @ filters.flow(0.5) @ filters.flow(30.0),
    "mixture": filters.flow(0.5) @ filters.mix(filters.identity, filters.flow(0.1), 0.3),
    "away from the labels": filters.flow(0.5) @ filters.mix(filters.identity, filters.flow(0.1), -0.7),
    "labels alone mixed in": filters.mix(filters.identity, filters.flow(0.3), 0.4),
    "generations": filters.generations(filters.flow(0.3), 4, 0.2),
    "eleven generations": filters.generations(filters.flow(3.0), 11, 0.1),
    "generations from a start": filters.generations(filters.flow(0.3), 3, start=filters.flow(2.0)),
    "generations of ridge": filters.generations(filters.ridge(0.3), 3, 0.2),
    "warm start": filters.relax(filters.mix(filters.identity, filters.flow(1.0), 2.5), 0.3, start=filters.flow(1.0)),
    "loss switch": filters.switch(filters.flow(0.5), filters.identity, 0.2, 0.3),
    "ridge student": filters.ridge(0.3) @ filters.ridge(0.3),
    "ridge student of another penalty": filters.ridge(0.3) @ filters.ridge(0.4),
    "ridge student far from its teacher": filters.ridge(0.3) @ filters.ridge(5.0),
    "weight decay": filters.flow(3.0, weight_decay=0.2),
    "a flow taught by ridge": filters.flow(3.0) @ filters.ridge(0.2),
}


def problem(n, p, rank=None, seed=0, m=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.geomspace(1, 1e-2, p) if rank is None else \
        rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))
    return X, rng.normal(size=(n, m)), rng


def assert_refitted(found, reference, lost=0.0):
    np.testing.assert_allclose(found.residuals, reference, rtol=0, atol=(1e-10 + lost) * np.abs(reference).max())
    assert found.exact.all()


@pytest.mark.parametrize("name", FILTERS)
def test_they_are_those_of_n_refits(name):
    for n, p, rank in CASES:
        X, y, rng = problem(n, p, rank)
        weights, start = rng.uniform(0.5, 2, size=n), rng.normal(size=(p, 2))
        plain = left_out_errors(lambda X, y: linear_flow(X, y, "svd").fit(FILTERS[name]).predict, X, y)
        assert_refitted(risk.leave_one_out(linear_flow(X, y, "svd").fit(FILTERS[name])), plain)
        moved = linear_flow(X, y + X @ start, "svd", start=start)
        assert_refitted(risk.leave_one_out(moved.fit(FILTERS[name])), plain)
        if name != "to the last digit":  # through K small eigenvalues have lost their digits
            singular = np.linalg.svd(X, compute_uv=False)[:rank]
            rounded = np.finfo(float).eps * (singular[0] / singular[-1])**2  # of the smallest eigenvalue of K, relative
            assert_refitted(risk.leave_one_out(kernel_flow(X @ X.T, y).fit(FILTERS[name])), plain, rounded)

        def weighted(X, y, w):
            return linear_flow(X, y, "svd", sample_weight=w, intercept=True).fit(FILTERS[name])

        keep = ~np.eye(n, dtype=bool)
        refitted = [y[i] - weighted(X[keep[i]], y[keep[i]], weights[keep[i]]).predict(X[i:i + 1])[0] for i in range(n)]
        assert_refitted(risk.leave_one_out(weighted(X, y, weights)), np.array(refitted))


def test_the_example_by_hand():
    X, y = EXAMPLE
    assert risk.leave_one_out(linear_flow(X, y).teacher(0.3)).value == pytest.approx(1.80680702093, abs=5e-12)


def test_what_eq_40_gives_for_a_flow_is_something_else():
    """Off by some percent at a moderate time, and many times too large where nearly everything is learned."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 60))
    y = X @ rng.normal(size=60) / 60**0.5 + 0.5 * rng.normal(size=40)
    flow = linear_flow(X, y, "svd")
    U, lam = flow.spectrum.sample_basis, flow.spectrum.eigenvalues
    ratios = []
    for time in (1 / np.median(lam), 20 / lam[-1]):
        a = flow.teacher(time).gain
        shortcut = np.mean(((y - (U * a) @ (U.T @ y)) / (1 - U**2 @ a)) ** 2)
        ratios.append(shortcut / risk.leave_one_out(flow.teacher(time)).value)
    assert 1.02 < ratios[0] < 1.14 and ratios[1] > 7


@pytest.mark.parametrize("time", [1e2, 1e4, 3e5, 1e6])
def test_of_a_fit_that_interpolates_they_are_those_of_refits_in_80_digits(time):
    """Residuals of the fit itself go down to e^-700."""
    X = matrix_with(np.sqrt([1.0, 0.3, 0.02, 7e-4]), 4, 6, np.random.default_rng(3))
    y = np.random.default_rng(4).normal(size=4)
    for times in ([time], [time, 2.0], [time, time / 3]):
        refitted = left_out_errors(lambda X, y, times=times: lambda new: new @ ExactRegression(X).weights(y, times),
                                   X, y)
        assert_refitted(risk.leave_one_out(linear_flow(X, y, "svd").chain(times)), refitted)


@pytest.mark.parametrize("n, p, rank", CASES)
def test_gcv_of_flows_is_the_inverse_transform_of_that_of_ridge(n, p, rank):
    X, y, _ = problem(n, p, rank)
    flow = linear_flow(X, y, "svd")
    k = flow.spectrum.rank
    U, lam = flow.spectrum.sample_basis[:, :k], flow.spectrum.eigenvalues[:k]
    energy = np.append(np.sum((U.T @ y) ** 2, axis=1), np.sum((y - U @ (U.T @ y)) ** 2))
    deflated = {t: deflated_residuals(lam, n - k, n, t) for t in (0.3, 0.7, 1.0, 1e3)}
    for t in (0.3, 1e3):
        assert risk.gcv(flow.teacher(t)) == pytest.approx(deflated[t] ** 2 @ energy / n, rel=1e-9)
    student = deflated[0.3] + deflated[0.7] - deflated[1.0]
    assert risk.gcv(flow.student(0.3, 0.7)) == pytest.approx(student**2 @ energy / n, rel=1e-9)
    both = risk.gcv(flow.fit(filters.flow([0.3, np.inf])))
    assert both[1] == pytest.approx(risk.gcv(flow.fit(filters.ridge(0.0))), rel=1e-9)


LAM = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 13)])


@pytest.mark.parametrize("filter", [
    *FILTERS.values(), filters.flow([0.0, 1e-3, 1e4, np.inf]), filters.ridge([0.0, 0.1, np.inf]),
    filters.flow([0.0, 0.1, np.inf]) @ filters.flow([[0.2], [np.inf]]), filters.ridge(0.1) @ filters.ridge([0.13, 5.0]),
    filters.flow([0.0, 0.3, 1e5, np.inf], weight_decay=[[0.7], [10.0]]),
    filters.ridge(0.1) @ filters.ridge(0.12) @ filters.ridge(0.15)], ids=repr)
def test_residuals_are_sums_of_ridge_residuals(library, filter):
    if library.name == "jax" and filter not in (FILTERS["mixture"], FILTERS["ridge student"], FILTERS["weight decay"]):
        return  # three are enough: it compiles every operation
    found = 0.0
    for group in groups(filter, library.asarray(LAM)):
        assert array_library(group.u).lower().replace("pyt", "t") == library.name
        weight, u, (a, b), (x, y) = (np.asarray(group.weight), np.asarray(group.u), map(np.asarray, group.omega),
                                     map(np.asarray, group.z))
        at = np.where(np.isinf(u), 1e300, u)[..., None, None]
        ratio = (x + 1j * y) / (x + 1j * y + LAM[:, None] * at)
        found = found + weight[..., None] * np.real(np.sum((a + 1j * b)[..., None, :] * ratio, axis=-1))
    np.testing.assert_allclose(found[..., 1:], filter.residual(LAM)[..., 1:], atol=3e-13)
    np.testing.assert_allclose(found[..., 0], 1, atol=3e-13)  # of null directions, whatever the filter says at 0


def test_single_precision_has_its_own_contour():
    lam = np.geomspace(1e-3, 1e3, 7, dtype=np.float32)
    (group,) = groups(filters.flow(0.7), lam)
    z, omega = (part[0] + 1j * part[1] for part in (group.z, group.omega))
    assert group.u.dtype == group.omega[0].dtype == np.float32 and z.shape == (6,)
    np.testing.assert_allclose(np.real(np.sum(omega * z / (z + lam[:, None] * 0.7), axis=-1)), np.exp(-lam * 0.7),
                               atol=3e-6)


@pytest.mark.parametrize("filter", [
    filters.descent(0.1, 3), filters.online(1.0, 2.0), filters.flow(1.0, 0.1) @ filters.flow(1.0, 0.1),
    filters.ridge(1.0) @ filters.ridge(1.1) @ filters.ridge(9.0), filters.generations(filters.flow(1.0), [1, 2]),
    filters.switch(filters.flow(1.0), filters.identity, 1.0, 1.0, window=0.5),
    filters.generations(filters.flow(1.0), 13), filters.generations(filters.flow(1.0), np.inf, 0.2),
    filters.steps(filters.flow(1.0), [0.5] * 13)], ids=repr)
def test_other_filters_are_not_such_sums(filter):
    with pytest.raises(NoResolvents):
        groups(filter, LAM)


def test_derivatives_by_features_and_weights_of_labels():
    import jax
    import torch

    X, y, rng = problem(9, 6)
    direction = rng.normal(size=X.shape)

    def value(X, weight, xp):
        fit = linear_flow(X, xp(y)).fit(filters.flow(0.5) @ filters.mix(filters.identity, filters.flow(0.3), weight))
        return risk.leave_one_out(fit).value

    e = 1e-6
    by_X = (value(X + e * direction, -0.4, np.asarray) - value(X - e * direction, -0.4, np.asarray)) / (2 * e)
    by_weight = (value(X, -0.4 + e, np.asarray) - value(X, -0.4 - e, np.asarray)) / (2 * e)
    slope = jax.jit(jax.grad(lambda X, w: value(X, w, jax.numpy.asarray), (0, 1)))(X, -0.4)
    assert np.sum(slope[0] * direction) == pytest.approx(by_X, rel=1e-5)
    assert float(slope[1]) == pytest.approx(by_weight, rel=1e-6)
    X_torch, weight = torch.tensor(X, requires_grad=True), torch.tensor(-0.4, dtype=torch.float64, requires_grad=True)
    value(X_torch, weight, torch.asarray).backward()
    assert float(torch.sum(X_torch.grad * torch.tensor(direction))) == pytest.approx(by_X, rel=1e-5)
    assert float(weight.grad) == pytest.approx(by_weight, rel=1e-6)


def test_many_times_are_done_a_part_at_a_time(monkeypatch):
    X, y, _ = problem(8, 14)
    fit = linear_flow(X, y).fit(filters.flow(np.geomspace(0.1, 10, 7)[:, None], weight_decay=[0.1, 0.2, 0.3]))
    whole = risk.leave_one_out(fit).residuals, risk.gcv(fit)
    monkeypatch.setattr(risk.left_out, "AT_ONCE", 2000)
    np.testing.assert_allclose(risk.leave_one_out(fit).residuals, whole[0], rtol=1e-12)
    np.testing.assert_allclose(risk.gcv(fit), whole[1], rtol=1e-12)


@pytest.mark.parametrize("time", [1e2, 1e6, 1e14, 1e20, np.inf])
@pytest.mark.parametrize("intercept", [False, True])
def test_samples_that_are_learned_whole_beside_others_that_are_not(time, intercept):
    """Where nothing of a sample lies beyond the reach of training, rounding is not divided by penalties."""
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(9, 12)), rng.normal(size=9)
    if intercept:
        X[5:, 6:], X[:5, :6], X[7] = 0, 0, X[8]  # two blocks, one of them without full rank
    else:
        X[3] = 0
    kept = ~np.eye(9, dtype=bool)
    expected = [y[i] - linear_flow(X[k], y[k], intercept=intercept).teacher(time).predict(X[i:i + 1])[0]
                for i, k in enumerate(kept)]
    found = risk.leave_one_out(linear_flow(X, y, intercept=intercept).teacher(time)).residuals
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
