"""A comparison that is built up block by block: `Stream`.

What is kept of a point are its numbers, some 90 bytes, and nothing of its logits: a million tokens of a vocabulary of
152,000 take 90 MB in place of 1.2 TB. Quantiles, slopes over a quarter and their intervals need all points at the end,
so that they are those of the whole, not approximations of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from eigenkd._arrays import to_numpy
from eigenkd.deviation import bounds
from eigenkd.deviation.alignment import doubt, twice
from eigenkd.deviation.clusters import coded
from eigenkd.deviation.inputs import (
    KINDS,
    NO_LABEL,
    first_block,
    groups_of,
    kept,
    kind_of,
    labels_of,
    mask_of,
    names_of,
    refuse_ids,
    rows_of,
)
from eigenkd.deviation.masking import MASKED, called, scan, unmasked
from eigenkd.deviation.measured import POINTWISE, Deviation
from eigenkd.deviation.pointwise import points
from eigenkd.deviation.softmax import ZERO
from eigenkd.deviation.tokens import Places, Tokens, expect_same_text, flat, join, labels_of_file, lag, placed
from eigenkd.deviation.topk import TOP_K, TopK
from eigenkd.typing import ArrayLike, LabelsLike, MasksLike, Progress, RowsLike

OPTIONAL = ("labels", "groups", "sequences")  # what all blocks have or none has, besides masks


class Stream:
    """A `Deviation` from blocks of logits in any order and any split: the same as `compare` of the whole.

    stream = Stream(); stream.update(teacher_logits, student_logits, labels) for each block; stream.result().
    Streams of several processes are joined by `merge`. reference, inputs, masked, class_names: as for `compare`. For
    inputs="auto" the first block decides. A column of probabilities that is zero in all rows cannot be left out
    afterwards, as `compare` does: `result` refuses it.
    """

    def __init__(self, *, reference: str = "teacher", inputs: str = "auto", masked: str = "refuse",
                 class_names: Sequence[str] | None = None) -> None:
        if reference not in ("teacher", "label"):
            raise ValueError(f"reference: expected 'teacher' or 'label', got {reference!r}")
        if inputs not in KINDS:
            raise ValueError(f"inputs: expected {', '.join(map(repr, KINDS))}, got {inputs!r}; 'auto' finds out")
        if masked not in MASKED:
            raise ValueError(f"masked: expected {' or '.join(map(repr, MASKED))}, got {masked!r}; 'keep' takes a class "
                             "that is masked in one model only as it stands")
        self._reference, self._inputs, self._masked = reference, inputs, masked
        self._class_names = class_names
        self._parts, self._rows, self._dropped = [], 0, 0
        self._kinds: Any = None  # these three are known from the first block on
        self._classes: Any = None
        self._columns: Any = None
        self._whole, self._texts, self._sequences, self._numbered = False, {}, 0, False
        self._doubts = set()  # sentences on top-k rows

    def update(self, teacher_logits: RowsLike, student_logits: RowsLike, labels: LabelsLike | None = None, *,
               groups: LabelsLike | None = None, masks: MasksLike | None = None, keep: ArrayLike | None = None,
               sequences: ArrayLike | None = None, positions: ArrayLike | None = None,
               progress: Progress | None = None) -> "Stream":
        """Add a block of points, and return the stream.

        Arguments as for `compare`; every block has labels, groups and the same masks, or none has. Logits of shape
        (sequences, tokens, vocabulary) begin new sequences in every block. Where blocks split sequences, every block
        says what it holds: sequences, whole numbers, and positions from 0, one of each a row of logits (n, vocabulary);
        for logits of three dimensions one of each a sequence, positions of its first token in the block. Raises as
        `compare` does, and then leaves the stream as it was.
        """
        self._add(teacher_logits, student_logits, labels, groups, masks, keep, progress, whole=False,
                  at=placed(sequences, positions, teacher_logits))
        return self

    def merge(self, other: 'Stream') -> "Stream":
        """Add the points of another stream of the same models, and return this one; the other stays as it is.

        Raises TypeError for anything but a `Stream`, ValueError for other options, classes or kinds of input.
        """
        if not isinstance(other, Stream):
            raise TypeError(f"other: expected a Stream, got {type(other).__name__}; merge its points before result()")
        for name in ("reference", "masked", "class_names"):
            if (mine := getattr(self, f"_{name}")) != (theirs := getattr(other, f"_{name}")):
                raise ValueError(f"other: expected a stream of {name}={mine!r}, got {theirs!r}; make both alike")
        if other._parts:
            self._expect_alike(other._classes, other._kinds, other._parts[0], other._numbered)
            self._classes, self._kinds, self._numbered = other._classes, other._kinds, other._numbered
            moved = {"rows": self._rows, "sequences": self._sequences}
            self._parts += [part | {name: part[name] + by for name, by in moved.items() if name in part}
                            for part in other._parts]
            for number, text in other._texts.items():
                join(self._texts, number + self._sequences, text)
            self._sequences += other._sequences
            self._columns = other._columns if self._columns is None else self._columns.merge(other._columns)
        self._rows, self._dropped = self._rows + other._rows, self._dropped + other._dropped
        self._doubts |= other._doubts
        return self

    def result(self) -> Deviation:
        """The `Deviation` of all points so far; more may be added afterwards.

        Raises ValueError for a stream without points, for classes that one model alone has masked, and for a token that
        two blocks have.
        """
        if not self._parts:
            raise ValueError("result: expected points, got none; call update(teacher_logits, student_logits) first")
        names = names_of(self._class_names, self._classes)
        without = self._columns.left_out(self._masked, names)
        found = {name: _joined([part[name] for part in self._parts]) for name in self._parts[0]}
        labels, groups = found.pop("labels", None), found.pop("groups", None)
        tokens = Tokens(found.pop("sequences"), found.pop("positions"), dict(self._texts)) if (
            "sequences" in found) else None
        if tokens is not None and self._numbered:
            tokens.expect_once()
        if groups is None and tokens is not None:
            groups = tokens.sequences  # the tokens of one text are not independent
        rows, masks = found.pop("rows"), {name[5:]: found.pop(name) for name in list(found) if name[:5] == "mask:"}
        if without.any() and not self._whole:
            self._leave_out(found, labels, without, names)
        for role in ("teacher", "student"):
            phi = found[f"{role}_confidence"]
            xp = array_namespace(phi)
            found["far"] = found["far"] | (xp.isfinite(phi) & (xp.abs(phi) >= ZERO))
        measured = {name: found.pop(name) for name in POINTWISE}
        predicted = to_numpy(measured["teacher_class"]), to_numpy(measured["student_class"])
        teacher, student = self._kinds
        late = "" if tokens is None or labels is None else lag(predicted[0], labels, tokens)
        equal = twice(*([to_numpy(measured[f"{role}_{name}"]) for name in ("class", "confidence", "entropy")]
                        for role in ("teacher", "student")))
        return Deviation(
            **measured, classes=self._classes, reference=self._reference,
            inputs=teacher if teacher == student else f"{teacher} of the teacher and {student} of the student",
            clipped=int(to_numpy(found["clipped"]).sum()), labels=labels, masks=masks, class_names=names,
            left_out=tuple(np.flatnonzero(without).tolist()), rows=rows,
            unlabelled=self._rows - self._dropped - rows.size, dropped=self._dropped,
            doubt=equal or late or doubt(*predicted, labels, self._classes), scores=found,
            clusters=None if groups is None else coded(groups), tokens=tokens, notes=tuple(sorted(self._doubts)))

    def _add(self, teacher_logits, student_logits, labels, groups, masks, keep, progress, whole, at=None):
        """`update`; whole: no other block will come, so that masked classes are looked for before the pass; at: the
        `placed` sequences and positions."""
        masks = {} if masks is None else masks if isinstance(masks, Mapping) else {"mask": masks}
        files = [part for part in (teacher_logits, student_logits) if hasattr(part, "expect_same_text")]
        if len(files) == 2:
            expect_same_text(*files)
        teacher, student, labels, groups, masks, keep, tokens = flat(teacher_logits, student_logits, labels, groups,
                                                                     masks, keep)
        if files:
            labels, tokens = labels_of_file(files[0], labels), files[0].tokens
        teacher, student = pair(teacher, student)
        n, classes = teacher.shape
        names = names_of(self._class_names, classes)
        if labels is not None:
            labels = labels_of(labels, n, classes, names, some=whole)
        elif self._reference == "label":
            raise ValueError("labels: expected them for reference='label', got none; pass labels=labels")
        if at is not None:
            tokens = at.of(labels)
        part = {f"mask:{name}": mask_of(f"masks[{name!r}]", mask, n) for name, mask in masks.items()}
        if groups is not None:
            part["groups"] = groups_of(groups, n)
        if tokens is not None:
            part |= {"sequences": tokens.sequences + self._sequences, "positions": tokens.positions}
        used = np.ones(n, dtype=bool) if keep is None else mask_of("keep", keep, n)
        numbers = np.flatnonzero(used if labels is None else used & (labels != NO_LABEL))
        dropped = n - int(used.sum())
        if labels is not None:
            part["labels"] = labels
        if numbers.size < n:
            teacher, student = kept(teacher, numbers), kept(student, numbers)
            part = {name: values[numbers] for name, values in part.items()}
        if not numbers.size:
            self._count(n, dropped, tokens, at is not None)
            return
        self._whole = whole
        places = numbers if tokens is None else Places(numbers, tokens)
        both = len(files) == 2 and all(hasattr(file, "extra") for file in files)
        extra = files[0].extra(files[1], numbers) if both else None
        part |= self._measured(teacher, student, names, part, at is not None, places, progress, extra)
        part["rows"], self._numbered = numbers + self._rows, at is not None
        self._parts.append(part)
        self._count(n, dropped, tokens, self._numbered)

    def _count(self, n, dropped, tokens, numbered):
        """Count the rows and the sequences of a block, and keep its texts."""
        self._rows, self._dropped = self._rows + n, self._dropped + dropped
        if tokens is not None:
            for number, text in tokens.texts.items():
                join(self._texts, number + self._sequences, text)
            self._sequences += 0 if numbered else int(tokens.sequences.max()) + 1

    def _measured(self, teacher, student, names, part, numbered, places, progress, extra):
        """The quantities of all points of a block, name -> (n,), which is accepted with that; places: of its rows."""
        classes = teacher.shape[1]
        kinds, partial = self._kinds_of(teacher, student, names)
        self._expect_alike(classes, kinds, part, numbered)
        columns = self._columns
        if columns is None or not columns.decided:
            block = unmasked(classes) if partial else scan(teacher, student, kinds)
            columns = block if columns is None else columns.merge(block)
        if partial:
            self._doubts |= {doubt for rows in (teacher, student) if isinstance(rows, TopK) for doubt in rows.doubts}
            found = bounds.points(teacher, student, part.get("labels"), places, progress=progress)
        else:
            without = columns.left_out(self._masked, names) if self._whole else np.zeros(classes, dtype=bool)
            found = points(teacher, student, part.get("labels"), self._reference, kinds, without, places, progress,
                           extra)
        self._classes, self._kinds, self._columns = classes, kinds, columns
        return found

    def _kinds_of(self, teacher, student, names):
        """(what teacher and student are, whether one of them is rows of which only some tokens are known)."""
        named = (("teacher_logits", teacher), ("student_logits", student))
        before = self._kinds or (TOP_K, TOP_K)
        kinds = tuple(TOP_K if isinstance(rows, TopK) else old if old != TOP_K else
                      kind_of(name, rows, self._inputs, names) for old, (name, rows) in zip(before, named))
        partial = any(isinstance(rows, TopK) for _, rows in named)
        if partial and self._reference == "label":
            raise ValueError("reference: expected 'teacher' for top-k rows, got 'label', whose probability they need "
                             "not hold; pass full rows")
        if partial and "probabilities" in kinds:
            raise ValueError("inputs: expected logits with top-k rows, got probabilities; pass their logarithms with "
                             "inputs='logits'")
        return kinds, partial

    def _leave_out(self, found, labels, without, names):
        """Make the numbers those of logits without the classes `without`, in place. Only those of points whose label is
        such a class differ: elsewhere its probability is zero in every precision."""
        if "probabilities" in self._kinds:
            raise ValueError("result: expected probabilities above zero in every column, got "
                             f"{called(np.flatnonzero(without), names)} of zero in all rows, which a stream cannot "
                             "leave out afterwards; drop the column, or pass the logits")
        if labels is None or not (hit := without[labels]).any():
            return
        for name in ("teacher_confidence", "student_confidence") * (self._reference == "label") + (
                "teacher_nll", "student_nll"):
            xp = array_namespace(found[name])
            zero = xp.asarray(hit, device=device(found[name]))
            found[name] = xp.where(zero, xp.inf if name.endswith("nll") else -xp.inf, found[name])

    def _expect_alike(self, classes, kinds, part, numbered):
        """Raises ValueError for a block that does not go with those before it."""
        if self._parts:
            for what, mine, theirs in (("classes", self._classes, classes), ("inputs", self._kinds, kinds),
                                       ("sequences=", self._numbered, numbered),
                                       ("of labels, groups and masks",
                                        *(sorted(name for name in of if name in OPTIONAL or name[:5] == "mask:")
                                          for of in (self._parts[0], part)))):
                if mine != theirs:
                    raise ValueError(f"update: expected blocks alike, got {what} {theirs} after {mine}; give every "
                                     "block the same")


def pair(teacher_logits: RowsLike, student_logits: RowsLike) -> tuple[Any, Any]:
    """Both as `rows_of` takes them, of one shape (n, classes)."""
    teacher, student = rows_of("teacher_logits", teacher_logits), rows_of("student_logits", student_logits)
    n, classes = teacher.shape
    if classes < 2:
        raise ValueError(f"teacher_logits: expected two classes or more, got shape {tuple(teacher.shape)}; a single "
                         "logit f of two classes is the pair (0, f)")
    if tuple(student.shape) != (n, classes):
        for name, rows in (("teacher_logits", teacher), ("student_logits", student)):
            if not isinstance(rows, TopK):
                refuse_ids(name, first_block(name, rows))
        raise ValueError(f"student_logits: expected shape {(n, classes)} like teacher_logits, got "
                         f"{tuple(student.shape)}; pass the logits of the same points and classes")
    return teacher, student


def _joined(parts):
    xp = array_namespace(parts[0])
    return parts[0] if len(parts) == 1 else xp.concat(parts)
