"""Components of a weight in an eigenbasis. Eq. (62), docs/theory.md."""

from array_api_compat import array_namespace

from eigenkd._arrays import leading, library, moved, real_array
from eigenkd.projection.bases import Eigenbasis
from eigenkd.typing import Array, ArrayLike


def components(weight: ArrayLike, basis: Eigenbasis) -> Array:
    """The size of a weight along each eigendirection: c_k = ||W v_k||_2.  Eq. (62)

    weight: outputs first, any shape that flattens to W (outputs, features); one dimension is a single output; of an
    embedding its transpose. Of weight less its initial value these are the components of the displacement.
    basis: an `Eigenbasis` of `features` features. Returns (k,), in the weight's precision and in its library (where the
    weight is NumPy's, in the basis's); differentiable in the weight.

    Raises TypeError or ValueError for a weight whose fan-in is not the basis's. App. D.3.
    """
    weight = real_array("weight", weight)
    if weight.ndim == 0:
        raise ValueError("weight: expected at least one dimension, got a single number; pass the layer's weight")
    # The basis is not checked again: this runs after every training step.
    like = leading(basis.vectors, weight)
    weight, vectors = (x if library(x) == library(like) else moved(x, like) for x in (weight, basis.vectors))
    xp = array_namespace(weight)
    vectors = xp.astype(vectors, weight.dtype, copy=False)
    W = xp.reshape(weight, (1 if weight.ndim == 1 else weight.shape[0], -1))
    if W.shape[1] != vectors.shape[0]:
        raise ValueError(f"weight: expected a fan-in of {vectors.shape[0]}, the basis's features, got {W.shape[1]} "
                         f"from shape {tuple(weight.shape)}; pass it with the outputs first, and the basis of this "
                         "layer's input")
    return xp.linalg.vector_norm(W @ vectors, axis=0)
