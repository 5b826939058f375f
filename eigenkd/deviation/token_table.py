"""The tables of tokens besides `table`: volume and direction, perplexity, parts, the worst tokens."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.deviation import parts, perplexity
from eigenkd.deviation.parts import Part
from eigenkd.deviation.table import cells
from eigenkd.deviation.vocabulary import Vocabulary
from eigenkd.table import NONE, Cells, number

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation

FEWER = 5  # rows of each student's worst tokens where there are several
WORST = 10  # rows of the table of the worst tokens, and tokens of context in it
BEFORE = 12
COLUMNS = {"kl": "KL", "kl_at_least": "KL at least", "teacher": "teacher says", "student": "student says",
           "label": "text says",
           "teacher_confidence": "teacher's confidence", "student_confidence": "student's confidence"}
MEASURES = {"kl": "KL(teacher ‖ student), nats", "reverse": "KL(student ‖ teacher), nats",
            "jensen_shannon": "Jensen-Shannon, nats", "change": "change of confidence, nats",
            "less_confident": "share less confident", "entropy_change": "change of entropy, nats",
            "flipped": "share with another top token"}


BOUNDED = {"kl": "divergence"}  # measures whose bounds have another name


def token_tables(deviation: "Deviation", vocabulary: Vocabulary | None = None) -> list[Cells]:
    """The `Cells` of a `Deviation` of tokens, one table after another. vocabulary: a `Vocabulary`, or None."""
    found = [direction(deviation)]
    if deviation.labels is not None:
        name = ("perplexity" if "stored_kl" not in deviation.scores else "as llama-perplexity prints it"
                if not deviation.perplexity.floored.any() else "by llama-perplexity's formulas")
        found.append(perplexity.cells(deviation.perplexity, name))
        if deviation.perplexity.floored.any():
            found.append(floored(deviation, vocabulary))
    found.append(of_parts(parts.by_confidence(deviation), "teacher's confidence"))
    if deviation.tokens is not None:
        found.append(of_parts(parts.by_position(deviation), "position"))
    if vocabulary is not None:
        found.append(of_parts(parts.by_kind(deviation, vocabulary), "token"))
    found.append(worst(deviation, vocabulary))
    return found


def apart(deviations: Sequence["Deviation"], paths: Sequence[str], vocabulary: Vocabulary | None = None) -> list[Cells]:
    """The `Cells` of several students of one teacher that are no seeds: a column each, a row each, then the parts of
    the tokens and the worst tokens of each."""
    columns = [cells(deviation) for deviation in deviations]
    found = [{row[0]: row[1] for row in column.rows} for column in columns]
    labels = dict.fromkeys(label for rows in found for label in rows)
    notes = dict.fromkeys(note for column in columns for note in column.notes)
    each = (parts.part(deviation, path) for path, deviation in zip(paths, deviations))
    found_of = [of_each([parts.by_confidence(d) for d in deviations], paths, "teacher's confidence"),
                of_each([parts.by_position(d) for d in deviations], paths, "position")]
    if vocabulary is not None:
        found_of.append(of_each([parts.by_kind(d, vocabulary) for d in deviations], paths, "token"))
    for path, deviation in zip(paths, deviations):
        table = worst(deviation, vocabulary, FEWER)
        found_of.append(replace(table, notes=(f"{path}: {table.notes[0]}",)))
    return [Cells(("", *paths), tuple((label, *(rows.get(label, NONE) for rows in found)) for label in labels),
                  tuple(notes)), of_parts([row for row in each if row is not None], "student"), *found_of]


def of_each(found: Sequence[Sequence[Part]], paths: Sequence[str], name: str) -> Cells:
    """The `Cells` of the same parts of several students: KL and change of confidence of each."""
    header = [f"{what}, {path}" for path in paths for what in ("KL", "change")]
    return Cells((name, "tokens", *header), tuple(
        (row[0].name, f"{row[0].points:,}", *(cell for part in row for cell in (
            number(part.kl.value, ".3g"), number(part.change.value, "+.3f")))) for row in zip(*found)))


def direction(deviation: "Deviation") -> Cells:
    """The `Cells` of volume and direction over all points, and how much wider their intervals are over texts."""
    found, rows = parts.part(deviation), []
    alone = parts.part(replace(deviation, clusters=None))
    for name, label in MEASURES.items():
        mean, other = getattr(found, name), getattr(alone, name)
        width, plain = mean.high - mean.low, other.high - other.low
        certain = BOUNDED.get(name, name) in deviation.bounds  # not a value with an interval over texts
        rows.append((label, number(mean.value, ".4g"), f"certain: {_interval(mean)}" if certain else _interval(mean),
                     f"{width / plain:.2f}" if 0 < plain < np.inf and not certain else NONE))
    groups = found.kl.groups
    over = f"{groups:,} groups" if deviation.clusters is not None else "tokens"
    return Cells(("volume and direction", "mean", f"95% interval over {over}", "over that of independent tokens"),
                 tuple(rows))


def of_parts(found: Sequence[Part], name: str) -> Cells:
    """The `Cells` of `Part`s."""
    return Cells((name, "tokens", "KL", "change of confidence", "less confident", "change of entropy", "other top "
                                                                                                       "token"),
                 tuple((part.name, f"{part.points:,}", f"{number(part.kl.value, '.3g')} {_interval(part.kl, '.3g')}",
                        f"{number(part.change.value, '+.3f')} {_interval(part.change, '+.3f')}",
                        number(part.less_confident.value, ".2f"), number(part.entropy_change.value, "+.3f"),
                        number(part.flipped.value, ".3f")) for part in found))


def floored(deviation: "Deviation", vocabulary: Vocabulary | None = None, count: int = WORST) -> Cells:
    """The `Cells` of the text's tokens whose probability is only known to lie below a file's floor, the most frequent
    first: on how many points, and on how many of all points with that token."""
    below, labels = deviation.perplexity, np.asarray(deviation.labels)
    of_one, of_other, either, all_ = (np.bincount(ids, minlength=deviation.classes) for ids in (
        labels[below.floored_teacher], labels[below.floored_student], labels[below.floored], labels))
    order = np.argsort(-either, kind="stable")
    order = order[either[order] > 0]
    rows = tuple((_cell(_said([i], vocabulary)), f"{of_one[i]:,}", f"{of_other[i]:,}", f"{all_[i]:,}")
                 for i in order[:count].tolist())
    rest = order[count:]
    if rest.size:
        rows += ((f"{rest.size:,} others", *(f"{each[rest].sum():,}" for each in (of_one, of_other, all_))),)
    return Cells(("text says, below the floor", "of the teacher", "of the student", "in the text"), rows)


def worst_rows(deviation: "Deviation", vocabulary: Vocabulary | None = None, count: int = WORST,
               before: int = BEFORE) -> list[dict[str, Any]]:
    """The tokens with the largest KL as plain mappings: index, sequence, position, context, label, teacher's and
    student's token (texts where a vocabulary is given, else ids), kl and both confidences."""
    def said(ids):
        return _said(ids, vocabulary)

    found = []
    for i in parts.worst(deviation, count):
        row = {"index": int(deviation.rows[i])}
        if deviation.tokens is not None:
            row |= {"sequence": int(deviation.tokens.sequences[i]), "position": int(deviation.tokens.positions[i]),
                    "context": said([t for t in deviation.tokens.context(i, before) if t >= 0])}
        if deviation.labels is not None:
            row["label"] = said([int(deviation.labels[i])])
        for role in ("teacher", "student"):
            row[role] = said([int(to_numpy(getattr(deviation, f"{role}_class"))[i])])
        row["kl"] = float(to_numpy(deviation.divergence)[i])
        if "low:divergence" in deviation.scores:
            row["kl_at_least"] = float(deviation.scores["low:divergence"][i])
        for role in ("teacher", "student"):
            row[f"{role}_confidence"] = float(to_numpy(getattr(deviation, f"{role}_confidence"))[i])
        found.append(row)
    return found


