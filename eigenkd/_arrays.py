"""Checks of what users pass, and the library and precision that results are computed in.

All other modules are written against the array API standard, so that results are arrays of the library that came in.
Values are checked where they are known. Under a JAX or functorch transformation they are not: bad values then become
NaN instead of raising an error.
"""

import sys
from math import prod
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import (
    array_namespace,
    is_array_api_obj,
    is_jax_array,
    is_numpy_array,
    is_torch_array,
)

from eigenkd.typing import Array, ArrayLike


class Kind(NamedTuple):
    """What a model is made of, features or a kernel, and the new inputs that it predicts from.

    inputs, new: their names in messages. rows: what the new inputs are, in words. ndim: the permitted numbers of
    dimensions of the new inputs, where the kernel has one row a sample.
    """

    inputs: str
    new: str
    rows: str
    ndim: tuple[int, ...]

    def check_columns(self, new: Any, columns: int, name: str | None = None) -> None:
        """ValueError for new inputs, called `name` in the message, that do not have so many columns."""
        if len(new.shape) != 2 or new.shape[1] != columns:
            raise ValueError(f"{name or self.new}: expected {columns} columns, got shape {tuple(new.shape)}; pass "
                             f"{self.rows}")


FEATURES = Kind("X", "X_new", "the features that X was made of, a row a sample", (2,))
KERNEL = Kind("K", "K_new", "the kernel between new (rows) and training (columns) inputs", (2, 4))
DOUBLE_UP_TO = 2**28  # numbers in an array of single precision that is factorised in double: 2 GiB


def is_concrete(x: Any) -> bool:
    """Whether values computed from x are known. Those of a JAX tracer are not, nor those of any JAX array while jit
    traces (it stages every operation), nor those of a tensor inside a transformation of torch.func."""
    if is_jax_array(x):
        jax = sys.modules["jax"]
        return not isinstance(x, jax.core.Tracer) and not isinstance(jax.numpy.zeros(()), jax.core.Tracer)
    if (torch := sys.modules.get("torch")) and isinstance(x, torch.Tensor):
        return not torch._C._functorch.is_functorch_wrapped_tensor(x)
    return True


def library(x: Any) -> str:
    """The name of the library that x belongs to, for messages and comparisons."""
    if is_torch_array(x):
        return "PyTorch"
    if is_jax_array(x):
        return "JAX"
    return "NumPy" if is_numpy_array(x) or isinstance(x, np.generic) else type(x).__module__


def leading(*values: Any) -> Any:
    """The value whose library the others are converted to: the first array that is not NumPy's, else the first one."""
    foreign = [v for v in values if is_array_api_obj(v) and not isinstance(v, np.generic) and not is_numpy_array(v)]
    return foreign[0] if foreign else values[0]


def real_array(name: str, value: ArrayLike, *, like: Any = None, ndim: tuple[int, ...] | None = None,
               nonnegative: bool = False, finite: bool = True, values: bool = True) -> Array:
    """`value` as a floating-point array, or an error that names the argument, what came and the fix.

    name: the argument's name as its user typed it.
    like: an array whose library, dtype and device the result takes; numbers, lists and NumPy arrays are converted to
        it, an array of a third library is refused. Without it, integers become double precision (JAX: its default
        float) and half precision becomes single.
    ndim: the permitted numbers of dimensions, a tuple. nonnegative, finite: what the values must satisfy; NaN never
        passes. values=False leaves them unchecked, for a caller that detects bad values. The input is not changed,
        and not copied where that can be avoided.

    Raises TypeError for what is not a real array, ValueError for wrong shapes and values.
    """
    x = _as_array(name, value)
    if getattr(x, "is_meta", False):
        raise ValueError(f"{name}: expected numbers, got a tensor on the device 'meta', which has a shape and no "
                         "values; load it onto a real device")
    xp = array_namespace(x)
    if xp.isdtype(x.dtype, "complex floating"):
        raise TypeError(f"{name}: expected real numbers, got dtype {x.dtype}; pass {name}.real if that is meant")
    if like is not None and is_array_api_obj(like) and not isinstance(like, np.generic):
        other: Any = like
        x = moved(x, other, name)
        xp = array_namespace(x)
        x = xp.astype(x, other.dtype, copy=False)
    else:
        x = xp.astype(x, _working_dtype(x, xp), copy=False)
    if ndim is not None and x.ndim not in ndim:
        wanted = " or ".join(str(d) for d in ndim)
        raise ValueError(f"{name}: expected {wanted} dimension(s), got shape {tuple(x.shape)}; reshape it")
    if values:
        _check_values(name, x, xp, nonnegative, finite)
    return x


def moved(x: Array, like: Array, name: str = "array") -> Array:
    """The array x in the library and on the device of `like`, in its own precision where that library has it.

    Raises TypeError, naming `name`, for an array that is neither of that library nor NumPy's.
    """
    if is_torch_array(x) and is_torch_array(like):
        return x.to(like.device)
    if library(x) == library(like):
        return x
    if not is_numpy_array(x):
        raise TypeError(f"{name}: expected a {library(like)} array like the other arguments, got a {library(x)} array; "
                        f"convert one of them")
    xp = array_namespace(like)
    if is_torch_array(like):  # which has no negative strides
        return xp.asarray(np.asarray(x, order="C"), device=like.device)
    return xp.asarray(x)


