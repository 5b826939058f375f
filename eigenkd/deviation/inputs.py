"""Checks of what is compared: rows of logits or probabilities, labels and masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_torch_array

from eigenkd._arrays import library, real_array, to_numpy
from eigenkd.deviation.pointwise import TOLERANCE, rows_at_once
from eigenkd.typing import Shape

KINDS = ("auto", "logits", "probabilities")
NO_LABEL = -100  # what PyTorch's losses and most data collators give rows without a label
ENOUGH = 10  # rows from which a column of different whole numbers is not a coincidence


@dataclass(frozen=True)
class Kept:
    """The rows `numbers` (m,), ascending, of something with rows to slice: a slice reads the rows between its ends."""

    rows: Any
    numbers: np.ndarray

    @property
    def shape(self) -> Shape:
        """(m, classes)."""
        return (self.numbers.size, *self.rows.shape[1:])

    @property
    def dtype(self) -> Any:
        """That of the rows."""
        return self.rows.dtype

    def __getitem__(self, chosen: Any) -> np.ndarray:
        numbers = self.numbers[chosen]
        return np.asarray(self.rows[int(numbers[0]) : int(numbers[-1]) + 1])[numbers - numbers[0]]


def kept(rows: Any, numbers: np.ndarray) -> Any:
    """The rows of those numbers, ascending. Rows on disk are not read yet."""
    if hasattr(rows, "take_rows"):
        return rows.take_rows(numbers)
    if isinstance(rows, np.memmap) or not is_array_api_obj(rows):
        return Kept(rows, numbers)
    xp = array_namespace(rows)
    return xp.take(rows, xp.asarray(numbers, device=device(rows)), axis=0)


def rows_of(name: str, value: Any) -> Any:
    """An array, or something with rows to slice, of two dimensions. Rows on disk are not read yet.

    Strings that are numbers become numbers; tensors are detached from their graph of derivatives.
    """
    value = _array(name, value)
    if not (hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__getitem__")):
        value = real_array(name, value)
    if len(value.shape) == 1:
        raise ValueError(f"{name}: expected logits or probabilities, a row a point and a column a class, got shape "
                         f"{tuple(value.shape)}; a logit f of two classes is the pair (0, f), and labels are no logits "
                         "(labels=, --labels)")
    if len(value.shape) != 2 or 0 in value.shape:
        return real_array(name, value, ndim=(2,))
    return value


def labels_of(labels: Any, n: int, classes: int, names: Sequence[str] = (), some: bool = True) -> np.ndarray:
    """(n,) NumPy integers from 0 to classes - 1 or `NO_LABEL`, from numbers or from the classes' names.

    some: whether one of them has to be a class.
    """
    labels = _array("labels", labels, numeric=False)
    if _is_text(labels):
        labels = _numbered(labels.astype(str), names)
    labels = to_numpy(real_array("labels", labels))
    if labels.shape != (n,):
        raise ValueError(f"labels: expected shape ({n},), one class a point, got {labels.shape}; "
                         + ("pass the labels of the same points" if labels.ndim == 1 else
                            "for one-hot rows their argmax"))
    if (fractional := labels[labels != np.floor(labels)]).size:
        raise ValueError(f"labels: expected whole numbers, got {fractional[0]} among them; pass the classes' indices")
    given = labels[labels != NO_LABEL]
    if not given.size and some:
        raise ValueError(f"labels: expected some that are classes, got {NO_LABEL} in all rows, which leaves a row out; "
                         "pass labels=None to compare without them")
    if given.size and (given.min() < 0 or given.max() >= classes):
        raise ValueError(f"labels: expected classes from 0 to {classes - 1}, got {int(given.min())} to "
                         f"{int(given.max())}; number the classes as the columns of the logits ({NO_LABEL} leaves a "
                         "row out)")
    return labels.astype(int)


def mask_of(name: str, mask: Any, n: int) -> np.ndarray:
    """(n,) NumPy bool, from truth values, 1 and 0, or these as text."""
    mask = _array(name, mask, numeric=False)
    if _is_text(mask):
        words = np.char.lower(np.char.strip(mask.astype(str)))
        mask = _floats(name, np.where(words == "true", "1", np.where(words == "false", "0", words)))
    mask = to_numpy(real_array(name, mask))
    if mask.shape != (n,):
        raise ValueError(f"{name}: expected {n} values true or false, one a point, got shape {mask.shape}; pass a "
                         "boolean array")
    if (other := mask[~np.isin(mask, (0, 1))]).size:
        raise ValueError(f"{name}: expected values true or false (1 or 0), got {other[0]:g} among them; pass a boolean "
                         "array")
    return mask.astype(bool)


def groups_of(groups: Any, n: int) -> np.ndarray:
    """(n,) NumPy numbers or texts that say which points belong together."""
    groups = _array("groups", groups, numeric=False)
    if not _is_text(groups):
        whole = is_array_api_obj(groups) and not np.issubdtype(to_numpy(groups).dtype, np.inexact)
        groups = to_numpy(groups if whole else real_array("groups", groups))
    if groups.shape != (n,):
        raise ValueError(f"groups: expected shape ({n},), a number or a name a point, got {groups.shape}; give each "
                         "point that of its text, chunk or patient")
    return groups


def names_of(names: Sequence[str] | None, classes: int) -> tuple[str, ...]:
    """The classes' names as a tuple of strings, () for none."""
    if isinstance(names, str | bytes):
        raise ValueError(f"class_names: expected a name for each of {classes} classes, got {names!r}; pass a list")
    names = tuple(str(name) for name in (() if names is None else names))
    if names and len(names) != classes:
        raise ValueError(f"class_names: expected a name for each of {classes} classes, got {len(names)}; give them in "
                         "the order of the columns")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"class_names: expected different names, got {twice!r} twice; number one of them")
    return names


