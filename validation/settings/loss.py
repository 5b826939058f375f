"""The loss that a network minimises, as a configuration."""

import math
from dataclasses import dataclass
from typing import Literal

from validation.errors import UsageError
from validation.settings.terms import Terms


@dataclass(frozen=True)
class Loss:
    """The mean over examples of sum_i weight_i(step) term_i, for logits f and a teacher's logits g:

        one_hot             -sum_c q_c log softmax(f)_c,  q = (1 - smoothing) one-hot label + smoothing / classes
        distilled           a T^2 KL(softmax(g / T) || softmax(f / T)), or the reverse
        squared             (1/2) ||f - one-hot label||^2
        squared_distilled   (1/2) ||f - g||^2

    where p = max softmax(g), a = p^confidence_weight and T = temperature p^(-confidence_temperature). Non-zero powers
    treat examples according to the teacher's confidence. `distilled` has the gradient of the paper's Eq. (2); the two
    differ by the teacher's entropy.
    """

    terms: str = "one_hot"
    """A mixture of one_hot, distilled, squared and squared_distilled, constant or switched: 'distilled', '0.1 distilled
    + 0.9 one_hot', 'distilled to one_hot at epoch 45', '... at step 15000 over 1000 steps', '... at 50%'."""
    temperature: float = 1.0
    divergence: Literal["forward", "reverse"] = "forward"
    """The distilled term is KL(teacher || student) or, reversed, KL(student || teacher)."""
    smoothing: float = 0.0
    """Label smoothing of the one_hot term."""
    confidence_weight: float = 0.0
    """Weight the distilled term of an example by this power of the teacher's largest probability."""
    confidence_temperature: float = 0.0
    """Divide the temperature of an example by this power of the teacher's largest probability."""

    def __post_init__(self):
        object.__setattr__(self, "terms", str(Terms.parse(self.terms)))  # the canonical form

    @property
    def schedule(self):
        """The parsed `Terms`."""
        return Terms.parse(self.terms)

    @property
    def needs_teacher(self):
        return any(name.endswith("distilled") for name in self.schedule.names)


def check(loss, flag):
    """Raises UsageError for invalid values of a loss."""
    for name, low, high in (("temperature", 0, math.inf), ("smoothing", -1e-300, 1)):
        value = getattr(loss, name)
        if not low < value < high:
            wanted = "a positive number" if name == "temperature" else "a share from 0 to below 1"
            raise UsageError(f"{flag}.loss.{name}: expected {wanted}, got {value}; pass another value or omit the flag")
    for name in ("confidence_weight", "confidence_temperature"):
        if not math.isfinite(getattr(loss, name)):
            raise UsageError(f"{flag}.loss.{name.replace('_', '-')}: expected a finite power, got "
                             f"{getattr(loss, name)}; omit the flag for 0")


ONE_HOT = Loss()