def runs_in_double(*values: Array | None) -> bool:
    """Whether results of these arrays (None left out) are computed in double precision and then rounded to theirs.

    They are for single precision on the CPU with up to `DOUBLE_UP_TO` numbers in each array, where that takes up to
    twice the time and memory. On a GPU it may take far longer, JAX's transformations do not have double precision
    without jax_enable_x64, and transformations of either library hide the values.
    """
    return all(v is None or _can_be_widened(v) for v in values)


def _can_be_widened(x):
    if x.dtype != array_namespace(x).float32 or not is_concrete(x) or prod(x.shape) > DOUBLE_UP_TO:
        return False
    if is_torch_array(x):
        return x.device.type == "cpu"
    return not is_jax_array(x) or (len(x.devices()) == 1 and next(iter(x.devices())).platform == "cpu")


def in_double(x: Any) -> Any:
    """The array x in double precision. A JAX array becomes NumPy's, as JAX may have no double precision. None stays
    None."""
    if x is None:
        return None
    x = np.asarray(x) if is_jax_array(x) else x
    xp = array_namespace(x)
    return xp.astype(x, xp.float64)


def cast_like(x: Array, other: Array) -> Array:
    """The array x in the library, on the device and in the precision of `other`."""
    return array_namespace(other).astype(moved(x, other), other.dtype, copy=False)


def constant(x: Array) -> Array:
    """The array x, which derivatives treat as a constant."""
    if is_jax_array(x):
        return sys.modules["jax"].lax.stop_gradient(x)
    return x.detach() if is_torch_array(x) else x


def caller_level() -> int:
    """The `stacklevel` at which a warning names the line of the caller of this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(("eigenkd.", "functools")):
        frame, level = frame.f_back, level + 1
    return level


def to_numpy(x: Any) -> np.ndarray:
    """The array x as NumPy's, from any device, detached from any graph of derivatives."""
    return np.asarray(x.detach().cpu() if is_torch_array(x) else x)


def _float(name, value):
    try:
        return np.asarray(float(value))
    except OverflowError as error:
        raise ValueError(f"{name}: expected a number below 1.8e308, the largest in double precision, got a larger one; "
                         f"pass inf if that is meant") from error


def _as_array(name, value):
    if isinstance(value, str | bytes) or value is None:
        raise TypeError(f"{name}: expected numbers, got {value!r}; pass an array, a list or a number")
    if hasattr(value, "tocsr"):
        raise TypeError(f"{name}: expected a dense array, got a sparse {type(value).__name__}; pass "
                        f"{name}.toarray(), or use eigenkd.krylov, which takes it as it is")
    if is_array_api_obj(value) and not isinstance(value, np.generic):
        x = value
    elif isinstance(value, Real | np.generic):
        x = np.asarray(value)
        x = _float(name, value) if x.dtype == object else x  # whole numbers of more than 64 bits
    else:
        try:
            x = np.asarray(value)
        except (ValueError, TypeError) as error:
            raise TypeError(f"{name}: expected an array of numbers, got {type(value).__name__} ({error}); "
                            f"pass a rectangular array") from error
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected an array without a mask, got a masked one; fill it (.filled(0)) or drop the "
                        f"masked rows")
    if is_torch_array(x) and x.layout != sys.modules["torch"].strided:
        raise TypeError(f"{name}: expected a dense array, got a PyTorch tensor of layout {x.layout}; pass "
                        f"{name}.to_dense()")
    if is_numpy_array(x) and x.dtype.kind not in "biufc":
        raise TypeError(f"{name}: expected numbers, got {type(value).__name__} with dtype {x.dtype}; "
                        "convert it with numpy.asarray(..., dtype=float)")
    return x


def _working_dtype(x, xp):
    if is_jax_array(x):
        return x.dtype if x.dtype in (xp.float32, xp.float64) else xp.asarray(0.0).dtype
    if xp.isdtype(x.dtype, "real floating"):
        return x.dtype if x.dtype in (xp.float32, xp.float64) else xp.float32 if x.dtype.itemsize < 4 else xp.float64
    return xp.float64


def _check_values(name, x, xp, nonnegative, finite):
    if 0 in x.shape:
        raise ValueError(f"{name}: expected at least one number, got an empty array of shape {tuple(x.shape)}")
    if not is_concrete(x):
        return
    bad = ~xp.isfinite(x) if finite else xp.isnan(x)
    if bool(xp.any(bad)):
        wanted, came = ("finite numbers", "NaN or infinite") if finite else ("numbers", "NaN")
        if x.ndim == 0:
            raise ValueError(f"{name}: expected a {'finite number' if finite else 'number'}, got {float(x)}; pass "
                             f"another")
        count = int(xp.sum(xp.astype(bad, xp.int32)))
        raise ValueError(f"{name}: expected {wanted}, got {count} {came} value(s) in an array of shape "
                         f"{tuple(x.shape)}; replace or remove them")
    if nonnegative and bool(xp.any(x < 0)):
        raise ValueError(f"{name}: expected numbers >= 0, got {float(xp.min(x))} as the smallest; pass 0 or a "
                         f"positive number")
