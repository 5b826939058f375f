"""The quantities that studies read from the result of a run."""

from eigenkd._intervals import ANYWHERE, PERCENT
from validation.studies.study import Quantity

QUARTER = "0.25"


def percent(title, of, digits=2):
    """A `Quantity` that is a share in per cent."""
    return Quantity(title, of, digits, PERCENT)


def accuracy(role, split="test"):
    """The accuracy of "teacher", "one_hot" or "distilled", in per cent."""
    return percent(f"{split} accuracy, {role} (%)", lambda result: 100 * result["accuracy"][split][role])


def pairs(layer, definition="weights"):
    """The share of exaggerated pairs of eigendirections, in per cent."""
    def share(result):
        found = result["eigenspace"][layer][definition]
        return 100 * found["exaggerated"] / found["pairs"] if found["pairs"] else None

    return percent(f"pairs exaggerated, {layer} (%)", share, digits=0)


def gain(split="test"):
    """The student's accuracy minus its teacher's in each run, in percentage points."""
    return Quantity(f"gain on {split} (points)", lambda result: 100 * (
        result["accuracy"][split]["distilled"] - result["accuracy"][split]["teacher"]))


def slope(split="train", side="low"):
    """The slope of the student's confidence on the teacher's, over the least or most confident quarter."""
    return Quantity(f"{side} slope, {split}",
                    lambda result: result["deviation"][split][f"slope_{side}"][QUARTER]["value"])


def underfit(split="train"):
    """The share of the teacher's least confident quarter on which the student is less confident, in per cent."""
    return percent(f"underfit, {split} (%)", lambda result: 100 * result["deviation"][split]["underfit"], digits=0)


def agreement(split="train"):
    """How often the most probable classes of teacher and student are the same, in per cent."""
    return percent(f"agreement, {split} (%)", lambda result: 100 * result["deviation"][split]["agreement"], digits=1)


def overfit(split="train"):
    """The share of the teacher's most confident quarter on which the student is more confident, in per cent."""
    return percent(f"overfit, {split} (%)", lambda result: 100 * result["deviation"][split]["overfit"], digits=0)


def best(role):
    """The best test accuracy of any epoch, in per cent: what stopping at the right time would have given."""
    return percent(f"best test accuracy, {role} (%)",
                   lambda result: 100 * result["epochs"][role]["best"]["test_accuracy"])


def separation():
    """How often the teacher is less confident on a mislabelled point than on a clean one, in per cent."""
    return percent("mislabelled less confident than clean (%)", lambda result: _percent(
        result["mislabelled_points"].get("separation")), digits=1)


def points(kind, what, title):
    """Of the "mislabelled" or the "clean" training points, a share of `validation.underfit.mislabelled_points` in per
    cent, or the median confidence."""
    def of(result):
        value = result["mislabelled_points"].get(kind, {}).get(what)
        return value if what == "confidence" else _percent(value)

    return Quantity(f"{title}, {kind}", of, digits=1, within=ANYWHERE if what == "confidence" else PERCENT)


def label_class(split, what):
    """Of the confidence on the label's class: "slope" or "underfit" (in per cent) of the least confident quarter."""
    if what == "slope":
        return Quantity(f"low slope on the label's class, {split}",
                        lambda result: result["by_label"][split]["slope_low"][QUARTER]["value"])
    return percent(f"underfit on the label's class, {split} (%)",
                   lambda result: _percent(result["by_label"][split]["underfit"]), digits=0)


def either_wrong(split, what, title):
    """Of `validation.underfit.by_label`, the underfit points next to those that teacher or student gets wrong, in per
    cent."""
    return percent(f"{title}, {split} (%)",
                   lambda result: _percent(result["by_label"][split]["either_wrong"][what]), digits=0)


def chosen_half(half):
    """The student's accuracy on the test images of "even" or "odd" index, in per cent: what is chosen by the one is
    measured by the other."""
    return percent(f"accuracy on {half} test images (%)", lambda result: 100 * result["halves"][half]["distilled"])


def _percent(share):
    return None if share is None else 100 * share
