"""Which classes are masked: their logits lie so far below the others that no point can belong to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eigenkd._arrays import real_array, to_numpy
from eigenkd.deviation.pointwise import rows_at_once
from eigenkd.deviation.softmax import LOWEST_HALF, MASK, ZERO

MASKED = ("refuse", "keep")  # what to do with a class that is masked in one model only


@dataclass(frozen=True)
class Depths:
    """How far each class lies below its row's largest logit, (classes,) in nats: at least `nearest` and, where it is
    no mask's constant, at most `farthest`. The depths of two sets of rows merge into those of both."""

    nearest: np.ndarray
    farthest: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, kind: str) -> "Depths":
        """Those of a block of rows (m, classes), NumPy; rows with NaN or without a finite entry are ignored."""
        with np.errstate(all="ignore"):
            rows = rows.astype(float)
            logits = np.log(np.maximum(rows, 0)) if kind == "probabilities" else rows
            depth = np.max(logits, axis=1, keepdims=True) - logits
        depth[np.isnan(depth).any(axis=1)] = 0
        depth[(depth >= MASK) | ((depth >= ZERO) & (logits == LOWEST_HALF))] = np.inf
        return cls(depth.min(axis=0), np.where(np.isinf(depth), 0, depth).max(axis=0))

    def merge(self, other: 'Depths') -> "Depths":
        """The depths of the rows of both."""
        return Depths(np.minimum(self.nearest, other.nearest), np.maximum(self.farthest, other.farthest))

    def masked(self) -> np.ndarray:
        """(classes,) bool: the classes that hold a mask's constant in all rows, or a probability of zero in all rows
        that lies twice as far down as any entry of the other classes, of which there are two or more. The second rule
        finds masks such as -1e4 next to logits of common size."""
        zero = self.nearest >= ZERO
        if (~zero).sum() < 2:  # a network that diverged, and predicts one class throughout
            return self.nearest >= MASK
        reach = np.max(self.farthest, where=~zero, initial=0)
        return zero & ((self.nearest >= MASK) | (self.nearest >= 2 * reach))


def unmasked(classes: int) -> "Columns":
    """The `Columns` of rows of which none is masked."""
    depths = Depths(np.zeros(classes), np.zeros(classes))
    return Columns(depths, depths)


@dataclass(frozen=True)
class Columns:
    """What two models' rows say about which classes are masked: the depths of the teacher's and of the student's."""

    teacher: Depths
    student: Depths

    @property
    def decided(self) -> bool:
        """Whether no further row can make a class a masked one."""
        return all((of.nearest < ZERO).all() for of in (self.teacher, self.student))

    def merge(self, other: 'Columns') -> "Columns":
        """Those of the rows of both."""
        return Columns(self.teacher.merge(other.teacher), self.student.merge(other.student))

    def left_out(self, masked: str = "refuse", names: Sequence[str] = ()) -> np.ndarray:
        """(classes,) NumPy bool: the classes that both models have masked in all rows.

        masked: "refuse" or "keep", for a class that is masked in one model only. names: of the classes, for messages.

        Raises ValueError for a class masked in one model only under "refuse", and where fewer than two classes are left
        under "refuse"; under "keep" no class is left out in that case.
        """
        of_teacher, of_student = self.teacher.masked(), self.student.masked()
        if masked == "refuse":
            _same("teacher", of_teacher & ~of_student, "student", names)
            _same("student", of_student & ~of_teacher, "teacher", names)
        both = of_teacher & of_student
        if (~both).sum() < 2 and masked == "keep":
            return np.zeros_like(both)
        if (~both).sum() < 2:
            raise ValueError(f"teacher_logits: expected two classes or more that are not masked, got "
                             f"{(~both).sum()} of {both.size}; pass logits of the classes in use")
        return both


def scan(teacher: Any, student: Any, kinds: Sequence[str]) -> Columns:
    """The `Columns` of rows (n, classes), sliceable; kinds: of each. Rows are read as long as a class may be masked."""
    size, found = rows_at_once(teacher, student), None
    for start in range(0, teacher.shape[0], size):
        block = Columns(*(Depths.of(to_numpy(real_array(name, rows[start : start + size], values=False)), kind)
                          for name, rows, kind in zip(("teacher_logits", "student_logits"), (teacher, student), kinds)))
        found = block if found is None else found.merge(block)
        if found.decided:
            break
    return found


def called(columns: Sequence[int] | np.ndarray, names: Sequence[str] = ()) -> str:
    """Columns in words: "column 3 (cat)", "columns 0, 4, 7"."""
    said = [f"{c} ({names[c]})" if names else f"{c}" for c in columns[:5]]
    more = f" and {len(columns) - 5:,} more" if len(columns) > 5 else ""
    return f"column{'s' * (len(columns) != 1)} {', '.join(said)}{more}"


def _same(role, alone, other, names):
    if (columns := np.flatnonzero(alone)).size:
        which = f"{role}_logits[:, {columns[0] if columns.size == 1 else columns[:5].tolist()}]"
        raise ValueError(f"{role}_logits: expected the classes that the {other} has, got {called(columns, names)} of "
                         f"probability zero in all rows (masked) of the {role} only; drop {which} and the same of the "
                         f"{other}, mask both, or pass masked='keep' (--masked keep) to take the class as it is")
