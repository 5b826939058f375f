"""Divided differences of gains against arbitrary precision: far, near and equal eigenvalues, small and large times."""

from functools import partial

import mpmath as mp
import numpy as np
import pytest
import torch

from eigenkd import _divided, filters

EXACT = {
    "flow": (lambda t, s: filters.flow(t), lambda lam, t, s: 1 - mp.exp(-t * lam)),
    "ridge": (lambda t, s: filters.ridge(1 / t), lambda lam, t, s: t * lam / (t * lam + 1)),
    "student": (lambda t, s: filters.flow(s) @ filters.flow(t),
                lambda lam, t, s: (1 - mp.exp(-t * lam)) * (1 - mp.exp(-s * lam))),
    "rise and fall": (lambda t, s: filters.relax(filters.zero, s, start=filters.flow(t)),
                      lambda lam, t, s: mp.exp(-s * lam) * (1 - mp.exp(-t * lam))),
}


def spectrum(rng):
    """A cluster with gaps from 1e-15 to 0.1, others far from it, and null ones."""
    base = 10.0 ** rng.uniform(-6, 2)
    cluster = base * (1 + np.append(0.0, 10.0 ** -rng.uniform(1, 15, 4)))
    return np.concatenate([cluster, cluster[:1], 10.0 ** rng.uniform(-6, 2, 3), [0.0, 0.0]])


@pytest.mark.parametrize("name", EXACT)
def test_divided_differences_are_right_to_1e_9(name):
    """Relative to themselves, g[a, b] to 1e-11 unless it is below 1e-100."""
    rng = np.random.default_rng(0)
    make, gain = EXACT[name]
    for _ in range(12):
        lam, (t, s) = spectrum(rng), 10.0 ** rng.uniform(-6, 3, 2)
        filter, values = make(t, s), torch.tensor(lam)
        G = _divided.gain_differences(filter, values)
        H = _divided.dual_differences(filter, values, G, refined=True).numpy()
        with mp.workdps(400):
            g = partial(gain, t=mp.mpf(t), s=mp.mpf(s))

            def h(x, g=g):
                return g(x) / x if x else mp.diff(g, 0)

            for i, j in zip(*np.triu_indices(len(lam))):
                a, b = mp.mpf(lam[i]), mp.mpf(lam[j])
                exact = (g(a) - g(b)) / (a - b) if a != b else mp.diff(g, a)
                if abs(exact) > 1e-100:
                    assert abs(float(G[i, j] / float(exact)) - 1) < 1e-11
                exact = (h(a) - h(b)) / (a - b) if a != b else mp.diff(h, a) if a else mp.diff(g, 0, 2) / 2
                assert abs(H[i, j] - float(exact)) <= 1e-9 * abs(float(exact)), (lam[i], lam[j], t, s)


def test_a_family_is_every_member():
    lam = torch.tensor(spectrum(np.random.default_rng(1)))
    s, T = torch.tensor([0.3, 2.0]), torch.tensor([[1.0], [0.0], [np.inf]])
    family = _divided.gain_differences(filters.flow(s) @ filters.flow(T), lam)
    assert family.shape == (3, 2, 11, 11)
    for i in range(3):
        for j in range(2):
            member = _divided.gain_differences(filters.flow(s[j]) @ filters.flow(T[i, 0]), lam)
            np.testing.assert_array_equal(family[i, j], member)


def test_null_directions_stay_null_at_infinite_time():
    """The rule of the pseudo-inverse: g[a, 0] = 1/a, h[a, 0] = 1/a^2, h[a, b] = -1/(a b) and nothing at 0, 0."""
    lam = torch.tensor([2.0, 2.0, 0.5, 0.0], dtype=torch.float64)
    for filter in (filters.flow(np.inf), filters.identity):
        G = _divided.gain_differences(filter, lam)
        H = _divided.dual_differences(filter, lam, G, refined=True)
        np.testing.assert_array_equal(G, [[0, 0, 0, 0.5], [0, 0, 0, 0.5], [0, 0, 0, 2], [0.5, 0.5, 2, 0]])
        np.testing.assert_array_equal(H, [[-0.25, -0.25, -1, 0.25], [-0.25, -0.25, -1, 0.25], [-1, -1, -4, 4],
                                          [0.25, 0.25, 4, 0]])
