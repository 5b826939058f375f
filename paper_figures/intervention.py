"""Sec. 7: treating examples by the teacher's confidence, each strength chosen on images that do not measure it."""

import numpy as np

from eigenkd._intervals import in_words
from eigenkd.table import Cells
from validation.studies import STUDIES

FAMILIES = {  # name -> how the labels of its students begin, and whether plain distillation is its weakest strength
    "distilled": ("distilled", True), "weights by confidence": ("weight", True),
    "temperatures by confidence": ("temperature", True), "label smoothing": ("smoothing", False),
    "early stopping": ("one_hot", False)}
HALVES = ("even", "odd")


def table(runs):
    """The gain over the teacher of each family, its strength chosen seed by seed on one half of the test images and
    measured on the other, the mean of both ways."""
    found = {}
    for variant, mine in runs.runs:
        for run in mine:
            _, rate, student = variant.labels
            found.setdefault(rate, {}).setdefault(run.seed, {})[student] = run.field("halves")
    rows = []
    for rate, seeds in found.items():
        for family, (begin, plain) in FAMILIES.items():
            whole = [name for *_, name in (variant.labels for variant in STUDIES["intervention"].variants())
                     if name.startswith(begin) or (plain and name == "distilled")]
            gains = [_gain([halves[name] for name in dict.fromkeys(whole)], plain) for halves in seeds.values()
                     if set(whole) <= set(halves)]
            rows.append((rate, family, in_words(gains), str(len(gains))))
    notes = ("Test accuracy less the teacher's, mean and Student's 95 % interval over seeds. Strengths are chosen seed "
             "by seed on the test images of even index and measured on those of odd index, and the other way round; "
             "the mean of both. Of strength 0, weights and temperatures are plain distillation, smoothing and stopping "
             "the teacher itself.",)
    return Cells(("labels flipped", "student", "gain (points)", "seeds"), tuple(rows), notes, align="ll")


def _gain(halves, plain):
    """In points, of the students whose `halves` are given; plain: whether one of them has strength 0."""
    gains = []
    for chosen_by, measured_by in (HALVES, HALVES[::-1]):
        students = [(one[chosen_by]["distilled"], one[measured_by]["distilled"]) for one in halves]
        teacher = halves[0][measured_by]["teacher"]
        if not plain:
            students.append((halves[0][chosen_by]["teacher"], teacher))
        gains.append(100 * (max(students, key=lambda pair: pair[0])[1] - teacher))
    return float(np.mean(gains))
