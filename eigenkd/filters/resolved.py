"""A filter that learns nothing at t = inf in directions whose eigenvalues are rounding."""

from dataclasses import dataclass

from array_api_compat import array_namespace
from array_api_compat import device as device_of

from eigenkd._pytrees import pytree
from eigenkd.filters.algebra import Filter
from eigenkd.typing import Array


@pytree("filter", "threshold")
@dataclass(frozen=True, eq=False)
class Resolved(Filter):
    """A filter with g(lam) - g(0+) in place of g(lam) for eigenvalues up to a threshold.  Eq. (73)

    Training for a finite time has g(0+) = 0 and is unchanged. Training without end and vanishing ridges have g(0+) = 1
    and learn nothing there. threshold: >= 0, a number or of a shape that broadcasts as parameters do.
    """

    filter: Filter
    threshold: Array

    @property
    def parameters(self) -> tuple[Array, ...]:
        return (*self.filter.parameters, self.threshold)

    def _pair(self, lam):
        xp = array_namespace(lam)
        gain, residual = self.filter._pair(lam)
        vanishing = xp.full((1,) * lam.ndim, float(xp.finfo(lam.dtype).smallest_normal), dtype=lam.dtype,
                            device=device_of(lam))
        threshold = self.threshold.reshape((*self.threshold.shape, *(1,) * lam.ndim))
        lost = xp.where(lam <= threshold, self.filter._pair(vanishing)[0], 0.0)
        return gain - lost, residual + lost

    def _log_pair(self, lam):
        xp = array_namespace(lam)
        gain, residual = self._pair(lam)
        return xp.log(gain), xp.log(residual)
