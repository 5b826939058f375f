"""How a student's confidence deviates from its teacher's, from two sets of logits of any framework.

Confidence is the log-odds of the teacher's predicted class; a student exaggerates where it is less sure than its
teacher on the points of which the teacher is least sure, or surer on those of which it is surest: a least-squares
slope above 1 there. Sec. 3 and App. C.3, C.4 of the paper; Eq. (61), docs/theory.md.

    python -m eigenkd.deviation TEACHER STUDENT [--labels L] [--out report.html]
"""

from eigenkd.deviation import parts
from eigenkd.deviation.calibration import Calibration, Calibrations, Group, Groups
from eigenkd.deviation.clusters import Mean
from eigenkd.deviation.comparison import compare
from eigenkd.deviation.files import read
from eigenkd.deviation.measured import Deviation
from eigenkd.deviation.seeds import Seeds, over_seeds
from eigenkd.deviation.slope import Slope
from eigenkd.deviation.stream import Stream
from eigenkd.deviation.tokens import Tokens
from eigenkd.deviation.topk import TopK
from eigenkd.deviation.verdict import Side, Verdict
from eigenkd.deviation.views import VIEWS

__all__ = ["VIEWS", "Calibration", "Calibrations", "Deviation", "Group", "Groups", "Mean", "Seeds", "Side", "Slope",
           "Stream", "Tokens", "TopK", "Verdict", "compare", "over_seeds", "parts", "read"]
