"""The bootstrap interval: that it covers, and that its limit for many points is the same interval."""

import numpy as np
import pytest

from eigenkd.deviation import slope


def sample(rng, m, noise=0.5):
    """Confidences with the true slope 1.3 and noise that grows with them, as scatters of confidence have it."""
    x = rng.gamma(2.0, size=m)
    return x, 1.3 * x + noise * (0.5 + x) * rng.normal(size=m)


@pytest.mark.parametrize("m, low", [(100, 0.90), (400, 0.92), (slope.LARGE, 0.925)])
def test_the_interval_covers_the_true_slope(m, low):
    """95% nominal; percentile intervals of few points fall a little short. 400 samples: standard error 0.011."""
    rng = np.random.default_rng(0)
    found = [slope.fit(*sample(rng, m), 1e-12) for _ in range(400)]
    coverage = np.mean([fit.low <= 1.3 <= fit.high for fit in found])
    assert low < coverage < 0.985


def test_the_normal_limit_is_the_interval_of_resampling(monkeypatch):
    x, y = sample(np.random.default_rng(1), slope.LARGE)
    limit = slope.fit(x, y, 1e-12)
    monkeypatch.setattr(slope, "LARGE", 10 * slope.LARGE)
    resampled = slope.fit(x, y, 1e-12)
    assert limit.value == resampled.value
    width = resampled.high - resampled.low
    np.testing.assert_allclose([limit.low, limit.high], [resampled.low, resampled.high], atol=0.15 * width)


def test_a_line_has_no_interval_to_speak_of():
    for m in (5, slope.LARGE):
        x = np.random.default_rng(2).normal(size=m)
        found = slope.fit(x, 2 * x - 1, 1e-12)
        np.testing.assert_allclose([found.value, found.low, found.high], 2, rtol=1e-9)
