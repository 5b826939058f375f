"""What studies measure of a run, from its result."""

from validation.studies.study import Quantity

QUARTER = "0.25"


def accuracy(role, split="test"):
    """In per cent: of "teacher", "one_hot" or "distilled"."""
    return Quantity(f"{split} accuracy, {role} (%)", lambda result: 100 * result["accuracy"][split][role])


def pairs(layer, definition="weights"):
    """The share of pairs of eigendirections along which the student's path is exaggerated, in per cent."""
    def share(result):
        found = result["eigenspace"][layer][definition]
        return 100 * found["exaggerated"] / found["pairs"] if found["pairs"] else None

    return Quantity(f"pairs exaggerated, {layer} (%)", share, digits=0)


def gain(split="test"):
    """How much better the student is than its teacher, in points of accuracy, run by run."""
    return Quantity(f"gain on {split} (points)", lambda result: 100 * (
        result["accuracy"][split]["distilled"] - result["accuracy"][split]["teacher"]))


def slope(split="train", side="low"):
    """Of the student's on the teacher's confidence, over the quarter of the points at that side."""
    return Quantity(f"{side} slope, {split}",
                    lambda result: result["deviation"][split][f"slope_{side}"][QUARTER]["value"])


def underfit(split="train"):
    """The share of the teacher's least confident quarter that the student is less sure of, in per cent."""
    return Quantity(f"underfit, {split} (%)", lambda result: 100 * result["deviation"][split]["underfit"], digits=0)