def worst(deviation: "Deviation", vocabulary: Vocabulary | None = None, count: int = WORST,
          before: int = BEFORE) -> Cells:
    """The `Cells` of the tokens with the largest KL and their contexts."""
    rows = worst_rows(deviation, vocabulary, count, before)
    lost = "kl" if all(isnan(row["kl"]) for row in rows) else "kl_at_least"  # one says it
    names = [name for name in rows[0] if name not in ("index", lost)]
    return Cells(tuple(COLUMNS.get(name, name) for name in names),
                 tuple(tuple(_cell(row[name]) for name in names) for row in rows),
                 ("tokens with the largest KL; confidence is that of the teacher's token"
                  + ("" if vocabulary is not None else "; tokens are ids: --tokens gives their texts"),), align="rrl")


def token_summary(deviation: "Deviation", vocabulary: Vocabulary | None = None) -> dict[str, Any]:
    """All of it as a plain mapping, for JSON."""
    result = {"measures": {name: asdict(getattr(parts.part(deviation), name)) for name in MEASURES},
              "by_confidence": [asdict(part) for part in parts.by_confidence(deviation)]}
    if deviation.tokens is not None:
        result["by_position"] = [asdict(part) for part in parts.by_position(deviation)]
    if vocabulary is not None:
        result["by_kind"] = [asdict(part) for part in parts.by_kind(deviation, vocabulary)]
    if deviation.labels is not None:
        found = deviation.perplexity
        result["perplexity"] = {
            "values": {name: list(value) for name, value in found.values.items()},
            "over_texts": {name: asdict(mean) for name, mean in found.clustered.items()}, "widening": found.widening,
            "floored": {"teacher": int(found.floored_teacher.sum()), "student": int(found.floored_student.sum())},
            "ratio_without_floors": found.ratio_without_floors}
    return result | {"worst": worst_rows(deviation, vocabulary)}


def _said(ids, vocabulary):
    return vocabulary.text(ids) if vocabulary is not None else " ".join(map(str, ids))


def _interval(mean, digits=".4g"):
    if isnan(mean.low) and isnan(mean.high):
        return ""
    return f"[{number(mean.low, digits)}, {number(mean.high, digits)}]"


def _cell(value):
    return repr(value) if isinstance(value, str) else number(value, ".3f") if isinstance(value, float) else f"{value:,}"