@np.errstate(all="ignore")
def kind_of(name: str, rows: Any, inputs: str, names: Sequence[str] = ()) -> str:
    """Whether `rows` are "logits" or "probabilities": as `inputs` says, or by a look at the first block for "auto".

    A block is taken for probabilities where most of its rows lie in [0, 1] and sum to 1; its other rows are then
    errors. names: of the columns, for messages.

    Raises ValueError for other `inputs`. Under "auto" it also refuses a column of ids, and what may be either logits or
    probabilities: percentages, and numbers in [0, 1] with other sums.
    """
    if inputs not in KINDS:
        raise ValueError(f"inputs: expected {', '.join(map(repr, KINDS))}, got {inputs!r}; 'auto' finds out")
    if inputs != "auto":
        return inputs
    first = first_block(name, rows)
    sums = first.sum(axis=1)
    shares = (first >= -TOLERANCE).all(axis=1) & (np.abs(sums - 1) < 10 * TOLERANCE)
    if shares.mean() > 0.5:
        return "probabilities"
    refuse_ids(name, first, names)
    percentages = np.abs(sums - 100).max() < 0.1
    if len(first) >= ENOUGH and first.min() >= 0 and (first.max() <= 1 or percentages):
        raise ValueError(f"{name}: expected logits, or probabilities whose rows sum to 1, got numbers from "
                         f"{first.min():.3g} to {first.max():.3g} with row sums around {np.median(sums):.3g}; "
                         f"normalise the rows, or pass inputs='logits' if they are logits")
    return "logits"


@np.errstate(all="ignore")
def first_block(name: str, rows: Any) -> np.ndarray:
    """The first rows, NumPy and double."""
    return to_numpy(real_array(name, rows[: rows_at_once(rows)], values=False)).astype(float)


def refuse_ids(name: str, first: np.ndarray, names: Sequence[str] = ()) -> None:
    """Raises ValueError where a column of logits (rows, columns), NumPy, looks like one of ids or labels.

    Those are whole numbers from -100 on in a column that varies: next to columns of fractions any, and else numbers
    that rise from row to row or count the rows in another order. names: of the columns, for the message.
    """
    if len(first) < ENOUGH:
        return
    least, most = first.min(axis=0), first.max(axis=0)
    whole = first == np.floor(first)
    suspect = (whole & np.isfinite(first)).all(axis=0) & (least >= NO_LABEL) & (least < most)
    why = "next to fractions, as ids and labels are"
    if whole.all():
        suspect &= (np.diff(first, axis=0) > 0).all(axis=0) | (np.diff(np.sort(first, axis=0), axis=0) == 1).all(axis=0)
        why = "that number the rows, as ids do"
    columns = np.flatnonzero(suspect)
    if 0 < columns.size <= first.shape[1] / 2:
        c = columns[0]
        which, called = (f"{c} ({names[c]})", names[c]) if names else (c, "NUMBER")
        raise ValueError(f"{name}: expected logits in every column, got whole numbers such as {first[0, c]:.0f}, "
                         f"{first[1, c]:.0f}, {first[2, c]:.0f} in column {which} {why}; drop the column (of a CSV: "
                         f"--drop {called}, or --ids {called}), or pass inputs='logits' if it is a logit")


