"""Sample weights and an intercept: the plain flow of inputs sqrt(w) (X - x) and targets sqrt(w) (y - mean of y)."""

from dataclasses import dataclass

from array_api_compat import array_namespace

from eigenkd._pytrees import pytree
from eigenkd.typing import Array


@pytree("root", "centre")
@dataclass(frozen=True, eq=False)
class Weighting:
    """The weights of the loss (1/2) sum_i w_i (a + x_i . b - y_i)^2, and the centre that its intercept a follows
    from.  Eqs. (75), (76)

    root: (n, 1), square roots of the weights, 1 without. centre: (p,), the weighted mean of the features; None without
    an intercept. weighted: whether weights were given.
    """

    root: Array
    centre: Array | None
    weighted: bool

    @classmethod
    def of(cls, X, sample_weight, intercept):
        """For features X (n, p) and weights (n,) > 0, or None for equal ones."""
        xp = array_namespace(X)
        root = xp.ones_like(X[:, :1]) if sample_weight is None else xp.sqrt(sample_weight)[:, None]
        plain = cls(root, None, sample_weight is not None)
        return cls(root, plain._mean(X)[0, :], plain.weighted) if intercept else plain

    def inputs(self, X):
        """Features (n, p) as the plain flow has them, sqrt(w) (X - centre)."""
        return self.root * self.centred(X)

    def targets(self, y):
        """(sqrt(w) (y - mean), weighted mean (..., 1, m)) of targets y (..., n, m); the mean is 0 without an
        intercept."""
        mean = self._mean(y) if self.centre is not None else 0 * y[..., :1, :]
        return self.root * (y - mean), mean

    def centred(self, X):
        """Features of any samples, less the mean of the training samples where there is an intercept."""
        return X if self.centre is None else X - self.centre

    def intercept(self, level, weights):
        """(..., m): the intercept next to weights (..., p, m), level (..., 1, m): mean of y - mean of x . weights."""
        level = level[..., 0, :]
        if self.centre is None:
            return level + 0 * weights[..., 0, :]
        return level - array_namespace(weights).sum(self.centre[:, None] * weights, axis=-2)

    @property
    def unit(self):
        """(n,): the direction of samples along which the intercept fits, sqrt(w)/||sqrt(w)||."""
        return self.root[:, 0] / array_namespace(self.root).linalg.vector_norm(self.root)

    def _mean(self, columns):
        """The weighted mean over samples, (..., 1, m) of columns (..., n, m), to rounding of their spread."""
        xp = array_namespace(columns)
        share = self.root**2 / xp.sum(self.root**2)
        mean = xp.sum(share * columns, axis=-2, keepdims=True)
        return mean + xp.sum(share * (columns - mean), axis=-2, keepdims=True)
