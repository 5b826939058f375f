"""The bootstrap interval: that it covers, and that its limit for many points is the same interval."""

import numpy as np
import pytest

from eigenkd.deviation import slope
from eigenkd.deviation.verdict import FEWEST


def sample(rng, m, noise=0.5):
    """Confidences with the true slope 1.3 and noise that grows with them, as scatters of confidence have it."""
    x = rng.gamma(2.0, size=m)
    return x, 1.3 * x + noise * (0.5 + x) * rng.normal(size=m)


@pytest.mark.parametrize("m, low", [(FEWEST, 0.90), (100, 0.915), (400, 0.92), (slope.LARGE, 0.925)])
def test_the_interval_covers_the_true_slope(m, low):
    """95% nominal, from the fewest points that a verdict takes. 400 samples: standard error 0.011."""
    rng = np.random.default_rng(0)
    found = [slope.fit(*sample(rng, m), 1e-12) for _ in range(400)]
    coverage = np.mean([fit.low <= 1.3 <= fit.high for fit in found])
    assert low < coverage < 0.985


def spread(kind, rng, m):
    if kind == "gamma":
        return sample(rng, m)
    x = np.exp(1.5 * rng.normal(size=m)) if kind == "lognormal" else rng.normal(size=m)
    if kind == "outlier":
        x[0] = 300.0
    return x, 1.2 * x + 0.3 * (1 + np.abs(x)) * rng.normal(size=m)


@pytest.mark.parametrize("kind", ["gamma", "lognormal", "outlier"])
def test_many_points_have_the_interval_of_resampling(kind, monkeypatch):
    x, y = spread(kind, np.random.default_rng(1), slope.LARGE + 500)
    limit = slope.fit(x, y, 1e-12)
    monkeypatch.setattr(slope, "LARGE", 10 * slope.LARGE)
    resampled = slope.fit(x, y, 1e-12)
    assert limit.value == resampled.value
    width = resampled.high - resampled.low
    np.testing.assert_allclose([limit.low, limit.high], [resampled.low, resampled.high], atol=0.2 * width)


def test_a_line_has_no_interval_to_speak_of():
    for m in (5, slope.LARGE):
        x = np.random.default_rng(2).normal(size=m)
        found = slope.fit(x, 2 * x - 1, 1e-12)
        np.testing.assert_allclose([found.value, found.low, found.high], 2, rtol=1e-9)
