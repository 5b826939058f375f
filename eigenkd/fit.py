"""`Fit`: one trained model, or an array of them, as components, weights and predictions."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from array_api_compat import array_namespace

from eigenkd._arrays import real_array
from eigenkd._factorisation import flat_kernel
from eigenkd._pytrees import pytree
from eigenkd._sensitivity import learned
from eigenkd.filters import Filter
from eigenkd.typing import Array, ArrayLike

if TYPE_CHECKING:
    from eigenkd.flow import LinearFlow


@pytree("flow", "filter")
@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """One trained model, or an array of them: `...` below is the broadcast shape of the filter's parameters.

    Results are computed on first use, without another factorisation. The derivatives of weights, fitted and predict are
    right for any eigenvalues, repeated and null ones included.
    """

    flow: "LinearFlow"
    filter: Filter

    def __repr__(self) -> str:
        return f"Fit({self.filter!r} of {self.flow!r})"

    @cached_property
    def gain(self) -> Array:
        """(..., k): the share of each component that is learned; 0 in null directions."""
        lam = self.flow.spectrum.eigenvalues
        return array_namespace(lam).where(lam > 0, self._resolved.gain(lam), 0.0)

    @cached_property
    def residual(self) -> Array:
        """(..., k): 1 - gain, without cancellation; 1 in null directions."""
        lam = self.flow.spectrum.eigenvalues
        return array_namespace(lam).where(lam > 0, self._resolved.residual(lam), 1.0)

    @property
    def _resolved(self):
        """The filter, restricted to finite times in directions that are not resolved."""
        return self.flow.spectrum.resolved(self.filter)

    @cached_property
    def components(self) -> Array:
        """(..., k) or (..., k, m): weights along the feature basis, Theorem 4.1's [b]_k."""
        flow, change = self.flow, self.gain[..., None] * self.flow.limit
        return self._shaped(change if flow.start is None else change + flow.spectrum.start_components(flow.start))

    @cached_property
    def weights(self) -> Array:
        """(..., p) or (..., p, m): the weights b. Raises TypeError for a kernel, whose feature space has no finite
        dimension."""
        return self._shaped(self._learned("weights", self.flow.start))

    @cached_property
    def intercept(self) -> Array:
        """(...) or (..., m): the intercept a of predictions a + x . b; 0 for a flow without. TypeError for a kernel."""
        flow, weights = self.flow, self.weights
        columns = weights[..., None] if flow.vector else weights
        if flow.weighting is None:
            return self._shaped(0 * columns[..., 0, :])
        return self._shaped(flow.weighting.intercept(flow.level, columns))

    @cached_property
    def fitted(self) -> Array:
        """(..., n) or (..., n, m): predictions on the training inputs."""
        columns = self._fitted_columns
        return columns if self.flow.coupled else self._shaped(columns)

    @cached_property
    def _fitted_columns(self):
        """(..., n, m): `fitted`, with the axis of the columns even if there is one column."""
        flow = self.flow
        if flow.weighting is None:
            return self._by_sample(self._learned("fitted", flow.start_outputs))
        return self._level(flow.inputs / flow.weighting.root)

    def _level(self, centred):
        """(..., q, m): predictions on features (q, p) less the mean of the training samples."""
        start = self.flow.start
        return self._learned("predict", None if start is None else centred @ start, centred) + self.flow.level

    def predict(self, new: ArrayLike, start: ArrayLike | None = None) -> Array:
        """(..., n_new) or (..., n_new, m): predictions on X_new (n_new, p), or from K_new (n_new, n) for a kernel.

        For a kernel between outputs K_new is (n_new, n, k, k), and predictions are (..., n_new, k).

        start: for a kernel flow with a start, what that function predicts on the new inputs, (n_new,) or (n_new, m).
        """
        flow, kind = self.flow, self.flow.spectrum.kind
        new = real_array(kind.new, new, like=flow.limit, ndim=(4,) if flow.coupled else kind.ndim)
        new = flat_kernel(kind.new, new)
        kind.check_columns(new, flow.inputs.shape[1])
        begin = flow.spectrum.new_start_outputs(new, flow.start, start, flow.shape_of(new.shape[0]))
        if flow.weighting is not None:
            return self._shaped(self._level(flow.weighting.centred(new)))
        predicted = self._by_sample(self._learned("predict", begin, new))
        return predicted if flow.coupled else self._shaped(predicted)

    def _learned(self, view, begin, new=None):
        """(..., q, m): a view of what is learned, added to its value at the start."""
        values = learned(view, self, new)
        return values if begin is None else values + begin

    def _by_sample(self, columns):
        """Rows (..., n k, 1) of a kernel between outputs as (..., n, k); others as they are."""
        k = self.flow.coupled
        return columns.reshape((*columns.shape[:-2], -1, k)) if k else columns

    def _shaped(self, columns):
        return columns[..., 0] if self.flow.vector else columns