def _array(name, value, numeric=True):
    """The value as an array without a graph of derivatives; text becomes numbers if `numeric`.

    Raises ValueError for a tensor without values, TypeError for a model's output and for several arrays.
    """
    if is_torch_array(value):
        return _plain(name, value)
    if hasattr(value, "logits") and not is_array_api_obj(value):
        raise TypeError(f"{name}: expected an array, got {type(value).__name__}, the output of a model; pass its "
                        ".logits")
    if isinstance(value, tuple | list) and any(is_array_api_obj(part) and part.ndim for part in value):
        return _stacked(name, value)
    if hasattr(value, "to_numpy") and not is_array_api_obj(value):  # a table or a series of pandas or polars
        value = value.to_numpy()
    elif isinstance(value, tuple | list):
        try:
            value = np.asarray(value)
        except ValueError:
            return value  # ragged: real_array says so
    if isinstance(value, np.ndarray) and value.dtype.name == "bfloat16":
        return value.astype(np.float32)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O" and all(isinstance(part, str | Real)
                                                                         for part in value.flat):
        value = value.astype(str)
    return _floats(name, value) if numeric and _is_text(value) else value


def _is_text(value):
    return isinstance(value, np.ndarray) and value.dtype.kind in "US" and value.ndim > 0


def _plain(name, tensor):
    """The tensor without its graph and quantisation, and with a pending conjugation or sign applied."""
    if tensor.device.type == "meta":
        raise ValueError(f"{name}: expected numbers, got a tensor on the device 'meta', which has a shape and no "
                         "values; build the model on a real device, load its weights and call it again")
    if tensor.is_nested:
        raise TypeError(f"{name}: expected one array, got a nested tensor; pad it (torch.nested.to_padded_tensor) or "
                        "join its parts")
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    return real_array(name, tensor.detach().resolve_conj().resolve_neg(), values=False)


def _stacked(name, parts):
    """One array of a list of rows. Raises TypeError for several arrays of rows, since any may be meant."""
    shapes = {tuple(part.shape) for part in parts if is_array_api_obj(part)}
    if all(is_array_api_obj(part) and part.ndim == 1 for part in parts) and len(shapes) == 1 and (
            len({library(part) for part in parts}) == 1):
        parts = [_array(name, part) for part in parts]
        return array_namespace(*parts).stack(parts)
    came = ", ".join(str(tuple(part.shape)) if is_array_api_obj(part) else type(part).__name__ for part in parts[:3])
    raise TypeError(f"{name}: expected one array, got a {type(parts).__name__} of {len(parts)} ({came}"
                    f"{', ...' * (len(parts) > 3)}); join batches (torch.cat, numpy.concatenate); of a model with "
                    "several heads, such as a distilled DeiT in training, pass one head or their mean, which it "
                    "predicts with")


def _numbers(words):
    """Whether these are several numbers as text."""
    try:
        return len([float(word) for word in words]) > 1
    except ValueError:
        return False


def _floats(name, text):
    """Text as numbers."""
    try:
        return text.astype(float)
    except ValueError:
        for cell in text.astype(str).flat:
            try:
                float(cell)
            except ValueError:
                if _numbers(cell.split()):
                    raise TypeError(f"{name}: expected numbers between commas, got {str(cell)[:40]!r}, numbers between "
                                    "spaces; write it with numpy.savetxt(path, array, delimiter=',')") from None
                raise TypeError(f"{name}: expected numbers, got the text {str(cell)!r} among them; convert or drop "
                                "that column") from None
        raise


def _numbered(labels, names):
    """Labels that are text as numbers: by the classes' names, or as the numbers that they spell."""
    if names:
        numbers = {name: c for c, name in enumerate(names)}
        unknown = [label for label in labels.flat if label not in numbers]
        if not unknown:
            return np.array([numbers[label] for label in labels.flat]).reshape(labels.shape)
    try:
        return labels.astype(float)
    except ValueError:
        pass
    if not names:
        raise TypeError(f"labels: expected numbers, or names with class_names to number them, got "
                        f"{str(labels.flat[0])!r}; pass class_names=[...] in the order of the columns (--classes)")
    raise ValueError(f"labels: expected names out of class_names, got {str(unknown[0])!r}, which is none of "
                     f"{', '.join(names[:5])}{', ...' * (len(names) > 5)}; correct the labels or the names")
