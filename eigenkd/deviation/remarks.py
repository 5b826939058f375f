"""What a reader of the numbers has to know about the inputs, in words."""

from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from eigenkd._arrays import to_numpy
from eigenkd.deviation.inputs import NO_LABEL
from eigenkd.deviation.masking import called
from eigenkd.deviation.pointwise import CLIP
from eigenkd.deviation.softmax import ZERO
from eigenkd.deviation.topk import TOP_K

if TYPE_CHECKING:
    from eigenkd.deviation.measured import Deviation


def remarks(deviation: 'Deviation') -> list[str]:
    """The sentences on a `Deviation`: what was left out, clipped or is unusual, and what top-k rows leave open."""
    notes = [*_direction(deviation), *deviation.notes]
    if deviation.left_out:
        notes.append(f"Left out: {called(deviation.left_out, deviation.class_names)}, of probability zero in all rows "
                     f"(masked) of both models.")
    for count, why in ((deviation.unlabelled, f"with the label {NO_LABEL}"), (deviation.dropped, "by keep")):
        if count:
            notes.append(f"Left out: {count:,} row{'s' * (count != 1)} {why}.")
    if deviation.tokens is not None and deviation.labels is not None:
        notes += deviation.perplexity.notes()
    if far := int(to_numpy(deviation.scores["far"]).sum()):
        notes.append(f"On {far:,} point{'s' * (far != 1)} a logit more than {ZERO:,.0f} nats below the largest of "
                     f"its row is used unchanged; if it is a mask's constant, set it to -inf in both models.")
    notes += _unknown(deviation)
    if flat := int(np.sum(to_numpy(deviation.scores.get("flat", False)))):
        notes.append(f"On {flat:,} point{'s' * (flat != 1)} all logits of a model are equal; if the model does not "
                     "predict that, a part of its file was never written.")
    if TOP_K in deviation.inputs:
        notes.append(f"The inputs are {deviation.inputs}.")
    elif "probabilities" in deviation.inputs:
        notes.append(f"The inputs are {deviation.inputs}; on {deviation.clipped:,} "
                     f"point{'s' * (deviation.clipped != 1)} a probability below {CLIP:g} was raised to it.")
    if deviation.reference == "label":
        notes.append("Confidence is measured on the label, which a distilled student does not see.")
    return notes


def _unknown(deviation):
    """What top-k rows leave open, in words."""
    missing = int(np.isnan(to_numpy(deviation.student_confidence)).sum())
    said = [] if not missing else [
        f"On {missing:,} of {deviation.points:,} points the student's probability of the teacher's class is not known, "
        "only that it is at most that of the least of its top k: slopes over such points cannot be told. Ask for "
        "the teacher's token as well (vLLM: prompt_logprob_token_ids)."]
    if "divergence" in deviation.bounds:
        low, high = deviation.bounds["divergence"]
        said.append(f"KL is certain to lie between {low:.4g} and {high:.4g} nats." if np.isfinite(high) else
                    f"KL is certain to be at least {low:.4g} nats; without a floor of the student's other tokens it "
                    "has no upper bound.")
    return said


def _interval(mean, digits):
    return f" [{mean.low:{digits}}, {mean.high:{digits}}]" if isfinite(mean.low) else ""


def _direction(deviation):
    """How far and in which direction a language model's confidence changes on the whole, in words."""
    if deviation.tokens is None or deviation.reference != "teacher":
        return []
    change = deviation.mean(to_numpy(deviation.student_confidence) - to_numpy(deviation.teacher_confidence))
    if not np.isfinite([change.low, change.high]).all() or change.low == change.high:
        return []
    kl, flipped = deviation.mean(deviation.divergence), deviation.mean(deviation._flipped())
    volume = [] if not isfinite(kl.value + flipped.value) else [
        f"KL is {kl.value:.3g}{_interval(kl, '.3g')} nats a token, and the student's top token is another one on "
        f"{flipped.value:.1%}{_interval(flipped, '.1%')} of them."]
    what = ("less sure than its teacher" if change.high < 0 else "surer than its teacher" if change.low > 0 else
            "neither surer nor less sure than its teacher as far as these points tell")
    return [*volume, f"Over all tokens the student is {what}: its log-odds of the teacher's token change by "
            f"{change.value:+.3f} [{change.low:+.3f}, {change.high:+.3f}] nats."]
