"""Models compared with the teacher, token by token, and the numbers that are kept of it."""

import numpy as np
import torch

from eigenkd import deviation
from eigenkd.deviation import parts

MEANS = ("kl", "reverse", "change", "less_confident", "entropy_change", "flipped")  # of a `deviation.parts.Part`
EDGES = np.linspace(-8, 12, 61)  # of the density's bins, in nats of log-odds


@torch.no_grad()
def compared(teacher, models, examples):
    """name -> the `Deviation` of each model from the teacher on all contexts of `examples`, in evaluation mode.

    Intervals are over contexts: tokens of one are not independent."""
    streams = {name: deviation.Stream() for name in models}
    for batch in torch.arange(len(examples), device=examples.device).split(examples.evaluation_batch):
        tokens, labels = examples.plain(batch), examples.labels[batch].cpu().numpy()
        expected = logits(teacher, tokens)
        for name, model in models.items():
            streams[name].update(expected, logits(model, tokens), labels)
    return {name: stream.result() for name, stream in streams.items()}


def divergence(teacher, model, examples):
    """The mean KL(teacher || model) on `examples`, in nats."""
    return compared(teacher, {"model": model}, examples)["model"].kl


def logits(network, tokens):
    """(n, t, vocabulary), NumPy."""
    return network.eval()(tokens).transpose(1, 2).float().cpu().numpy()


def kept(d):
    """The numbers of a `Deviation` as a JSON mapping; means, slopes and shares as [value, low, high]."""
    found, perplexity = d.verdict, d.perplexity
    return {
        "points": d.points, "contexts": int(np.unique(d.clusters).size), **_means(parts.part(d)),
        "slope": {side: _rounded(*(getattr(d.slope(side), name) for name in ("value", "low", "high")))
                  for side in ("low", "high")},
        "underfit": _rounded(d.underfit()), "overfit": _rounded(d.overfit()),
        "verdict": {"low": found.low.kind, "high": found.high.kind, "sentence": found.sentence},
        "log_perplexity_ratio": _mean(perplexity.clustered["ln(PPL ratio)"]),
        "perplexity": {role: _rounded(float(np.exp(getattr(perplexity, role).mean()))) for role in ("teacher",
                                                                                                    "student")},
        "by_confidence": [{"confidence": part.name} | _means(part) for part in parts.by_confidence(d)],
    }


def density(d):
    """(60, 60) numbers of tokens by the teacher's confidence and the student's, cut off at `EDGES`' ends."""
    both = (np.clip(phi, EDGES[0], EDGES[-1]) for phi in (d.teacher_confidence, d.student_confidence))
    return np.histogram2d(*both, bins=EDGES)[0].astype(np.uint16)


def _means(part):
    return {name: _mean(getattr(part, name)) for name in MEANS}


def _mean(mean):
    return _rounded(mean.value, mean.low, mean.high)


def _rounded(*values):
    """Five digits of each: a list, or a number where there is one."""
    found = [float(f"{value:.5g}") for value in values]
    return found if len(found) > 1 else found[0]
