"""What training by a flow leaves: one model, or an array of them, as components, weights and predictions."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from array_api_compat import array_namespace

from eigenkd.arrays import real_array
from eigenkd.filters import Filter
from eigenkd.pytrees import pytree
from eigenkd.sensitivity import learned


@pytree("flow", "filter")
@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """One trained model, or an array of them: `...` below is the broadcast shape of the filter's parameters.

    Nothing is computed before it is asked for, and nothing factorises again. weights, fitted and predict have
    derivatives that are right for any eigenvalues: see `eigenkd.sensitivity`.
    """

    flow: Any
    filter: Filter

    def __repr__(self):
        return f"Fit({self.filter!r} of {self.flow!r})"

    @cached_property
    def gain(self):
        """(..., k): the share of each component that is learned; 0 in null directions."""
        lam = self.flow.spectrum.eigenvalues
        return array_namespace(lam).where(lam > 0, self.filter.gain(lam), 0.0)

    @cached_property
    def components(self):
        """(..., k) or (..., k, m): weights along the feature basis, Theorem 4.1's [b]_k."""
        flow, spectrum = self.flow, self.flow.spectrum
        change = self.gain[..., None] * flow.limit
        if flow.start is None:
            return self._shaped(change)
        if spectrum.method == "kernel":
            return self._shaped(change + (spectrum.sample_basis.T @ flow.start) * spectrum.inverse[:, None])
        return self._shaped(change + spectrum.project(flow.start.T).T)

    @cached_property
    def weights(self):
        """(..., p) or (..., p, m): the weights b. Raises TypeError for a kernel, which has none of finite number."""
        flow = self.flow
        if flow.spectrum.method == "kernel":
            raise TypeError("weights: a kernel fixes no finite feature space to have weights in; use fit.components "
                            "(along the kernel's eigenfunctions), fit.fitted or fit.predict(K_new)")
        return self._shaped(self._learned("weights", flow.start))

    @cached_property
    def fitted(self):
        """(..., n) or (..., n, m): predictions on the training inputs."""
        return self._shaped(self._fitted_columns)

    @cached_property
    def _fitted_columns(self):
        """(..., n, m): `fitted`, with the axis of the columns also where there is one."""
        return self._learned("fitted", self.flow.start_outputs)

    def predict(self, new, start=None):
        """(..., n_new) or (..., n_new, m): predictions on X_new (n_new, p), or from K_new (n_new, n) for a kernel.

        start: for a kernel flow with a start, what that function predicts on the new inputs, (n_new,) or (n_new, m).
        """
        flow, spectrum = self.flow, self.flow.spectrum
        kernel = spectrum.method == "kernel"
        name, columns = "K_new" if kernel else "X_new", flow.inputs.shape[1]
        new = real_array(name, new, like=flow.limit, ndim=(2,))
        if new.shape[1] != columns:
            mend = "pass the kernel between new (rows) and training (columns) inputs" if kernel else \
                "pass the features that X was made of, a row a sample"
            raise ValueError(f"{name}: expected {columns} columns, got shape {tuple(new.shape)}; {mend}")
        if kernel and flow.start is not None:
            begin = self._new_start(start, new.shape[0])
        elif start is not None:
            raise ValueError(f"start: expected none for {'a kernel flow without one' if kernel else 'features'}, got "
                             f"{type(start).__name__}; leave it out")
        else:
            begin = None if flow.start is None else new @ flow.start
        return self._shaped(self._learned("predict", begin, new))

    def _new_start(self, start, rows):
        shape = (rows,) if self.flow.vector else (rows, self.flow.start.shape[1])
        if start is None:
            raise ValueError(f"start: expected the predictions on the new inputs of the function that training started "
                             f"from, shape {shape}, got None; pass predict(K_new, start=f0(new))")
        start = real_array("start", start, like=self.flow.start)
        if tuple(start.shape) != shape:
            raise ValueError(f"start: expected shape {shape}, got {tuple(start.shape)}; pass one row a new "
                             f"input, with columns like y")
        return start.reshape((rows, -1))

    def _learned(self, view, begin, new=None):
        """(..., q, m): a view of what is learned, from its value at the start."""
        values = learned(view, self, new)
        return values if begin is None else values + begin

    def _shaped(self, columns):
        return columns[..., 0] if self.flow.vector else columns
