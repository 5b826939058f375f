"""Theorem 4.1 and its pivot form: matched along one eigendirection, how do teacher and student differ on the others?

The paper's theorem: stop a student (time s, teacher stopped at T) and a teacher (time t) when both have the same
component along an eigendirection. Then along every direction of smaller eigenvalue the student's component is strictly
smaller than the teacher's. Pivot form: and along every direction of larger eigenvalue strictly larger. The same holds
for any number of generations, by gradient flow, by steps of gradient descent, by ridge regression, and by mixtures of
these next to ridge regression (`check`, `check_generations`: decided, with a certified margin). Where it may fail, as
with momentum or with labels mixed in, `compare_gains` says whether it does. Eqs. (25)-(30) and (31)-(35),
docs/theory.md.
"""

from eigenkd.theorem.comparison import Comparison, compare_gains
from eigenkd.theorem.generations import Check, check, check_generations
from eigenkd.theorem.matching import matched_strength, matched_time
from eigenkd.theorem.summary import Report, report, report_generations

__all__ = ["Check", "Comparison", "Report", "check", "check_generations", "compare_gains", "matched_strength",
           "matched_time", "report", "report_generations"]
