"""The eigenbasis of a kernel K, which is given without features."""

from typing import Any, ClassVar

from eigenkd._arrays import KERNEL, Kind, real_array
from eigenkd._pytrees import pytree
from eigenkd.spectrum import Spectrum, times
from eigenkd.typing import Array, ArrayLike, Shape


@pytree("singular_values", "sample_basis", "resolution", static=("tolerance_given",))
class KernelSpectrum(Spectrum):
    """The `Spectrum` of a kernel K, whose feature basis lies in a feature space that is not given.

    The start is given by its predictions (n, m) on the training inputs.
    """

    kind: ClassVar[Kind] = KERNEL
    without_start: ClassVar[str] = "a kernel flow without one"
    value: ClassVar[str] = "eigenvalue"
    power: ClassVar[int] = 2
    refined: ClassVar[bool] = True
    method: str = "kernel"
    feature_basis: Array | Any = None
    spans_samples: bool = True
    spans_features: bool = True

    def __init__(self, singular_values: Array, sample_basis: Array, resolution: Array, tolerance_given: bool) -> None:
        self.__dict__.update(singular_values=singular_values, sample_basis=sample_basis, resolution=resolution,
                             tolerance_given=tolerance_given)

    def project(self, new: Array) -> Array:
        return (new @ self.sample_basis) * self.inverse

    def weights(self, components: Array) -> Array:
        raise TypeError("weights: a kernel fixes no finite feature space to have weights in; use fit.components "
                        "(along the kernel's eigenfunctions), fit.fitted or fit.predict(K_new)")

    def predict(self, new: Array, components: Array) -> Array:
        return times(self.project(new), components)

    def multiplied(self, components: Array, coefficients: Array) -> tuple[Array, Array]:
        return self.sample_basis, coefficients

    def turns(self, fitted: bool) -> tuple[bool, bool]:
        return fitted, not fitted

    def turn(self, fitted: bool, change: Array) -> tuple[Array | None, Array | None]:
        N = self.sample_basis.T @ ((change + change.T) / 2) @ self.sample_basis
        return (N, None) if fitted else (None, self.singular_values[:, None] * N)

    def turn_back(self, fitted: bool, first: Any, second: Any) -> Array:
        N = first if fitted else self.singular_values[:, None] * second
        return self.sample_basis @ ((N + N.T) / 2) @ self.sample_basis.T

    def start_components(self, start: Array) -> Array:
        return (self.sample_basis.T @ start) * self.inverse[:, None]

    def start_outputs(self, inputs: Array, start: Array) -> Array:
        return start

    def new_start_outputs(self, new: Array, start: Array | None, given: ArrayLike | None, shape: Shape,
                          name: str = "start") -> Array | None:
        if start is None:
            return super().new_start_outputs(new, start, given, shape, name)
        if given is None:
            raise ValueError(f"{name}: expected the predictions on the new inputs of the function that training "
                             f"started from, shape {shape}, got None; pass f0(new) as {name}")
        given = real_array(name, given, like=start)
        if tuple(given.shape) != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {tuple(given.shape)}; pass one row a new input, "
                             f"with columns like y")
        return given.reshape((new.shape[0], -1))

    @property
    def _right_basis(self):
        return self.sample_basis
