"""The quantities that studies read from the result of a run."""

from validation.studies.study import Quantity

QUARTER = "0.25"


def accuracy(role, split="test"):
    """The accuracy of "teacher", "one_hot" or "distilled", in per cent."""
    return Quantity(f"{split} accuracy, {role} (%)", lambda result: 100 * result["accuracy"][split][role])


def pairs(layer, definition="weights"):
    """The share of exaggerated pairs of eigendirections, in per cent."""
    def share(result):
        found = result["eigenspace"][layer][definition]
        return 100 * found["exaggerated"] / found["pairs"] if found["pairs"] else None

    return Quantity(f"pairs exaggerated, {layer} (%)", share, digits=0)


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
    return Quantity(f"underfit, {split} (%)", lambda result: 100 * result["deviation"][split]["underfit"], digits=0)
