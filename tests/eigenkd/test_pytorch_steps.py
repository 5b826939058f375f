"""filters.sgd and sgd_time against torch.optim.SGD itself, on full batches in double precision."""

import numpy as np
import pytest
import torch

from eigenkd import filters, linear_flow

N, P, M = 14, 6, 3


def trained(X, Y, learning_rate, steps, reduction="mean", start=None, **options):
    """Weights (p, m) after full-batch steps of PyTorch."""
    weights = torch.zeros(X.shape[1], Y.shape[1], dtype=torch.float64) if start is None else torch.tensor(start)
    weights.requires_grad_()
    optimizer = torch.optim.SGD([weights], lr=learning_rate, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.MSELoss(reduction=reduction)(torch.tensor(X) @ weights, torch.tensor(Y)).backward()
        optimizer.step()
    return weights.detach().numpy()


def problem():
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, P)), rng.normal(size=(N, M)), rng.normal(size=(P, M))


@pytest.mark.parametrize("reduction, rate", [("mean", 0.4), ("sum", 0.01)])
@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}, {"weight_decay": 0.03}, {"momentum": 0.5}], ids=repr)
@pytest.mark.parametrize("steps", [1, 2, 37])
def test_it_is_what_pytorch_trains(reduction, rate, options, steps):
    X, Y, _ = problem()
    filter = filters.sgd(rate, steps, samples=N, outputs=M, reduction=reduction, **options)
    np.testing.assert_allclose(linear_flow(X, Y).fit(filter).weights, trained(X, Y, rate, steps, reduction, **options),
                               rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}], ids=repr)
def test_from_a_start_and_of_students(options):
    X, Y, B0 = problem()
    filter = filters.sgd(0.4, 20, samples=N, outputs=M, **options)
    flow = linear_flow(X, Y, start=B0)
    teacher = trained(X, Y, 0.4, 20, start=B0, **options)
    np.testing.assert_allclose(flow.fit(filter).weights, teacher, rtol=1e-10)
    np.testing.assert_allclose(flow.fit(filter @ filter).weights, trained(X, X @ teacher, 0.4, 20, start=B0, **options),
                               rtol=1e-10)


@pytest.mark.parametrize("reduction, scale", [("mean", 1.0), ("sum", 1 / (N * M))])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_small_steps_tend_to_the_flow_at_that_time(reduction, scale, momentum):
    """The distance falls as the steps do, tenfold with them."""
    X, Y, _ = problem()
    flow, errors = linear_flow(X, Y), []
    for steps in (300, 3000):
        rate = scale * 6 * (1 - momentum) / steps
        time = filters.sgd_time(rate, steps, samples=N, outputs=M, reduction=reduction, momentum=momentum)
        assert float(time) == pytest.approx(12 / (N * M))
        reached = trained(X, Y, rate, steps, reduction, momentum=momentum)
        errors.append(np.abs(flow.teacher(time).weights - reached).max())
    assert errors[1] < 0.15 * errors[0] < 0.005
    naive = flow.teacher(scale * 6).weights  # learning rate times steps, which is not the flow's time
    assert np.abs(naive - reached).max() > 20 * errors[1]


def test_one_output_and_arrays_of_values(library):
    X, Y, _ = problem()
    filter = filters.sgd(library.asarray([0.1, 0.2]), 30, samples=N)
    weights = linear_flow(X, Y[:, 0]).fit(filter).weights
    assert isinstance(weights, library.array_type)
    for found, rate in zip(np.asarray(weights), (0.1, 0.2)):
        np.testing.assert_allclose(found, trained(X, Y[:, :1], rate, 30)[:, 0], rtol=1e-10)


@pytest.mark.parametrize("make, words", [
    (lambda: filters.sgd(0.1, 10, samples=0), "samples: expected a whole number >= 1, got 0; pass the shape"),
    (lambda: filters.sgd(0.1, 10, samples=3.5), "samples: expected a whole number >= 1, got 3.5"),
    (lambda: filters.sgd(0.1, 10, 5, outputs=-1), "outputs: expected a whole number >= 1, got -1"),
    (lambda: filters.sgd(0.1, 10, 5, reduction="none"), "reduction: expected 'mean' or 'sum', got 'none'"),
    (lambda: filters.sgd(-0.1, 10, 5), "learning_rate: expected numbers >= 0"),
    (lambda: filters.sgd(0.1, 1.5, 5), "steps: expected whole numbers"),
    (lambda: filters.sgd(0.1, 10, 5, momentum=1.0), "momentum: expected numbers below 1"),
    (lambda: filters.sgd(0.1, 10, 5, momentum=0.9, weight_decay=0.1), "weight_decay: expected 0 next to momentum"),
    (lambda: filters.sgd_time(0.1, 10, 5, momentum=2.0), "momentum: expected numbers between 0 and 1"),
    (lambda: filters.sgd_time(0.1, 10, 5, momentum=1.0), "momentum: expected numbers below 1"),
])
def test_errors_name_the_argument_and_the_mend(make, words):
    with pytest.raises(ValueError, match=words):
        make()
